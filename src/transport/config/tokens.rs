//! `%h`, `~` and `${VAR}`: what configuration values may refer to.

use std::path::PathBuf;

use sha1::{Digest as _, Sha1};

/// This machine and the person on it, looked up once.
#[derive(Debug, Clone)]
pub(crate) struct Local {
    pub(crate) user: String,
    pub(crate) uid: u32,
    pub(crate) home: PathBuf,
    pub(crate) host: String,
}

impl Local {
    /// Asks the system.
    pub(crate) fn detect() -> Self {
        let uid = rustix::process::getuid().as_raw();
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let record = passwd
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.get(2).and_then(|field| field.parse::<u32>().ok()) == Some(uid));
        let field = |index: usize| record.as_ref().and_then(|fields| fields.get(index)).map(|text| (*text).to_owned());
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            user: field(0)
                .or_else(|| variable("LOGNAME"))
                .or_else(|| variable("USER"))
                .unwrap_or_else(|| uid.to_string()),
            uid,
            home: variable("HOME").or_else(|| field(5)).unwrap_or_else(|| "/".to_owned()).into(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        }
    }
}

/// What the tokens stand for on one connection.
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    pub(crate) local: &'a Local,
    /// `%h`
    pub(crate) host: &'a str,
    /// `%n`
    pub(crate) alias: &'a str,
    /// `%p`
    pub(crate) port: u16,
    /// `%r`
    pub(crate) user: &'a str,
    /// `%k`
    pub(crate) key_alias: Option<&'a str>,
    /// `%j`
    pub(crate) jump: Option<&'a str>,
}

impl Tokens<'_> {
    /// Replaces `%` tokens.
    pub(crate) fn expand(&self, text: &str) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match rest.next() {
                Some('%') => out.push('%'),
                Some('C') => out.push_str(&self.connection_hash()),
                Some('d') => out.push_str(&self.local.home.to_string_lossy()),
                Some('h') => out.push_str(self.host),
                Some('i') => out.push_str(&self.local.uid.to_string()),
                Some('j') => out.push_str(self.jump.unwrap_or_default()),
                Some('k') => out.push_str(self.key_alias.unwrap_or(self.alias)),
                Some('L') => out.push_str(self.local.host.split('.').next().unwrap_or_default()),
                Some('l') => out.push_str(&self.local.host),
                Some('n') => out.push_str(self.alias),
                Some('p') => out.push_str(&self.port.to_string()),
                Some('r') => out.push_str(self.user),
                Some('u') => out.push_str(&self.local.user),
                Some(other) => return Err(format!("unknown token %{other}")),
                None => return Err("a % stands alone at the end".to_owned()),
            }
        }
        Ok(out)
    }

    /// Replaces `%` tokens, `${VAR}` and a leading `~`: for values that are paths.
    pub(crate) fn path(&self, text: &str) -> Result<PathBuf, String> {
        Ok(tilde(&self.expand(&environment(text)?)?, self.local))
    }

    fn connection_hash(&self) -> String {
        let parts = [&self.local.host, self.host, &self.port.to_string(), self.user, self.jump.unwrap_or_default()];
        let digest = Sha1::digest(parts.concat());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Replaces a leading `~` or `~user`.
pub(crate) fn tilde(text: &str, local: &Local) -> PathBuf {
    let Some(rest) = text.strip_prefix('~') else {
        return text.into();
    };
    let (user, rest) = rest.split_once('/').unwrap_or((rest, ""));
    if user.is_empty() {
        return local.home.join(rest);
    }
    crate::source::home_of(user).map_or_else(|| text.into(), |home| home.join(rest))
}

fn environment(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or("`${` is not closed")?;
        let value = std::env::var(name).map_err(|_| format!("environment variable {name} is not set"))?;
        out.push_str(before);
        out.push_str(&value);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn tokens_expand() {
        let local = Local { user: "me".into(), uid: 7, home: "/home/me".into(), host: "desk.lan".into() };
        let tokens = Tokens {
            local: &local,
            host: "10.0.0.1",
            alias: "web",
            port: 2222,
            user: "root",
            key_alias: None,
            jump: None,
        };
        let table = [
            ("plain", Ok("plain".to_owned())),
            ("%h:%p", Ok("10.0.0.1:2222".to_owned())),
            ("%n %r %u %d %i %L %l %k %%", Ok("web root me /home/me 7 desk desk.lan web %".to_owned())),
            ("%z", Err("unknown token %z".to_owned())),
            ("50%", Err("a % stands alone at the end".to_owned())),
        ];
        for (text, expected) in table {
            assert_eq!(tokens.expand(text), expected, "{text}");
        }
        assert_eq!(tokens.path("~/.ssh/id_%n").unwrap(), Path::new("/home/me/.ssh/id_web"));
        assert_eq!(tokens.path("~root/x").unwrap(), Path::new("/root/x"));
        assert!(tokens.path("${CFG_NO_SUCH_VARIABLE}/x").is_err());
    }
}
