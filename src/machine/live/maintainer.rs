//! Reading a maintainer script for what it makes: users, directories, owners, services.
//!
//! The script is read, never run. Only straight-line commands on literal words and simple variables are understood; a
//! function is followed with its arguments; branches count as taken. What is not understood is left out: the plan then
//! shows a change that the apply will not need, which is the safe side.

use std::collections::HashMap;

use super::super::FileKind;
use super::super::package::{Comes, ForeseenFile, Foresight};

/// Adds what `script` would do to `foresight`.
pub fn read(script: &str, foresight: &mut Foresight) {
    let lines = logical_lines(script);
    let functions = functions(&lines);
    let mut reader = Reader { variables: HashMap::new(), functions: &functions, foresight, depth: 0 };
    reader.run(&lines);
}

/// Joins continued lines and drops comments.
fn logical_lines(script: &str) -> Vec<String> {
    script
        .replace("\\\n", " ")
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

type Functions = HashMap<String, Vec<String>>;

/// Takes out `name () { … }`.
fn functions(lines: &[String]) -> Functions {
    let mut found = Functions::new();
    let mut current: Option<(String, Vec<String>)> = None;
    for line in lines {
        match &mut current {
            Some(_) if line == "}" => found.extend(current.take()),
            Some((_, body)) => body.push(line.clone()),
            None => {
                let head = line.trim_end_matches('{').trim_end();
                if let Some(name) = head.strip_suffix("()") {
                    current = Some((name.trim().to_owned(), Vec::new()));
                }
            }
        }
    }
    found
}

struct Reader<'a> {
    variables: HashMap<String, String>,
    functions: &'a Functions,
    foresight: &'a mut Foresight,
    depth: usize,
}

impl Reader<'_> {
    fn run(&mut self, lines: &[String]) {
        let mut inside = false;
        for line in lines {
            // Bodies of functions are run where they are called.
            if line.trim_end_matches('{').trim_end().ends_with("()") {
                inside = true;
            } else if inside && line == "}" {
                inside = false;
            } else if !inside || self.depth > 0 {
                for command in line.split([';']).flat_map(|part| part.split("&&")).flat_map(|part| part.split("||")) {
                    self.command(command.trim());
                }
            }
        }
    }

    fn command(&mut self, text: &str) {
        let words: Vec<String> = words(text).iter().map(|w| self.expand(w)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).take_while(|w| !w.starts_with('>')).collect();
        let skip = words.iter().take_while(|w| matches!(**w, "then" | "else" | "do" | "if" | "!" | "elif")).count();
        let Some((first, rest)) = words.get(skip..).and_then(<[&str]>::split_first) else { return };
        if let Some((name, value)) =
            first.split_once('=').filter(|(n, _)| n.chars().all(|c| c.is_alphanumeric() || c == '_'))
        {
            self.variables.insert(name.to_owned(), value.to_owned());
        } else if let Some(body) = self.functions.get(*first).filter(|_| self.depth < 4) {
            self.call(body.clone(), rest);
        } else {
            self.builtin(first, rest);
        }
    }

    fn call(&mut self, body: Vec<String>, arguments: &[&str]) {
        let outer = self.variables.clone();
        for (i, argument) in arguments.iter().enumerate() {
            self.variables.insert((i + 1).to_string(), (*argument).to_owned());
        }
        self.depth += 1;
        self.run(&body);
        self.depth -= 1;
        self.variables = outer;
    }

    fn builtin(&mut self, program: &str, rest: &[&str]) {
        let plain: Vec<&str> = rest.iter().copied().filter(|w| !w.starts_with('-')).collect();
        match (program, plain.as_slice()) {
            ("adduser" | "useradd", _) => self.add_user(rest),
            ("addgroup" | "groupadd", [.., name]) => self.group(name),
            ("mkdir", paths) => paths.iter().for_each(|path| self.made_dir(path)),
            ("ln", [target, path]) if rest.iter().any(|w| w.starts_with('-') && w.contains('s')) => {
                self.made(path, FileKind::Link, 0o777, Some(target));
            }
            ("touch", paths) => paths.iter().for_each(|path| self.made(path, FileKind::File, 0o644, None)),
            ("cp", [_, path]) => self.made(path, FileKind::File, 0o644, None),
            ("chown", [owner, paths @ ..]) => self.chown(owner, paths),
            ("chgrp", [group, paths @ ..]) => self.chown(&format!(":{group}"), paths),
            ("chmod", [mode, paths @ ..]) => self.chmod(mode, paths),
            ("dpkg-statoverride", [user, group, mode, path])
                if rest.contains(&"--add") && rest.contains(&"--update") =>
            {
                self.chown(&format!("{user}:{group}"), &[path]);
                self.chmod(mode, &[path]);
            }
            ("deb-systemd-helper", ["enable", units @ ..]) => {
                self.foresight.enabled.extend(units.iter().map(|u| (*u).to_owned()))
            }
            ("deb-systemd-invoke", [_, units @ ..]) => {
                self.foresight.started.extend(units.iter().map(|u| (*u).to_owned()))
            }
            ("update-rc.d", [name, "defaults", ..]) => self.foresight.enabled.push((*name).to_owned()),
            ("invoke-rc.d", [name, ..]) => self.foresight.started.push((*name).to_owned()),
            _ => {}
        }
    }

    /// The name is the last word that is not an option's value.
    fn add_user(&mut self, words: &[&str]) {
        let takes_value = [
            "--home",
            "--shell",
            "--gecos",
            "--uid",
            "--gid",
            "--ingroup",
            "--comment",
            "-d",
            "-s",
            "-u",
            "-g",
            "-c",
            "-G",
            "--home-dir",
            "--groups",
        ];
        let mut home = None;
        let mut name = None;
        let mut iter = words.iter();
        while let Some(word) = iter.next() {
            if takes_value.contains(word) {
                let value = iter.next();
                if matches!(*word, "--home" | "-d" | "--home-dir") {
                    home = value.map(|v| (*v).to_owned());
                }
            } else if !word.starts_with('-') {
                name = name.or(Some(*word));
            }
        }
        let Some(name) = name else { return };
        if words.contains(&"--group") || words.contains(&"-U") {
            self.group(name);
        }
        if let Some(home) = home.clone().filter(|_| !words.contains(&"--no-create-home")) {
            self.made_dir(&home);
            self.chown(&format!("{name}:{name}"), &[&home]);
        }
        self.foresight.users.push((name.to_owned(), home));
    }

    fn group(&mut self, name: &str) {
        self.foresight.groups.push(name.to_owned());
    }

    fn made_dir(&mut self, path: &str) {
        self.made(path, FileKind::Dir, 0o755, None);
    }

    /// Where nothing is yet. What is not the name of one thing, such as one that holds an unknown variable, is left out.
    fn made(&mut self, path: &str, kind: FileKind, mode: u32, target: Option<&str>) {
        if !path.starts_with('/') || path.contains("//") || path.contains('*') {
            return;
        }
        let [owner, group] = [(); 2].map(|()| Some("root".to_owned()));
        let (mode, target) = (Some(mode), target.map(Into::into));
        let file = ForeseenFile { kind, mode, owner, group, target, comes: Comes::Made, ..self.attributes(path) };
        self.foresight.files.push(file);
    }

    fn chown(&mut self, owner: &str, paths: &[&str]) {
        let (user, group) = owner.split_once([':', '.']).unwrap_or((owner, ""));
        let name = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        for path in paths {
            let file = ForeseenFile { owner: name(user), group: name(group), ..self.attributes(path) };
            self.foresight.files.push(file);
        }
    }

    fn chmod(&mut self, mode: &str, paths: &[&str]) {
        let Ok(mode) = u32::from_str_radix(mode, 8) else { return };
        for path in paths {
            let file = ForeseenFile { mode: Some(mode), ..self.attributes(path) };
            self.foresight.files.push(file);
        }
    }

    fn attributes(&self, path: &str) -> ForeseenFile {
        ForeseenFile {
            path: path.into(),
            kind: FileKind::Dir,
            mode: None,
            owner: None,
            group: None,
            size: 0,
            target: None,
            content: None,
            comes: Comes::Changed,
        }
    }

    fn expand(&self, word: &str) -> String {
        let mut out = String::new();
        let mut rest = word;
        while let Some(at) = rest.find('$') {
            out.push_str(rest.get(..at).unwrap_or(""));
            let after = rest.get(at + 1..).unwrap_or("");
            let (name, length) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
                Some((name, _)) => (name, name.len() + 2),
                None => {
                    let end = after.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(after.len());
                    (after.get(..end).unwrap_or(""), end)
                }
            };
            out.push_str(self.variables.get(name).map_or("", String::as_str));
            rest = after.get(length..).unwrap_or("");
        }
        out.push_str(rest);
        out
    }
}

/// Splits at white space and takes quotes away.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut started = false;
    for c in text.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => word.push(c),
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                started = true;
            }
            None if c.is_whitespace() => {
                if started || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            None => word.push(c),
        }
    }
    if started || !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_functions_and_variables() {
        let script = r#"
            USER="svc"
            Setup_dir () {
                DIR="${1}"
                mkdir -p ${DIR}
                if ! dpkg-statoverride --list ${DIR} >/dev/null 2>&1
                then
                    chown ${USER}:${3} ${DIR}
                    chmod ${2} ${DIR}
                fi
            }
            if [ "$1" = "configure" ]
            then
                adduser \
                    --system \
                    --home /var/lib/svc \
                    --group \
                    ${USER} || true
                Setup_dir /etc/svc 2770 ${USER}
                dpkg-statoverride --update --add ${USER} ${USER} 640 /etc/svc/svc.conf
            fi
            ln -s /etc/svc/available /etc/svc/enabled
            touch "$DPKG_ROOT/var/log/svc.log" /var/log/$UNKNOWN/svc.log
            ln -s relative link
            deb-systemd-helper enable 'svc.service' >/dev/null || true
            deb-systemd-invoke $_dh_action 'svc.service' >/dev/null || true
        "#;
        let mut foresight = Foresight::default();
        read(script, &mut foresight);
        assert_eq!(foresight.users, [("svc".to_owned(), Some("/var/lib/svc".to_owned()))]);
        assert_eq!(foresight.groups, ["svc"]);
        assert_eq!(foresight.enabled, ["svc.service"]);
        assert_eq!(foresight.started, ["svc.service"]);
        let last = |path: &str| foresight.files.iter().rev().find(|f| f.path.to_str() == Some(path)).unwrap();
        assert_eq!(last("/etc/svc").mode, Some(0o2770));
        assert_eq!(last("/etc/svc/svc.conf").mode, Some(0o640));
        assert_eq!(last("/etc/svc/enabled").target.as_deref(), Some(std::path::Path::new("/etc/svc/available")));
        let made = |f: &&ForeseenFile| f.comes == Comes::Made && f.kind != FileKind::Dir;
        let made: Vec<_> = foresight.files.iter().filter(made).filter_map(|f| f.path.to_str()).collect();
        assert_eq!(made, ["/etc/svc/enabled", "/var/log/svc.log"]);
        assert!(
            foresight.files.iter().any(|f| f.path.to_str() == Some("/etc/svc") && f.owner.as_deref() == Some("svc"))
        );
    }
}
