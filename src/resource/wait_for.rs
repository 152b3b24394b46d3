//! `wait_for`: waits for a port or a path.

use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fancy_regex::Regex;

use super::params::params;
use super::types::choices;
use super::{Context, Failure, Footprint, Outcome, ParamError, Resource, python};
use crate::machine::{Inspect, Machine, Reach};
use crate::value::{Map, Value};

/// Of a file or a banner, no more than this is searched.
const MAX_SEARCH: u64 = 64 * 1024 * 1024;
const MAX_BANNER: u64 = 64 * 1024;

/// States of connections, by their number in the kernel's table less one.
const STATES: [&str; 11] = [
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
];

/// What counts as a connection where the task does not say.
const DEFAULT_STATES: [&str; 5] = ["ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "SYN_RECV", "SYN_SENT"];

choices! {
    /// What is waited for.
    pub enum State {
        /// Something listens on the port; the path is there.
        Started = "started" | "present",
        /// Nothing listens on the port; the path is not there.
        Stopped = "stopped" | "absent",
        /// Nobody is connected to the port any more.
        Drained = "drained",
    }
}

params! {
    /// Waits until something listens on a port, a path is there, or a text is found; or until they are not.
    ///
    /// A plan does not wait: what the states before it would bring about is not there yet.
    ///
    /// # Example
    /// ```yaml
    /// - wait_for: { port: 8080, delay: 2, timeout: 60 }
    /// ```
    pub struct WaitFor {
        /// The host.
        host: String = "127.0.0.1";
        /// The port.
        port: Option<i64>;
        /// The path.
        path: Option<PathBuf>;
        /// What is waited for.
        state: State = State::Started;
        /// Wait until this regular expression is found in the file, or in what is said on the port.
        search_regex: Option<String>;
        /// Seconds to wait at most. Without a port or path: seconds to wait.
        timeout: i64 = 300;
        /// Seconds to wait before looking for the first time.
        delay: i64 = 0;
        /// Seconds to wait for a connection.
        connect_timeout: i64 = 5;
        /// With `state: drained`, connections from these hosts do not count: addresses.
        exclude_hosts: Vec<String>;
        /// With `state: drained`, what counts as a connection.
        active_connection_states: Vec<String> = DEFAULT_STATES.map(str::to_owned), alias "connection_states";
        /// Seconds between one look and the next.
        sleep: i64 = 1;
        /// The message of the failure when the time is up.
        msg: Option<String>;
    }
}

/// What one look came to.
enum Look {
    /// It is as wanted; with what the regular expression matched.
    Done(Option<Map>),
    /// Not yet.
    NotYet,
    /// This is a dry run.
    Unknown,
}

impl WaitFor {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where parameters do not fit together.
    pub fn check(&self) -> Result<(), ParamError> {
        self.regex()?;
        let numbers = [
            ("timeout", self.timeout),
            ("delay", self.delay),
            ("connect_timeout", self.connect_timeout),
            ("sleep", self.sleep),
        ];
        if let Some((name, _)) = numbers.iter().find(|(_, seconds)| *seconds < 0) {
            return Err(ParamError::bad(name, "expected 0 or more"));
        }
        match (self.port, &self.path) {
            (Some(_), Some(_)) => Err(ParamError::conflict("parameters are mutually exclusive: `port`, `path`")),
            (Some(port), None) if u16::try_from(port).is_err() => {
                Err(ParamError::bad("port", format!("{port} is not a port")))
            }
            (None, _) if self.state == State::Drained => Err(ParamError::conflict("`state: drained` needs a `port`")),
            _ if !self.exclude_hosts.is_empty() && self.state != State::Drained => {
                Err(ParamError::bad("exclude_hosts", "exclude_hosts should only be with state=drained"))
            }
            (Some(_), None) if self.state != State::Started && self.search_regex.is_some() => {
                Err(ParamError::conflict("`state: stopped` on a port takes no `search_regex`"))
            }
            (None, None) if self.search_regex.is_some() => {
                Err(ParamError::conflict("`search_regex` needs `port` or `path`"))
            }
            _ => Ok(()),
        }
    }

    fn regex(&self) -> Result<Option<Regex>, ParamError> {
        self.search_regex.as_ref().map(|text| python::compile("search_regex", text, "m")).transpose()
    }

    fn look(&self, machine: &dyn Inspect, regex: Option<&Regex>) -> Result<Look, Failure> {
        match (self.port.and_then(|port| u16::try_from(port).ok()), &self.path) {
            (Some(port), _) => self.look_at_port(machine, port, regex),
            (None, Some(_)) => self.look_at_path(machine, regex),
            (None, None) => Ok(Look::NotYet),
        }
    }

    fn look_at_port(&self, machine: &dyn Inspect, port: u16, regex: Option<&Regex>) -> Result<Look, Failure> {
        if self.state == State::Drained {
            return self.look_at_connections(machine, port);
        }
        let limit = if regex.is_some() { MAX_BANNER } else { 0 };
        let reached = machine.reach(&self.host, port, seconds(self.connect_timeout.max(1)), limit)?;
        Ok(match (reached, self.state) {
            (Reach::Unknown, _) => Look::Unknown,
            (Reach::Open(said), State::Started) => search(regex, &said)?,
            (Reach::Closed, State::Stopped) => Look::Done(None),
            _ => Look::NotYet,
        })
    }

    fn look_at_path(&self, machine: &dyn Inspect, regex: Option<&Regex>) -> Result<Look, Failure> {
        let Some(path) = &self.path else { return Ok(Look::NotYet) };
        let there = machine.stat(path)?.is_some();
        let found = match (regex, there) {
            (Some(_), true) => search(regex, &machine.read(path, MAX_SEARCH)?)?,
            (None, true) => Look::Done(None),
            (_, false) => Look::NotYet,
        };
        Ok(match (found, self.state) {
            (found, State::Started) => found,
            (Look::Done(_), State::Stopped) => Look::NotYet,
            (_, State::Stopped | State::Drained) => Look::Done(None),
        })
    }

    fn look_at_connections(&self, machine: &dyn Inspect, port: u16) -> Result<Look, Failure> {
        let mine = self.host.parse::<IpAddr>().ok().filter(|ip| !ip.is_unspecified());
        let excluded: Vec<IpAddr> = self.exclude_hosts.iter().filter_map(|host| host.parse().ok()).collect();
        let states: Vec<&str> = self.active_connection_states.iter().map(String::as_str).collect();
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let bytes = machine.read(Path::new(table), MAX_SEARCH).unwrap_or_default();
            let counts = |c: &Connection| {
                c.local.1 == port
                    && mine.is_none_or(|mine| mine == c.local.0 || c.local.0.is_unspecified())
                    && !excluded.contains(&c.remote)
                    && states.contains(&c.state)
            };
            if connections(&String::from_utf8_lossy(&bytes)).any(|connection| counts(&connection)) {
                return Ok(Look::NotYet);
            }
        }
        Ok(Look::Done(None))
    }

    fn outcome(&self, elapsed: u64, matched: Option<Map>) -> Outcome {
        let state = match self.state {
            State::Started => "started",
            State::Stopped => "stopped",
            State::Drained => "drained",
        };
        let mut outcome = Outcome::of([
            ("state", Value::str(state)),
            ("host", Value::str(&self.host)),
            ("port", Value::from(self.port)),
            ("path", Value::from(self.path.as_ref().map(|path| path.to_string_lossy().into_owned()))),
            ("search_regex", Value::from(self.search_regex.clone())),
            ("elapsed", Value::from(elapsed)),
            ("match_groups", Value::list([])),
            ("match_groupdict", Value::from(Map::new())),
        ]);
        outcome.result.extend(matched.unwrap_or_default());
        outcome.changed(false)
    }

    fn late(&self, elapsed: u64) -> Failure {
        let what = match (&self.path, self.port) {
            (Some(path), _) => path.display().to_string(),
            (None, port) => format!("{}:{}", self.host, port.unwrap_or(0)),
        };
        let message = match (&self.msg, &self.search_regex, self.state) {
            (Some(message), ..) => message.clone(),
            (None, Some(regex), State::Started) => format!("Timeout when waiting for search string {regex} in {what}"),
            (None, _, State::Started) => format!("Timeout when waiting for {what}"),
            (None, _, State::Stopped) if self.path.is_some() => {
                format!("Timeout when waiting for {what} to be absent.")
            }
            (None, _, State::Stopped) => format!("Timeout when waiting for {what} to stop."),
            (None, _, State::Drained) => format!("Timeout when waiting for {what} to drain"),
        };
        let mut failure = Failure::new(message);
        failure.result.insert("elapsed".into(), Value::from(elapsed));
        failure
    }
}

fn seconds(number: i64) -> Duration {
    Duration::from_secs(u64::try_from(number).unwrap_or(0))
}

/// A line of the kernel's table of connections.
struct Connection {
    local: (IpAddr, u16),
    remote: IpAddr,
    state: &'static str,
}

/// Reads `/proc/net/tcp` or `tcp6`.
fn connections(text: &str) -> impl Iterator<Item = Connection> + '_ {
    text.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
        let number = usize::from_str_radix(state, 16).ok()?.checked_sub(1)?;
        Some(Connection { local: endpoint(local)?, remote: endpoint(remote)?.0, state: STATES.get(number)? })
    })
}

/// `0100007F:1F90`: words of the address as the processor has them, and the port.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    if address.len() == 8 {
        return Some((IpAddr::V4(word(0)?.into()), port));
    }
    let bytes: Vec<u8> = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
    let six = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
    Some((six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4), port))
}

/// Searches a text, and gives the groups of the match.
fn search(regex: Option<&Regex>, bytes: &[u8]) -> Result<Look, Failure> {
    let Some(regex) = regex else { return Ok(Look::Done(None)) };
    let text = String::from_utf8_lossy(bytes);
    let found = regex.captures(text.as_ref()).map_err(|e| Failure::new(format!("the regular expression: {e}")))?;
    let Some(captures) = found else { return Ok(Look::NotYet) };
    let shown = |group: Option<fancy_regex::Match<'_>>| Value::from(group.map(|m| m.as_str().to_owned()));
    let groups = (1..captures.len()).map(|i| shown(captures.get(i)));
    let named = regex.capture_names().flatten().map(|name| (name, shown(captures.name(name))));
    let matched = [("match_groups".into(), Value::list(groups)), ("match_groupdict".into(), Value::map(named))];
    Ok(Look::Done(Some(matched.into_iter().collect())))
}

impl Resource for WaitFor {
    fn footprint(&self) -> Footprint {
        Footprint::observer()
    }

    fn converge(&self, machine: &dyn Machine, _context: &Context) -> Result<Outcome, Failure> {
        let started = Instant::now();
        let elapsed = || started.elapsed().as_secs();
        let regex = self.regex().map_err(|e| Failure::new(e.message))?;
        let regex = regex.as_ref();
        let only_time = self.port.is_none() && self.path.is_none();
        // In a dry run no time passes, and neither does what is waited for.
        if !machine.pause(seconds(self.delay))? {
            return Ok(self.outcome(0, None));
        }
        if only_time {
            machine.pause(seconds(self.timeout))?;
            return Ok(self.outcome(elapsed(), None));
        }
        loop {
            match self.look(machine, regex)? {
                Look::Done(matched) => return Ok(self.outcome(elapsed(), matched)),
                Look::Unknown => return Ok(self.outcome(0, None)),
                Look::NotYet if started.elapsed() >= seconds(self.timeout) => return Err(self.late(elapsed())),
                Look::NotYet => machine.pause(seconds(self.sleep).max(Duration::from_millis(50)))?,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::testing::{Bench, args};
    use super::super::{Context, find};
    use crate::machine::{Cancel, Live, Tracked};
    use crate::value::Value;

    fn live(text: &str) -> Result<super::Outcome, super::Failure> {
        let resource = (find("wait_for").unwrap().parse)(args("wait_for", text)).unwrap();
        let machine = Tracked::new(Arc::new(Live::new(None, Cancel::default())), false);
        resource.converge(&machine, &Context::default())
    }

    #[test]
    fn connections_of_the_kernel() {
        let line = "   0: 0100007F:1F90 0200007F:B3C4 01 00000000:00000000 00:00000000 00000000 0 0 1 1 0\n";
        let all: Vec<_> = super::connections(&format!("head\n{line}")).collect();
        assert_eq!(all.len(), 1);
        assert_eq!(
            (all[0].local.0.to_string(), all[0].local.1, all[0].state),
            ("127.0.0.1".into(), 8080, "ESTABLISHED")
        );
        assert_eq!(all[0].remote.to_string(), "127.0.0.2");
        let bench = Bench::with(&[]);
        bench.run("file", "{path: /proc/net, state: directory}").unwrap();
        bench.run("copy", &format!("{{dest: /proc/net/tcp, content: {:?}}}", format!("head\n{line}"))).unwrap();
        bench.settle("wait_for", "{port: 1, state: drained}");
        bench.settle("wait_for", "{port: 8080, state: drained, exclude_hosts: 127.0.0.2}");
        assert!(bench.fails("wait_for", "{port: 1, exclude_hosts: 127.0.0.2}").contains("drained"));
        assert!(bench.fails("wait_for", "{path: /x, state: drained}").contains("`port`"));
    }

    #[test]
    fn a_plan_does_not_wait() {
        let bench = Bench::with(&[]);
        for text in
            ["{port: 1}", "{path: /etc/none}", "{timeout: 100}", "{port: 1, state: stopped}", "{path: /x, delay: 100}"]
        {
            let (outcome, changes) = bench.settle("wait_for", text);
            assert_eq!((outcome.changed, changes), (Some(Value::Bool(false)), 0), "{text}");
        }
    }

    #[test]
    fn waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "state=ready\n").unwrap();
        let path = path.display();
        live(&format!("{{path: {path}}}")).unwrap();
        live("{port: 1, state: stopped, timeout: 1}").unwrap();
        live(&format!("{{path: {path}x, state: absent}}")).unwrap();
        let found = live(&format!("{{path: {path}, search_regex: '^state=(?P<s>.*)$'}}")).unwrap();
        assert_eq!(found.result.get("match_groupdict"), Some(&Value::map([("s", Value::str("ready"))])));
        let late = live(&format!("{{path: {path}x, timeout: 0}}")).unwrap_err();
        assert!(late.message.starts_with("Timeout when waiting for"), "{}", late.message);
        assert_eq!(live("{port: 1, timeout: 0, msg: too late}").unwrap_err().message, "too late");
    }

    #[test]
    fn refusals() {
        let bench = Bench::with(&[]);
        let table = [
            ("{port: 1, path: /x}", "mutually exclusive"),
            ("{port: 70000}", "not a port"),
            ("{search_regex: x}", "needs `port`"),
            ("{port: 1, exclude_hosts: x}", "exclude_hosts"),
            ("{path: /x, timeout: -1}", "0 or more"),
        ];
        for (text, expected) in table {
            let message = bench.fails("wait_for", text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
