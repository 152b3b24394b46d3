//! Connecting and fetching.
//!
//! Names are looked up by getent(1): the agent is linked statically, and the C library's own lookup does not work there.

use std::io::{Read, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::super::{Algorithm, Command, Fault, FaultKind, Fetch, HttpAnswer, HttpRequest, Reach, Result};
use super::{Cancel, exec, fault, files};

/// Where hosts keep the certificates they trust.
const CA_FILES: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// What is said after the first words is waited for only this long.
const MORE: Duration = Duration::from_millis(200);

/// Lets time pass.
pub fn pause(time: Duration, cancel: &Cancel) -> Result<bool> {
    let end = Instant::now() + time;
    loop {
        if cancel.is_cancelled() {
            return Err(Fault { kind: FaultKind::Cancelled, ..Fault::new("wait", "the run was cancelled") });
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(true);
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}

/// The addresses of a name.
fn addresses(host: &str, cancel: &Cancel) -> Result<Vec<IpAddr>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Ok(vec![address]);
    }
    let stdio = exec::run(&Command::new(["getent", "ahosts", "--", bare]), cancel)?;
    let mut found: Vec<IpAddr> = Vec::new();
    for address in stdio.out().lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    if found.is_empty() {
        return Err(Fault { kind: FaultKind::NotFound, ..Fault::new(format!("look up {bare}"), "no such host") });
    }
    Ok(found)
}

/// Tries to connect, and reads up to `limit` bytes of what is said.
pub fn reach(host: &str, port: u16, timeout: Duration, limit: u64, cancel: &Cancel) -> Result<Reach> {
    // A name that is not known yet is as good as a port nobody listens on.
    let addresses = match addresses(host, cancel) {
        Err(fault) if fault.kind == FaultKind::NotFound => return Ok(Reach::Closed),
        other => other?,
    };
    for address in addresses {
        if let Ok(stream) = TcpStream::connect_timeout(&SocketAddr::new(address, port), timeout) {
            return Ok(Reach::Open(if limit == 0 { Vec::new() } else { listen(stream, timeout, limit) }));
        }
    }
    Ok(Reach::Closed)
}

fn listen(mut stream: TcpStream, timeout: Duration, limit: u64) -> Vec<u8> {
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    let mut wait = timeout;
    while (said.len() as u64) < limit && stream.set_read_timeout(Some(wait)).is_ok() {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(n) => said.extend_from_slice(buffer.get(..n).unwrap_or_default()),
        }
        wait = MORE;
    }
    said
}

#[derive(Debug)]
struct Getent(Cancel);

impl Resolver for Getent {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        _config: &ureq::config::Config,
        _timeout: NextTimeout,
    ) -> std::result::Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let mut found = self.empty();
        for address in addresses(host, &self.0).map_err(|_| ureq::Error::HostNotFound)?.into_iter().take(16) {
            found.push(SocketAddr::new(address, port));
        }
        Ok(found)
    }
}

/// The certificates the host trusts; those built in where it has no file of them.
fn trusted() -> RootCerts {
    let text = CA_FILES.iter().find_map(|path| std::fs::read(path).ok());
    let certificates: Vec<_> = text
        .iter()
        .flat_map(|text| parse_pem(text).collect::<Vec<_>>())
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() { RootCerts::WebPki } else { RootCerts::Specific(Arc::new(certificates)) }
}

fn proxy(fetch: &Fetch) -> Option<ureq::Proxy> {
    let scheme = if fetch.url.starts_with("https:") { "https_proxy" } else { "http_proxy" };
    let given = |name: &str| fetch.env.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    match given(scheme).or_else(|| given("all_proxy")) {
        _ if fetch.direct || given("no_proxy").is_some_and(|list| is_listed(&fetch.url, list)) => None,
        Some(proxy) => ureq::Proxy::new(proxy).ok(),
        None => ureq::Proxy::try_from_env(),
    }
}

/// Says whether the host of a URL is, or is below, one of the names in `list`.
fn is_listed(url: &str, list: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = if host.starts_with('[') { host } else { host.split(':').next().unwrap_or_default() };
    list.split(',')
        .map(|name| name.trim().trim_start_matches('.'))
        .filter(|name| !name.is_empty())
        .any(|name| name == "*" || host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')))
}

/// An answer whose content is yet to be read.
pub struct Answer {
    /// Status.
    pub status: u16,
    body: Box<dyn Read>,
    operation: String,
    cancel: Cancel,
}

/// Asks for something.
pub fn ask(fetch: &Fetch, cancel: &Cancel) -> Result<Answer> {
    let request = HttpRequest { method: "GET".into(), to: fetch.clone(), body: None, follow: true };
    let operation = format!("fetch {}", fetch.url);
    let response = send(&operation, &request, true, cancel)?;
    let status = response.status().as_u16();
    Ok(Answer { status, body: Box::new(response.into_body().into_reader()), operation, cancel: cancel.clone() })
}

/// Says something to a web server and takes its answer, whatever the status.
pub fn exchange(request: &HttpRequest, limit: u64, cancel: &Cancel) -> Result<HttpAnswer> {
    use ureq::ResponseExt as _;
    let operation = format!("{} {}", request.method, request.to.url);
    let response = send(&operation, request, false, cancel)?;
    let status = response.status();
    let mut answer = HttpAnswer {
        status: status.as_u16(),
        reason: status.canonical_reason().unwrap_or_default().to_owned(),
        url: response.get_uri().to_string(),
        headers: Vec::new(),
        body: Vec::new(),
        early: false,
    };
    for (name, value) in response.headers() {
        answer.headers.push((name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    let body = Box::new(response.into_body().into_reader());
    let reader = Answer { status: answer.status, body, operation, cancel: cancel.clone() };
    reader.read_into(&mut answer.body, limit)?;
    Ok(answer)
}

/// Sends a request; a bad status is an error only where that is asked for.
fn send(
    operation: &str,
    request: &HttpRequest,
    status_fails: bool,
    cancel: &Cancel,
) -> Result<ureq::http::Response<ureq::Body>> {
    let fetch = &request.to;
    let tls = TlsConfig::builder().root_certs(trusted()).disable_verification(fetch.insecure).build();
    let config = ureq::Agent::config_builder()
        .tls_config(tls)
        .proxy(proxy(fetch))
        .timeout_resolve(Some(fetch.timeout))
        .timeout_connect(Some(fetch.timeout))
        .timeout_recv_response(Some(fetch.timeout))
        .timeout_per_read(Some(fetch.timeout))
        .user_agent("ansible-httpget")
        // What is fetched is kept as it was sent: a `.tar.gz` is not to be unpacked on the way.
        .accept_encoding("identity")
        .http_status_as_error(status_fails)
        .max_redirects(if request.follow { 10 } else { 0 })
        .allow_non_standard_methods(true)
        .build();
    let agent = ureq::Agent::with_parts(config, DefaultConnector::default(), Getent(cancel.clone()));
    let mut builder = ureq::http::Request::builder().method(request.method.as_str()).uri(&fetch.url);
    for (name, value) in &fetch.headers {
        builder = builder.header(name, value);
    }
    if let Some((user, password)) = &fetch.user {
        let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        builder = builder.header("Authorization", format!("Basic {token}"));
    }
    let failed = |error: ureq::Error| {
        let mut fault = Fault::new(operation, error.to_string());
        if matches!(error, ureq::Error::Timeout(_)) {
            fault.kind = FaultKind::Timeout;
        }
        fault
    };
    let built = |error: ureq::http::Error| Fault::new(operation, error.to_string());
    match &request.body {
        Some(body) => agent.run(builder.body(body.as_slice()).map_err(built)?).map_err(failed),
        None => agent.run(builder.body(()).map_err(built)?).map_err(failed),
    }
}

impl Answer {
    /// Reads the content into `out`, at most `limit` bytes of it.
    pub fn read_into(mut self, out: &mut dyn std::io::Write, limit: u64) -> Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        let mut total = 0;
        loop {
            if self.cancel.is_cancelled() {
                return Err(Fault {
                    kind: FaultKind::Cancelled,
                    ..Fault::new(self.operation, "the run was cancelled")
                });
            }
            let n = self.body.read(&mut buffer).map_err(|e| Fault::io(&self.operation, &e))?;
            if n == 0 {
                return Ok(());
            }
            total += n as u64;
            if total > limit {
                let reason = format!("larger than {limit} bytes");
                return Err(Fault { operation: self.operation, reason, kind: FaultKind::TooLarge });
            }
            out.write_all(buffer.get(..n).unwrap_or_default()).map_err(|e| Fault::io(&self.operation, &e))?;
        }
    }
}

/// Fails where the content does not have the digest that was asked for.
pub fn verify(fetch: &Fetch, digest: impl FnOnce(Algorithm) -> Result<String>) -> Result<()> {
    let Some((algorithm, wanted)) = &fetch.checksum else { return Ok(()) };
    let found = digest(*algorithm)?;
    if found.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(Fault::new(format!("fetch {}", fetch.url), format!("the checksum is {found}, not {wanted}")))
}

/// A file that is fetched beside its destination, removed again at the end.
pub struct Download(std::path::PathBuf);

impl Download {
    /// Fetches, and gives the status too.
    pub fn get(fetch: &Fetch, beside: &Path, cancel: &Cancel) -> Result<(Self, u16)> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let at = files::temporary_name(beside);
        let answer = ask(fetch, cancel)?;
        let status = answer.status;
        let open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&at);
        let mut file = open.map_err(fault("write", &at))?;
        let download = Self(at);
        answer.read_into(&mut file, u64::MAX)?;
        file.flush().map_err(fault("write", beside))?;
        verify(fetch, |algorithm| download.digest(algorithm))?;
        Ok((download, status))
    }

    /// Its digest.
    pub fn digest(&self, algorithm: Algorithm) -> Result<String> {
        let mut file = std::fs::File::open(&self.0).map_err(fault("read", &self.0))?;
        algorithm.digest(&mut file).map_err(fault("read", &self.0))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with `body`.
    fn server(body: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let _ =
                stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        });
        port
    }

    #[test]
    fn fetches() {
        let cancel = Cancel::default();
        let dir = tempfile::tempdir().unwrap();
        let dest = dir.path().join("f");
        let fetch = |port: u16, sum: &str| Fetch {
            url: format!("http://127.0.0.1:{port}/f"),
            timeout: Duration::from_secs(5),
            direct: true,
            checksum: Some((Algorithm::Md5, sum.to_owned())),
            ..Fetch::default()
        };
        let (download, status) =
            Download::get(&fetch(server("hello"), "5d41402abc4b2a76b9719d911017c592"), &dest, &cancel).unwrap();
        assert_eq!((status, std::fs::read(download.path()).unwrap()), (200, b"hello".to_vec()));
        drop(download);
        let wrong =
            Download::get(&fetch(server("hullo"), "5d41402abc4b2a76b9719d911017c592"), &dest, &cancel).err().unwrap();
        assert!(wrong.reason.contains("checksum"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn hosts_without_a_proxy() {
        let table = [
            ("http://a.example.com/x", true),
            ("https://u:p@example.com:8443", true),
            ("http://badexample.com/", false),
        ];
        for (url, expected) in table {
            assert_eq!(is_listed(url, "localhost, .example.com"), expected, "{url}");
        }
    }

    #[test]
    fn reaches_and_waits() {
        let cancel = Cancel::default();
        let short = Duration::from_millis(500);
        let port = server("hi");
        assert_eq!(reach("127.0.0.1", port, short, 0, &cancel).unwrap(), Reach::Open(Vec::new()));
        assert_eq!(reach("127.0.0.1", 1, short, 0, &cancel).unwrap(), Reach::Closed);
        cancel.cancel();
        assert_eq!(pause(Duration::from_secs(60), &cancel).unwrap_err().kind, FaultKind::Cancelled);
    }
}
