//! `fetch`: a file of the target, brought to the controller.

use std::path::{Path, PathBuf};

use super::params::params;
use super::program::expand_home;
use super::{Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::{Algorithm, FileKind, Machine};
use crate::value::Value;

/// Files travel in parts of this size.
const PART: u64 = 1024 * 1024;

params! {
    /// Brings a file of the target to the controller.
    ///
    /// It goes to `dest/HOST/src`, with `flat` to `dest` itself. Where that is, is decided before the host is asked, and
    /// no host has a say in it: `src` and `dest` cannot depend on results of tasks, links below `dest` are not followed,
    /// and what facts add to `dest` stays below the directory that is written down. A new file is for its owner only.
    /// A plan says what it would fetch.
    ///
    /// # Example
    /// ```yaml
    /// - fetch: { src: /etc/ssh/ssh_host_ed25519_key.pub, dest: keys/ }
    /// ```
    pub struct Fetch {
        /// The file. A `~` it starts with stays as it is written in the path on the controller.
        src: PathBuf, required;
        /// The directory on the controller, relative to the playbook's; with `flat` the file, or with a trailing `/` its
        /// directory.
        dest: String, required;
        /// Leave the names of the host and of the directories of `src` out.
        flat: bool = false;
        /// It is a failure where the file is not there.
        fail_on_missing: bool = true;
        /// Check that the file has arrived as it was. cfg always does, so that only `true` can be asked for.
        validate_checksum: bool = true;
        /// (Set by the compiler.) What stands for the path on the controller.
        token: Option<String>, named "_token";
        /// (Set by the compiler.) The path on the controller, to be shown.
        path: Option<String>, named "_path";
    }
}

impl Fetch {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where a path is not absolute.
    pub fn check(&self) -> Result<(), ParamError> {
        if self.dest.is_empty() {
            let what = if self.flat { "a file or a directory" } else { "a directory" };
            return Err(ParamError::bad("dest", format!("expected {what} on the controller")));
        }
        if !self.validate_checksum {
            return Err(ParamError::bad("validate_checksum", "cfg always checks that the file has arrived as it was"));
        }
        Ok(())
    }

    fn missing(&self, src: &Path, message: &str) -> Result<Outcome, Failure> {
        if self.fail_on_missing {
            return Err(Failure::new(message));
        }
        Ok(Outcome::of([
            ("msg", Value::from(format!("{message}, not transferring, ignored"))),
            ("file", Value::str(src.to_string_lossy())),
        ])
        .changed(false))
    }
}

impl Resource for Fetch {
    fn footprint(&self) -> Footprint {
        // It writes on the controller, which no claim names.
        Footprint::world()
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let src = &PathBuf::from(expand_home(machine, &self.src.to_string_lossy())?);
        let size = match machine.stat(src)? {
            None => return self.missing(src, "the remote file does not exist"),
            Some(stat) if stat.kind == FileKind::Dir => {
                return self.missing(src, "the remote file is a directory, fetch cannot work on directories");
            }
            Some(stat) if stat.kind != FileKind::File => {
                return Err(Failure::new(format!("{} is not a regular file", src.display())));
            }
            Some(stat) => stat.size,
        };
        let (Some(token), Some(path)) = (&self.token, &self.path) else {
            let help = "`src` and `dest` of `fetch` cannot depend on results of tasks";
            let message = "where the file goes on the controller must be known before the host is asked for it";
            return Err(Failure { help: Some(help.into()), ..Failure::new(message) });
        };
        let blobs = context.blobs.as_ref().ok_or_else(|| Failure::new("nobody takes the file"))?;
        let sha256 = machine.digest(src, Algorithm::Sha256)?;
        let sha1 = Value::from(machine.digest(src, Algorithm::Sha1)?);
        let wanted = blobs.offer(token, &sha256, size).map_err(Failure::new)?;
        if wanted {
            let mut part = |offset: u64| machine.read_part(src, offset, PART).map_err(|fault| fault.to_string());
            blobs.send(token, size, &mut part).map_err(Failure::new)?;
        }
        let mut outcome =
            Outcome::of([("dest", Value::str(path)), ("checksum", sha1.clone()), ("remote_checksum", sha1)]);
        if wanted {
            let shown = format!("fetch {} to {path}", src.display());
            outcome.result.insert("msg".into(), Value::from(shown));
        } else {
            outcome.result.insert("file".into(), Value::str(src.to_string_lossy()));
        }
        Ok(outcome.changed(wanted))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::testing::{Bench, args};
    use super::super::{Blobs, find};
    use super::*;

    #[derive(Default)]
    struct Taker(Mutex<Vec<u8>>);

    impl Blobs for Taker {
        fn get(&self, _sha256: &str) -> Result<Arc<[u8]>, String> {
            Err("none".into())
        }

        fn offer(&self, _token: &str, sha256: &str, _size: u64) -> Result<bool, String> {
            Ok(Algorithm::Sha256.of(&self.0.lock().unwrap()) != sha256)
        }

        fn send(
            &self,
            _token: &str,
            size: u64,
            part: &mut dyn FnMut(u64) -> Result<Vec<u8>, String>,
        ) -> Result<(), String> {
            let mut taken = self.0.lock().unwrap();
            taken.clear();
            while (taken.len() as u64) < size {
                let bytes = part(taken.len() as u64)?;
                taken.extend(bytes);
            }
            Ok(())
        }
    }

    #[test]
    fn fetches() {
        let bench = Bench::with(&[("/etc/f", "hello")]);
        let taker = Arc::new(Taker::default());
        let context = Context { blobs: Some(taker.clone()), ..Context::default() };
        let fetch = |params: &str| {
            let resource = (find("fetch").unwrap().parse)(args("fetch", &format!("{{dest: out, {params}}}"))).unwrap();
            resource.converge(&*bench.0, &context)
        };
        let known = "_token: t, _path: /p/out/web/etc/f";
        let outcome = fetch(&format!("src: /etc/f, {known}")).unwrap();
        assert_eq!(outcome.changed, Some(Value::Bool(true)));
        assert_eq!(outcome.result.get("checksum").unwrap().to_string(), "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d");
        assert_eq!(*taker.0.lock().unwrap(), b"hello");
        assert_eq!(fetch(&format!("src: /etc/f, {known}")).unwrap().changed, Some(Value::Bool(false)));
        assert!(fetch("src: /etc/f").unwrap_err().message.contains("must be known"));
        assert!(fetch(&format!("src: /etc/none, {known}")).unwrap_err().message.contains("does not exist"));
        assert!(fetch(&format!("src: /etc, {known}")).unwrap_err().message.contains("directory"));
        let ignored = fetch(&format!("src: /etc/none, fail_on_missing: false, {known}")).unwrap();
        assert_eq!(ignored.changed, Some(Value::Bool(false)));
        assert!(bench.fails("fetch", "{src: /etc/f, dest: out, validate_checksum: false}").contains("always"));
    }
}
