//! `unarchive`: unpacks an archive.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::archive::{Format, Selection};
use super::edit::wanted;
use super::get_url::is_web;
use super::params::params;
use super::paths::Source;
use super::unpack::Unpack;
use super::{Claim, Context, Failure, Footprint, Mode, Outcome, ParamError, Resource, file, glob, program};
use crate::machine::{Fetch, FileKind, Inspect, Machine};
use crate::value::Value;

/// Archives larger than this are not unpacked: they are held in memory.
const MAX_ARCHIVE: u64 = 2 * 1024 * 1024 * 1024;

params! {
    /// Unpacks an archive: tar, also with gzip, bzip2 or xz, and zip. No program is needed on the target for it.
    ///
    /// Files that have the content, mode and owner they have in the archive are left alone, so that a second run changes
    /// nothing. Nothing is written outside of `dest`: names and links that lead out of it are refused, and so are
    /// devices.
    ///
    /// # Example
    /// ```yaml
    /// - unarchive: { src: app-1.2.tar.gz, dest: /opt/app, owner: app, creates: /opt/app/bin/app }
    /// ```
    pub struct Unarchive {
        /// The archive: in the role's or play's `files`, with `remote_src` on the target or a URL.
        src: Source, required;
        /// The directory to unpack in. It must be there.
        dest: PathBuf, required;
        /// An archive in a vault is decrypted.
        decrypt: bool = true;
        /// `src` is on the target, or a URL.
        remote_src: bool = false;
        /// What `remote_src` was called long ago, the other way round.
        copy: bool = true;
        /// Do nothing where this path exists.
        creates: Option<String>;
        /// Only what matches one of these patterns.
        include: Vec<String>;
        /// Nothing that matches one of these patterns.
        exclude: Vec<String>;
        /// Do not replace files that are newer than in the archive.
        keep_newer: bool = false;
        /// Return the names in the archive as `files`.
        list_files: bool = false;
        /// Options of tar. cfg knows `--strip-components=N`.
        extra_opts: Vec<String>;
        /// Check the server's certificate where `src` is a URL.
        validate_certs: bool = true;
        /// Mode of all that is unpacked, octal in quotes or symbolic.
        mode: Option<Mode>;
        /// Owner of all that is unpacked.
        owner: Option<String>;
        /// Group of all that is unpacked.
        group: Option<String>;
        /// (Set by the compiler.) The SHA-256 of the archive.
        content_sha256: Option<String>, named "_content_sha256";
        /// (Set by the compiler.) The name of the archive.
        original_basename: Option<String>, named "_original_basename";
    }
}

impl Unarchive {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where an option of tar is not one cfg knows.
    pub fn check(&self) -> Result<(), ParamError> {
        // The compiler has looked at these.
        let _ = self.decrypt;
        self.strip()?;
        if !self.is_on_target() && is_web(&self.src) {
            return Err(ParamError::bad("src", "a URL needs `remote_src: true`"));
        }
        Ok(())
    }

    fn is_on_target(&self) -> bool {
        self.remote_src || !self.copy
    }

    /// How many leading directories are taken off each name.
    fn strip(&self) -> Result<usize, ParamError> {
        let mut strip = 0;
        let mut options = self.extra_opts.iter().flat_map(|text| text.split_whitespace());
        while let Some(option) = options.next() {
            let number = match option.strip_prefix("--strip-components") {
                Some("") => options.next(),
                Some(rest) => rest.strip_prefix('='),
                None => None,
            };
            let unknown =
                || ParamError::bad("extra_opts", format!("`{option}`: cfg knows `--strip-components=N` only"));
            strip = number.and_then(|number| number.parse().ok()).ok_or_else(unknown)?;
        }
        Ok(strip)
    }

    /// Says whether an entry of the archive is wanted.
    fn wants(&self, path: &Path) -> bool {
        let listed = |patterns: &[String]| {
            patterns.iter().any(|pattern| {
                let pattern = pattern.trim_end_matches('/');
                path.ancestors().any(|part| glob::matches(pattern, &part.to_string_lossy()))
            })
        };
        (self.include.is_empty() || listed(&self.include)) && !listed(&self.exclude)
    }

    fn bytes(&self, machine: &dyn Inspect, context: &Context) -> Result<Vec<u8>, Failure> {
        if let Some(digest) = &self.content_sha256 {
            let blobs = context.blobs.as_ref().ok_or_else(|| Failure::new("the archive was not sent"))?;
            return blobs.get(digest).map(|bytes| bytes.to_vec()).map_err(Failure::new);
        }
        if is_web(&self.src) {
            let fetch = Fetch {
                url: self.src.0.clone(),
                timeout: Duration::from_secs(30),
                insecure: !self.validate_certs,
                env: context.environment.clone(),
                ..Fetch::default()
            };
            return Ok(machine.download(&fetch, MAX_ARCHIVE)?);
        }
        if !self.is_on_target() {
            return Err(Failure::new("the archive was not sent"));
        }
        let path = Path::new(&self.src);
        match machine.stat(path)? {
            None => Err(Failure::new(format!("there is no file {}", &*self.src))),
            Some(stat) if stat.kind != FileKind::File => Err(Failure::new(format!("{} is not a file", &*self.src))),
            Some(_) => Ok(machine.read(path, MAX_ARCHIVE)?),
        }
    }
}

impl Resource for Unarchive {
    fn footprint(&self) -> Footprint {
        let mut footprint = Footprint::nothing().write(Claim::Tree(self.dest.clone()));
        if self.is_on_target() && !is_web(&self.src) {
            footprint = footprint.read(Claim::Path(PathBuf::from(&*self.src)));
        }
        if let Some(creates) = &self.creates {
            footprint = footprint.read(Claim::Path(creates.into()));
        }
        wanted(None, self.owner.as_ref(), self.group.as_ref()).footprint(footprint)
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        if let Some(reason) = program::guard(machine, None, self.creates.as_deref(), None)? {
            return Ok(Outcome { skipped: Some(format!("skipped, since {reason}")), ..Outcome::default() });
        }
        let dest = machine.resolve(&self.dest)?.unwrap_or_else(|| self.dest.clone());
        if machine.stat(&dest)?.is_none_or(|stat| stat.kind != FileKind::Dir) {
            let help = Some("make it with a `file` task, `state: directory`".to_owned());
            return Err(Failure { help, ..Failure::new(format!("the directory {} does not exist", dest.display())) });
        }
        let bytes = self.bytes(machine, context)?;
        let format = Format::of(&bytes)?;
        let strip = self.strip().map_err(|e| Failure::new(e.message))?;
        let attributes = wanted(self.mode.as_ref(), self.owner.as_ref(), self.group.as_ref());
        let mut unpack = Unpack::new(machine, &dest, attributes, self.keep_newer)?;
        let wants = |path: &Path| self.wants(path);
        format.read(&bytes, &Selection { strip, wants: &wants }, &mut |entry| unpack.entry(entry))?;
        unpack.finish()?;
        let mut outcome = file::result(machine, &dest)?;
        outcome.result.insert("src".into(), Value::str(self.original_basename.as_deref().unwrap_or(&self.src)));
        outcome.result.insert("handler".into(), Value::str(format.handler()));
        if self.list_files {
            outcome.result.insert("files".into(), Value::list(unpack.files.iter().map(Value::str)));
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::testing::Bench;
    use super::*;
    use crate::machine::{Attrs, Content, Written};

    /// A tar archive; names that end in `/` are directories, contents that start with `->` links.
    fn tar(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(if name.ends_with('/') { 0o750 } else { 0o640 });
            header.set_mtime(1_000_000);
            header.set_uid(0);
            header.set_gid(0);
            let kind = match *content {
                _ if name.ends_with('/') => tar::EntryType::Directory,
                c if c.starts_with("->") => tar::EntryType::Symlink,
                c if c.starts_with("=>") => tar::EntryType::Link,
                "dev" => tar::EntryType::Char,
                _ => tar::EntryType::Regular,
            };
            header.set_entry_type(kind);
            if let Some(target) = content.strip_prefix("->").or(content.strip_prefix("=>")) {
                header.set_link_name_literal(target).unwrap();
            }
            let data = if kind == tar::EntryType::Regular { content.as_bytes() } else { b"" };
            header.set_size(data.len() as u64);
            // The builder refuses bad names, which is what is to be tested.
            let field = &mut header.as_old_mut().name;
            field[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, data).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn bench(bytes: &[u8]) -> Bench {
        let bench = Bench::with(&[]);
        let content = Content::bytes(bytes.to_vec());
        bench.0.write(Path::new("/tmp/a"), &content, &Attrs::default(), &Written::default()).unwrap();
        bench
    }

    const ENTRIES: &[(&str, &str)] = &[
        ("./", ""),
        ("app/", ""),
        ("app/bin/run", "#!"),
        ("app/link", "->bin/run"),
        ("app/hard", "=>app/bin/run"),
        ("app/doc/x.md", "x"),
    ];

    #[test]
    fn unpacks_every_format() {
        let plain = tar(ENTRIES);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&plain).unwrap();
        let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bz.write_all(&plain).unwrap();
        let table = [
            (plain.clone(), "TarArchive"),
            (gz.finish().unwrap(), "TgzArchive"),
            (bz.finish().unwrap(), "TarBzipArchive"),
        ];
        for (bytes, handler) in table {
            let bench = bench(&bytes);
            let text = "{src: /tmp/a, dest: /srv, remote_src: true, list_files: true}";
            let (outcome, _) = bench.settle("unarchive", text);
            assert_eq!(outcome.result.get("handler"), Some(&Value::str(handler)));
            assert_eq!((bench.read("/srv/app/link"), bench.read("/srv/app/hard")), ("#!".into(), "#!".into()));
            let mode = |path: &str| bench.0.lstat(Path::new(path)).unwrap().unwrap().mode;
            assert_eq!((mode("/srv/app"), mode("/srv/app/bin"), mode("/srv/app/bin/run")), (0o750, 0o755, 0o640));
            assert_eq!(outcome.result.get("files").and_then(|f| f.as_list().map(<[_]>::len)), Some(5));
        }
    }

    #[test]
    fn zip() {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
        zip.start_file("d/run", options).unwrap();
        zip.write_all(b"x").unwrap();
        let bench = bench(&zip.finish().unwrap().into_inner());
        assert_eq!(bench.settle("unarchive", "{src: /tmp/a, dest: /srv, remote_src: true}").1, 2);
        assert_eq!(bench.0.lstat(Path::new("/srv/d/run")).unwrap().unwrap().mode, 0o755);
    }

    #[test]
    fn parts_of_an_archive() {
        let table = [
            ("extra_opts: [--strip-components=1]", vec!["bin", "doc", "hard", "link"]),
            ("extra_opts: ['--strip-components', '1'], exclude: [app/doc, 'app/h*']", vec!["bin", "link"]),
            ("include: ['app/doc/*']", vec!["app"]),
            ("creates: /tmp/a", vec![]),
        ];
        for (params, expected) in table {
            let bench = bench(&tar(ENTRIES));
            bench.settle("unarchive", &format!("{{src: /tmp/a, dest: /srv, remote_src: true, {params}}}"));
            assert_eq!(bench.0.list(Path::new("/srv")).unwrap(), expected, "{params}");
        }
    }

    #[test]
    fn nothing_gets_out() {
        let table: &[(&[(&str, &str)], &str)] = &[
            (&[("/etc/x", "x")], "leads out"),
            (&[("../x", "x")], "leads out"),
            (&[("l", "->/etc"), ("l/x", "x")], "leads out"),
            (&[("l", "->../etc")], "leads out"),
            (&[("x", "=>../etc/passwd")], "leads out"),
            (&[("x", "dev")], "no file"),
            (&[("out/x", "x")], "leads out"),
        ];
        for (entries, expected) in table {
            let bench = bench(&tar(entries));
            bench.run("file", "{path: /srv/out, src: /etc, state: link}").unwrap();
            let message = bench.fails("unarchive", "{src: /tmp/a, dest: /srv, remote_src: true}");
            assert!(message.contains(expected), "{entries:?}: {message}");
            assert!(bench.0.lstat(Path::new("/etc/x")).unwrap().is_none());
        }
        let bench = bench(b"hello");
        assert!(bench.fails("unarchive", "{src: /tmp/a, dest: /srv, remote_src: true}").contains("no archive"));
        assert!(bench.fails("unarchive", "{src: /tmp/a, dest: /none, remote_src: true}").contains("/none"));
        assert!(bench.fails("unarchive", "{src: a, dest: /srv}").contains("not sent"));
        assert!(bench.fails("unarchive", "{src: a, dest: /srv, extra_opts: [-v]}").contains("--strip-components"));
    }
}
