//! The agents inside this program, and how one gets onto a target.
//!
//! One shell line is run on the target. It runs the agent that is there already, once its digest is right; otherwise it
//! asks for it, takes it from standard input, checks the digest, and runs it. Nothing else is ever done by a shell.

/// An agent for a CPU.
#[derive(Clone, Copy)]
pub struct Embedded {
    /// The CPU, as `uname -m` names it.
    pub cpu: &'static str,
    /// SHA-256 of the program, in hexadecimal.
    pub sha256: &'static str,
    /// The program under gzip, which every target has.
    pub gzip: &'static [u8],
    /// The program under xz, a quarter smaller; empty in a debug build.
    pub xz: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/agents.rs"));

/// What the target said before the agent ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootstrapReply {
    /// The agent runs: its first frame follows.
    Runs,
    /// The agent for this CPU has to be sent, packed like this.
    Send(String, Packing),
    /// There is no agent for this CPU.
    NoCpu(String),
    /// There is no place where the agent may be kept and run.
    NoPlace(String),
}

/// How an agent is packed on the wire: what the target has a program for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// gzip(1).
    Gzip,
    /// xz(1), or what else knows its format: busybox's unxz, the helper of apt.
    Xz,
}

impl Embedded {
    /// The bytes that are sent.
    pub fn packed(&self, packing: Packing) -> &'static [u8] {
        match packing {
            Packing::Gzip => self.gzip,
            Packing::Xz => self.xz,
        }
    }
}

/// Reads the line the bootstrap writes; `None` where it is something else.
pub fn bootstrap_reply(line: &str) -> Option<BootstrapReply> {
    let mut words = line.trim().splitn(3, ' ');
    match (words.next()?, words.next()?, words.next()) {
        ("cfg-boot", "run", _) => Some(BootstrapReply::Runs),
        ("cfg-boot", "send", Some(what)) => {
            let (cpu, packing) = what.split_once(' ')?;
            let packing = if packing == "xz" { Packing::Xz } else { Packing::Gzip };
            Some(BootstrapReply::Send(cpu.to_owned(), packing))
        }
        ("cfg-boot", "nocpu", Some(cpu)) => Some(BootstrapReply::NoCpu(cpu.to_owned())),
        ("cfg-boot", "noplace", why) => Some(BootstrapReply::NoPlace(why.unwrap_or("").to_owned())),
        _ => None,
    }
}

/// The shell line. It holds digests and sizes only, nothing of the user's.
pub fn bootstrap() -> String {
    line(AGENTS)
}

fn line(agents: &[Embedded]) -> String {
    let case = |agent: &Embedded| {
        format!("{}) s={}; n={}; x={};; ", agent.cpu, agent.sha256, agent.gzip.len(), agent.xz.len())
    };
    let cases: String = agents.iter().map(case).collect();
    format!(
        "m=$(uname -m); case $m in {cases}*) echo cfg-boot nocpu $m; exit 0;; esac; \
         d=${{XDG_CACHE_HOME:-$HOME/.cache}}/cfg; f=$d/agent-$s; \
         ok() {{ [ -O \"$f\" ] && [ -x \"$f\" ] && h=$(sha256sum \"$f\") && [ \"${{h%% *}}\" = $s ]; }}; \
         if ok; then echo cfg-boot run now; exec \"$f\"; fi; \
         umask 077; mkdir -p \"$d\" && chmod 700 \"$d\" && [ -O \"$d\" ] || {{ echo cfg-boot noplace $d; exit 0; }}; \
         a=/usr/lib/apt/apt-helper; apt() {{ cat >\"$t.xz\" && $a cat-file \"$t.xz\"; }}; \
         has() {{ command -v $1 >/dev/null 2>&1; }}; z=xz; if [ $x = 0 ]; then z=gzip; u=\"gzip -dc\"; \
         elif has xz; then u=\"xz -dc\"; elif has unxz; then u=\"unxz -c\"; elif [ -x $a ]; then u=apt; \
         else z=gzip; u=\"gzip -dc\"; fi; if [ $z = xz ]; then n=$x; fi; \
         echo cfg-boot send $m $z; t=$d/.agent.$$; \
         head -c $n | $u >\"$t\" && rm -f \"$t.xz\" && chmod 700 \"$t\" && mv -f \"$t\" \"$f\" && ok || \
         {{ rm -f \"$t\" \"$t.xz\"; echo cfg-boot noplace $d; exit 0; }}; \
         for o in \"$d\"/agent-*; do [ \"$o\" = \"$f\" ] || rm -f \"$o\"; done; \
         echo cfg-boot run now; exec \"$f\""
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::machine::Algorithm;

    const SCRIPT: &[u8] = b"#!/bin/sh\necho started\n";

    /// An agent that is a script, packed as build.rs packs the real ones.
    fn agent(with_xz: bool) -> Embedded {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(SCRIPT).unwrap();
        let mut options = lzma_rust2::XzOptions::with_preset(9);
        options.prepend_pre_filter(lzma_rust2::filter::FilterType::BcjX86, 0);
        let mut xz = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        xz.write_all(SCRIPT).unwrap();
        let xz = if with_xz { xz.finish().unwrap() } else { Vec::new() };
        let cpu = std::env::consts::ARCH;
        Embedded {
            cpu,
            sha256: Algorithm::Sha256.of(SCRIPT).leak(),
            gzip: gzip.finish().unwrap().leak(),
            xz: xz.leak(),
        }
    }

    /// Runs the line on a machine that has only these programs besides those every system has.
    fn boot(home: &Path, agent: &Embedded, unpackers: &[&str]) -> String {
        let bin = home.join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let always = ["uname", "sha256sum", "mkdir", "chmod", "head", "mv", "rm", "cat", "sh", "echo"];
        for name in always.iter().chain(unpackers) {
            let found = ["/usr/bin", "/bin"].iter().map(|dir| Path::new(dir).join(name)).find(|path| path.exists());
            std::os::unix::fs::symlink(found.unwrap(), bin.join(name)).unwrap();
        }
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &line(&[*agent])]).env_clear().env("HOME", home).env("PATH", &bin);
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let sent = if agent.xz.is_empty() { agent.gzip } else { agent.xz };
        child.stdin.take().unwrap().write_all(sent).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    fn an_agent_is_unpacked_by_what_the_target_has() {
        let apt = Path::new("/usr/lib/apt/apt-helper").exists();
        let table: &[(&[&str], bool, &str)] = &[
            (&["gzip"], false, "gzip"),
            (&["gzip", "xz"], true, "xz"),
            (&["gzip", "unxz"], true, "xz"),
            (&["gzip"], true, "xz"),
        ];
        for (unpackers, with_xz, packing) in table {
            if *with_xz && *unpackers == ["gzip"] && !apt {
                continue;
            }
            let home = tempfile::tempdir().unwrap();
            let agent = agent(*with_xz);
            let said = boot(home.path(), &agent, unpackers);
            let cpu = agent.cpu;
            assert_eq!(said, format!("cfg-boot send {cpu} {packing}\ncfg-boot run now\nstarted\n"), "{unpackers:?}");
            let kept: Vec<_> =
                std::fs::read_dir(home.path().join(".cache/cfg")).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(kept, [format!("agent-{}", agent.sha256).as_str()]);
        }
    }
}
