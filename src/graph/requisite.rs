//! Requisites with Salt's meaning: what the outcome of other states means for this one.
//!
//! Source of the truth table: the Salt documentation, "Requisites and Other Global State Arguments"
//! (<https://docs.saltproject.io/en/latest/ref/states/requisites.html>).

use serde::{Deserialize, Serialize};

use super::node::NodeId;

/// A requisite of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requisite {
    /// Which.
    pub kind: RequisiteKind,
    /// One target is enough (`_any`), rather than all.
    pub any: bool,
    /// The states it is about.
    pub targets: Vec<NodeId>,
}

/// The kinds of requisites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RequisiteKind {
    /// Run after the targets, and only if they succeeded.
    Require,
    /// As require, and refresh if a target changed.
    Watch,
    /// Run only if a target changed.
    OnChanges,
    /// Run only if a target failed.
    OnFail,
    /// Run before the targets, and only if they would change.
    Prereq,
    /// Refresh at the end of the play if a target changed.
    Listen,
}

/// How a target came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetOutcome {
    /// It failed (or was not run because of a failure).
    pub failed: bool,
    /// It changed something.
    pub changed: bool,
}

/// What a requisite says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Run.
    Run,
    /// Run, and refresh.
    Refresh,
    /// There is nothing to do, which is success.
    Nothing,
    /// Fail without running.
    Fail,
}

impl RequisiteKind {
    /// The keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::Watch => "watch",
            Self::OnChanges => "onchanges",
            Self::OnFail => "onfail",
            Self::Prereq => "prereq",
            Self::Listen => "listen",
        }
    }
}

impl Requisite {
    /// Judges by how the targets came out.
    pub fn judge(&self, targets: &[TargetOutcome]) -> Verdict {
        let failed = targets.iter().filter(|t| t.failed).count();
        let enough = if self.any { failed < targets.len() || targets.is_empty() } else { failed == 0 };
        let changed = targets.iter().any(|t| t.changed && !t.failed);
        match self.kind {
            // One failure is enough with and without `_any`, in Salt too.
            RequisiteKind::OnFail if failed > 0 => Verdict::Run,
            RequisiteKind::OnFail => Verdict::Nothing,
            _ if !enough => Verdict::Fail,
            RequisiteKind::Require => Verdict::Run,
            // At the end of the play: refresh, or nothing at all.
            RequisiteKind::Listen => {
                if changed {
                    Verdict::Refresh
                } else {
                    Verdict::Nothing
                }
            }
            RequisiteKind::Watch => {
                if changed {
                    Verdict::Refresh
                } else {
                    Verdict::Run
                }
            }
            RequisiteKind::OnChanges | RequisiteKind::Prereq => {
                if changed {
                    Verdict::Run
                } else {
                    Verdict::Nothing
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: TargetOutcome = TargetOutcome { failed: false, changed: false };
    const CHANGED: TargetOutcome = TargetOutcome { failed: false, changed: true };
    const FAILED: TargetOutcome = TargetOutcome { failed: true, changed: false };

    /// Salt's table: for each requisite, what becomes of the state for each outcome of two targets.
    #[test]
    fn salts_truth_table() {
        use RequisiteKind::{Listen, OnChanges, OnFail, Prereq, Require, Watch};
        use Verdict::{Fail, Nothing, Refresh, Run};
        let outcomes = [[OK, OK], [OK, CHANGED], [CHANGED, CHANGED], [OK, FAILED], [CHANGED, FAILED], [FAILED, FAILED]];
        let table = [
            (Require, false, [Run, Run, Run, Fail, Fail, Fail]),
            (Require, true, [Run, Run, Run, Run, Run, Fail]),
            (Watch, false, [Run, Refresh, Refresh, Fail, Fail, Fail]),
            (Watch, true, [Run, Refresh, Refresh, Run, Refresh, Fail]),
            (OnChanges, false, [Nothing, Run, Run, Fail, Fail, Fail]),
            (OnChanges, true, [Nothing, Run, Run, Nothing, Run, Fail]),
            (Prereq, false, [Nothing, Run, Run, Fail, Fail, Fail]),
            (Prereq, true, [Nothing, Run, Run, Nothing, Run, Fail]),
            (Listen, false, [Nothing, Refresh, Refresh, Fail, Fail, Fail]),
            (OnFail, false, [Nothing, Nothing, Nothing, Run, Run, Run]),
            (OnFail, true, [Nothing, Nothing, Nothing, Run, Run, Run]),
        ];
        for (kind, any, expected) in table {
            for (targets, verdict) in outcomes.iter().zip(expected) {
                let requisite = Requisite { kind, any, targets: Vec::new() };
                assert_eq!(requisite.judge(targets), verdict, "{kind:?} any={any} {targets:?}");
            }
        }
    }
}
