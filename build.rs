//! Builds the agent, static and small, and hands it to `src/agent/embedded.rs` under gzip and, in a release, under xz too.
//!
//! Order of preference: agents made by `agents/build` (x86_64 and aarch64, musl); else one for this machine's CPU, built
//! here by a nested cargo with only the agent's features: for musl where rustup has that target, else static glibc.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Static, and without tables for unwinding: an agent aborts on panic, so nothing ever unwinds. Of two definitions the
/// first counts, for `agents/glibc.c`.
const FLAGS: &[&str] = &[
    "-Ctarget-feature=+crt-static",
    "-Crelocation-model=static",
    "-Cforce-unwind-tables=no",
    "-Clink-arg=-Wl,-z,muldefs",
];

/// Set for an agent that keeps all of glibc.
const WHOLE_GLIBC: &str = "CFG_AGENT_WHOLE_GLIBC";

fn main() {
    println!("cargo:rustc-check-cfg=cfg(agent)");
    // A fuzzer, which cargo-fuzz builds with this set, reaches no hosts. Nothing but this file is watched for it.
    if std::env::var_os("CARGO_CFG_FUZZING").is_some() {
        println!("cargo:rerun-if-changed=build.rs");
        return embed(Path::new(&std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")), &[], false);
    }
    println!("cargo:rerun-if-env-changed={WHOLE_GLIBC}");
    for watched in ["src", "Cargo.toml", "Cargo.lock", "build.rs", "agents"] {
        println!("cargo:rerun-if-changed={watched}");
    }
    if std::env::var_os("CARGO_FEATURE_CONTROLLER").is_none() {
        return shed_glibc();
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
        let newest = ["src", "Cargo.toml", "Cargo.lock", "agents/glibc.c"].map(|path| changed(Path::new(path)));
        let newest = newest.into_iter().max().flatten();
        agents.retain(|(cpu, path)| path.exists() && is_current(cpu, changed(path), newest));
    }
    let cpu = std::env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets CARGO_CFG_TARGET_ARCH");
    if !agents.iter().any(|(name, _)| *name == cpu) {
        agents.push((cpu.clone(), build(&out, &cpu, release)));
    }
    embed(&out, &agents, release);
}

/// An agent of other sources than the controller's is one it cannot speak with, or worse, one that does things otherwise.
fn is_current(cpu: &str, made: Option<SystemTime>, newest: Option<SystemTime>) -> bool {
    // `agents/build` knows the time to the second.
    let current = made.zip(newest).is_some_and(|(made, newest)| made + Duration::from_secs(1) > newest);
    if !current {
        println!(
            "cargo:warning=the agent for {cpu} in agents/out is older than the sources and left out: run agents/build"
        );
    }
    current
}

/// When a file, or any below a directory, was written last.
fn changed(path: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let own = std::fs::metadata(path).ok().filter(|found| found.is_file()).and_then(|found| found.modified().ok());
    entries.map(|entry| changed(&entry)).chain(std::iter::once(own)).max().flatten()
}

/// Inside the cargo that builds the agent: puts `agents/glibc.c` in place of parts of a static glibc.
fn shed_glibc() {
    let is = |name: &str, wanted: &str| std::env::var(name).is_ok_and(|value| value.split(',').any(|v| v == wanted));
    let whole = std::env::var_os(WHOLE_GLIBC).is_some();
    if !whole && is("CARGO_CFG_TARGET_ENV", "gnu") && is("CARGO_CFG_TARGET_FEATURE", "crt-static") {
        let mut build = cc::Build::new();
        // The compiler knows other types for some of these names than a program that only takes their place needs.
        build
            .file("agents/glibc.c")
            .flag("-fno-builtin")
            // Nor is a loop that finds the end of a text to become a call of the function it stands in.
            .flag_if_supported("-fno-tree-loop-distribute-patterns")
            .link_lib_modifier("-bundle")
            .link_lib_modifier("+whole-archive");
        build.compile("cfg_glibc");
    }
}

/// The agent for this machine's CPU. `agents/glibc.c` reaches into a C library that changes: an agent that does not even
/// start with it is built again without.
fn build(out: &Path, cpu: &str, release: bool) -> PathBuf {
    let agent = compile(out, cpu, release, false);
    if starts(&agent, cpu) {
        return agent;
    }
    println!(
        "cargo:warning=the agent does not start without parts of this C library: it is built again with all of it"
    );
    let agent = compile(out, cpu, release, true);
    assert!(starts(&agent, cpu), "the agent that was built does not start: {}", agent.display());
    agent
}

/// What is built for another CPU than this one cannot be asked.
fn starts(agent: &Path, cpu: &str) -> bool {
    cpu != std::env::consts::ARCH || Command::new(agent).arg("--version").output().is_ok_and(|out| out.status.success())
}

/// Runs cargo for the agent alone, in a folder of its own.
fn compile(out: &Path, cpu: &str, release: bool, whole_glibc: bool) -> PathBuf {
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
        .env("CARGO_ENCODED_RUSTFLAGS", flags().join("\u{1f}"));
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
    if whole_glibc {
        cargo.env(WHOLE_GLIBC, "1");
    }
    let status = cargo.status().expect("cargo could not be started");
    assert!(status.success(), "the agent could not be built for {target}; see the messages above");
    folder.join(&target).join(profile).join("cfg-agent")
}

/// With the folder of the libraries' sources left out of the messages of panics, which are smaller for it and tell nothing
/// about the machine they were built on.
fn flags() -> Vec<String> {
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
    let remapped = home.iter().map(|home| format!("--remap-path-prefix={home}/registry/src="));
    FLAGS.iter().map(|flag| (*flag).to_owned()).chain(remapped).collect()
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

fn embed(out: &Path, agents: &[(String, PathBuf)], release: bool) {
    let mut code = String::from("/// The agents this program carries.\npub const AGENTS: &[Embedded] = &[\n");
    for (cpu, path) in agents {
        let mut bytes = std::fs::read(path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
        if release {
            forget_unwinding(&mut bytes);
        }
        let packed = out.join(format!("cfg-agent-{cpu}.gz"));
        std::fs::write(&packed, gzip(&bytes, release)).expect("OUT_DIR can be written");
        let digest: String = sha256(&bytes);
        let smaller = out.join(format!("cfg-agent-{cpu}.xz"));
        std::fs::write(&smaller, if release { xz(cpu, &bytes) } else { Vec::new() }).expect("OUT_DIR can be written");
        code.push_str(&format!(
            "    Embedded {{ cpu: {cpu:?}, sha256: {digest:?}, gzip: include_bytes!({packed:?}), xz: include_bytes!({smaller:?}) }},\n",
        ));
    }
    code.push_str("];\n");
    std::fs::write(out.join("agents.rs"), code).expect("OUT_DIR can be written");
}

/// Under gzip: quickly, or in a release as small as that format can be.
fn gzip(bytes: &[u8], release: bool) -> Vec<u8> {
    let mut out = Vec::new();
    if release {
        let options =
            zopfli::Options { iteration_count: std::num::NonZeroU64::new(5).expect("five"), ..Default::default() };
        zopfli::compress(options, zopfli::Format::Gzip, bytes, &mut out).expect("memory can be written");
        return out;
    }
    let mut gzip = flate2::GzBuilder::new().write(&mut out, flate2::Compression::fast());
    gzip.write_all(bytes).expect("memory can be written");
    gzip.finish().expect("memory can be written");
    out
}

/// Under xz, with jumps made absolute first, which is what programs compress best with.
fn xz(cpu: &str, bytes: &[u8]) -> Vec<u8> {
    let mut options = lzma_rust2::XzOptions::with_preset(9);
    let (filter, start) = match cpu {
        "x86_64" => (lzma_rust2::filter::FilterType::BcjX86, 0),
        _ => (lzma_rust2::filter::FilterType::BcjArm64, 0),
    };
    options.prepend_pre_filter(filter, start);
    // As `xz -9e` does, and for instructions rather than text.
    (options.lzma_options.nice_len, options.lzma_options.lc, options.lzma_options.pb) = (273, 4, 0);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).expect("the options are valid");
    writer.write_all(bytes).expect("memory can be written");
    writer.finish().expect("memory can be written")
}

/// Empties the tables for unwinding that the standard library and the C library bring: nothing in an agent unwinds, for it
/// aborts on panic. They are a tenth of it on the wire. Their room stays, so that no address changes.
/// Source of the offsets: the ELF-64 object file format, "ELF header" and "Section header".
fn forget_unwinding(elf: &mut [u8]) {
    let word = |elf: &[u8], at: usize, size: usize| -> usize {
        (0..size).rev().fold(0, |value, i| value << 8 | usize::from(elf[at + i]))
    };
    let (table, size) = (word(elf, 0x28, 8), word(elf, 0x3a, 2));
    let (count, names) = (word(elf, 0x3c, 2), word(elf, 0x3e, 2));
    let place = |elf: &[u8], section: usize| {
        let header = table + section * size;
        (word(elf, header, 4), word(elf, header + 0x18, 8), word(elf, header + 0x20, 8))
    };
    let (_, texts, _) = place(elf, names);
    for section in 0..count {
        let (name, offset, length) = place(elf, section);
        let name: Vec<u8> = elf[texts + name..].iter().copied().take_while(|byte| *byte != 0).collect();
        if [&b".eh_frame"[..], b".eh_frame_hdr", b".gcc_except_table"].contains(&&name[..]) {
            elf[offset..offset + length].fill(0);
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
