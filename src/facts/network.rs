//! Network interfaces, their addresses, and name servers.

use std::net::Ipv4Addr;

use super::look::{Look, put};
use super::routes::{Address6, Route4, addresses6, default6, routes4};
use crate::machine::Address4;
use crate::value::{Map, Value};

/// The tables interfaces are described from.
struct Tables {
    routes: Vec<Route4>,
    four: Vec<Address4>,
    six: Vec<Address6>,
}

/// Reads them.
pub fn read(look: Look<'_>, facts: &mut Map) {
    describe(look, look.addresses(), facts);
}

pub(super) fn describe(look: Look<'_>, four: Vec<Address4>, facts: &mut Map) {
    let tables = Tables {
        routes: routes4(&look.text("/proc/net/route")),
        four,
        six: addresses6(&look.text("/proc/net/if_inet6")),
    };
    // Files such as `bonding_masters` are no interfaces.
    let names =
        look.names("/sys/class/net").into_iter().filter(|name| look.exists(&format!("/sys/class/net/{name}/mtu")));
    let mut interfaces: Vec<(String, Map)> =
        names.map(|name| (name.clone(), interface(look, &name, &tables))).collect();
    for label in tables.four.iter().map(|address| &address.label) {
        if !interfaces.iter().any(|(name, _)| name == label) {
            let mut map = Map::new();
            addresses4(tables.four.iter().filter(|a| a.label == *label), &mut map);
            interfaces.push((label.clone(), map));
        }
    }
    put(
        facts,
        [
            ("interfaces", Value::list(interfaces.iter().map(|(name, _)| Value::from(plain(name))))),
            ("default_ipv4", default_ipv4(&interfaces, &tables)),
            ("default_ipv6", default_ipv6(look, &interfaces, &tables)),
            ("all_ipv4_addresses", all4(&tables)),
            ("all_ipv6_addresses", all6(&tables)),
            ("dns", dns(&look.text("/etc/resolv.conf"))),
        ],
    );
    for (name, map) in interfaces {
        facts.insert(plain(&name).replace('-', "_").into(), map.into());
    }
}

/// Colons are not easy to write in a template.
fn plain(name: &str) -> String {
    name.replace(':', "_")
}

fn all4(tables: &Tables) -> Value {
    Value::list(tables.four.iter().filter(|a| !a.address.is_loopback()).map(|a| Value::from(a.address.to_string())))
}

fn all6(tables: &Tables) -> Value {
    Value::list(tables.six.iter().filter(|a| !a.address.is_loopback()).map(|a| Value::from(a.address.to_string())))
}

fn interface(look: Look<'_>, name: &str, tables: &Tables) -> Map {
    let base = format!("/sys/class/net/{name}");
    let line = |file: &str| look.line(&format!("{base}/{file}"));
    let mut map = Map::new();
    map.insert("device".into(), Value::str(name));
    if let Some(mac) = line("address").filter(|mac| mac != "00:00:00:00:00:00") {
        map.insert("macaddress".into(), Value::from(mac));
    }
    put(
        &mut map,
        [
            ("mtu", Value::from(look.number(&format!("{base}/mtu")))),
            ("active", Value::Bool(line("operstate").as_deref() != Some("down"))),
            ("type", Value::str(kind(line("type").as_deref()))),
        ],
    );
    if let Some(module) = look.link_name(&format!("{base}/device/driver/module")) {
        map.insert("module".into(), Value::from(module));
    }
    if let Some(device) = look.link_name(&format!("{base}/device")) {
        map.insert("pciid".into(), Value::from(device));
    }
    if let Some(speed) = look.number(&format!("{base}/speed")) {
        map.insert("speed".into(), Value::Int(speed));
    }
    let flags = line("flags").and_then(|flags| u32::from_str_radix(flags.trim_start_matches("0x"), 16).ok());
    map.insert("promisc".into(), Value::Bool(flags.is_some_and(|flags| flags & 0x100 != 0)));
    compound(look, &base, &mut map);
    addresses(name, tables, &mut map);
    map
}

fn kind(number: Option<&str>) -> &'static str {
    match number {
        Some("1") => "ether",
        Some("32") => "infiniband",
        Some("512") => "ppp",
        Some("772") => "loopback",
        Some("65534") => "tunnel",
        _ => "unknown",
    }
}

/// Bridges and bonds.
fn compound(look: Look<'_>, base: &str, map: &mut Map) {
    let word = |file: &str| {
        let text = look.text(&format!("{base}/{file}"));
        Value::str(text.split_whitespace().next().unwrap_or_default())
    };
    if look.exists(&format!("{base}/bridge")) {
        put(
            map,
            [
                ("type", Value::str("bridge")),
                ("interfaces", Value::list(look.names(&format!("{base}/brif")).into_iter().map(Value::from))),
                ("id", word("bridge/bridge_id")),
                ("stp", Value::Bool(look.line(&format!("{base}/bridge/stp_state")).as_deref() == Some("1"))),
            ],
        );
    }
    if look.exists(&format!("{base}/bonding")) {
        let slaves = look.text(&format!("{base}/bonding/slaves"));
        put(
            map,
            [
                ("type", Value::str("bonding")),
                ("slaves", Value::list(slaves.split_whitespace().map(Value::str))),
                ("mode", word("bonding/mode")),
                ("miimon", word("bonding/miimon")),
                ("lacp_rate", word("bonding/lacp_rate")),
            ],
        );
    }
}

fn addresses(name: &str, tables: &Tables, map: &mut Map) {
    addresses4(tables.four.iter().filter(|a| a.label == name), map);
    let elsewhere = tables.four.iter().filter(|a| a.interface == name && a.label != name && a.secondary);
    secondaries(elsewhere, map);
    let six: Vec<Value> = tables.six.iter().filter(|a| a.interface == name).map(describe6).collect();
    if !six.is_empty() {
        map.insert("ipv6".into(), Value::from(six));
    }
}

/// What goes by a name: the first address is the one, others are beside it.
fn addresses4<'a>(all: impl Iterator<Item = &'a Address4>, map: &mut Map) {
    let (mut first, mut more) = (None, Vec::new());
    for address in all {
        if first.is_none() && !address.secondary { first = Some(address) } else { more.push(address) }
    }
    if let Some(first) = first {
        map.insert("ipv4".into(), describe4(first));
    }
    secondaries(more.into_iter(), map);
}

fn secondaries<'a>(more: impl Iterator<Item = &'a Address4>, map: &mut Map) {
    let known = map.get("ipv4_secondaries").and_then(Value::as_list).unwrap_or_default().to_vec();
    let all: Vec<Value> = known.into_iter().chain(more.map(describe4)).collect();
    if !all.is_empty() {
        map.insert("ipv4_secondaries".into(), Value::from(all));
    }
}

fn mask(prefix: u32) -> u32 {
    u32::MAX.checked_shl(32 - prefix.min(32)).unwrap_or(0)
}

fn masked(address: Ipv4Addr, prefix: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(address) & mask(prefix))
}

fn describe4(of: &Address4) -> Value {
    let broadcast = of.broadcast.map(|address| address.to_string()).unwrap_or_default();
    Value::map([
        ("address", Value::from(of.address.to_string())),
        ("broadcast", Value::from(broadcast)),
        ("netmask", Value::from(Ipv4Addr::from(mask(of.prefix)).to_string())),
        ("network", Value::from(masked(of.address, of.prefix).to_string())),
        ("prefix", Value::from(of.prefix.to_string())),
    ])
}

fn describe6(address: &Address6) -> Value {
    Value::map([
        ("address", Value::from(address.address.to_string())),
        ("prefix", Value::from(address.prefix.to_string())),
        ("scope", Value::str(address.scope)),
    ])
}

/// What `default_ipv4` and `default_ipv6` say of their interface.
fn of_interface(map: &mut Map, interfaces: &[(String, Map)], name: &str) {
    let found = interfaces.iter().find(|(n, _)| n == name);
    map.insert("interface".into(), Value::str(name));
    for key in ["macaddress", "mtu", "type"] {
        if let Some(value) = found.and_then(|(_, interface)| interface.get(key)) {
            map.insert(key.into(), value.clone());
        }
    }
}

fn default_ipv4(interfaces: &[(String, Map)], tables: &Tables) -> Value {
    let best = tables.routes.iter().filter(|r| r.prefix == 0 && !r.gateway.is_unspecified()).min_by_key(|r| r.metric);
    let Some(route) = best else { return Value::from(Map::new()) };
    let mut map = Map::new();
    map.insert("gateway".into(), Value::from(route.gateway.to_string()));
    of_interface(&mut map, interfaces, &route.interface);
    // Towards the gateway goes the address whose network the gateway is in.
    let here = || tables.four.iter().filter(|a| a.interface == route.interface);
    let near = here().find(|a| masked(a.address, a.prefix) == masked(route.gateway, a.prefix));
    let own = near.or_else(|| here().next());
    if let Some(Value::Map(described)) = own.map(describe4) {
        map.extend(described.iter().map(|(k, v)| (k.clone(), v.clone())));
        map.insert("alias".into(), Value::str(own.map_or(&*route.interface, |own| &own.label)));
    }
    map.into()
}

fn default_ipv6(look: Look<'_>, interfaces: &[(String, Map)], tables: &Tables) -> Value {
    let Some((name, gateway)) = default6(look) else { return Value::from(Map::new()) };
    let mut map = Map::new();
    map.insert("gateway".into(), Value::from(gateway.to_string()));
    of_interface(&mut map, interfaces, &name);
    let own = tables.six.iter().find(|a| a.interface == name && a.scope == "global");
    if let Some(Value::Map(described)) = own.map(describe6) {
        map.extend(described.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    map.into()
}

/// Reads `resolv.conf`.
pub(super) fn dns(text: &str) -> Value {
    let mut dns = Map::new();
    let mut servers = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        let values: Vec<&str> = words.collect();
        match name {
            "nameserver" => {
                servers.extend(values.into_iter().map(Value::str));
                dns.insert("nameservers".into(), Value::from(servers.clone()));
            }
            "domain" => drop(values.first().map(|domain| dns.insert("domain".into(), Value::str(domain)))),
            "search" | "sortlist" => drop(dns.insert(name.into(), Value::list(values.into_iter().map(Value::str)))),
            "options" => {
                let options = values.into_iter().map(|option| match option.split_once(':') {
                    Some((name, value)) => (name, Value::str(value)),
                    None => (option, Value::Bool(true)),
                });
                dns.insert("options".into(), Value::map(options));
            }
            _ => {}
        }
    }
    dns.into()
}
