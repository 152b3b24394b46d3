//! The database of installed packages, `/var/lib/dpkg/status`, read at most once a change.

use std::collections::HashMap;
use std::path::Path;

use super::super::{Package, Result};
use super::files;

const STATUS: &str = "/var/lib/dpkg/status";
const MAX_STATUS: u64 = 256 * 1024 * 1024;

/// What was read last.
#[derive(Default)]
pub struct Cache {
    stamp: Option<(u64, u64, u64)>,
    packages: HashMap<String, Package>,
    /// Virtual package to a package that provides it.
    provided: HashMap<String, String>,
}

impl Cache {
    /// Finds an installed package by name, or one that provides that name.
    pub fn find(&mut self, name: &str) -> Result<Option<Package>> {
        self.refresh()?;
        let plain = name.split(':').next().unwrap_or(name);
        let real = self.packages.get(name).or_else(|| self.packages.get(plain));
        let real = real.or_else(|| self.provided.get(plain).and_then(|provider| self.packages.get(provider)));
        Ok(real.cloned())
    }

    /// Every installed package.
    pub fn all(&mut self) -> Result<&HashMap<String, Package>> {
        self.refresh()?;
        Ok(&self.packages)
    }

    fn refresh(&mut self) -> Result<()> {
        let path = Path::new(STATUS);
        let Some(stat) = files::lstat(path)? else {
            *self = Self::default();
            return Ok(());
        };
        let stamp = (stat.inode, stat.size, stat.mtime.to_bits());
        if self.stamp != Some(stamp) {
            let bytes = files::read(path, MAX_STATUS)?;
            *self = parse(&String::from_utf8_lossy(&bytes));
            self.stamp = Some(stamp);
        }
        Ok(())
    }
}

/// Reads the paragraphs of packages that are installed.
fn parse(text: &str) -> Cache {
    let mut cache = Cache::default();
    for paragraph in text.split("\n\n") {
        let field =
            |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::trim);
        let (Some(name), Some(status)) = (field("Package"), field("Status")) else { continue };
        if !status.ends_with(" installed") {
            continue;
        }
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let package = Package {
            name: name.to_owned(),
            version: text(field("Version")),
            arch: text(field("Architecture")),
            held: status.starts_with("hold"),
            section: text(field("Section")),
        };
        for provided in field("Provides").unwrap_or_default().split(',') {
            let provided = provided.split_whitespace().next().unwrap_or_default();
            if !provided.is_empty() {
                cache.provided.insert(provided.to_owned(), package.name.clone());
            }
        }
        cache.packages.insert(package.name.clone(), package);
    }
    cache
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installed_packages_count() {
        let text = "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\nProvides: v (= 1), w\n\n\
                    Package: b\nStatus: deinstall ok config-files\nVersion: 2\n";
        let cache = parse(text);
        assert_eq!(cache.packages.len(), 1);
        assert_eq!(cache.provided.get("v").map(String::as_str), Some("a"));
    }
}
