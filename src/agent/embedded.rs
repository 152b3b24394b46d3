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
    /// xz(1).
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
    let case = |agent: &Embedded| {
        format!("{}) s={}; n={}; x={};; ", agent.cpu, agent.sha256, agent.gzip.len(), agent.xz.len())
    };
    let cases: String = AGENTS.iter().map(case).collect();
    format!(
        "m=$(uname -m); case $m in {cases}*) echo cfg-boot nocpu $m; exit 0;; esac; \
         d=${{XDG_CACHE_HOME:-$HOME/.cache}}/cfg; f=$d/agent-$s; \
         ok() {{ [ -O \"$f\" ] && [ -x \"$f\" ] && h=$(sha256sum \"$f\") && [ \"${{h%% *}}\" = $s ]; }}; \
         if ok; then echo cfg-boot run now; exec \"$f\"; fi; \
         umask 077; mkdir -p \"$d\" && chmod 700 \"$d\" && [ -O \"$d\" ] || {{ echo cfg-boot noplace $d; exit 0; }}; \
         z=gzip; if [ $x != 0 ] && command -v xz >/dev/null 2>&1; then z=xz; n=$x; fi; \
         echo cfg-boot send $m $z; t=$d/.agent.$$; \
         head -c $n | $z -dc >\"$t\" && chmod 700 \"$t\" && mv -f \"$t\" \"$f\" && ok || \
         {{ rm -f \"$t\"; echo cfg-boot noplace $d; exit 0; }}; \
         for o in \"$d\"/agent-*; do [ \"$o\" = \"$f\" ] || rm -f \"$o\"; done; \
         echo cfg-boot run now; exec \"$f\""
    )
}
