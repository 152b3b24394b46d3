//! Paths, as text: no file is looked at.

use minijinja::Environment;

use super::call::{Args, Outcome, add};
use crate::value::Value;

/// Registers them.
pub fn register(env: &mut Environment<'static>) {
    add(env, &["basename"], |v, _| Ok(Value::str(v.to_string().rsplit('/').next().unwrap_or_default())));
    add(env, &["dirname"], |v, _| Ok(dirname(&v.to_string()).into()));
    add(env, &["splitext"], |v, _| Ok(splitext(&v.to_string())));
    add(env, &["path_join"], |v, _| {
        let parts = match v {
            Value::List(parts) => parts.iter().map(Value::to_string).collect(),
            other => vec![other.to_string()],
        };
        Ok(parts.iter().fold(String::new(), |path, part| join(&path, part)).into())
    });
    add(env, &["realpath", "normpath"], |v, _| Ok(normal(&v.to_string()).into()));
    add(env, &["expanduser"], |v, _| Ok(expand_user(&v.to_string()).into()));
    add(env, &["relpath"], relative);
}

fn dirname(path: &str) -> String {
    let head = path.rfind('/').and_then(|at| path.get(..=at)).unwrap_or_default();
    let trimmed = head.trim_end_matches('/');
    if trimmed.is_empty() { head.to_owned() } else { trimmed.to_owned() }
}

fn splitext(path: &str) -> Value {
    let name = path.rfind('/').map_or(0, |at| at + 1);
    let file = path.get(name..).unwrap_or_default();
    let dots = file.len() - file.trim_start_matches('.').len();
    let at = file.rfind('.').filter(|at| *at >= dots && dots < file.len()).map_or(path.len(), |at| name + at);
    let (root, extension) = path.split_at(at);
    Value::list([Value::str(root), Value::str(extension)])
}

fn join(path: &str, part: &str) -> String {
    match path {
        _ if part.starts_with('/') => part.to_owned(),
        "" => part.to_owned(),
        path if path.ends_with('/') => format!("{path}{part}"),
        path => format!("{path}/{part}"),
    }
}

/// The path without `.`, `..` and doubled slashes.
fn normal(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

fn expand_user(path: &str) -> String {
    match (path.strip_prefix('~'), std::env::var("HOME")) {
        (Some(rest), Ok(home)) if rest.is_empty() || rest.starts_with('/') => {
            format!("{}{rest}", home.trim_end_matches('/'))
        }
        _ => path.to_owned(),
    }
}

fn relative(value: &Value, args: &Args) -> Outcome {
    let (path, start) = (normal(&value.to_string()), normal(&args.text(0, "start").unwrap_or_else(|| ".".into())));
    let parts = |path: &str| -> Vec<String> {
        path.split('/').filter(|p| !p.is_empty() && *p != ".").map(str::to_owned).collect()
    };
    let (path, start) = (parts(&path), parts(&start));
    let common = path.iter().zip(&start).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), start.len() - common);
    let all: Vec<String> = up.chain(path.into_iter().skip(common)).collect();
    Ok(if all.is_empty() { ".".to_owned() } else { all.join("/") }.into())
}
