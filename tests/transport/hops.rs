//! Getting there: jump hosts, proxy commands, and roads that lead nowhere.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use cfg::transport::{ConnectError, Options, Phase, Target};

use crate::sshd::Sshd;

fn config(sshd: &Sshd, more: &str) -> String {
    format!("IdentityAgent none\nIdentityFile {}\nUser root\n{more}", sshd.path("key").display())
}

#[tokio::test]
async fn through_jump_hosts() {
    let Some(sshd) = Sshd::start("") else { return };
    let ssh = sshd.ssh_with_config(&config(&sshd, ""));
    let port = sshd.port;
    let one = format!("127.0.0.1:{port}");
    for hops in [one.clone(), format!("root@{one},ssh://{one}")] {
        let target = Target { proxy_jump: Some(hops.clone()), ..sshd.target() };
        let connection = ssh.connect(&target).await.unwrap_or_else(|error| panic!("{hops}: {error}"));
        let output = connection.exec("echo $SSH_CONNECTION").await.unwrap().output().await.unwrap();
        assert!(output.exit.success());
        connection.close().await;
    }
}

#[tokio::test]
async fn many_targets_share_jump_connections() {
    let Some(sshd) = Sshd::start("") else { return };
    let ssh = sshd.ssh_with_config(&config(&sshd, ""));
    let target = Target { proxy_jump: Some(format!("127.0.0.1:{}", sshd.port)), ..sshd.target() };
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (ssh, target) = (ssh.clone(), target.clone());
        running.spawn(async move {
            let connection = ssh.connect(&target).await?;
            let exec = connection.exec("cat").await?;
            Ok::<_, ConnectError>((connection, exec))
        });
    }
    let made: Vec<_> = running.join_all().await.into_iter().map(|result| result.unwrap()).collect();
    // Twelve targets and the two connections they share.
    assert_eq!(sshd.connections(), 14);
    assert_eq!(made.len(), 12);
}

#[tokio::test]
async fn hops_are_checked_and_named() {
    let Some(sshd) = Sshd::start("") else { return };
    let ssh = sshd.ssh_with_config(&config(&sshd, "Host jump\n HostName 127.0.0.1\n HostKeyAlias unheard-of\n"));
    let target = Target { proxy_jump: Some(format!("jump:{}", sshd.port)), ..sshd.target() };
    let error = ssh.connect(&target).await.err().unwrap();
    let ConnectError::Proxy { hop, source } = &error else { panic!("{error}") };
    assert_eq!(hop, "jump");
    assert!(matches!(**source, ConnectError::HostKeyUnknown { .. }), "{source}");
    let looped = sshd.ssh_with_config(&config(&sshd, "Host a\n ProxyJump b\nHost b\n ProxyJump a\n"));
    let within = tokio::time::timeout(Duration::from_secs(10), looped.connect(&Target::named("a"))).await;
    let error = within.expect("a loop of jump hosts must end").err().unwrap();
    assert!(format!("{error:?}").contains("loop"), "{error:?}");
}

#[tokio::test]
async fn through_a_command() {
    let Some(sshd) = Sshd::start("") else { return };
    let known = sshd.path("known_hosts").display().to_string();
    let inner = format!("UserKnownHostsFile {known}\n{}", config(&sshd, ""));
    std::fs::write(sshd.path("inner_config"), inner).unwrap();
    let relay = format!("ssh -F {} -p %p -W %h:%p %h", sshd.path("inner_config").display());
    let ssh = sshd.ssh_with_config(&config(&sshd, &format!("ProxyCommand {relay}\n")));
    let connection = ssh.connect(&sshd.target()).await.unwrap();
    assert!(connection.exec("true").await.unwrap().wait().await.unwrap().success());
    let broken = sshd.ssh_with_config(&config(&sshd, "ProxyCommand false\n"));
    let error = broken.connect(&sshd.target()).await.err().unwrap();
    assert!(matches!(error, ConnectError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn roads_to_nowhere() {
    let Some(sshd) = Sshd::start("") else { return };
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let target = Target { port: Some(free), ..sshd.target() };
    let error = sshd.ssh().connect(&target).await.err().unwrap();
    assert!(matches!(&error, ConnectError::Connect { addr, .. } if *addr == format!("127.0.0.1:{free}")), "{error}");
    assert!(error.help().unwrap().contains("no sshd"));

    let target = Target { host: Some("no-such-host.invalid".into()), ..sshd.target() };
    let error = sshd.ssh().connect(&target).await.err().unwrap();
    assert!(matches!(&error, ConnectError::Resolve { host, .. } if host == "no-such-host.invalid"), "{error}");

    // Something listens but never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target { port: Some(silent.local_addr().unwrap().port()), ..sshd.target() };
    let options = Options { connect_timeout: Some(Duration::from_millis(300)), ..sshd.options() };
    let started = Instant::now();
    let error = cfg::transport::Ssh::new(options, None).unwrap().connect(&target).await.err().unwrap();
    assert!(matches!(error, ConnectError::Timeout { phase: Phase::Handshake, .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(2));
}

/// A connection cut during the handshake is worth another try, as when sshd sheds load (`MaxStartups`).
#[tokio::test]
async fn transient_failures_are_tried_again() {
    let Some(sshd) = Sshd::start("") else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let counted = std::thread::spawn(move || (0..3).filter(|_| listener.accept().is_ok()).count());
    let target = Target { port: Some(port), ..sshd.target() };
    let options = Options { retries: 2, ..sshd.options() };
    let error = cfg::transport::Ssh::new(options, None).unwrap().connect(&target).await.err().unwrap();
    assert!(error.is_transient(), "{error}");
    assert_eq!(counted.join().unwrap(), 3);
}
