//! `assemble`: a file put together from fragments.
//!
//! With fragments on the controller it arrives here with its content: the compiler has put it together.

use std::path::{Path, PathBuf};

use super::attrs::Wanted;
use super::copy::{backup_path, validation};
use super::edit::wanted;
use super::params::params;
use super::paths::Source;
use super::{Claim, Context, Failure, Footprint, Mode, Outcome, ParamError, Resource, file, python};
use crate::machine::{Algorithm, Content, FileKind, Inspect, Machine, Written};
use crate::value::{Value, parse_bool};

/// Fragments larger than this are not put together.
const MAX_FRAGMENT: u64 = 64 * 1024 * 1024;

params! {
    /// Puts a file together from the files of a directory, in the order of their names.
    ///
    /// # Example
    /// ```yaml
    /// - assemble: { src: /etc/app/conf.d, dest: /etc/app/app.conf, delimiter: "# ---", mode: "0644" }
    /// ```
    pub struct Assemble {
        /// The directory of fragments.
        src: Source, required;
        /// The file.
        dest: PathBuf, required;
        /// `src` is on the target; else it is in the role's or play's `files`.
        remote_src: bool = true;
        /// What stands between fragments, on a line of its own.
        delimiter: Option<String>;
        /// Only files whose name this regular expression is found in.
        regexp: Option<String>;
        /// Leave out files whose name starts with a dot.
        ignore_hidden: bool = false;
        /// Fragments of the controller that are in a vault are decrypted.
        decrypt: bool = true;
        /// Keep a copy of the old file beside it.
        backup: bool = false;
        /// A command that checks the new file before it takes the place; `%s` in it stands for the file.
        validate: Option<String>;
        /// Mode, octal in quotes or symbolic.
        mode: Option<Mode>;
        /// Owner.
        owner: Option<String>;
        /// Group.
        group: Option<String>;
        /// (Set by the compiler.) The fragments of the controller, put together.
        content: Option<String>, named "_content";
        /// (Set by the compiler.) The SHA-256 of content that did not travel with the task.
        content_sha256: Option<String>, named "_content_sha256";
    }
}

/// Which fragments count, and what goes between them.
pub struct Assembly {
    delimiter: Option<Vec<u8>>,
    regexp: Option<fancy_regex::Regex>,
    ignore_hidden: bool,
}

impl Assembly {
    /// From the parameters as a task gives them.
    ///
    /// # Errors
    /// Where the regular expression is none.
    pub fn of(args: &crate::value::Map) -> Result<Self, ParamError> {
        let text = |name: &str| args.get(name).and_then(Value::as_str);
        let hidden = match args.get("ignore_hidden") {
            Some(Value::Str(word)) => parse_bool(word).unwrap_or(false),
            other => other.is_some_and(Value::is_true),
        };
        Self::new(text("delimiter"), text("regexp"), hidden)
    }

    fn new(delimiter: Option<&str>, regexp: Option<&str>, ignore_hidden: bool) -> Result<Self, ParamError> {
        let regexp = regexp.map(|text| python::compile("regexp", text, "")).transpose()?;
        Ok(Self { delimiter: delimiter.map(unescaped), regexp, ignore_hidden })
    }

    /// Says whether a file of this name is a fragment.
    pub fn takes(&self, name: &str) -> bool {
        let fits = self.regexp.as_ref().is_none_or(|regex| regex.is_match(name).unwrap_or(false));
        fits && !(self.ignore_hidden && name.starts_with('.'))
    }

    /// Puts fragments together: each starts on a line of its own.
    pub fn join(&self, fragments: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
        let mut all: Vec<u8> = Vec::new();
        for (i, fragment) in fragments.into_iter().enumerate() {
            end_line(&mut all);
            if let Some(delimiter) = self.delimiter.as_ref().filter(|_| i > 0) {
                all.extend_from_slice(delimiter);
                end_line(&mut all);
            }
            all.extend(fragment);
        }
        all
    }
}

fn end_line(text: &mut Vec<u8>) {
    if text.last().is_some_and(|last| *last != b'\n') {
        text.push(b'\n');
    }
}

/// Escapes such as `\n` in a delimiter mean what they mean in Python.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, (c == '\\').then(|| rest.next()).flatten()) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some('r')) => out.push('\r'),
            ('\\', Some('\\')) => out.push('\\'),
            ('\\', Some(other)) => out.extend(['\\', other]),
            (c, _) => out.push(c),
        }
    }
    out.into_bytes()
}

impl Assemble {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where the regular expression is none.
    pub fn check(&self) -> Result<(), ParamError> {
        // The compiler has looked at these.
        let _ = self.decrypt;
        self.assembly().map(drop)
    }

    fn assembly(&self) -> Result<Assembly, ParamError> {
        Assembly::new(self.delimiter.as_deref(), self.regexp.as_deref(), self.ignore_hidden)
    }

    fn wanted(&self) -> Wanted {
        wanted(self.mode.as_ref(), self.owner.as_ref(), self.group.as_ref())
    }

    fn gather(&self, machine: &dyn Inspect) -> Result<Vec<u8>, Failure> {
        let src = Path::new(&self.src);
        match machine.stat(src)? {
            None => return Err(Failure::new(format!("the directory {} does not exist", &*self.src))),
            Some(stat) if stat.kind != FileKind::Dir => {
                return Err(Failure::new(format!("{} is not a directory", &*self.src)));
            }
            Some(_) => {}
        }
        let assembly = self.assembly().map_err(|e| Failure::new(e.message))?;
        let mut fragments = Vec::new();
        for name in machine.list(src)?.iter().filter(|name| assembly.takes(name)) {
            let path = src.join(name);
            if machine.stat(&path)?.is_some_and(|stat| stat.kind == FileKind::File) {
                fragments.push(machine.read(&path, MAX_FRAGMENT)?);
            }
        }
        Ok(assembly.join(fragments))
    }

    fn content(&self, machine: &dyn Inspect, context: &Context) -> Result<Vec<u8>, Failure> {
        match (&self.content, &self.content_sha256) {
            _ if self.remote_src => self.gather(machine),
            (Some(content), _) => Ok(content.clone().into_bytes()),
            (None, Some(digest)) => {
                let blobs = context.blobs.as_ref().ok_or_else(|| Failure::new("the content was not sent"))?;
                blobs.get(digest).map(|bytes| bytes.to_vec()).map_err(Failure::new)
            }
            (None, None) => Err(Failure::new("the content was not sent")),
        }
    }
}

impl Resource for Assemble {
    fn footprint(&self) -> Footprint {
        let mut footprint = Footprint::nothing().write(Claim::Path(self.dest.clone()));
        if self.remote_src {
            footprint = footprint.read(Claim::Tree(PathBuf::from(&*self.src)));
        }
        if self.validate.is_some() {
            footprint = footprint.read(Claim::World);
        }
        self.wanted().footprint(footprint)
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let content = self.content(machine, context)?;
        let old = machine.lstat(&self.dest)?;
        let is_file = old.as_ref().is_some_and(|stat| stat.kind == FileKind::File);
        if old.as_ref().is_some_and(|stat| stat.kind == FileKind::Dir) {
            return Err(Failure::new(format!("{} is a directory, not a file", self.dest.display())));
        }
        let same = is_file && machine.digest(&self.dest, Algorithm::Sha256)? == Algorithm::Sha256.of(&content);
        let attrs = self.wanted().resolve(machine, old.as_ref().map_or(0o644, |stat| stat.mode), false)?;
        let checksum = Algorithm::Sha1.of(&content);
        let mut backup = None;
        if same {
            file::set_differing(machine, &self.dest, &attrs)?;
        } else {
            backup = backup_path(self.backup && is_file, &self.dest);
            let validate = self.validate.as_deref().map(validation).transpose()?;
            let how = Written { validate, backup: backup.clone(), secret: context.no_log };
            machine.write(&self.dest, &Content::bytes(content), &attrs, &how)?;
        }
        let mut outcome = file::result(machine, &self.dest)?;
        outcome.result.insert("src".into(), Value::str(&*self.src));
        outcome.result.insert("checksum".into(), Value::from(checksum));
        outcome.result.insert("msg".into(), Value::str("OK"));
        if let Some(backup) = backup {
            outcome.result.insert("backup_file".into(), Value::str(backup.to_string_lossy()));
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    /// The results are those of ansible-core 2.19.
    #[test]
    fn assembles() {
        let files = [("/srv/as/1", "one"), ("/srv/as/2", "two\n"), ("/srv/as/.3", "three\n"), ("/srv/as/4x", "\nfour")];
        let table = [
            ("", "three\none\ntwo\n\nfour"),
            ("delimiter: '### X ###', ignore_hidden: true", "one\n### X ###\ntwo\n### X ###\n\nfour"),
            (r#"delimiter: '#\tY\n', regexp: '[12]'"#, "one\n#\tY\ntwo\n"),
            ("regexp: none", ""),
        ];
        for (params, expected) in table {
            let bench = Bench::with(&[]);
            bench.run("file", "{path: /srv/as/d, state: directory}").unwrap();
            for (path, content) in files {
                bench.run("copy", &format!("{{dest: {path}, content: {content:?}}}")).unwrap();
            }
            assert_eq!(
                bench.settle("assemble", &format!("{{src: /srv/as, dest: /srv/out, {params}}}")).1,
                1,
                "{params}"
            );
            assert_eq!(bench.read("/srv/out"), expected, "{params}");
        }
    }

    #[test]
    fn refusals() {
        let bench = Bench::with(&[("/srv/f", "x")]);
        let table = [
            ("src: /srv/no, dest: /srv/out", "does not exist"),
            ("src: /srv/f, dest: /srv/out", "not a directory"),
            ("src: /srv, dest: /srv", "is a directory"),
            ("src: /srv, dest: /srv/out, regexp: '('", "regular expression"),
        ];
        for (params, expected) in table {
            let message = bench.fails("assemble", &format!("{{{params}}}"));
            assert!(message.contains(expected), "{params}: {message}");
        }
    }
}
