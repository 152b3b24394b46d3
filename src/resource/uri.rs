//! `uri`: a conversation with a web server.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::edit::wanted;
use super::get_url::{file_name, is_web};
use super::params::params;
use super::types::choices;
use super::{Claim, Context, Failure, Footprint, Mode, Outcome, ParamError, Resource, file, program};
use crate::machine::{
    Algorithm, Content, FaultKind, Fetch, FileKind, HttpAnswer, HttpRequest, Inspect, Machine, Written,
};
use crate::value::{Map, Value, bytes_of, to_json};

/// Content that is kept in a file is no larger than this; `get_url` is for larger ones.
const MAX_FILE: u64 = 256 * 1024 * 1024;
/// A result larger than this would not fit into a message.
const MAX_CONTENT: usize = 16 * 1024 * 1024;

choices! {
    /// How a body is written.
    pub enum BodyFormat {
        /// As a form in a page is.
        Form = "form-urlencoded",
        /// As JSON, unless it is text already.
        Json = "json",
        /// As it is.
        Raw = "raw",
    }
}

choices! {
    /// Which redirects are followed.
    pub enum Redirects {
        /// All.
        All = "all" | "yes",
        /// None.
        None = "none" | "no",
        /// Those of GET and HEAD.
        Safe = "safe",
    }
}

params! {
    /// Talks to a web server: asks for a page, or sends something.
    ///
    /// GET and HEAD change nothing, so that a plan asks too; where it gets no good answer, the answer is known after apply.
    /// Other methods are sent at apply only. cfg never changes what it takes for the state of the server: only a file
    /// written to `dest` counts as a change.
    ///
    /// # Example
    /// ```yaml
    /// - uri: { url: "https://example.com/health", return_content: true }
    ///   register: health
    /// - uri:
    ///     url: https://example.com/api/users
    ///     method: POST
    ///     body: { name: anna }
    ///     body_format: json
    ///     status_code: [200, 201]
    /// ```
    pub struct Uri {
        /// The address: `http://…` or `https://…`.
        url: String, required;
        /// The method.
        method: String = "GET";
        /// What is sent.
        body: Option<Value>;
        /// A file of the target that is sent; needs `remote_src: true`.
        src: Option<PathBuf>;
        /// `src` is on the target. cfg sends no files of the controller.
        remote_src: bool = false;
        /// How `body` is written: mappings and lists need one of the two formats.
        body_format: BodyFormat = BodyFormat::Raw;
        /// Header fields.
        headers: Map = Map::new();
        /// The statuses that are no failure.
        status_code: Option<Vec<i64>>;
        /// Give the content of the answer as `content`.
        return_content: bool = false;
        /// Write the content to this file; in a directory the file gets the last name of the URL.
        dest: Option<PathBuf>;
        /// Ask nothing where this path, or a path that matches this pattern, exists.
        creates: Option<String>;
        /// Ask nothing where this path, or a path that matches this pattern, does not exist.
        removes: Option<String>;
        /// Which redirects are followed.
        follow_redirects: Redirects = Redirects::Safe;
        /// Seconds to wait for a connection, for an answer, and for more of it.
        timeout: i64 = 30;
        /// The user name.
        url_username: Option<String>, alias "user";
        /// The password.
        url_password: Option<String>, secret, alias "password";
        /// Send name and password with the first request, rather than when the server has asked for them.
        force_basic_auth: bool = false;
        /// Check the server's certificate.
        validate_certs: bool = true;
        /// Use the proxy the environment names.
        use_proxy: bool = true;
        /// The name cfg goes by.
        http_agent: String = "ansible-httpget";
        /// Mode of `dest`, octal in quotes or symbolic.
        mode: Option<Mode>;
        /// Owner of `dest`.
        owner: Option<String>;
        /// Group of `dest`.
        group: Option<String>;
    }
}

impl Uri {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where parameters do not fit together.
    pub fn check(&self) -> Result<(), ParamError> {
        match () {
            () if !is_web(&self.url) => {
                Err(ParamError::bad("url", "expected a URL that starts with http:// or https://"))
            }
            () if self.method.is_empty() || !self.method.bytes().all(|b| b.is_ascii_alphabetic()) => {
                Err(ParamError::bad("method", "expected a method such as GET"))
            }
            () if self.timeout < 1 => Err(ParamError::bad("timeout", "expected 1 or more")),
            () if self.body.is_some() && self.src.is_some() => {
                Err(ParamError::conflict("parameters are mutually exclusive: `body`, `src`"))
            }
            () if self.src.is_some() && !self.remote_src => {
                Err(ParamError::bad("src", "cfg sends files of the target only: set `remote_src: true`"))
            }
            () if self.url_password.is_some() && self.url_username.is_none() => {
                Err(ParamError::conflict("`url_password` needs `url_username`"))
            }
            () => self.written_body().map(drop).map_err(|message| ParamError::bad("body", message)),
        }
    }

    fn method(&self) -> String {
        self.method.to_ascii_uppercase()
    }

    fn only_asks(&self) -> bool {
        matches!(self.method().as_str(), "GET" | "HEAD")
    }

    fn written_body(&self) -> Result<Option<Vec<u8>>, String> {
        let text = match (&self.body, self.body_format) {
            (None, _) => return Ok(None),
            (Some(Value::Str(text)), _) => text.to_string(),
            (Some(value), BodyFormat::Json) => to_json(value).to_string(),
            (Some(value), BodyFormat::Form) => form(value)?,
            (Some(Value::Map(_) | Value::List(_)), BodyFormat::Raw) => {
                return Err("a mapping or list needs `body_format: json` or `form-urlencoded`".to_owned());
            }
            (Some(value), BodyFormat::Raw) => value.to_string(),
        };
        Ok(Some(bytes_of(&text).into_owned()))
    }

    fn request(&self, machine: &dyn Inspect, context: &Context) -> Result<HttpRequest, Failure> {
        let body = match &self.src {
            Some(src) => Some(machine.read(src, MAX_FILE)?),
            None => self.written_body().map_err(Failure::new)?,
        };
        let mut headers: Vec<(String, String)> =
            self.headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let mut default = |name: &str, value: &str| {
            if !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
                headers.push((name.to_owned(), value.to_owned()));
            }
        };
        default("User-Agent", &self.http_agent);
        if body.is_some() {
            let json = self.body_format == BodyFormat::Json;
            default("Content-Type", if json { "application/json" } else { "application/x-www-form-urlencoded" });
        }
        let method = self.method();
        let follow = match self.follow_redirects {
            Redirects::All => true,
            Redirects::None => false,
            Redirects::Safe => self.only_asks(),
        };
        let to = Fetch {
            url: self.url.clone(),
            headers,
            user: self.login().filter(|_| self.force_basic_auth),
            timeout: Duration::from_secs(u64::try_from(self.timeout).unwrap_or(30)),
            insecure: !self.validate_certs,
            direct: !self.use_proxy,
            env: context.environment.clone(),
            checksum: None,
        };
        Ok(HttpRequest { method, to, body, follow })
    }

    fn login(&self) -> Option<(String, String)> {
        self.url_username.clone().map(|user| (user, self.url_password.clone().unwrap_or_default()))
    }

    /// Sends the request, and sends it again with the password where the server asks for it.
    fn talk(&self, machine: &dyn Machine, request: &HttpRequest) -> Result<HttpAnswer, Failure> {
        let say = |request: &HttpRequest| -> Result<HttpAnswer, Failure> {
            let answer = if self.only_asks() {
                Some(machine.ask(request, MAX_FILE))
            } else {
                machine.request(request, MAX_FILE).transpose()
            };
            match answer {
                Some(Ok(answer)) => Ok(answer),
                Some(Err(fault)) if fault.kind == FaultKind::Other || fault.kind == FaultKind::Timeout => {
                    let mut failure = Failure::from(fault);
                    failure.result.insert("status".into(), Value::Int(-1));
                    failure.result.insert("url".into(), Value::str(&self.url));
                    Err(failure)
                }
                Some(Err(fault)) => Err(fault.into()),
                None => Err(Failure {
                    unknown: true,
                    ..Failure::new(format!("{} {} is sent at apply", request.method, self.url))
                }),
            }
        };
        let answer = say(request)?;
        let basic = |(name, value): &(String, String)| {
            name == "www-authenticate" && value.to_ascii_lowercase().starts_with("basic")
        };
        match self.login() {
            Some(user) if answer.status == 401 && request.to.user.is_none() && answer.headers.iter().any(basic) => {
                let to = Fetch { user: Some(user), ..request.to.clone() };
                say(&HttpRequest { to, ..request.clone() })
            }
            _ => Ok(answer),
        }
    }

    fn result(&self, answer: &HttpAnswer, started: Instant) -> Map {
        let mut map = header_values(&answer.headers);
        let mut put = |name: &str, value: Value| drop(map.insert(name.into(), value));
        put("status", Value::from(u32::from(answer.status)));
        put("url", Value::str(&answer.url));
        put("redirected", Value::Bool(answer.url.trim_end_matches('/') != self.url.trim_end_matches('/')));
        put("elapsed", Value::from(started.elapsed().as_secs()));
        let size = answer.headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.clone());
        let size = size.unwrap_or_else(|| "unknown".into());
        put("msg", Value::from(format!("{} ({size} bytes)", answer.reason)));
        let cookies: Vec<(&str, &str)> = answer
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie")
            .filter_map(|(_, value)| value.split(';').next()?.trim().split_once('='))
            .collect();
        let text: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        put("cookies", Value::map(cookies.into_iter().map(|(name, value)| (name, Value::str(value)))));
        put("cookies_string", Value::from(text.join("; ")));
        map
    }

    fn content(&self, answer: &HttpAnswer, map: &mut Map) -> Result<(), Failure> {
        let text = String::from_utf8_lossy(&answer.body);
        if self.return_content {
            if answer.body.len() > MAX_CONTENT {
                return Err(Failure::new(format!("the content has more than {MAX_CONTENT} bytes; use `get_url`")));
            }
            map.insert("content".into(), Value::str(&text));
        }
        let kind = answer.headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().to_ascii_lowercase();
        if answer.body.len() <= MAX_CONTENT
            && (kind.contains("json") || kind.contains("javascript"))
            && let Ok(json) = serde_json::from_str::<serde_json::Value>(&text)
        {
            map.insert("json".into(), crate::value::from_json(json));
        }
        Ok(())
    }

    fn destination(&self, machine: &dyn Inspect, dest: &Path) -> Result<PathBuf, Failure> {
        if !machine.stat(dest)?.is_some_and(|stat| stat.kind == FileKind::Dir) {
            return Ok(dest.to_path_buf());
        }
        Ok(dest.join(file_name(&self.url).unwrap_or_else(|| "index.html".into())))
    }

    fn save(&self, machine: &dyn Machine, context: &Context, dest: &Path, body: &[u8]) -> Result<Map, Failure> {
        let path = self.destination(machine, dest)?;
        let old = machine.lstat(&path)?;
        let wanted = wanted(self.mode.as_ref(), self.owner.as_ref(), self.group.as_ref());
        let attrs = wanted.resolve(machine, old.as_ref().map_or(0o644, |stat| stat.mode), false)?;
        let is_file = old.as_ref().is_some_and(|stat| stat.kind == FileKind::File);
        if is_file && machine.digest(&path, Algorithm::Sha256)? == Algorithm::Sha256.of(body) {
            file::set_differing(machine, &path, &attrs)?;
        } else {
            let how = Written { secret: context.no_log, ..Written::default() };
            machine.write(&path, &Content::bytes(body.to_vec()), &attrs, &how)?;
        }
        Ok(file::result(machine, &path)?.result)
    }
}

/// Header fields as return values: small letters, `_` for `-`; fields that came several times in one.
fn header_values(headers: &[(String, String)]) -> Map {
    let mut map: Map = Map::new();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase().replace('-', "_");
        let joined = match map.get(name.as_str()) {
            Some(before) => format!("{before}, {value}"),
            None => value.clone(),
        };
        map.insert(name.into(), Value::from(joined));
    }
    map
}

/// `a=1&b=x+y`, of a mapping or a list of pairs; a list of values gives the name several times.
fn form(value: &Value) -> Result<String, String> {
    let pairs: Vec<(String, Value)> = match value {
        Value::Map(map) => map.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
        Value::List(items) => {
            let pair = |item: &Value| match item.as_list() {
                Some([name, value]) => Ok((name.to_string(), value.clone())),
                _ => Err(format!("expected a list of pairs, found {item} in it")),
            };
            items.iter().map(pair).collect::<Result<_, _>>()?
        }
        other => return Ok(other.to_string()),
    };
    let mut words = Vec::new();
    for (name, value) in &pairs {
        let values = value.as_list().map_or_else(|| vec![value.clone()], <[Value]>::to_vec);
        words.extend(values.iter().map(|value| format!("{}={}", quoted(name), quoted(&value.to_string()))));
    }
    Ok(words.join("&"))
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

impl Resource for Uri {
    fn footprint(&self) -> Footprint {
        // What answers may be something an earlier state has changed; what is sent may change anything.
        let footprint = if self.only_asks() { Footprint::observer() } else { Footprint::world() };
        match &self.dest {
            Some(dest) => footprint.write(Claim::Tree(dest.clone())),
            None => footprint,
        }
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        if let Some(reason) = program::guard(machine, None, self.creates.as_deref(), self.removes.as_deref())? {
            return Ok(Outcome::of([("stdout", Value::from(format!("skipped, since {reason}")))]).changed(false));
        }
        let started = Instant::now();
        let request = self.request(machine, context)?;
        let answer = self.talk(machine, &request)?;
        let mut result = self.result(&answer, started);
        self.content(&answer, &mut result)?;
        let good = self.status_code.clone().unwrap_or_else(|| vec![200]);
        if !good.contains(&i64::from(answer.status)) {
            let shown: Vec<String> = good.iter().map(ToString::to_string).collect();
            let message = format!(
                "Status code was {} and not [{}]: HTTP Error {0}: {}",
                answer.status,
                shown.join(", "),
                answer.reason
            );
            return Err(Failure { result, unknown: answer.early, ..Failure::new(message) });
        }
        if let Some(dest) = &self.dest {
            result.extend(self.save(machine, context, dest, &answer.body)?);
        }
        Ok(Outcome { result, ..Outcome::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, args, yaml};
    use super::*;

    fn uri(params: &str) -> Uri {
        let uri = Uri::from_args(args("uri", &format!("{{url: 'http://x/', {params}}}"))).unwrap();
        uri.check().unwrap();
        uri
    }

    /// The bodies are those of ansible-core 2.19, but for the spaces in JSON.
    #[test]
    fn requests() {
        let bench = Bench::with(&[("/etc/f", "file")]);
        let table = [
            ("", None, None, true),
            (
                "method: post, body: {a: 1, b: x y}, body_format: json",
                Some(r#"{"a":1,"b":"x y"}"#),
                Some("application/json"),
                false,
            ),
            (
                "method: POST, body: '{\"a\": 1}', body_format: json",
                Some(r#"{"a": 1}"#),
                Some("application/json"),
                false,
            ),
            (
                "body: {a: 1, b: [x y, 2]}, body_format: form-urlencoded, method: POST",
                Some("a=1&b=x+y&b=2"),
                Some("application/x-www-form-urlencoded"),
                false,
            ),
            (
                "body: [[a, 'ä&'], [a, 2]], body_format: form-urlencoded, method: POST",
                Some("a=%C3%A4%26&a=2"),
                Some("application/x-www-form-urlencoded"),
                false,
            ),
            ("body: raw, method: PUT, headers: {content-type: text/plain}", Some("raw"), Some("text/plain"), false),
            (
                "src: /etc/f, remote_src: true, method: PUT, follow_redirects: all",
                Some("file"),
                Some("application/x-www-form-urlencoded"),
                true,
            ),
            ("follow_redirects: none", None, None, false),
        ];
        for (params, body, kind, follow) in table {
            let request = uri(params).request(&*bench.0, &Context::default()).unwrap();
            assert_eq!(request.body.map(|b| String::from_utf8(b).unwrap()).as_deref(), body, "{params}");
            let found = request.to.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            assert_eq!((found.map(|(_, value)| value.as_str()), request.follow), (kind, follow), "{params}");
        }
    }

    #[test]
    fn answers() {
        let headers = [
            ("content-type", "application/json; charset=utf-8"),
            ("x-foo-bar", "1"),
            ("set-cookie", "sid=abc; Path=/"),
        ];
        let answer = HttpAnswer {
            status: 200,
            reason: "OK".into(),
            url: "http://x/y".into(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: br#"{"a": [1, 2]}"#.to_vec(),
            early: false,
        };
        let uri = uri("return_content: true");
        let mut map = uri.result(&answer, Instant::now());
        uri.content(&answer, &mut map).unwrap();
        let expected = yaml(
            "{content_type: application/json; charset=utf-8, x_foo_bar: '1', set_cookie: sid=abc; Path=/, status: 200, \
             url: 'http://x/y', redirected: true, elapsed: 0, msg: OK (unknown bytes), cookies: {sid: abc}, \
             cookies_string: sid=abc, content: '{\"a\": [1, 2]}', json: {a: [1, 2]}}",
        );
        assert_eq!(Value::from(map), expected);
    }

    #[test]
    fn plans_and_refusals() {
        let bench = Bench::with(&[]);
        let url = "url: 'http://x/'";
        assert!(bench.run("uri", &format!("{{{url}, method: POST}}")).unwrap_err().unknown);
        let (outcome, changes) = bench.run("uri", &format!("{{{url}, creates: /etc}}")).unwrap();
        assert_eq!((outcome.changed, changes.len()), (Some(Value::Bool(false)), 0));
        let table = [
            ("url: 'ftp://x'", "http://"),
            ("url: 'http://x', body: {a: 1}", "body_format"),
            ("url: 'http://x', src: /etc/f", "remote_src"),
            ("url: 'http://x', method: 'GET /'", "method"),
            ("url: 'http://x', body_format: form-multipart", "form-urlencoded"),
            ("url: 'http://x', client_cert: x", "client_cert"),
        ];
        for (params, expected) in table {
            let message = bench.fails("uri", &format!("{{{params}}}"));
            assert!(message.contains(expected), "{params}: {message}");
        }
    }
}
