//! Groups of modules, as `module_defaults` may name them. ansible-core brings some along; the rest are those of collections,
//! which cfg does not read.

use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::source::Span;

/// What the key of a group begins with.
pub const PREFIX: &str = "group/";

/// The collection of names without one.
const CORE: &str = "ansible.builtin.";

/// The groups of ansible-core, and which modules of cfg are in them. Most hold modules of clouds only.
const OF_CORE: &[(&str, &[&str])] = &[
    ("acme", &[]),
    ("aws", &[]),
    ("azure", &[]),
    ("cpm", &[]),
    ("docker", &[]),
    ("gcp", &[]),
    ("k8s", &[]),
    ("os", &[]),
    ("ovirt", &[]),
    ("testgroup", &["ping"]),
    ("testlegacy", &[]),
    ("vmware", &[]),
];

/// The groups of collections that those hold.
const OF_COLLECTIONS: &[&str] = &[
    "amazon.aws.aws",
    "azure.azcollection.azure",
    "community.aws.aws",
    "community.crypto.acme",
    "community.docker.docker",
    "community.general.docker",
    "community.general.k8s",
    "community.general.ovirt",
    "community.kubernetes.k8s",
    "community.kubevirt.k8s",
    "community.okd.k8s",
    "community.vmware.vmware",
    "google.cloud.gcp",
    "kubernetes.core.k8s",
    "openstack.cloud.os",
    "ovirt.ovirt.ovirt",
    "wti.remote.cpm",
];

/// The modules of cfg in a group, by the name behind [`PREFIX`].
///
/// # Errors
/// The mistake where that is not known.
pub fn members(group: &str, at: Span) -> Result<&'static [&'static str], Diagnostic> {
    if OF_COLLECTIONS.contains(&group) {
        return Ok(&[]);
    }
    let name = group.strip_prefix(CORE).unwrap_or(group);
    if let Some((_, modules)) = OF_CORE.iter().find(|(known, _)| *known == name) {
        return Ok(modules);
    }
    if name.matches('.').count() >= 2 {
        let message = format!("cfg does not know which modules are in the group `{group}`");
        let report = Diagnostic::error(Code::Unsupported, message).at(at, "");
        return Err(report.help("name the modules themselves"));
    }
    let report = Diagnostic::error(Code::BadParameter, format!("there is no group of modules `{group}`")).at(at, "");
    let help = did_you_mean(name, OF_CORE.iter().map(|(known, _)| *known));
    Err(report.help(help.unwrap_or_else(|| "name the modules themselves".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;

    fn place() -> Span {
        Span { file: SourceMap::default().add(std::path::Path::new("play.yml"), "x"), start: 0, end: 1 }
    }

    #[test]
    fn groups_hold_the_modules_they_hold_in_ansible() {
        let at = place();
        assert_eq!(members("aws", at).unwrap(), [""; 0]);
        assert_eq!(members("kubernetes.core.k8s", at).unwrap(), [""; 0]);
        assert_eq!(members("ansible.builtin.testgroup", at).unwrap(), ["ping"]);
    }

    #[test]
    fn what_a_group_holds_is_never_guessed() {
        let at = place();
        let unknown = members("my.own.group", at).unwrap_err();
        assert_eq!(unknown.code, Code::Unsupported);
        let misspelt = members("awz", at).unwrap_err();
        assert_eq!(misspelt.help.as_deref(), Some("did you mean `aws`?"));
    }
}
