//! Lookups that go out: programs of the controller, and the web.

use std::time::Duration;

use super::{Ask, Outcome, fail};
use crate::machine::{Cancel, Fetch, HttpAnswer, HttpRequest, Inspect as _, Live};
use crate::template::{EvalError, Lookup};
use crate::value::{Value, text_of};

pub const URL_OPTIONS: &[&str] = &[
    "validate_certs",
    "split_lines",
    "use_proxy",
    "username",
    "password",
    "headers",
    "force",
    "timeout",
    "http_agent",
    "force_basic_auth",
    "follow_redirects",
    "use_netrc",
];

/// The most a lookup reads.
const MOST: u64 = 64 * 1024 * 1024;

/// Runs a line of the shell, as its author wrote it, in the directory of the playbook.
fn shell(ask: &Ask<'_>, line: &str) -> Result<String, EvalError> {
    let name = &ask.call.name;
    let mut command = std::process::Command::new("/bin/sh");
    command.arg("-c").arg(line).stdin(std::process::Stdio::null()).stderr(std::process::Stdio::inherit());
    if let Some(dir) = ask.reach.search.last().filter(|dir| dir.is_dir()) {
        command.current_dir(dir);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => return fail(format!("the lookup `{name}` cannot run a shell: {error}")),
    };
    if !output.status.success() {
        let code = output.status.code().map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        return fail(format!("lookup_plugin.{name}({line}) returned {code}"));
    }
    Ok(text_of(&output.stdout))
}

pub(super) fn pipe(ask: &Ask<'_>) -> Outcome {
    let run = |line: String| Ok(Value::str(shell(ask, &line)?.trim_end()));
    Ok(Lookup::Results(ask.texts().map(run).collect::<Result<_, EvalError>>()?))
}

pub(super) fn lines(ask: &Ask<'_>) -> Outcome {
    let mut results = Vec::new();
    for line in ask.texts() {
        results.extend(shell(ask, &line)?.lines().map(Value::str));
    }
    Ok(Lookup::Results(results))
}

/// Options of `url` may come from variables, as in Ansible.
fn setting(ask: &Ask<'_>, name: &str) -> Result<Option<Value>, EvalError> {
    let variable =
        if name == "http_agent" { "ansible_lookup_url_agent".into() } else { format!("ansible_lookup_url_{name}") };
    match ask.option(name) {
        Some(value) => Ok(Some(value.clone()).filter(|value| *value != Value::Null)),
        None => ask.scope.get(&variable),
    }
}

pub(super) fn url(ask: &Ask<'_>) -> Outcome {
    let flag = |name: &str, default: bool| -> Result<bool, EvalError> {
        Ok(setting(ask, name)?.map_or(default, |value| crate::apply_truth(&value)))
    };
    let split = flag("split_lines", true)?;
    let mut results = Vec::new();
    for term in &ask.call.terms {
        let answer = exchange(&request(ask, &term.to_string())?, flag("force_basic_auth", false)?)?;
        if answer.status >= 400 {
            return fail(format!("Received HTTP error for {term} : HTTP Error {}: {}", answer.status, answer.reason));
        }
        let text = String::from_utf8_lossy(&answer.body);
        if split {
            results.extend(text.lines().map(Value::str));
        } else {
            results.push(Value::str(text));
        }
    }
    Ok(Lookup::Results(results))
}

fn request(ask: &Ask<'_>, url: &str) -> Result<HttpRequest, EvalError> {
    let get = |name: &str| setting(ask, name);
    let flag = |name: &str, default: bool| -> Result<bool, EvalError> {
        Ok(get(name)?.map_or(default, |value| crate::apply_truth(&value)))
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    if let Some(map) = get("headers")?.as_ref().and_then(Value::as_map) {
        headers.extend(map.iter().map(|(name, value)| (name.to_string(), value.to_string())));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
        let agent = get("http_agent")?.map_or_else(|| "ansible-httpget".to_owned(), |agent| agent.to_string());
        headers.push(("User-Agent".to_owned(), agent));
    }
    if flag("force", false)? {
        headers.push(("cache-control".to_owned(), "no-cache".to_owned()));
    }
    let user = match get("username")? {
        Some(user) => Some((user.to_string(), get("password")?.map(|text| text.to_string()).unwrap_or_default())),
        None => None,
    };
    let timeout = get("timeout")?.and_then(|value| value.to_string().parse::<f64>().ok()).unwrap_or(10.0);
    let follow = match get("follow_redirects")?.map(|value| value.to_string()).as_deref() {
        None | Some("urllib2" | "safe" | "all" | "yes" | "True") => true,
        Some("none" | "no" | "False") => false,
        Some(other) => return fail(format!("`follow_redirects` is all, safe or none, not `{other}`")),
    };
    let to = Fetch {
        url: url.to_owned(),
        headers,
        user,
        timeout: Duration::from_secs_f64(timeout.clamp(0.1, 86_400.0)),
        insecure: !flag("validate_certs", true)?,
        direct: !flag("use_proxy", true)?,
        env: Vec::new(),
        checksum: None,
    };
    Ok(HttpRequest { method: "GET".into(), to, body: None, follow })
}

/// Asks; a password is sent at once where that is wanted, or when the server asks for it.
fn exchange(request: &HttpRequest, at_once: bool) -> Result<HttpAnswer, EvalError> {
    let live = Live::new(None, Cancel::default());
    let say = |request: &HttpRequest| {
        live.ask(request, MOST)
            .map_err(|fault| EvalError::failed(format!("Failed lookup url for {}: {fault}", request.to.url)))
    };
    if at_once || request.to.user.is_none() {
        return say(request);
    }
    let bare = HttpRequest { to: Fetch { user: None, ..request.to.clone() }, ..request.clone() };
    let answer = say(&bare)?;
    if answer.status == 401 { say(request) } else { Ok(answer) }
}
