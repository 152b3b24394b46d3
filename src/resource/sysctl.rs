//! `sysctl`: parameters of the kernel, in a file and at once.

use std::path::{Path, PathBuf};

use super::attrs::Wanted;
use super::edit::{Edit, bare, end_last, lines};
use super::lineinfile::State;
use super::params::params;
use super::{Claim, Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::{Inspect, Machine};
use crate::value::{Value, parse_bool};

params! {
    /// Manages parameters of the kernel: the line in a file, which holds after a reboot, and the value of now.
    ///
    /// Of the file only the line of this parameter is touched and applied; others in it are not.
    ///
    /// # Example
    /// ```yaml
    /// - sysctl: { name: net.ipv4.ip_forward, value: "1", sysctl_file: /etc/sysctl.d/60-router.conf }
    /// ```
    pub struct Sysctl {
        /// The parameter, such as `vm.swappiness`.
        name: String, required, alias "key";
        /// The value.
        value: Option<String>, alias "val";
        /// Whether the line is wanted. A line that is taken away leaves the value of now.
        state: State = State::Present;
        /// The file.
        sysctl_file: PathBuf = "/etc/sysctl.conf";
        /// Set the value of now wherever it differs, not only when the file changes.
        sysctl_set: bool = false;
        /// Set the value of now when the file changes.
        reload: bool = true;
        /// Do not mind a parameter this kernel does not have, or a value it does not take.
        ignoreerrors: bool = false;
    }
}

impl Sysctl {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where there is no value, or the name is not one.
    pub fn check(&self) -> Result<(), ParamError> {
        let bad_name = self.name.trim().is_empty()
            || self.name.contains(['=', '\n', '*'])
            || self.name.split(['.', '/']).any(|part| part.trim().is_empty());
        match &self.value {
            _ if bad_name => {
                Err(ParamError::bad("name", format!("`{}` is not the name of a kernel parameter", self.name)))
            }
            None if self.state == State::Present => Err(ParamError::conflict("`state: present` needs `value`")),
            Some(value) if self.state == State::Present && value.trim().is_empty() => {
                Err(ParamError::bad("value", "the value is empty"))
            }
            Some(value) if value.contains('\n') => Err(ParamError::bad("value", "expected one line")),
            _ => Ok(()),
        }
    }

    /// The value, as Ansible writes it: words for true and false become 1 and 0.
    fn wanted(&self) -> String {
        let text = self.value.as_deref().unwrap_or_default().trim();
        match parse_bool(text) {
            Some(true) => "1".to_owned(),
            Some(false) => "0".to_owned(),
            None => text.to_owned(),
        }
    }

    /// Where the kernel shows the parameter. Where the first separator is a dot, a slash stands for a dot in a name.
    fn path(&self) -> PathBuf {
        let name = self.name.trim();
        let swapped = |c| match c {
            '.' => '/',
            '/' => '.',
            c => c,
        };
        let dotted = name.find(['.', '/']).and_then(|at| name.get(at..)).is_some_and(|rest| rest.starts_with('.'));
        Path::new("/proc/sys").join(if dotted { name.chars().map(swapped).collect() } else { name.to_owned() })
    }

    fn edit(&self) -> Edit<'_> {
        Edit { path: &self.sysctl_file, backup: false, validate: None, wanted: Wanted::default() }
    }

    /// The file with the line as wanted: the first of the parameter's lines changed, further ones taken away.
    fn edited(&self, text: &str) -> String {
        let wanted = self.wanted();
        let mut there = false;
        let mut all = Vec::new();
        for line in lines(text) {
            match assignment(&line) {
                Some((name, _)) if name != self.name.trim() => all.push(line),
                Some((_, value)) if self.state == State::Present && !there => {
                    there = true;
                    all.push(if same(value, &wanted) { line } else { format!("{}={wanted}\n", self.name.trim()) });
                }
                Some(_) => {}
                None => all.push(line),
            }
        }
        if self.state == State::Present && !there {
            end_last(&mut all, "\n");
            all.push(format!("{}={wanted}\n", self.name.trim()));
        }
        all.concat()
    }

    /// Sets the value of now where it differs.
    fn set(&self, machine: &dyn Machine) -> Result<(), Failure> {
        let path = self.path();
        let wanted = self.wanted();
        match current(machine, &path) {
            Ok(Some(value)) if same(&value, &wanted) => Ok(()),
            Ok(Some(_)) => match machine.poke(&path, &wanted) {
                Err(_) if self.ignoreerrors => Ok(()),
                other => Ok(other?),
            },
            Ok(None) | Err(_) if self.ignoreerrors => Ok(()),
            Ok(None) => {
                let help = Some(
                    "set `ignoreerrors: true` where that is fine, or load the module it comes with first".to_owned(),
                );
                let message =
                    format!("this kernel has no parameter `{}` ({} does not exist)", self.name, path.display());
                Err(Failure { help, ..Failure::new(message) })
            }
            Err(failure) => Err(failure),
        }
    }
}

fn current(machine: &dyn Inspect, path: &Path) -> Result<Option<String>, Failure> {
    if machine.stat(path)?.is_none() {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&machine.read(path, 1024 * 1024)?).into_owned()))
}

/// Reads `name = value`; comments and the like are none.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = bare(line).trim();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (name, value) = line.split_once('=')?;
    Some((name.trim().trim_start_matches('-'), value.trim()))
}

/// The kernel shows tabs where one writes spaces.
fn same(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

impl Resource for Sysctl {
    fn footprint(&self) -> Footprint {
        self.edit().footprint().write(Claim::Sysctl(self.name.trim().to_owned())).write(Claim::Path(self.path()))
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let edit = self.edit();
        let opened = edit.open(machine)?;
        let text = self.edited(opened.text.as_deref().unwrap_or_default());
        let writes = text != opened.text.as_deref().unwrap_or_default();
        if writes {
            edit.save(machine, context, &opened, text, "")?;
        }
        if self.state == State::Present && (self.sysctl_set || (writes && self.reload)) {
            self.set(machine)?;
        }
        Ok(Outcome::of([("name", Value::str(self.name.trim())), ("value", Value::from(self.wanted()))]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    fn bench(file: &str, now: &str) -> Bench {
        let bench = Bench::with(&[("/etc/sysctl.conf", file)]);
        bench.run("file", "{path: /proc/sys/net/ipv4, state: directory}").unwrap();
        bench.run("copy", &format!("{{dest: /proc/sys/net/ipv4/x, content: '{now}'}}")).unwrap();
        bench
    }

    #[test]
    fn files_and_values() {
        let table = [
            ("", "0", "value: 1", "net.ipv4.x=1\n", "1", 2),
            ("a=1\n", "1", "value: yes", "a=1\nnet.ipv4.x=1\n", "1", 1),
            ("net.ipv4.x = 1\n", "0", "value: 1", "net.ipv4.x = 1\n", "0", 0),
            ("net.ipv4.x = 1\n", "0", "value: 1, sysctl_set: true", "net.ipv4.x = 1\n", "1", 1),
            ("net.ipv4.x=0\nb=2\nnet.ipv4.x=3\n", "1\t2", "value: 1 2", "net.ipv4.x=1 2\nb=2\n", "1\t2", 1),
            ("#net.ipv4.x=0\n", "0", "value: 1, reload: false", "#net.ipv4.x=0\nnet.ipv4.x=1\n", "0", 1),
            ("net.ipv4.x=1\nb=2\n", "1", "state: absent", "b=2\n", "1", 1),
        ];
        for (file, now, params, file_after, now_after, changes) in table {
            let bench = bench(file, now);
            assert_eq!(bench.settle("sysctl", &format!("{{name: net.ipv4.x, {params}}}")).1, changes, "{params}");
            assert_eq!(bench.read("/etc/sysctl.conf"), file_after, "{params}");
            assert_eq!(bench.read("/proc/sys/net/ipv4/x"), now_after, "{params}");
        }
    }

    #[test]
    fn parameters_the_kernel_does_not_have() {
        let bench = bench("", "0");
        assert!(bench.fails("sysctl", "{name: vm.none, value: 1}").contains("`vm.none`"));
        assert_eq!(bench.settle("sysctl", "{name: vm.none2, value: 1, ignoreerrors: true}").1, 1);
        assert!(bench.fails("sysctl", "{name: vm.none}").contains("needs `value`"));
        assert!(bench.fails("sysctl", "{name: a=b, value: 1}").contains("not the name"));
    }
}
