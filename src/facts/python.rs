//! The Python there is on the host, found without running it. cfg needs none.

use std::path::Path;

use super::look::{Look, put};
use crate::value::{Map, Value};

/// Where a system's own Python is.
const PLACES: [&str; 3] = ["/usr/bin/python3", "/usr/local/bin/python3", "/bin/python3"];

/// Reads it. Where there is none, there are no such facts.
pub fn read(look: Look<'_>, facts: &mut Map) {
    let Some(executable) = PLACES.into_iter().find(|path| look.exists(path)) else { return };
    let Some(minor) = minor(look, executable) else { return };
    let name = format!("python3.{minor}");
    let micro = micro(look, &name).unwrap_or(0);
    let last = || [("releaselevel", Value::str("final")), ("serial", Value::Int(0))];
    let numbers = [("major", Value::Int(3)), ("minor", Value::Int(minor)), ("micro", Value::Int(micro))];
    let info = [Value::Int(3), Value::Int(minor), Value::Int(micro), Value::str("final"), Value::Int(0)];
    let python = Value::map([
        ("version", Value::map(numbers.into_iter().chain(last()))),
        ("version_info", Value::list(info)),
        ("executable", Value::str(executable)),
        ("type", Value::str("cpython")),
        ("has_sslcontext", Value::Bool(has_ssl(look, &name))),
    ]);
    put(facts, [("python", python), ("python_version", Value::from(format!("3.{minor}.{micro}")))]);
}

/// `python3` is a link to `python3.11`.
fn minor(look: Look<'_>, executable: &str) -> Option<i64> {
    let real = look.0.resolve(Path::new(executable)).ok()??;
    let name = real.file_name()?.to_string_lossy().into_owned();
    name.strip_prefix("python3.")?.parse().ok()
}

/// The package knows the whole version, and so does the header.
fn micro(look: Look<'_>, name: &str) -> Option<i64> {
    let package = look.0.package(name).ok().flatten().map(|package| package.version);
    let version = package.or_else(|| {
        let header = look.text(&format!("/usr/include/{name}/patchlevel.h"));
        let line = header.lines().find_map(|line| line.strip_prefix("#define PY_VERSION").map(str::to_owned))?;
        Some(line.trim().trim_matches('"').to_owned())
    })?;
    let third = version.split('.').nth(2)?;
    third.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

/// Distributions that split Python leave the module out together with the others, or not at all.
fn has_ssl(look: Look<'_>, name: &str) -> bool {
    ["/usr/lib", "/usr/lib64", "/usr/local/lib"].iter().any(|dir| look.exists(&format!("{dir}/{name}/ssl.py")))
}
