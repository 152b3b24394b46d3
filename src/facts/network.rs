//! Network interfaces, their addresses, and name servers.

use std::net::Ipv4Addr;

use super::look::{Look, put};
use super::routes::{Address6, Route4, addresses6, broadcast4, default6, local4, routes4};
use crate::value::{Map, Value};

/// The tables interfaces are described from.
struct Tables {
    routes: Vec<Route4>,
    local: Vec<Ipv4Addr>,
    broadcast: Vec<Ipv4Addr>,
    six: Vec<Address6>,
}

/// Reads them.
pub fn read(look: Look<'_>, facts: &mut Map) {
    let trie = look.text("/proc/net/fib_trie");
    let tables = Tables {
        routes: routes4(&look.text("/proc/net/route")),
        local: local4(&trie),
        broadcast: broadcast4(&trie),
        six: addresses6(&look.text("/proc/net/if_inet6")),
    };
    // Files such as `bonding_masters` are no interfaces.
    let names =
        look.names("/sys/class/net").into_iter().filter(|name| look.exists(&format!("/sys/class/net/{name}/mtu")));
    let interfaces: Vec<(String, Map)> = names.map(|name| (name.clone(), interface(look, &name, &tables))).collect();
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
    Value::list(tables.local.iter().filter(|a| !a.is_loopback()).map(|a| Value::from(a.to_string())))
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
    let mut four = tables.local.iter().filter_map(|address| {
        let (interface, prefix) = place(*address, &tables.routes);
        (interface == name).then(|| describe4(*address, prefix, &tables.broadcast))
    });
    if let Some(first) = four.next() {
        map.insert("ipv4".into(), first);
    }
    let more: Vec<Value> = four.collect();
    if !more.is_empty() {
        map.insert("ipv4_secondaries".into(), Value::from(more));
    }
    let six: Vec<Value> = tables.six.iter().filter(|a| a.interface == name).map(describe6).collect();
    if !six.is_empty() {
        map.insert("ipv6".into(), Value::from(six));
    }
}

/// The interface an address is on, and the bits of its network: those of the network that is reached without a gateway.
/// An address without a network of its own, as of a tunnel or a floating address, is taken to be on the loopback.
fn place(address: Ipv4Addr, routes: &[Route4]) -> (&str, u32) {
    if address.is_loopback() {
        return ("lo", 8);
    }
    let contains = |route: &&Route4| route.gateway.is_unspecified() && masked(address, route.prefix) == route.network;
    let best = routes.iter().filter(contains).filter(|r| r.prefix > 0).max_by_key(|route| route.prefix);
    best.map_or(("lo", 32), |route| (&route.interface, route.prefix))
}

fn mask(prefix: u32) -> u32 {
    u32::MAX.checked_shl(32 - prefix.min(32)).unwrap_or(0)
}

fn masked(address: Ipv4Addr, prefix: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(address) & mask(prefix))
}

fn describe4(address: Ipv4Addr, prefix: u32, broadcasts: &[Ipv4Addr]) -> Value {
    let last = Ipv4Addr::from(u32::from(address) | !mask(prefix));
    let broadcast = if broadcasts.contains(&last) && !address.is_loopback() { last.to_string() } else { String::new() };
    Value::map([
        ("address", Value::from(address.to_string())),
        ("broadcast", Value::from(broadcast)),
        ("netmask", Value::from(Ipv4Addr::from(mask(prefix)).to_string())),
        ("network", Value::from(masked(address, prefix).to_string())),
        ("prefix", Value::from(prefix.to_string())),
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
    let (_, bits) = place(route.gateway, &tables.routes);
    let same = |a: &&Ipv4Addr| masked(**a, bits) == masked(route.gateway, bits);
    let on_interface = |a: &&Ipv4Addr| place(**a, &tables.routes).0 == route.interface;
    let own = tables.local.iter().find(same).or_else(|| tables.local.iter().find(on_interface));
    if let Some(address) = own
        && let Value::Map(described) = describe4(*address, place(*address, &tables.routes).1, &tables.broadcast)
    {
        map.extend(described.iter().map(|(k, v)| (k.clone(), v.clone())));
        map.insert("alias".into(), Value::str(&route.interface));
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
