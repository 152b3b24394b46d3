use super::*;
use std::os::unix::fs::PermissionsExt as _;

const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN+Wjn4+4Fcvl2JlKpggT+wCRxpSvtqqpVrQrKN1/A22";

fn key(text: &str) -> PublicKeyOrCertificate {
    PublicKey::from_openssh(text).unwrap().into()
}

fn file(text: &str) -> Vec<Arc<KnownHosts>> {
    vec![Arc::new(KnownHosts::parse(Path::new("kh"), text))]
}

#[test]
fn lines_of_every_form() {
    let changed = |n: usize| Verdict::Changed(format!("kh:{n}"));
    let revoked = |n: usize| Verdict::Revoked(format!("kh:{n}"));
    let table = [
        ("", "web1", 22, Verdict::Unknown),
        (&format!("web1 {A}")[..], "web1", 22, Verdict::Known),
        (&format!("web1 {A} a comment here"), "WEB1", 22, Verdict::Known),
        (&format!("  web1\t {A}"), "web1", 22, Verdict::Known),
        (&format!("# note\n\nweb0,web1,10.0.0.1 {A}"), "10.0.0.1", 22, Verdict::Known),
        (&format!("web1 {B}"), "web1", 22, changed(1)),
        (&format!("web1 {B}\nweb1 {A}"), "web1", 22, Verdict::Known),
        (&format!("web2 {B}"), "web1", 22, Verdict::Unknown),
        (&format!("*.example.com,!bad.example.com {A}"), "a.example.com", 22, Verdict::Known),
        (&format!("*.example.com,!bad.example.com {A}"), "bad.example.com", 22, Verdict::Unknown),
        (&format!("[web1]:2222 {A}"), "web1", 2222, Verdict::Known),
        (&format!("[web1]:2222 {A}"), "web1", 22, Verdict::Unknown),
        (&format!("[web1]:* {A}"), "web1", 2200, Verdict::Known),
        (&format!("web1 {A}"), "web1", 2222, Verdict::Known),
        (&format!("web1 {B}"), "web1", 2222, Verdict::Unknown),
        (&format!("web1 {A}\n@revoked * {A}"), "web1", 22, revoked(2)),
        (&format!("@revoked web2 {A}\nweb1 {A}"), "web1", 22, Verdict::Known),
        (&format!("@cert-authority * {A}"), "web1", 22, Verdict::Unknown),
        (&format!("@unheard-of web1 {A}\nweb1 nonsense"), "web1", 22, Verdict::Unknown),
        (&format!("web1 {}", A.replace("ssh-ed25519", "ssh-rsa")), "web1", 22, Verdict::Unknown),
        (&format!("fe80::1 {A}"), "fe80::1", 22, Verdict::Known),
    ];
    for (text, host, port, expected) in table {
        assert_eq!(check(&file(text), host, port, &key(A)), expected, "{text:?} {host}:{port}");
    }
}

#[test]
fn hashed_names_are_those_of_ssh_keygen() {
    let hashed = hashed_name("[web1]:2222").unwrap();
    let files = file(&format!("{hashed} {A}"));
    assert_eq!(check(&files, "web1", 2222, &key(A)), Verdict::Known);
    assert_eq!(check(&files, "web2", 2222, &key(A)), Verdict::Unknown);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kh");
    fs::write(&path, format!("web7,web8 {A}\n")).unwrap();
    match std::process::Command::new("ssh-keygen").args(["-H", "-f"]).arg(&path).output() {
        Ok(output) if output.status.success() => {}
        _ => return eprintln!("skipped: no ssh-keygen"),
    }
    assert!(fs::read_to_string(&path).unwrap().starts_with("|1|"));
    assert_eq!(check(&[Arc::new(KnownHosts::read(&path))], "web8", 22, &key(A)), Verdict::Known);
}

#[test]
fn known_kinds_of_key_are_asked_for() {
    let text = format!("web1 {A}\n@cert-authority *.ca {B}");
    let files = file(&text);
    assert_eq!(wanted(&files, "web1", 22), Wanted { keys: vec![Algorithm::Ed25519], certificates: false });
    assert_eq!(wanted(&files, "web1", 2222).keys, [Algorithm::Ed25519]);
    assert_eq!(wanted(&files, "x.ca", 22), Wanted { keys: vec![], certificates: true });
    assert_eq!(wanted(&files, "web2", 22), Wanted::default());
}

#[test]
fn appending_keeps_the_file_whole_and_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/known_hosts");
    let mut file = KnownHosts::read(&path);
    let public = PublicKey::from_openssh(A).unwrap();
    append(&mut file, "web1", &public, false).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("web1 {A}\n"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    fs::write(&path, format!("web1 {A}")).unwrap();
    append(&mut file, "[web2]:2222", &public, true).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    for files in [[Arc::new(file)], [Arc::new(KnownHosts::read(&path))]] {
        assert_eq!(check(&files, "web2", 2222, &key(A)), Verdict::Known);
        assert_eq!(check(&files, "web2", 2222, &key(B)), Verdict::Changed(format!("{}:2", path.display())));
    }
}
