//! What is mounted.

use std::path::Path;

use super::look::Look;
use crate::value::{Map, Value};

/// Reads the mounts of devices and network file systems; sizes where the file system tells.
pub fn read(look: Look<'_>, facts: &mut Map) {
    let table = look.text("/proc/self/mounts");
    let uuids = uuids(look);
    let mounts: Vec<Value> = parse(&table).map(|mount| describe(look, &mount, &uuids)).collect();
    facts.insert("mounts".into(), Value::from(mounts));
}

struct Mount {
    device: String,
    path: String,
    kind: String,
    options: String,
    dump: i64,
    pass: i64,
}

fn parse(table: &str) -> impl Iterator<Item = Mount> {
    table.lines().filter_map(|line| {
        let mut fields = line.split(' ').map(unescape);
        let (device, path, kind, options) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let mut number = || fields.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let (dump, pass) = (number(), number());
        let wanted = (device.starts_with('/') || device.contains(":/")) && kind != "none";
        wanted.then_some(Mount { device, path, kind, options, dump, pass })
    })
}

/// Spaces in a mount table are `\040`.
fn unescape(field: &str) -> String {
    let (mut out, mut rest) = (String::new(), field);
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        match after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                out.push('\\');
                rest = after;
            }
        }
    }
    out + rest
}

/// The names of devices and the identifiers of the file systems on them.
fn uuids(look: Look<'_>) -> Vec<(String, String)> {
    let directory = "/dev/disk/by-uuid";
    let names = look.names(directory).into_iter();
    names.filter_map(|uuid| Some((look.link_name(&format!("{directory}/{uuid}"))?, uuid))).collect()
}

fn describe(look: Look<'_>, mount: &Mount, uuids: &[(String, String)]) -> Value {
    let name = Path::new(&mount.device).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let uuid = uuids.iter().find(|(device, _)| *device == name).map_or("N/A", |(_, uuid)| uuid);
    let mut map = Map::new();
    super::look::put(
        &mut map,
        [
            ("mount", Value::str(&mount.path)),
            ("device", Value::str(&mount.device)),
            ("fstype", Value::str(&mount.kind)),
            ("options", Value::str(&mount.options)),
            ("dump", Value::Int(mount.dump)),
            ("passno", Value::Int(mount.pass)),
            ("uuid", Value::str(uuid)),
        ],
    );
    // A network file system whose server is away would hold up everything.
    if mount.device.starts_with('/') {
        sizes(look, mount, &mut map);
    }
    map.into()
}

fn sizes(look: Look<'_>, mount: &Mount, map: &mut Map) {
    let Ok(usage) = look.0.usage(Path::new(&mount.path)) else { return };
    super::look::put(
        map,
        [
            ("size_total", Value::from(usage.block_size * usage.blocks)),
            ("size_available", Value::from(usage.block_size * usage.blocks_available)),
            ("block_size", Value::from(usage.block_size)),
            ("block_total", Value::from(usage.blocks)),
            ("block_available", Value::from(usage.blocks_available)),
            ("block_used", Value::from(usage.blocks.saturating_sub(usage.blocks_available))),
            ("inode_total", Value::from(usage.inodes)),
            ("inode_available", Value::from(usage.inodes_available)),
            ("inode_used", Value::from(usage.inodes.saturating_sub(usage.inodes_available))),
        ],
    );
}
