//! Builds the agent, static and small, and hands it to `src/agent/embedded.rs` under gzip.
//!
//! Order of preference: agents made by `agents/build` (x86_64 and aarch64, musl); else one for this machine's CPU, built
//! here by a nested cargo with only the agent's features: for musl where rustup has that target, else static glibc.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    for watched in ["src", "Cargo.toml", "Cargo.lock", "build.rs", "agents/out"] {
        println!("cargo:rerun-if-changed={watched}");
    }
    println!("cargo:rustc-check-cfg=cfg(agent)");
    if std::env::var_os("CARGO_FEATURE_CONTROLLER").is_none() {
        return;
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let mut agents: Vec<(String, PathBuf)> = Vec::new();
    if release {
        agents.extend(
            ["x86_64", "aarch64"]
                .iter()
                .map(|cpu| (cpu.to_string(), PathBuf::from("agents/out").join(format!("cfg-agent-{cpu}")))),
        );
        agents.retain(|(_, path)| path.exists());
    }
    let cpu = std::env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets CARGO_CFG_TARGET_ARCH");
    if !agents.iter().any(|(name, _)| *name == cpu) {
        agents.push((cpu.clone(), build(&out, &cpu, release)));
    }
    embed(&out, &agents);
}

/// Runs cargo for the agent alone, in a folder of its own.
fn build(out: &Path, cpu: &str, release: bool) -> PathBuf {
    let target = target_for(cpu);
    let profile = if release { "agent" } else { "agent-dev" };
    let folder = out.join("agent-target");
    let mut cargo = Command::new(std::env::var_os("CARGO").expect("cargo sets CARGO"));
    cargo
        .args([
            "build",
            "--quiet",
            "--locked",
            "--no-default-features",
            "--features",
            "agent-bin",
            "--bin",
            "cfg-agent",
        ])
        .args(["--profile", profile, "--target", &target, "--target-dir"])
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static\u{1f}-Crelocation-model=static");
    // What cargo, clippy and coverage tools set for the outer build is not for this one.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let outer = ["CARGO_FEATURE_", "CARGO_CFG_", "CARGO_PKG_", "CARGO_PROFILE_", "CARGO_TARGET_DIR"];
        if outer.iter().any(|prefix| name.starts_with(prefix))
            || [
                "RUSTFLAGS",
                "RUSTC_WRAPPER",
                "RUSTC_WORKSPACE_WRAPPER",
                "CLIPPY_ARGS",
                "TARGET",
                "HOST",
                "PROFILE",
                "OPT_LEVEL",
                "DEBUG",
            ]
            .contains(&name.as_str())
        {
            cargo.env_remove(&name);
        }
    }
    let status = cargo.status().expect("cargo could not be started");
    assert!(status.success(), "the agent could not be built for {target}; see the messages above");
    folder.join(&target).join(profile).join("cfg-agent")
}

/// musl where its standard library is installed, glibc otherwise.
fn target_for(cpu: &str) -> String {
    let musl = format!("{cpu}-unknown-linux-musl");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let found = Command::new(rustc).args(["--print", "target-libdir", "--target", &musl]).output();
    let has_std = found.is_ok_and(|out| {
        Path::new(String::from_utf8_lossy(&out.stdout).trim())
            .join("../lib")
            .read_dir()
            .is_ok_and(|mut d| d.any(|e| e.is_ok_and(|e| e.file_name().to_string_lossy().starts_with("libstd"))))
    });
    let has_cc = Command::new("musl-gcc").arg("--version").output().is_ok_and(|out| out.status.success());
    if has_std && has_cc { musl } else { format!("{cpu}-unknown-linux-gnu") }
}

fn embed(out: &Path, agents: &[(String, PathBuf)]) {
    let mut code = String::from("/// The agents this program carries.\npub const AGENTS: &[Embedded] = &[\n");
    for (cpu, path) in agents {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
        let packed = out.join(format!("cfg-agent-{cpu}.gz"));
        let file = std::fs::File::create(&packed).expect("OUT_DIR can be written");
        let level = if bytes.len() < 8 << 20 { flate2::Compression::best() } else { flate2::Compression::fast() };
        let mut gzip = flate2::GzBuilder::new().write(file, level);
        gzip.write_all(&bytes).expect("OUT_DIR can be written");
        gzip.finish().expect("OUT_DIR can be written");
        let digest: String = sha256(&bytes);
        code.push_str(&format!(
            "    Embedded {{ cpu: {cpu:?}, sha256: {digest:?}, gzip: include_bytes!({:?}) }},\n",
            packed.display().to_string()
        ));
    }
    code.push_str("];\n");
    std::fs::write(out.join("agents.rs"), code).expect("OUT_DIR can be written");
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
