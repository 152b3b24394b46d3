//! Block devices.

use super::look::{Look, put};
use crate::value::{Map, Value};

/// The links to devices, by kind: device and link name.
type Links = Vec<(&'static str, Vec<(String, String)>)>;

/// Reads them.
pub fn read(look: Look<'_>, facts: &mut Map) {
    let names = look.names("/sys/block");
    let links = links(look, &names);
    let devices: Map = names.iter().map(|name| (name.as_str().into(), device(look, name, &links))).collect();
    let by_kind = links.iter().map(|(kind, links)| {
        let mut by_device = Map::new();
        for (device, _) in links {
            by_device.insert(device.as_str().into(), of(links, device));
        }
        (*kind, Value::from(by_device))
    });
    put(facts, [("device_links", Value::map(by_kind)), ("devices", devices.into())]);
}

fn links(look: Look<'_>, names: &[String]) -> Links {
    let directory = |path: &str| -> Vec<(String, String)> {
        let names = look.names(path).into_iter();
        names.filter_map(|link| Some((look.link_name(&format!("{path}/{link}"))?, link))).collect()
    };
    let slaves = |name: &String| {
        let slaves = look.names(&format!("/sys/block/{name}/slaves")).into_iter();
        slaves.map(|slave| (slave, name.clone())).collect::<Vec<_>>()
    };
    vec![
        ("ids", directory("/dev/disk/by-id")),
        ("uuids", directory("/dev/disk/by-uuid")),
        ("labels", directory("/dev/disk/by-label")),
        ("masters", names.iter().flat_map(slaves).collect()),
    ]
}

fn of(links: &[(String, String)], device: &str) -> Value {
    Value::list(links.iter().filter(|(target, _)| target == device).map(|(_, link)| Value::str(link)))
}

fn links_of(links: &Links, device: &str) -> Value {
    Value::map(links.iter().map(|(kind, links)| (*kind, of(links, device))))
}

fn device(look: Look<'_>, name: &str, links: &Links) -> Value {
    let base = format!("/sys/block/{name}");
    let text = |file: &str| Value::from(look.line(&format!("{base}/{file}")));
    let mut map = Map::new();
    let discards = look.line(&format!("{base}/queue/discard_max_hw_bytes")).as_deref() != Some("0");
    put(
        &mut map,
        [
            ("virtual", Value::Int(1)),
            ("links", links_of(links, name)),
            ("vendor", text("device/vendor")),
            ("model", text("device/model")),
            ("sas_address", text("device/sas_address")),
            ("sas_device_handle", text("device/sas_device_handle")),
            ("removable", text("removable")),
            ("support_discard", if discards { text("queue/discard_granularity") } else { Value::str("0") }),
            ("partitions", partitions(look, name, links)),
            ("rotational", text("queue/rotational")),
            ("scheduler_mode", Value::from(scheduler(look, &base))),
            ("host", Value::str("")),
            ("holders", holders(look, &base)),
        ],
    );
    if let Some(serial) = look.line(&format!("{base}/device/serial")) {
        map.insert("serial".into(), Value::from(serial));
    }
    let sector = look.number(&format!("{base}/queue/logical_block_size")).unwrap_or(512);
    size(look, &base, sector, &mut map);
    map.into()
}

/// The scheduler in brackets.
fn scheduler(look: Look<'_>, base: &str) -> String {
    let line = look.text(&format!("{base}/queue/scheduler"));
    let chosen = line.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    chosen.map_or("", |(name, _)| name).to_owned()
}

fn holders(look: Look<'_>, base: &str) -> Value {
    let names = look.names(&format!("{base}/holders")).into_iter().filter(|name| name.starts_with("dm-"));
    let named = |name: String| look.line(&format!("{base}/holders/{name}/dm/name")).unwrap_or(name);
    Value::list(names.map(|name| Value::from(named(name))))
}

fn partitions(look: Look<'_>, name: &str, links: &Links) -> Value {
    let names = look.names(&format!("/sys/block/{name}")).into_iter();
    let parts = names.filter(|part| {
        let rest = part.strip_prefix(name).map(|rest| rest.strip_prefix('p').unwrap_or(rest));
        rest.is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()))
    });
    Value::map(parts.map(|part| {
        let base = format!("/sys/block/{name}/{part}");
        let uuid = match links.iter().find(|(kind, _)| *kind == "uuids").map(|(_, links)| of(links, &part)) {
            Some(Value::List(uuids)) => uuids.first().cloned().unwrap_or_default(),
            _ => Value::Null,
        };
        let mut map = Map::new();
        put(
            &mut map,
            [
                ("links", links_of(links, &part)),
                ("start", Value::from(look.line(&format!("{base}/start")))),
                ("uuid", uuid),
                ("holders", holders(look, &base)),
            ],
        );
        size(look, &base, 512, &mut map);
        (part, Value::from(map))
    }))
}

/// Sizes in `/sys` are in sectors of 512 bytes, whatever those of the device are.
fn size(look: Look<'_>, base: &str, sector: i64, map: &mut Map) {
    let bytes = look.number(&format!("{base}/size")).unwrap_or(0).saturating_mul(512);
    put(
        map,
        [
            ("sectors", Value::Int(bytes.checked_div(sector).unwrap_or(0))),
            ("sectorsize", Value::from(sector.to_string())),
            ("size", Value::from(human(bytes as f64))),
        ],
    );
}

/// A size in the largest unit that fits.
fn human(bytes: f64) -> String {
    let units =
        [(1u64 << 60, "EB"), (1 << 50, "PB"), (1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")];
    let unit = units.into_iter().find(|(limit, _)| bytes >= *limit as f64);
    match unit {
        Some((limit, name)) => format!("{:.2} {name}", bytes / limit as f64),
        None => format!("{bytes:.2} Bytes"),
    }
}
