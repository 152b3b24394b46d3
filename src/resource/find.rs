//! `find`: files of the target that fit a description.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use fancy_regex::Regex;

use super::params::params;
use super::program::expand_home;
use super::stat::{self, Algorithm};
use super::types::choices;
use super::{Claim, Context, Failure, Footprint, Mode, Outcome, ParamError, Resource, glob, python};
use crate::machine::{Command, FaultKind, FileKind, Inspect, Machine, Output, Stat};
use crate::value::{Map, Value};

/// The content of larger files is not looked into.
const MAX_LOOK: u64 = 256 * 1024 * 1024;

choices! {
    /// Kinds of things to find.
    pub enum FileType {
        /// Anything.
        Any = "any",
        /// Directories.
        Directory = "directory",
        /// Regular files.
        File = "file",
        /// Symbolic links.
        Link = "link",
    }
}

choices! {
    /// Which time is an age counted from.
    pub enum AgeStamp {
        /// The last access.
        Atime = "atime",
        /// The last change of the inode.
        Ctime = "ctime",
        /// The last change of the content.
        Mtime = "mtime",
    }
}

params! {
    /// Finds files on the target. It changes nothing, so that a plan looks too, and sees what would be there by then.
    ///
    /// # Example
    /// ```yaml
    /// - find: { paths: /var/log, patterns: "*.old", age: 4w, recurse: true }
    ///   register: old
    /// ```
    pub struct Find {
        /// The directories to look in.
        paths: Vec<String>, required, alias "name" "path";
        /// What names must match one of: shell patterns, or regular expressions with `use_regex`.
        patterns: Vec<String>, alias "pattern";
        /// What names must not match, as `patterns`.
        excludes: Vec<String>, alias "exclude";
        /// `patterns` and `excludes` are regular expressions of Python that match from the start of a name on.
        use_regex: bool = false;
        /// A regular expression that the start of a line must match.
        contains: Option<String>;
        /// How the files are encoded that `contains` is searched in; without it UTF-8, and what is not is let pass. All but
        /// UTF-8 and ASCII are read by the target's iconv(1).
        encoding: Option<String>;
        /// `contains` may match anywhere in the file, and over lines.
        read_whole_file: bool = false;
        /// What kind of thing to find.
        file_type: FileType = FileType::File;
        /// Look in the directories below too.
        recurse: bool = false;
        /// How many levels to look at; 1 is the directory itself.
        depth: Option<i64>;
        /// At least this old, or with a `-` at most: seconds, or a number with `s`, `m`, `h`, `d`, `w` behind it.
        age: Option<String>;
        /// The time `age` counts from.
        age_stamp: AgeStamp = AgeStamp::Mtime;
        /// At least this large, or with a `-` at most: bytes, or a number with `b`, `k`, `m`, `g`, `t` behind it.
        size: Option<String>;
        /// The mode, octal in quotes or symbolic.
        mode: Option<Mode>;
        /// Exactly this mode; else one of its bits is enough.
        exact_mode: bool = true;
        /// Find hidden files too. What is in a hidden directory is found without it.
        hidden: bool = false;
        /// Follow links.
        follow: bool = false;
        /// Read the files for their checksums.
        get_checksum: bool = false;
        /// The algorithm of the checksums.
        checksum_algorithm: Algorithm = Algorithm::Sha1, alias "checksum" "checksum_algo";
        /// Stop after this many.
        limit: Option<i64>;
    }
}

/// The names, ages and sizes that are asked for.
struct Wanted {
    patterns: Names,
    excludes: Names,
    contains: Option<Regex>,
    age: Option<i64>,
    size: Option<i64>,
    now: f64,
}

enum Names {
    Shell(Vec<String>),
    Regex(Vec<Regex>),
}

impl Names {
    fn read(param: &str, texts: &[String], regex: bool) -> Result<Self, ParamError> {
        if !regex {
            return Ok(Self::Shell(texts.to_vec()));
        }
        let from_start = |text: &String| python::compile(param, &format!("\\A(?:{text})"), "");
        texts.iter().map(from_start).collect::<Result<_, _>>().map(Self::Regex)
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Shell(texts) => texts.is_empty(),
            Self::Regex(all) => all.is_empty(),
        }
    }

    fn fit(&self, name: &str) -> Result<bool, Failure> {
        match self {
            Self::Shell(texts) => Ok(texts.iter().any(|text| glob::matches(text, name))),
            Self::Regex(all) => all.iter().try_fold(false, |found, one| Ok(found || python::found(one, name)?)),
        }
    }
}

impl Find {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where a pattern, an age or a size is none.
    pub fn check(&self) -> Result<(), ParamError> {
        if self.depth.is_some_and(|depth| depth < 1) {
            return Err(ParamError::bad("depth", "expected 1 or more"));
        }
        if self.limit.is_some_and(|limit| limit < 1) {
            return Err(ParamError::bad("limit", "expected 1 or more"));
        }
        if matches!(self.mode, Some(Mode::Preserve)) {
            return Err(ParamError::bad("mode", "expected a mode such as \"0644\""));
        }
        self.wanted().map(drop)
    }

    fn wanted(&self) -> Result<Wanted, ParamError> {
        let scaled = |param: &str, text: &Option<String>, units: &str, factors: &[i64]| {
            let read = |text: &String| {
                scaled(text, units, factors).ok_or_else(|| {
                    let units = units.chars().map(String::from).collect::<Vec<_>>().join(", ");
                    ParamError::bad(param, format!("`{text}` is not a number with one of {units} behind it"))
                })
            };
            text.as_ref().map(read).transpose()
        };
        let contains = self.contains.as_ref().map(|text| {
            let pattern = if self.read_whole_file { text.clone() } else { format!("\\A(?:{text})") };
            python::compile("contains", &pattern, "")
        });
        Ok(Wanted {
            patterns: Names::read("patterns", &self.patterns, self.use_regex)?,
            excludes: Names::read("excludes", &self.excludes, self.use_regex)?,
            contains: contains.transpose()?,
            age: scaled("age", &self.age, "smhdw", &[1, 60, 3600, 86_400, 604_800])?,
            size: scaled("size", &self.size, "bkmgt", &[1, 1 << 10, 1 << 20, 1 << 30, 1 << 40])?,
            now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64()),
        })
    }

    /// What is at a path, as a link or as what it points to.
    fn stat(&self, machine: &dyn Inspect, path: &Path) -> Result<Option<Stat>, Failure> {
        let followed = if self.follow { machine.stat(path)? } else { None };
        Ok(followed.map_or_else(|| machine.lstat(path), |stat| Ok(Some(stat)))?)
    }

    fn fits(&self, machine: &dyn Inspect, wanted: &Wanted, path: &Path, stat: &Stat) -> Result<bool, Failure> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kind = match self.file_type {
            FileType::Any => true,
            FileType::Directory => stat.kind == FileKind::Dir,
            FileType::File => stat.kind == FileKind::File,
            FileType::Link => stat.kind == FileKind::Link,
        };
        let named = wanted.patterns.is_empty() || wanted.patterns.fit(&name)?;
        if !kind || (name.starts_with('.') && !self.hidden) || !named || wanted.excludes.fit(&name)? {
            return Ok(false);
        }
        if !self.mode_fits(stat) || !wanted.age_fits(self.age_stamp, stat) {
            return Ok(false);
        }
        if stat.kind != FileKind::File || self.file_type == FileType::Directory || self.file_type == FileType::Link {
            return Ok(true);
        }
        Ok(wanted.size_fits(stat) && self.content_fits(machine, wanted, path)?)
    }

    fn mode_fits(&self, stat: &Stat) -> bool {
        let Some(bits) = self.mode.as_ref().and_then(|mode| mode.bits(0, false)) else { return true };
        if self.exact_mode { stat.mode == bits } else { stat.mode & bits != 0 }
    }

    fn content_fits(&self, machine: &dyn Inspect, wanted: &Wanted, path: &Path) -> Result<bool, Failure> {
        let Some(regex) = &wanted.contains else { return Ok(true) };
        let bytes = match machine.read(path, MAX_LOOK) {
            // What one may not read does not match, as in Ansible.
            Err(fault) if fault.kind == FaultKind::Denied => return Ok(false),
            other => other?,
        };
        let text = self.text(machine, path, bytes)?;
        if self.read_whole_file {
            return python::found(regex, &text);
        }
        text.split_inclusive('\n').try_fold(false, |found, line| Ok(found || python::found(regex, line)?))
    }

    /// The text of a file in its encoding.
    fn text(&self, machine: &dyn Inspect, path: &Path, bytes: Vec<u8>) -> Result<String, Failure> {
        let Some(encoding) = &self.encoding else { return Ok(String::from_utf8_lossy(&bytes).into_owned()) };
        let utf8 = match encoding.to_ascii_lowercase().replace('_', "-").as_str() {
            "utf-8" | "utf8" => Some(bytes),
            "ascii" | "us-ascii" => bytes.is_ascii().then_some(bytes),
            _ => iconv(machine, encoding, bytes)?,
        };
        utf8.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
            let (path, why) = (path.display(), "due to an encoding error. current encoding:");
            Failure::new(format!("Failed to read the file {path} {why} {encoding}"))
        })
    }

    fn describe(&self, machine: &dyn Inspect, path: &Path, stat: &Stat) -> Result<Value, Failure> {
        let mut map = Map::new();
        stat::describe(&mut map, path, stat);
        map.shift_remove("exists");
        stat::names(&mut map, machine, stat)?;
        if self.get_checksum && stat.kind == FileKind::File {
            stat::checksum(&mut map, machine, path, self.checksum_algorithm)?;
        }
        Ok(Value::from(map))
    }
}

impl Wanted {
    /// What an apply is yet to make has no times: it is new then.
    fn age_fits(&self, stamp: AgeStamp, stat: &Stat) -> bool {
        let Some(age) = self.age else { return true };
        let time = match stamp {
            AgeStamp::Atime => stat.atime,
            AgeStamp::Ctime => stat.ctime,
            AgeStamp::Mtime => stat.mtime,
        };
        let time = if stat.inode == 0 && time == 0.0 { self.now } else { time };
        let old = self.now - time;
        if age >= 0 { old >= age as f64 } else { old <= age.unsigned_abs() as f64 }
    }

    fn size_fits(&self, stat: &Stat) -> bool {
        let Some(size) = self.size else { return true };
        if size >= 0 { stat.size >= size.unsigned_abs() } else { stat.size <= size.unsigned_abs() }
    }
}

/// Bytes in UTF-8; `None` where they are not in that encoding.
fn iconv(machine: &dyn Inspect, encoding: &str, bytes: Vec<u8>) -> Result<Option<Vec<u8>>, Failure> {
    let empty = bytes.is_empty();
    let mut command = Command::new(["iconv", "-f", encoding, "-t", "UTF-8"]);
    command.stdin = Some(bytes);
    match machine.probe(&command)? {
        Output::Known(stdio) if stdio.ok() => Ok(Some(stdio.stdout)),
        // It cannot even read nothing.
        Output::Known(_) if empty => Err(Failure::new(format!("unknown encoding: {encoding}"))),
        Output::Known(_) => iconv(machine, encoding, Vec::new()).map(|_| None),
        Output::Unknown => {
            let why = format!("what {} makes of it is known after apply", command.shown());
            Err(Failure { unknown: true, ..Failure::new(why) })
        }
    }
}

/// Reads a number with the letter of a unit behind it.
fn scaled(text: &str, units: &str, factors: &[i64]) -> Option<i64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| units.contains(c));
    let factor = match text.get(digits.len()..)? {
        "" => 1,
        unit if unit.len() == 1 => *factors.get(units.find(unit)?)?,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(factor)
}

/// A walk through directories, and what it has found.
struct Walk<'a> {
    find: &'a Find,
    machine: &'a dyn Inspect,
    wanted: Wanted,
    files: Vec<Value>,
    examined: usize,
    skipped: Map,
    /// The directory the walk started from.
    root: PathBuf,
    /// The directories above, to see links that lead in circles.
    above: Vec<(u64, u64)>,
}

impl Walk<'_> {
    fn is_full(&self) -> bool {
        self.find.limit.is_some_and(|limit| self.files.len() as i64 >= limit)
    }

    fn skip(&mut self, path: &Path, why: String) {
        self.skipped.insert(path.to_string_lossy().into(), Value::from(why));
    }

    fn root(&mut self, text: &str) -> Result<(), Failure> {
        let path = PathBuf::from(expand_home(self.machine, text)?);
        self.root.clone_from(&path);
        match self.machine.stat(&path)? {
            Some(stat) if stat.kind == FileKind::Dir => self.directory(&path, 1),
            _ => {
                self.skip(&path, format!("'{}' is not a directory", path.display()));
                Ok(())
            }
        }
    }

    fn directory(&mut self, dir: &Path, level: i64) -> Result<(), Failure> {
        let names = match self.machine.list(dir) {
            Ok(names) => names,
            Err(fault) if fault.kind == FaultKind::Denied => {
                self.skip(dir, fault.to_string());
                return Ok(());
            }
            Err(fault) => return Err(fault.into()),
        };
        self.examined += names.len();
        if self.find.depth.is_some_and(|depth| level > depth) {
            return Ok(());
        }
        let (mut files, mut dirs) = (Vec::new(), Vec::new());
        for name in names {
            let path = dir.join(name);
            // A link to a directory stands among the directories.
            let is_dir = self.machine.stat(&path)?.is_some_and(|stat| stat.kind == FileKind::Dir);
            if is_dir { dirs.push(path) } else { files.push(path) }
        }
        for path in files.iter().chain(&dirs) {
            if self.is_full() {
                return Ok(());
            }
            self.entry(path)?;
        }
        for path in dirs.iter().filter(|_| self.find.recurse) {
            self.below(path, level)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path) -> Result<(), Failure> {
        // It may be gone since the directory was read.
        let Some(stat) = self.find.stat(self.machine, path)? else { return Ok(()) };
        match self.find.fits(self.machine, &self.wanted, path, &stat) {
            Ok(true) => self.files.push(self.find.describe(self.machine, path, &stat)?),
            Ok(false) => {}
            Err(failure) if failure.unknown => return Err(failure),
            // Under the directory that was asked for, as in Ansible, which ends its walk there.
            Err(failure) => self.skip(&self.root.clone(), failure.message),
        }
        Ok(())
    }

    fn below(&mut self, path: &Path, level: i64) -> Result<(), Failure> {
        let Some(stat) = self.find.stat(self.machine, path)? else { return Ok(()) };
        let here = (stat.device, stat.inode);
        let circle = stat.inode != 0 && self.above.contains(&here);
        if stat.kind != FileKind::Dir || circle || self.is_full() {
            return Ok(());
        }
        self.above.push(here);
        let walked = self.directory(path, level + 1);
        self.above.pop();
        walked
    }
}

impl Resource for Find {
    fn footprint(&self) -> Footprint {
        let trees = self.paths.iter().filter(|path| path.starts_with('/'));
        let footprint = trees.fold(Footprint::nothing(), |all, path| all.read(Claim::Tree(path.into())));
        // Where links and `~` lead is not known before.
        let elsewhere = self.follow || self.paths.iter().any(|path| !path.starts_with('/'));
        if elsewhere { footprint.and(Footprint::observer()) } else { footprint }
    }

    fn converge(&self, machine: &dyn Machine, _context: &Context) -> Result<Outcome, Failure> {
        let wanted = self.wanted().map_err(|e| Failure::new(e.message))?;
        let mut walk = Walk {
            find: self,
            machine,
            wanted,
            files: Vec::new(),
            examined: 0,
            skipped: Map::new(),
            root: PathBuf::new(),
            above: Vec::new(),
        };
        for path in &self.paths {
            if !walk.is_full() {
                walk.root(path)?;
            }
        }
        let message = match () {
            () if walk.is_full() => "Limit of matches reached",
            () if walk.skipped.is_empty() => "All paths examined",
            () => "Not all paths examined, check warnings for details",
        };
        Ok(Outcome::of([
            ("matched", Value::from(walk.files.len())),
            ("files", Value::from(walk.files)),
            ("examined", Value::from(walk.examined)),
            ("skipped_paths", Value::from(walk.skipped)),
            ("msg", Value::str(message)),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    fn bench() -> Bench {
        let bench =
            Bench::with(&[("/srv/a.txt", "hello\n"), ("/srv/b.conf", "x\nhello there\n"), ("/srv/.dot", "s\n")]);
        for dir in ["/srv/d", "/srv/d/.hid", "/srv/d/.hid/sub", "/srv/.h"] {
            bench.run("file", &format!("{{path: {dir}, state: directory}}")).unwrap();
        }
        for file in ["/srv/d/c.txt", "/srv/d/.hid/e.txt"] {
            bench.run("copy", &format!("{{dest: {file}, content: 'y'}}")).unwrap();
        }
        for (link, target) in [("l", "a.txt"), ("ld", "d")] {
            bench.run("file", &format!("{{path: /srv/{link}, src: {target}, state: link}}")).unwrap();
        }
        bench.run("file", "{path: /srv/b.conf, mode: '0640'}").unwrap();
        bench
    }

    /// The answers are those of ansible-core 2.19 for the same tree, sorted.
    #[test]
    fn finds() {
        let bench = bench();
        let table = [
            ("", "a.txt b.conf", 7),
            ("recurse: true", "a.txt b.conf d/c.txt d/.hid/e.txt", 11),
            (
                "recurse: true, hidden: true, file_type: any",
                ".dot a.txt b.conf l .h d ld d/c.txt d/.hid d/.hid/e.txt d/.hid/sub",
                11,
            ),
            ("recurse: true, file_type: any, depth: 1", "a.txt b.conf l d ld", 9),
            ("recurse: true, file_type: any, depth: 2", "a.txt b.conf l d ld d/c.txt", 11),
            ("file_type: directory", "d", 7),
            ("file_type: link", "l ld", 7),
            ("contains: hello", "a.txt b.conf", 7),
            ("contains: there", "", 7),
            ("contains: there, read_whole_file: true", "b.conf", 7),
            ("mode: '0600'", "", 7),
            ("mode: '0600', exact_mode: false", "a.txt b.conf", 7),
            ("mode: 'u=rw,g=r'", "b.conf", 7),
            ("size: 7b", "b.conf", 7),
            ("size: -6", "a.txt", 7),
            ("age: -1m", "a.txt b.conf", 7),
            ("age: 1d", "", 7),
            ("patterns: '^a,b.c', use_regex: true", "a.txt b.conf", 7),
            ("patterns: '.txt', use_regex: true", "", 7),
            ("patterns: '*.txt,*.conf', excludes: 'a*'", "b.conf", 7),
            ("limit: 1", "a.txt", 7),
            ("recurse: true, follow: true, patterns: '*.txt'", "a.txt d/c.txt d/.hid/e.txt ld/c.txt ld/.hid/e.txt", 15),
        ];
        for (params, expected, examined) in table {
            let (outcome, changes) = bench.settle("find", &format!("{{paths: /srv, {params}}}"));
            let files = outcome.result.get("files").unwrap().as_list().unwrap();
            let paths = files.iter().map(|f| f.get("path").unwrap().as_str().unwrap().strip_prefix("/srv/").unwrap());
            assert_eq!(
                paths.filter(|p| *p != "l").collect::<Vec<_>>(),
                expected.split(' ').filter(|w| !w.is_empty() && *w != "l").collect::<Vec<_>>(),
                "{params}"
            );
            assert_eq!(outcome.result.get("matched"), Some(&Value::from(files.len())));
            assert_eq!((outcome.result.get("examined"), changes), (Some(&Value::Int(examined)), 0), "{params}");
        }
    }

    #[test]
    fn says_what_it_could_not_look_at() {
        let bench = bench();
        let (outcome, _) = bench.settle("find", "{paths: [/none, /srv/a.txt], get_checksum: true}");
        assert_eq!(outcome.result.get("skipped_paths").unwrap().as_map().unwrap().len(), 2);
        let (outcome, _) = bench.settle("find", "{paths: /srv, patterns: a.txt, get_checksum: true, checksum: md5}");
        let file = outcome.result.get("files").unwrap().as_list().unwrap()[0].clone();
        assert_eq!(file.get("checksum"), Some(&Value::str("b1946ac92492d2347c6235b4d2611184")));
        for (params, expected) in [
            ("age: 1x", "`1x`"),
            ("size: k", "`k`"),
            ("patterns: '(', use_regex: true", "regular"),
            ("depth: 0", "1 or more"),
        ] {
            let message = bench.fails("find", &format!("{{paths: /srv, {params}}}"));
            assert!(message.contains(expected), "{params}: {message}");
        }
    }

    #[test]
    fn files_that_are_not_in_their_encoding_are_skipped() {
        let bench = Bench::with(&[("/srv/a.txt", "caf\u{e9}\n"), ("/srv/b.txt", "caf\n")]);
        for (encoding, found, skipped) in [("utf-8", 2, 0), ("UTF8", 2, 0), ("ascii", 1, 1)] {
            let (outcome, _) = bench.settle("find", &format!("{{paths: /srv, contains: caf, encoding: {encoding}}}"));
            assert_eq!(outcome.result.get("matched"), Some(&Value::Int(found)));
            let why = outcome.result.get("skipped_paths").and_then(Value::as_map).unwrap();
            assert_eq!(why.len(), skipped);
            let text = "Failed to read the file /srv/a.txt due to an encoding error. current encoding: ascii";
            assert!(why.iter().all(|(path, why)| &**path == "/srv" && *why == Value::str(text)), "{why:?}");
        }
    }
}
