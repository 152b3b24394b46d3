//! What every type that makes files takes besides owner, group and mode: attributes of chattr(1), and the labels of
//! SELinux.
//!
//! These are taken out of the arguments before the type sees them, and set after it has converged.

use std::path::{Path, PathBuf};

use super::args::{Args, ParamError};
use super::params::{ParamSpec, params};
use super::{Context, Failure, Footprint, Outcome, Resource};
use crate::machine::{Command, FileKind, Inspect, Machine, Output};
use crate::value::Value;

/// Where SELinux shows itself while it is on.
const SELINUX: &str = "/sys/fs/selinux/enforce";

params! {
    /// What types that make files take besides owner, group and mode.
    pub struct Extra {
        /// Attributes as chattr(1) knows them: `+a` adds, `-a` takes away, `a` alone is all there are to be.
        attributes: Option<String>, alias "attr";
        /// The user of the SELinux label. cfg sets none: it is refused on a host where SELinux is on.
        seuser: Option<String>;
        /// The role of the SELinux label; see `seuser`.
        serole: Option<String>;
        /// The type of the SELinux label; see `seuser`.
        setype: Option<String>;
        /// The level of the SELinux label; see `seuser`.
        selevel: Option<String>, alias "serange";
        /// Write into files that cannot be replaced as a whole. cfg does not, so that only `false` can be asked for.
        unsafe_writes: bool = false;
    }
}

/// A type with these.
struct With {
    inner: Box<dyn Resource>,
    extra: Extra,
}

/// The parameters of a type and these, as one table.
pub const fn joined<const N: usize>(own: &'static [ParamSpec]) -> [ParamSpec; N] {
    super::params::joined(own, Extra::PARAMS)
}

/// How many there are.
pub const COUNT: usize = Extra::PARAMS.len();

/// Takes these out of the arguments and lets `parse` have the others.
///
/// # Errors
/// Where a value does not fit, or `parse` fails.
pub fn parse(
    mut args: Args,
    parse: impl FnOnce(Args) -> Result<Box<dyn Resource>, ParamError>,
) -> Result<Box<dyn Resource>, ParamError> {
    let mut mine = crate::value::Map::new();
    for spec in Extra::PARAMS {
        if let Some(arg) = args.take(spec.name, spec.aliases)? {
            mine.insert(arg.name.into(), arg.value);
        }
    }
    let given = !mine.is_empty();
    let extra = Extra::from_args(Args::new(mine))?;
    extra.check()?;
    let inner = parse(args)?;
    Ok(if given { Box::new(With { inner, extra }) } else { inner })
}

impl Extra {
    fn check(&self) -> Result<(), ParamError> {
        let letters = |c: char| c.is_ascii_alphabetic();
        match &self.attributes {
            _ if self.unsafe_writes => {
                Err(ParamError::bad("unsafe_writes", "cfg replaces files as a whole; only `false` can be asked for"))
            }
            Some(text) if !text.trim_start_matches(['+', '-', '=']).chars().all(letters) => {
                Err(ParamError::bad("attributes", "expected letters of chattr(1), behind `+`, `-` or `=`"))
            }
            _ => Ok(()),
        }
    }

    fn labels(&self) -> bool {
        [&self.seuser, &self.serole, &self.setype, &self.selevel].into_iter().any(Option::is_some)
    }

    /// Sets the attributes where they differ. Says whether they did.
    fn attributes(&self, machine: &dyn Machine, path: &Path) -> Result<bool, Failure> {
        let Some(wanted) = &self.attributes else { return Ok(false) };
        let has = flags(machine, path)?.unwrap_or_default();
        let (operator, letters) = match wanted.chars().next() {
            Some(c @ ('+' | '-' | '=')) => (c, wanted.trim_start_matches(['+', '-', '='])),
            _ => ('=', wanted.as_str()),
        };
        if fits(operator, letters, &has) {
            return Ok(false);
        }
        let shown = path.to_string_lossy().into_owned();
        match machine.run(&Command::new(["chattr".to_owned(), format!("{operator}{letters}"), shown]))? {
            Output::Known(stdio) if !stdio.ok() => Err(Failure::new(format!("chattr failed: {}", stdio.tail()))),
            _ => Ok(true),
        }
    }
}

/// Says whether what is there is what is wanted.
fn fits(operator: char, letters: &str, has: &str) -> bool {
    match operator {
        '+' => letters.chars().all(|c| has.contains(c)),
        '-' => !letters.chars().any(|c| has.contains(c)),
        // Extents are a matter of the file system; nobody takes them away.
        _ => letters.chars().all(|c| has.contains(c)) && has.chars().all(|c| c == 'e' || letters.contains(c)),
    }
}

/// The letters lsattr(1) shows for a path; `None` where it shows none.
pub(super) fn flags(machine: &dyn Inspect, path: &Path) -> Result<Option<String>, Failure> {
    let shown = path.to_string_lossy().into_owned();
    let output = machine.probe(&Command::new(["lsattr".to_owned(), "-d".into(), shown]));
    let Ok(Output::Known(stdio)) = output else { return Ok(None) };
    let text = stdio.out();
    let word = text.split_whitespace().next().filter(|_| stdio.ok());
    Ok(word.map(|word| word.replace('-', "")))
}

impl Resource for With {
    fn footprint(&self) -> Footprint {
        self.inner.footprint()
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        if self.extra.labels() && machine.lstat(Path::new(SELINUX))?.is_some() {
            return Err(Failure::new(
                "SELinux is on, and cfg sets no labels: `seuser`, `serole`, `setype` and `selevel` mean something only where it is off",
            ));
        }
        let mut outcome = self.inner.converge(machine, context)?;
        let path = ["dest", "path"].iter().find_map(|name| outcome.result.get(*name).and_then(Value::as_str));
        let Some(path) = path.map(PathBuf::from) else { return Ok(outcome) };
        let is_there = machine.lstat(&path)?.is_some_and(|stat| stat.kind != FileKind::Link);
        if is_there && self.extra.attributes(machine, &path)? {
            outcome = outcome.changed(true);
        }
        Ok(outcome)
    }

    fn refresh(&self, machine: &dyn Machine, context: &Context) -> Option<Result<Outcome, Failure>> {
        self.inner.refresh(machine, context)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn attributes_fit() {
        let table = [
            ('+', "A", "Ae", true),
            ('+', "A", "e", false),
            ('-', "A", "e", true),
            ('-', "A", "Ae", false),
            ('=', "A", "Ae", true),
            ('=', "", "e", true),
            ('=', "", "Ae", false),
            ('=', "i", "A", false),
        ];
        for (operator, letters, has, expected) in table {
            assert_eq!(fits(operator, letters, has), expected, "{operator}{letters} {has}");
        }
    }

    #[test]
    fn what_is_taken() {
        let bench = Bench::with(&[("/etc/f", "")]);
        bench.settle("file", "{path: /etc/f, setype: etc_t, unsafe_writes: false}");
        let (outcome, _) = bench.run("file", "{path: /etc/f, attributes: +i}").unwrap();
        assert_eq!(outcome.changed, Some(Value::Bool(true)));
        assert!(bench.fails("file", "{path: /etc/f, attributes: '+i /x'}").contains("chattr"));
        assert!(bench.fails("copy", "{dest: /etc/f, content: x, unsafe_writes: true}").contains("as a whole"));
        bench.run("file", "{path: /sys/fs/selinux, state: directory}").unwrap();
        bench.run("copy", &format!("{{dest: {SELINUX}, content: '1'}}")).unwrap();
        assert!(bench.fails("file", "{path: /etc, state: directory, setype: etc_t}").contains("SELinux is on"));
    }
}
