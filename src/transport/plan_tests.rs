use super::*;
use crate::transport::ConfigSource;

fn plan(text: &str, target: &Target) -> Plan {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    std::fs::write(&path, text).unwrap();
    let options = Options { ssh_config: ConfigSource::File(path), ..Options::default() };
    let ssh = Ssh::new(options, None).unwrap();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(make(&ssh, target)).unwrap()
}

#[test]
fn inventory_wins_over_configuration() {
    let text = "Host web\n HostName 10.0.0.1\n User conf\n Port 2200\n IdentityFile /k/%h-%p\n ProxyJump j\n";
    let bare = plan(text, &Target::named("web"));
    assert_eq!((bare.addr().as_str(), bare.user.as_str()), ("10.0.0.1:2200", "conf"));
    assert_eq!(bare.identities.files, [PathBuf::from("/k/10.0.0.1-2200")]);
    assert_eq!(bare.proxy, Proxy::Jump("j".into()));
    let target = Target {
        host: Some("10.9.9.9".into()),
        port: Some(22),
        user: Some("inv".into()),
        identity_files: vec!["/inv".into()],
        proxy_jump: Some("none".into()),
        ..Target::named("web")
    };
    let full = plan(text, &target);
    assert_eq!((full.addr().as_str(), full.user.as_str()), ("10.9.9.9:22", "inv"));
    assert_eq!(full.identities.files, [PathBuf::from("/inv"), PathBuf::from("/k/10.9.9.9-22")]);
    assert_eq!(full.proxy, Proxy::None);
}

#[test]
fn strictness_and_aliases() {
    let off = plan("StrictHostKeyChecking no\nHostKeyAlias db\nPort 2222\n", &Target::named("web"));
    assert!(!off.trust.accept_new);
    assert_eq!(off.notes.len(), 1);
    assert_eq!((off.trust.name.as_str(), off.trust.port), ("db", 22));
    assert!(plan("StrictHostKeyChecking accept-new\n", &Target::named("web")).trust.accept_new);
}

#[test]
fn order_of_methods() {
    use Method::{KeyboardInteractive as K, Password as W, PublicKey as P};
    let with_password = Target { password: Some(Secret::new("x")), ..Target::named("a") };
    let with_both = Target { identity_files: vec!["/k".into()], ..with_password.clone() };
    let table: [(&str, &Target, &[Method]); 5] = [
        ("", &Target::named("a"), &[P, K, W]),
        ("", &with_password, &[W, K, P]),
        ("", &with_both, &[P, W, K]),
        ("PreferredAuthentications password,gssapi-with-mic,publickey\n", &with_password, &[W, P]),
        ("PubkeyAuthentication no\nKbdInteractiveAuthentication no\n", &Target::named("a"), &[W]),
    ];
    for (text, target, expected) in table {
        assert_eq!(plan(text, target).methods, expected, "{text}");
    }
}
