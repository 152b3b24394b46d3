//! Events as JSON, one a line.

use std::io::Write as _;

use super::Report;
use crate::event::Event;
use crate::secret::Redactor;

/// Writes events as they come.
pub struct Json {
    /// Keeps secrets out.
    pub redactor: Redactor,
}

impl Report for Json {
    fn event(&mut self, event: &Event) {
        let Ok(mut json) = serde_json::to_value(event) else { return };
        self.redactor.redact_json(&mut json);
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{json}").and_then(|()| out.flush());
    }
}
