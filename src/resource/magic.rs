//! What file(1) and lsattr(1) say about a file.

use std::path::Path;

use super::Failure;
use crate::machine::{Command, Inspect, Output};
use crate::value::{Map, Value};

/// Adds the MIME type and the encoding. Where file(1) cannot say, both are `unknown`, as in Ansible.
pub(super) fn mime(map: &mut Map, machine: &dyn Inspect, path: &Path) -> Result<(), Failure> {
    let shown = path.to_string_lossy().into_owned();
    let argv = ["file", "--mime-type", "--mime-encoding", "--brief", "--", &shown];
    let text = match machine.probe(&Command::new(argv)) {
        Ok(Output::Known(stdio)) if stdio.ok() => stdio.out(),
        _ => String::new(),
    };
    let (kind, charset) = parse(&text).unwrap_or(("unknown", "unknown"));
    map.insert("mimetype".into(), Value::str(kind));
    map.insert("charset".into(), Value::str(charset));
    Ok(())
}

/// `text/plain; charset=us-ascii`
fn parse(text: &str) -> Option<(&str, &str)> {
    let (kind, charset) = text.trim().split_once("; charset=")?;
    Some((kind, charset))
}

/// Adds the attributes of chattr(1): the letters, their names, and the version of the file.
pub(super) fn attributes(map: &mut Map, machine: &dyn Inspect, path: &Path) -> Result<(), Failure> {
    let shown = path.to_string_lossy().into_owned();
    let output = machine.probe(&Command::new(["lsattr".to_owned(), "-vd".into(), shown]));
    let text = match output {
        Ok(Output::Known(stdio)) if stdio.ok() => stdio.out(),
        _ => String::new(),
    };
    let mut words = text.split_whitespace();
    let version = words.next().filter(|word| word.bytes().all(|b| b.is_ascii_digit()));
    let flags = words.next().map(|word| word.replace('-', "")).filter(|_| version.is_some()).unwrap_or_default();
    map.insert("version".into(), version.map_or(Value::Null, Value::str));
    map.insert("attributes".into(), Value::list(flags.chars().filter_map(name).map(Value::str)));
    map.insert("attr_flags".into(), Value::from(flags));
    Ok(())
}

/// The name Ansible has for a letter.
fn name(letter: char) -> Option<&'static str> {
    Some(match letter {
        'A' => "noatime",
        'a' => "append",
        'c' => "compressed",
        'C' => "nocow",
        'd' => "nodump",
        'D' => "dirsync",
        'e' => "extents",
        'E' => "encrypted",
        'h' => "blocksize",
        'i' => "immutable",
        'I' => "indexed",
        'j' => "journalled",
        'N' => "inline",
        's' => "zero",
        'S' => "synchronous",
        't' => "notail",
        'T' => "blockroot",
        'u' => "undelete",
        'X' => "compressedraw",
        'Z' => "compresseddirty",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn types() {
        assert_eq!(super::parse("text/plain; charset=us-ascii\n"), Some(("text/plain", "us-ascii")));
        assert_eq!(super::parse("cannot open"), None);
    }
}
