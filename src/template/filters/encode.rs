//! Encodings, digests and identifiers.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use minijinja::Environment;
use sha1::Digest as _;

use super::call::{Args, Outcome, add, fail, mapping};
use crate::machine::Algorithm;
use crate::value::{Value, bytes_of, text_of};

/// Registers them.
pub fn register(env: &mut Environment<'static>) {
    add(env, &["b64encode"], |v, a| {
        let engine = if a.flag(1, "urlsafe") { &URL_SAFE } else { &STANDARD };
        Ok(engine.encode(bytes_of(&v.to_string())).into())
    });
    add(env, &["b64decode"], |v, a| {
        let engine = if a.flag(1, "urlsafe") { &URL_SAFE } else { &STANDARD };
        let text: String = v.to_string().split_whitespace().collect();
        let bytes = engine.decode(text).map_err(|e| fail(format!("not valid base64: {e}")))?;
        Ok(text_of(&bytes).into())
    });
    add(env, &["hash"], |v, a| digest(v, &a.text(0, "hashtype").unwrap_or_else(|| "sha1".into())));
    add(env, &["checksum", "sha1"], |v, _| digest(v, "sha1"));
    add(env, &["md5"], |v, _| digest(v, "md5"));
    add(env, &["to_uuid"], uuid);
    add(env, &["quote"], |v, _| Ok(if *v == Value::Null { "''".to_owned() } else { quote(&v.to_string()) }.into()));
    add(env, &["e", "escape", "forceescape"], |v, _| Ok(escape(&v.to_string()).into()));
    add(env, &["urlencode"], urlencode);
    add(env, &["urldecode"], |v, _| Ok(decode(&v.to_string().replace('+', " ")).into()));
    add(env, &["urlsplit"], urlsplit);
}

fn digest(value: &Value, name: &str) -> Outcome {
    let algorithm = Algorithm::parse(name).ok_or_else(|| fail(format!("there is no digest `{name}`")))?;
    Ok(algorithm.of(&bytes_of(&value.to_string())).into())
}

/// A UUID of version 5, in Ansible's name space unless another is given.
fn uuid(value: &Value, args: &Args) -> Outcome {
    let space = args.text(0, "namespace").unwrap_or_else(|| "361E6D51-FAEC-444A-9079-341386DA8E2E".into());
    let digits: String = space.chars().filter(char::is_ascii_hexdigit).collect();
    let space = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32);
    let space = space.ok_or_else(|| fail("`namespace` is not a UUID"))?;
    let hash = sha1::Sha1::new().chain_update(space.to_be_bytes()).chain_update(value.to_string()).finalize();
    let number = hash.iter().take(16).fold(0u128, |n, byte| (n << 8) | u128::from(*byte));
    let number = (number & !(0xf << 76) & !(0x3 << 62)) | (5 << 76) | (2 << 62);
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Ok(format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)).into())
}

/// As Python's `shlex.quote`.
fn quote(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(safe) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\"'\"'"))
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;").replace('"', "&#34;")
}

fn percent(text: &str, safe: &str, plus: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let c = char::from(byte);
        if byte.is_ascii_alphanumeric() || "_.-~".contains(c) || safe.contains(c) {
            out.push(c);
        } else if plus && c == ' ' {
            out.push('+');
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn urlencode(value: &Value, _args: &Args) -> Outcome {
    match value {
        Value::Map(_) => {
            let pair = |(k, v): (&std::sync::Arc<str>, &Value)| {
                format!("{}={}", percent(k, "", true), percent(&v.to_string(), "", true))
            };
            Ok(mapping(value)?.iter().map(pair).collect::<Vec<_>>().join("&").into())
        }
        Value::List(pairs) => {
            let pair = |pair: &Value| {
                let part = |n: usize| pair.as_list().and_then(|p| p.get(n)).map(Value::to_string).unwrap_or_default();
                format!("{}={}", percent(&part(0), "", true), percent(&part(1), "", true))
            };
            Ok(pairs.iter().map(pair).collect::<Vec<_>>().join("&").into())
        }
        other => Ok(percent(&other.to_string(), "/", false).into()),
    }
}

fn decode(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (byte, hex) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn urlsplit(value: &Value, args: &Args) -> Outcome {
    let text = value.to_string();
    let (rest, fragment) = text.split_once('#').unwrap_or((&text, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let scheme = rest.split_once(':').filter(|(s, _)| {
        s.starts_with(|c: char| c.is_ascii_alphabetic())
            && s.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    let (scheme, rest) = scheme.unwrap_or(("", rest));
    let (netloc, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (login, place) = netloc.rsplit_once('@').map_or((None, netloc), |(login, place)| (Some(login), place));
    let (user, password) =
        login.map_or((None, None), |l| l.split_once(':').map_or((Some(l), None), |(u, p)| (Some(u), Some(p))));
    let (host, port) = match place.strip_prefix('[').and_then(|p| p.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let host = Some(host.to_lowercase()).filter(|host| !host.is_empty());
    let parts = Value::map([
        ("fragment", Value::str(fragment)),
        ("hostname", Value::from(host)),
        ("netloc", Value::str(netloc)),
        ("password", Value::from(password)),
        ("path", Value::str(path)),
        ("port", Value::from(port.and_then(|port| port.parse::<i64>().ok()))),
        ("query", Value::str(query)),
        ("scheme", Value::from(scheme.to_lowercase())),
        ("username", Value::from(user)),
    ]);
    match args.text(0, "query") {
        None => Ok(parts),
        Some(part) => parts.get(&part).cloned().ok_or_else(|| fail(format!("unknown URL component: {part}"))),
    }
}
