//! Every resource type, in one visible list.

use super::args::{Args, ParamError, ParamErrorKind};
use super::params::ParamSpec;
use super::{
    Resource, apt, assemble, async_status, attrs_extra, authorized_key, blockinfile, command, copy, cron, debconf,
    fetch, file, get_url, getent, git, group, hostname, ini_file, known_hosts, lineinfile, package, package_facts,
    ping, raw, replace, script, service, service_facts, shell, slurp, stat, sysctl, systemd, tempfile, template,
    unarchive, uri, user, wait_for, wait_for_connection,
};

/// A resource type.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its name, as in Ansible.
    pub name: &'static str,
    /// Other names of it.
    pub aliases: &'static [&'static str],
    /// The collection its fully qualified name belongs to.
    pub collection: &'static str,
    /// Its documentation.
    pub doc: &'static str,
    /// Its parameters.
    pub params: &'static [ParamSpec],
    /// The parameter that text without `k=v` is given to, as in `command: uptime`.
    pub free_form: Option<&'static str>,
    /// Makes one from arguments.
    pub parse: fn(Args) -> Result<Box<dyn Resource>, ParamError>,
}

macro_rules! kind {
    ($name:literal, $($path:ident)::+, [], $collection:literal, files) => {
        Kind {
            name: $name,
            aliases: &[],
            collection: $collection,
            doc: $($path)::+::DOC,
            params: {
                const ALL: [ParamSpec; $($path)::+::PARAMS.len() + attrs_extra::COUNT] =
                    attrs_extra::joined($($path)::+::PARAMS);
                &ALL
            },
            free_form: None,
            parse: |args| {
                attrs_extra::parse(args, |args| {
                    let resource = $($path)::+::from_args(args)?;
                    resource.check()?;
                    Ok(Box::new(resource))
                })
            },
        }
    };
    ($name:literal, $($path:ident)::+, [$($alias:literal),*], $collection:literal, $free:expr) => {
        Kind {
            name: $name,
            aliases: &[$($alias),*],
            collection: $collection,
            doc: $($path)::+::DOC,
            params: $($path)::+::PARAMS,
            free_form: $free,
            parse: |args| {
                let resource = $($path)::+::from_args(args)?;
                resource.check()?;
                Ok(Box::new(resource))
            },
        }
    };
    ($name:literal, $($path:ident)::+) => { kind!($name, $($path)::+, [], "ansible.builtin", None) };
    ($name:literal, $($path:ident)::+, files) => { kind!($name, $($path)::+, [], "ansible.builtin", files) };
    ($name:literal, $($path:ident)::+, free $free:literal) => {
        kind!($name, $($path)::+, [], "ansible.builtin", Some($free))
    };
    ($name:literal, $($path:ident)::+, alias $($alias:literal)+) => {
        kind!($name, $($path)::+, [$($alias),+], "ansible.builtin", None)
    };
}

/// The types, by name.
pub const KINDS: &[Kind] = &[
    kind!("apt", apt::Apt),
    kind!("assemble", assemble::Assemble, files),
    kind!("async_status", async_status::AsyncStatus),
    kind!("authorized_key", authorized_key::AuthorizedKey, [], "ansible.posix", None),
    kind!("blockinfile", blockinfile::Blockinfile, files),
    kind!("command", command::Command, free "cmd"),
    kind!("copy", copy::Copy, files),
    kind!("cron", cron::Cron),
    kind!("debconf", debconf::Debconf),
    kind!("fetch", fetch::Fetch),
    kind!("file", file::File, files),
    kind!("find", super::find::Find),
    kind!("get_url", get_url::GetUrl, files),
    kind!("getent", getent::Getent),
    kind!("git", git::Git),
    kind!("group", group::Group),
    kind!("hostname", hostname::Hostname),
    kind!("ini_file", ini_file::IniFile, [], "community.general", files),
    kind!("known_hosts", known_hosts::KnownHosts),
    kind!("lineinfile", lineinfile::Lineinfile, files),
    kind!("package", package::Package),
    kind!("package_facts", package_facts::PackageFacts),
    kind!("ping", ping::Ping),
    kind!("raw", raw::Raw, free "cmd"),
    kind!("replace", replace::Replace, files),
    kind!("script", script::Script, free "cmd"),
    kind!("service", service::Service),
    kind!("service_facts", service_facts::ServiceFacts),
    kind!("shell", shell::Shell, free "cmd"),
    kind!("slurp", slurp::Slurp),
    kind!("stat", stat::Stat),
    kind!("sysctl", sysctl::Sysctl, [], "ansible.posix", None),
    kind!("systemd", systemd::Systemd, alias "systemd_service"),
    kind!("tempfile", tempfile::Tempfile),
    kind!("template", template::Template, files),
    kind!("unarchive", unarchive::Unarchive, files),
    kind!("uri", uri::Uri, files),
    kind!("user", user::User),
    kind!("wait_for", wait_for::WaitFor),
    kind!("wait_for_connection", wait_for_connection::WaitForConnection),
];

/// Finds a type by its short or fully qualified name.
pub fn find(name: &str) -> Option<&'static Kind> {
    let (collection, short) = name.rsplit_once('.').map_or((None, name), |(c, s)| (Some(c), s));
    KINDS.iter().find(|kind| {
        let named = kind.name == short || kind.aliases.contains(&short);
        let fits = match collection {
            None | Some("ansible.builtin" | "ansible.legacy") => true,
            Some(collection) => collection == kind.collection,
        };
        named && fits
    })
}

/// Every name a type goes by, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().flat_map(|kind| std::iter::once(kind.name).chain(kind.aliases.iter().copied()))
}

/// What Ansible says of a mistake where a role may look for just these words.
pub fn ansible_words(kind: &str, error: &ParamError) -> Option<&'static str> {
    match (kind, &error.kind) {
        ("copy", ParamErrorKind::Missing) if error.message.ends_with(": dest") => Some("dest is required"),
        _ => None,
    }
}
