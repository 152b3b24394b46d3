use super::super::Target;
use super::*;
use std::fs;
use std::process::Command;

fn local() -> Local {
    Local::detect()
}

fn ask(text: &str, alias: &str) -> Result<HostConfig, ConnectError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    fs::write(&path, text).unwrap();
    SshConfig::load(&ConfigSource::File(path), &local())?.resolve(&Target::named(alias), &local())
}

/// The keywords compared with `ssh -G`, in its words.
fn as_ssh_prints(config: &HostConfig) -> Vec<String> {
    let yes = |flag: bool| if flag { "yes" } else { "no" };
    let or_default = |files: &Option<Vec<String>>, default: &str| {
        files.as_ref().map_or_else(|| default.to_owned(), |files| files.join(" "))
    };
    let mut lines = vec![
        format!("hostname {}", config.host_name.clone().unwrap()),
        format!("user {}", config.user.clone().unwrap_or_else(|| local().user)),
        format!("port {}", config.port.unwrap_or(22)),
        format!("identitiesonly {}", yes(config.identities_only.unwrap_or(false))),
        format!("hashknownhosts {}", yes(config.hash_known_hosts.unwrap_or(false))),
        format!("passwordauthentication {}", yes(config.password.unwrap_or(true))),
        format!("userknownhostsfile {}", or_default(&config.user_known_hosts, "D")),
        format!("globalknownhostsfile {}", or_default(&config.global_known_hosts, "D")),
        format!("serveraliveinterval {}", config.keepalive.unwrap_or_default().as_secs()),
        format!(
            "addressfamily {}",
            match config.family {
                None | Some(Family::Any) => "any",
                Some(Family::V4) => "inet",
                Some(Family::V6) => "inet6",
            }
        ),
        format!(
            "stricthostkeychecking {}",
            match config.strict {
                None => "ask",
                Some(Strict::Refuse) => "true",
                Some(Strict::AcceptNew) => "accept-new",
                Some(Strict::Off) => "false",
            }
        ),
    ];
    lines.push(match config.connect_timeout {
        None | Some(None) => "connecttimeout none".to_owned(),
        Some(Some(limit)) => format!("connecttimeout {}", limit.as_secs()),
    });
    lines.extend(config.identity_files.iter().map(|file| format!("identityfile {file}")));
    lines.extend(config.certificate_files.iter().map(|file| format!("certificatefile {file}")));
    lines.extend(config.identity_agent.iter().map(|agent| format!("identityagent {agent}")));
    lines.extend(config.host_key_alias.iter().map(|alias| format!("hostkeyalias {alias}")));
    lines.extend(config.preferred_auth.iter().map(|list| format!("preferredauthentications {}", list.join(","))));
    match &config.proxy {
        Some(Proxy::Jump(hosts)) => lines.push(format!("proxyjump {hosts}")),
        Some(Proxy::Command(command)) => lines.push(format!("proxycommand {command}")),
        None | Some(Proxy::None | Proxy::NoJump) => {}
    }
    lines.sort();
    lines
}

/// `ssh -G`, cut down to the same keywords, its own defaults for key files left out.
fn ssh_says(text: &str, alias: &str) -> Option<Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    fs::write(&path, text).unwrap();
    let output = Command::new("ssh").arg("-G").arg("-F").arg(&path).arg(alias).output().ok()?;
    assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
    let known = as_ssh_prints(&HostConfig { host_name: Some(String::new()), ..HostConfig::default() });
    let mut keywords: Vec<_> = known.iter().filter_map(|line| line.split(' ').next()).collect();
    keywords.extend([
        "identityfile",
        "certificatefile",
        "identityagent",
        "hostkeyalias",
        "proxyjump",
        "proxycommand",
        "preferredauthentications",
    ]);
    let defaults = Command::new("ssh").args(["-G", "-F", "none", alias]).output().ok()?;
    let defaults = String::from_utf8(defaults.stdout).unwrap();
    let defaults: Vec<_> = defaults.lines().filter(|line| line.starts_with("identityfile ")).collect();
    let printed = String::from_utf8(output.stdout).unwrap();
    let all_default = printed.lines().filter(|line| line.starts_with("identityfile ")).eq(defaults.iter().copied());
    let mut lines: Vec<String> = printed
        .lines()
        .filter(|line| keywords.contains(&line.split(' ').next().unwrap_or_default()))
        .filter(|line| !(all_default && line.starts_with("identityfile ")))
        .map(|line| match line.split_once(' ') {
            Some((key @ "userknownhostsfile", value)) if value.contains("known_hosts2") => {
                format!("{key} D")
            }
            Some((key @ "globalknownhostsfile", value)) if value.contains("ssh_known_hosts2") => {
                format!("{key} D")
            }
            _ => line.to_owned(),
        })
        .collect();
    lines.sort();
    Some(lines)
}

const TABLE: &[(&str, &[&str])] = &[
    ("", &["web1", "WEB1"]),
    ("User early\nHost web*\n  User late\n  Port 2222\n", &["web1", "db1"]),
    ("Host web* !web3\n User w\nHost web3\n User three\nHost *\n User rest\n", &["web1", "web3", "db"]),
    ("host web1\nhostname=10.0.0.1\nPORT = 2200 # note\n", &["web1"]),
    ("Host web1\n HostName %h.example.com\nHost x\n HostName a%%b\n", &["web1", "x"]),
    (
        "Host web1\n HostName real.example.com\nMatch host real.*\n User r\nMatch originalhost web1\n Port 9\n",
        &["web1", "real.x"],
    ),
    ("Host web1\n HostName real.example.com\n\nMatch final all\n User fin\n Port 7\n", &["web1"]),
    (
        "Match final host real.*\n User fin\nHost web1\n HostName real.example.com\nHost real.*\n Port 99\n",
        &["web1", "other"],
    ),
    ("Host web1\n User u1\nMatch user u1\n Port 5\nMatch user nobody\n Port 6\n", &["web1", "web2"]),
    ("Match localuser nosuchuser\n Port 5\nMatch !localuser nosuchuser\n Port 6\n", &["a"]),
    (
        "Match exec \"test %h = web1\"\n Port 5\nMatch exec \"false\"\n Port 6\nMatch all\n User end\n",
        &["web1", "web2"],
    ),
    ("Match host web1 exec \"true\"\n Port 5\nMatch canonical\n User c\n", &["web1", "web2"]),
    (
        "IdentityFile ~/.ssh/a\nHost web1\n IdentityFile \"/k/b c\"\n IdentityFile ~/.ssh/a\n CertificateFile /k/cert\n IdentitiesOnly yes\n",
        &["web1", "db"],
    ),
    // A command behind `ProxyJump none` counts in newer versions of OpenSSH only, so that none is asked about it here.
    (
        "Host a\n ProxyJump j1,j2:22\n ProxyCommand nc %h %p\nHost b\n ProxyCommand nc -x \"a b\" %h %p # x\n ProxyJump j\nHost e\n ProxyCommand none\n ProxyJump j\nHost f\n ProxyJump none\n ProxyJump j\n",
        &["a", "b", "d", "e", "f"],
    ),
    ("UserKnownHostsFile /a /b\nGlobalKnownHostsFile /c\nHostKeyAlias other\nHashKnownHosts yes\n", &["a"]),
    ("StrictHostKeyChecking accept-new\nConnectTimeout 1m30\nServerAliveInterval 15\n", &["a"]),
    (
        "StrictHostKeyChecking no\nAddressFamily inet\nPasswordAuthentication no\nPreferredAuthentications publickey,password\n",
        &["a"],
    ),
    (
        "StrictHostKeyChecking yes\nIdentityAgent /run/agent\nForwardAgent yes\nSendEnv LANG LC_*\nCompression yes\n",
        &["a"],
    ),
    ("Host \"quoted\" 'single'\n User q\nHost a?c\n User w\n", &["quoted", "single", "abc", "ac"]),
    ("Host *.example.com\n User e\nHost 10.0.*\n User ten\n", &["a.example.com", "10.0.3.4", "example.com"]),
];

#[test]
fn agrees_with_ssh() {
    if Command::new("ssh").arg("-V").output().is_err() {
        return eprintln!("skipped: no ssh");
    }
    for (text, aliases) in TABLE {
        for alias in *aliases {
            let ours = as_ssh_prints(&ask(text, alias).unwrap());
            assert_eq!(ours, ssh_says(text, alias).unwrap(), "{alias} in\n{text}");
        }
    }
}

#[test]
fn includes_apply_where_they_stand() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    write("d/1.conf", "User one\nHost web1\n Port 11\n");
    write("d/2.conf", "User two\nPort 22\n");
    write("d/.hidden.conf", "User hidden\n");
    let main = dir.path().join("main");
    let table = [
        ("Include {}/d/*.conf\nPort 33\n", "web1"),
        ("Include {}/d/*.conf\nPort 33\n", "db"),
        ("Host db\n Include {}/d/*.conf\nHost *\n User late\n Port 44\n", "web1"),
        ("Host db\n Include {}/d/*.conf\n HashKnownHosts yes\nHost *\n User late\n Port 44\n", "db"),
        ("Include {}/missing {}/d/2.conf\n", "x"),
    ];
    for (text, alias) in table {
        let text = text.replace("{}", &dir.path().display().to_string());
        fs::write(&main, &text).unwrap();
        let config = SshConfig::load(&ConfigSource::File(main.clone()), &local()).unwrap();
        let ours = as_ssh_prints(&config.resolve(&Target::named(alias), &local()).unwrap());
        match ssh_says(&text, alias) {
            Some(theirs) => assert_eq!(ours, theirs, "{alias} in\n{text}"),
            None => eprintln!("skipped: no ssh"),
        }
    }
}

#[test]
fn mistakes_name_their_line() {
    let table = [
        ("User\n", "config:1: `user` needs an argument"),
        ("\nPort many\n", "config:2: `many` is not a port"),
        ("Match tagged x\n", "config:1: `Match tagged` is not supported"),
        ("IdentitiesOnly perhaps\n", "config:1: `perhaps` is neither yes nor no"),
        ("ConnectTimeout 1x\n", "config:1: `1x` is not a time"),
        ("User \"open\n", "config:1: a quote is not closed"),
    ];
    for (text, expected) in table {
        let message = ask(text, "a").unwrap_err().to_string();
        assert!(message.ends_with(expected), "{message}");
    }
    let missing = SshConfig::load(&ConfigSource::File("/no/such".into()), &local()).unwrap_err();
    assert_eq!(missing.to_string(), "/no/such: no such file");
}

#[test]
fn the_command_line_wins() {
    let config = SshConfig::default()
        .resolve(&Target { user: Some("me".into()), port: Some(9), ..Target::named("h") }, &local())
        .unwrap();
    assert_eq!((config.user.as_deref(), config.port), (Some("me"), Some(9)));
}

#[test]
fn options_of_a_target_come_before_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    fs::write(&path, "Port 22\nUser file\nProxyJump gate\n").unwrap();
    let options = ["ProxyCommand=ssh -W %h:%p \"me@gate\"", "Port 2222"].map(str::to_owned).to_vec();
    let target = Target { options, ..Target::named("web") };
    let config = SshConfig::load(&ConfigSource::File(path), &local()).unwrap().resolve(&target, &local()).unwrap();
    assert_eq!((config.port, config.user.as_deref()), (Some(2222), Some("file")));
    assert_eq!(config.proxy, Some(Proxy::Command("ssh -W %h:%p \"me@gate\"".to_owned())));
    let wrong = Target { options: vec!["Port none".into()], ..Target::named("web") };
    assert!(SshConfig::default().resolve(&wrong, &local()).unwrap_err().to_string().contains("`none` is not a port"));
}
