//! What a person sees of a mistake: every `cases/NAME.txt` is run with the real binary, and all that it shows is compared
//! with `cases/NAME.snap`. `UPDATE=1 cargo test --test ui` writes the snapshots; read what changed before you commit it.
//!
//! A case is a text of sections, each under a line `--- NAME`: first `--- cmd` with the arguments of cfg, then files by
//! their path; `--- stdin` is standard input, `--- env` variables of the environment, one a line. The content of a file
//! `--- NAME hex` is written as hexadecimal digits, for what is no text; `--- NAME exec` is a program.

use std::fmt::Write as _;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cfg::diagnostic::{CODES, Code};

const CASES_AT_LEAST: usize = 300;

/// Codes no snapshot can show, with the reason.
const NEVER_SHOWN: &[(Code, &str)] = &[
    (Code::NoInventory, "said without a code: it has no place in a file; see the case `inventory_none`"),
    (Code::UnknownHost, "nothing gives it: a pattern that names no host has a code of its own"),
    (Code::AssertionFailed, "nothing gives it: an assertion fails on the host, where it may be rescued"),
];

#[test]
fn mistakes_are_shown_as_their_snapshots_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui/cases");
    let cases = cases(&folder);
    assert!(cases.len() >= CASES_AT_LEAST, "only {} cases in tests/ui/cases", cases.len());
    let update = std::env::var_os("UPDATE").is_some_and(|v| v == "1");
    let mut failures = String::new();
    for path in &cases {
        let shown = run(&std::fs::read_to_string(path).unwrap());
        let snapshot = path.with_extension("snap");
        let expected = std::fs::read_to_string(&snapshot).unwrap_or_default();
        if shown == expected {
            continue;
        }
        if update {
            std::fs::write(&snapshot, &shown).unwrap();
            continue;
        }
        let diff = similar::TextDiff::from_lines(&expected, &shown);
        let name = path.file_stem().unwrap().to_string_lossy();
        let _ = writeln!(failures, "== {name}\n{}", diff.unified_diff().header("snapshot", "shown"));
    }
    for snapshot in files(&folder, "snap") {
        if !snapshot.with_extension("txt").exists() {
            let _ = writeln!(failures, "== {} belongs to no case", snapshot.display());
        }
    }
    println!("{} cases", cases.len());
    assert!(failures.is_empty(), "\n{failures}\nUPDATE=1 cargo test --test ui accepts what is shown");
}

#[test]
fn every_code_has_a_snapshot() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui/cases");
    let shown: String = files(&folder, "snap").iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for (code, explanation) in CODES {
        let is_shown = shown.contains(&format!("[{code}]: "));
        let excused = NEVER_SHOWN.iter().find(|(never, _)| never == code);
        match excused {
            None => assert!(is_shown, "no case in tests/ui/cases shows {code}: {explanation}"),
            Some((_, reason)) => assert!(!is_shown, "{code} is shown by a case, and excused: {reason}"),
        }
    }
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    files(folder, "txt")
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

/// Runs a case in a folder of its own and gives all that was shown, without what differs from run to run.
fn run(case: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    let (mut arguments, mut stdin, mut env) = (Vec::new(), String::new(), String::new());
    for (name, content) in sections(case) {
        match name.as_str() {
            "cmd" => arguments = content.split_whitespace().map(str::to_owned).collect(),
            "stdin" => stdin = content.clone(),
            "env" => env = content.clone(),
            _ => {}
        }
        if matches!(name.as_str(), "cmd" | "stdin" | "env") {
            continue;
        }
        let (name, bytes) = match name.strip_suffix(" hex") {
            Some(name) => (name, bytes_of(&content)),
            None => (name.as_str(), content.into_bytes()),
        };
        let (name, mode) = name.strip_suffix(" exec").map_or((name, 0o644), |name| (name, 0o755));
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    assert!(!arguments.is_empty(), "a case begins with `--- cmd`");
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(stdin.as_bytes()).and_then(|()| input.rewind()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_cfg"))
        .args(&arguments)
        .current_dir(dir.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home.path())
        .env("NO_COLOR", "1")
        .envs(env.lines().filter_map(|line| line.split_once('=')))
        .stdin(input)
        .output()
        .unwrap();
    let mut shown = format!("exit: {}\n", output.status.code().unwrap_or(-1));
    for (name, bytes) in [("stdout", output.stdout), ("stderr", output.stderr)] {
        let text = String::from_utf8(bytes).unwrap();
        if !text.is_empty() {
            let _ = write!(shown, "--- {name}\n{text}");
        }
    }
    let dir = dir.path().to_str().unwrap();
    // A plan that looked at this machine says how long that took.
    let timed = |line: &str| match line.rsplit_once("  (") {
        Some((before, time)) if time.ends_with(" s)\n") => format!("{before}  (0.1 s)\n"),
        _ => line.to_owned(),
    };
    let shown: String = shown.split_inclusive('\n').map(timed).collect();
    shown.replace(&format!("{dir}/"), "").replace(dir, "[dir]").replace(home.path().to_str().unwrap(), "[home]")
}

fn sections(case: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in case.split_inclusive('\n') {
        match (line.strip_prefix("--- "), sections.last_mut()) {
            (Some(name), _) => sections.push((name.trim_end().to_owned(), String::new())),
            (None, Some((_, content))) => content.push_str(line),
            (None, None) => panic!("a case begins with `--- cmd`"),
        }
    }
    sections
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
