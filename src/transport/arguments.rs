//! Arguments of ssh(1), as inventories hold them in `ansible_ssh_common_args` and its kin: options of its configuration for
//! one host, given on a command line that is never run.

use super::config::{acts_on, option, split_args};

/// Keywords about what this transport has in a way of its own, or shows to nobody.
const HARMLESS: &[&str] = &[
    "batchmode",
    "checkhostip",
    "compression",
    "connectionattempts",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "loglevel",
    "requesttty",
    "serveralivecountmax",
    "tcpkeepalive",
    "updatehostkeys",
    "visualhostkey",
];

/// Options that are letters, with a value that follows them and the keyword it belongs to.
const LETTERS: [(char, &str); 4] = [('J', "ProxyJump"), ('i', "IdentityFile"), ('p', "Port"), ('l', "User")];

/// What is said by arguments of ssh.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Lines of its configuration, as `ProxyCommand ssh -W %h:%p gate`.
    pub options: Vec<String>,
    /// What has no effect here. That host keys are not to be checked is never obeyed.
    pub left: Vec<String>,
}

impl Arguments {
    /// Sorts what a command line would hold; quotes and backslashes are those of a shell.
    pub fn parse(text: &str) -> Self {
        let mut arguments = Self::default();
        let Ok(words) = split_args(text) else {
            arguments.left.push(text.to_owned());
            return arguments;
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut letters = word.strip_prefix('-').map(str::chars).into_iter().flatten();
            let (letter, rest) = (letters.next(), letters.collect::<String>());
            let mut value = |rest: String| if rest.is_empty() { words.next().unwrap_or_default() } else { rest };
            match letter {
                Some('o') => arguments.option(value(rest)),
                Some('4') if rest.is_empty() => arguments.options.push("AddressFamily inet".to_owned()),
                Some('6') if rest.is_empty() => arguments.options.push("AddressFamily inet6".to_owned()),
                Some('C' | 'T' | 'a' | 'k' | 'q' | 't' | 'v' | 'x') if rest.chars().all(|c| "CTakqtvx".contains(c)) => {
                }
                Some(letter) => match LETTERS.iter().find(|(known, _)| *known == letter) {
                    Some((_, keyword)) => arguments.options.push(format!("{keyword} {}", value(rest))),
                    None => arguments.left.push(word),
                },
                None => arguments.left.push(word),
            }
        }
        arguments
    }

    fn option(&mut self, text: String) {
        let (keyword, value) = option(&text);
        let unchecked = match keyword.as_str() {
            "stricthostkeychecking" => matches!(value.to_ascii_lowercase().as_str(), "no" | "off" | "false"),
            "userknownhostsfile" => value == "/dev/null",
            _ => false,
        };
        match () {
            () if unchecked || !(acts_on(&keyword) || HARMLESS.contains(&keyword.as_str())) => {
                self.left.push(format!("-o {text}"));
            }
            () if acts_on(&keyword) => self.options.push(text),
            () => {}
        }
    }

    /// Says whether they name a way to the host: a jump host or a program.
    pub fn name_a_way(&self) -> bool {
        self.options.iter().any(|line| matches!(option(line).0.as_str(), "proxyjump" | "proxycommand"))
    }

    /// Takes the jump host out of the options; the first one counts.
    pub fn take_jump(&mut self) -> Option<String> {
        let is_jump = |line: &mut String| option(line).0 == "proxyjump";
        let jumps: Vec<String> = self.options.extract_if(.., is_jump).collect();
        jumps.first().map(|line| option(line).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_options_for_one_host() {
        let table: [(&str, &[&str], &[&str]); 9] = [
            ("-J a,b", &["ProxyJump a,b"], &[]),
            ("-Ja -4 -Cqv", &["ProxyJump a", "AddressFamily inet"], &[]),
            (
                "-o ProxyCommand=\"ssh -W %h:%p -q me@gate\" -oPort=2222",
                &["ProxyCommand=ssh -W %h:%p -q me@gate", "Port=2222"],
                &[],
            ),
            ("-o 'ProxyJump=me@gate' -o ControlMaster=auto -oControlPersist=60s", &["ProxyJump=me@gate"], &[]),
            ("-i ~/.ssh/deploy -p 2200 -l ops", &["IdentityFile ~/.ssh/deploy", "Port 2200", "User ops"], &[]),
            ("-o 'ConnectTimeout 5'", &["ConnectTimeout 5"], &[]),
            (
                "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
                &[],
                &["-o StrictHostKeyChecking=no", "-o UserKnownHostsFile=/dev/null"],
            ),
            ("-A -o ForwardAgent=yes word", &[], &["-A", "-o ForwardAgent=yes", "word"]),
            ("-o 'open", &[], &["-o 'open"]),
        ];
        for (text, options, left) in table {
            let found = Arguments::parse(text);
            assert_eq!((found.options, found.left), (to_vec(options), to_vec(left)), "{text}");
        }
        assert!(Arguments::parse("-oProxyCommand=x").name_a_way());
        assert_eq!(Arguments::parse("-o ProxyJump=a").take_jump().as_deref(), Some("a"));
    }

    fn to_vec(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }
}
