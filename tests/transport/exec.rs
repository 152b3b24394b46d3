//! Commands and their streams.

use std::process::Command;
use std::time::Duration;

use cfg::transport::{ConnectError, Connection, Exec, Exit, Options, Ssh};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::sshd::Sshd;

#[tokio::test]
async fn output_and_status() {
    let Some(sshd) = Sshd::start("") else { return };
    let connection = sshd.ssh().connect(&sshd.target()).await.unwrap();
    let table = [
        ("true", "", "", Exit::Code(0)),
        ("echo out; echo err >&2; exit 7", "out\n", "err\n", Exit::Code(7)),
        ("kill -KILL $$", "", "", Exit::Signal("KILL".into())),
        ("cat; echo done", "done\n", "", Exit::Code(0)),
    ];
    for (command, stdout, stderr, exit) in table {
        let output = connection.exec(command).await.unwrap().output().await.unwrap();
        assert_eq!(
            (String::from_utf8(output.stdout).unwrap().as_str(), output.stderr.as_str(), output.exit),
            (stdout, stderr, exit),
            "{command}"
        );
    }
    connection.close().await;
}

#[tokio::test]
async fn large_stdin_comes_back() {
    let Some(sshd) = Sshd::start("") else { return };
    let connection = sshd.ssh().connect(&sshd.target()).await.unwrap();
    let data: Vec<u8> = (0..10_000_000_u32).map(|n| (n % 251) as u8).collect();
    let Exec { mut stdin, mut stdout, mut process } = connection.exec("cat").await.unwrap();
    let sent = data.clone();
    let writer = tokio::spawn(async move {
        stdin.write_all(&sent).await.unwrap();
        stdin.shutdown().await.unwrap();
    });
    let mut back = Vec::new();
    stdout.read_to_end(&mut back).await.unwrap();
    writer.await.unwrap();
    assert!(back == data, "{} bytes came back", back.len());
    assert_eq!(process.wait().await.unwrap(), Exit::Code(0));
}

#[tokio::test]
async fn stdout_ends_with_the_command_even_if_stdin_stays_open() {
    let Some(sshd) = Sshd::start("") else { return };
    let connection = sshd.ssh().connect(&sshd.target()).await.unwrap();
    let Exec { stdin, mut stdout, mut process } = connection.exec("echo hello; exit 4").await.unwrap();
    let mut text = String::new();
    stdout.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello\n");
    assert_eq!(process.wait().await.unwrap(), Exit::Code(4));
    drop(stdin);
}

/// A conversation: an answer to each line, without any end of file.
#[tokio::test]
async fn lines_go_back_and_forth() {
    let Some(sshd) = Sshd::start("") else { return };
    let connection = sshd.ssh().connect(&sshd.target()).await.unwrap();
    let mut exec = connection.exec("while read line; do echo got $line; done").await.unwrap();
    for n in 0..20 {
        exec.stdin.write_all(format!("{n}\n").as_bytes()).await.unwrap();
        let expected = format!("got {n}\n");
        let mut answer = vec![0; expected.len()];
        exec.stdout.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, expected.as_bytes());
    }
    assert!(exec.wait().await.unwrap().success());
}

/// sshd frees a slot once it saw the command end, which takes the command and a busy machine a moment.
async fn start_when_there_is_room(connection: &Connection, command: &str) -> Exec {
    for _ in 0..100 {
        match connection.exec(command).await {
            Ok(exec) => return exec,
            Err(ConnectError::Channel { .. }) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("no session for `{command}` in five seconds");
}

/// Pitfall 1: sshd allows ten sessions; a command that was let go must give its session back.
#[tokio::test]
async fn dropped_commands_leave_no_session_behind() {
    let Some(sshd) = Sshd::start("MaxSessions 10") else {
        return;
    };
    let connection = sshd.ssh().connect(&sshd.target()).await.unwrap();
    for _ in 0..30 {
        drop(start_when_there_is_room(&connection, "cat").await);
    }
    let _last = start_when_there_is_room(&connection, "cat").await;
    // An unread flood must not hold up the connection either.
    for _ in 0..12 {
        let flood = start_when_there_is_room(&connection, "yes").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(flood);
    }
    let last = async { start_when_there_is_room(&connection, "true").await.wait().await.unwrap() };
    assert!(tokio::time::timeout(Duration::from_secs(10), last).await.unwrap().success());
}

#[tokio::test]
async fn an_eleventh_session_is_refused_with_words() {
    let Some(sshd) = Sshd::start("MaxSessions 2") else {
        return;
    };
    let connection = sshd.ssh().connect(&sshd.target()).await.unwrap();
    let _held = (connection.exec("cat").await.unwrap(), connection.exec("cat").await.unwrap());
    let error = connection.exec("true").await.err().unwrap();
    assert!(error.to_string().starts_with("the server refused a session: "), "{error}");
}

#[tokio::test]
async fn a_lost_connection_is_no_exit() {
    let Some(sshd) = Sshd::start("") else { return };
    let connection = sshd.ssh().connect(&sshd.target()).await.unwrap();
    let mut exec = connection.exec("kill -9 $PPID; sleep 1").await.unwrap();
    let error = exec.wait().await.unwrap_err();
    assert!(error.to_string().starts_with("the connection was lost while a command was running"), "{error}");
}

/// Pitfall 5: a server that went silent is noticed, and not waited for until the kernel gives up.
#[tokio::test]
async fn a_silent_server_is_noticed() {
    let Some(sshd) = Sshd::start("") else { return };
    let options = Options { keepalive: Some(Duration::from_millis(200)), ..sshd.options() };
    let connection = Ssh::new(options, None).unwrap().connect(&sshd.target()).await.unwrap();
    let pid = connection.exec("echo $PPID").await.unwrap().output().await.unwrap().stdout;
    let pid = String::from_utf8(pid).unwrap();
    let mut exec = connection.exec("cat").await.unwrap();
    let signal = |name: &str| Command::new("kill").args([name, pid.trim()]).status().unwrap();
    // Idle but answering is well.
    assert!(tokio::time::timeout(Duration::from_millis(1500), exec.process.wait()).await.is_err());
    assert!(signal("-STOP").success());
    let lost = tokio::time::timeout(Duration::from_secs(5), exec.process.wait()).await;
    signal("-KILL");
    let error = lost.expect("must be noticed").unwrap_err();
    assert!(matches!(&error, ConnectError::Lost { why: Some(why) } if why.contains("eepalive")), "{error}");
}
