//! The kernel's tables of addresses and routes.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::look::Look;

/// An IPv4 route.
pub struct Route4 {
    /// Interface.
    pub interface: String,
    /// Bits of the network.
    pub prefix: u32,
    /// Through which host; unspecified where the network is at the interface.
    pub gateway: Ipv4Addr,
    /// The smaller, the better.
    pub metric: u32,
}

/// Reads `/proc/net/route`, whose addresses are in the byte order of the machine.
pub fn routes4(text: &str) -> Vec<Route4> {
    let address = |word: &str| u32::from_str_radix(word, 16).ok().map(|n| Ipv4Addr::from(n.to_ne_bytes()));
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [interface, _, gateway, _, _, _, metric, mask, ..] = words.as_slice() else { return None };
        Some(Route4 {
            interface: (*interface).to_owned(),
            prefix: u32::from(address(mask)?).count_ones(),
            gateway: address(gateway)?,
            metric: metric.parse().ok()?,
        })
    };
    text.lines().filter_map(line).collect()
}

/// An IPv6 address of an interface.
pub struct Address6 {
    /// Interface.
    pub interface: String,
    /// The address.
    pub address: Ipv6Addr,
    /// Bits of its network.
    pub prefix: u32,
    /// How far it reaches.
    pub scope: &'static str,
}

fn hex6(word: &str) -> Option<Ipv6Addr> {
    u128::from_str_radix(word, 16).ok().map(Ipv6Addr::from)
}

/// Reads `/proc/net/if_inet6`.
pub fn addresses6(text: &str) -> Vec<Address6> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [address, _, prefix, scope, _, interface] = words.as_slice() else { return None };
        let scope = match *scope {
            "10" => "host",
            "20" => "link",
            "40" => "site",
            _ => "global",
        };
        Some(Address6 {
            interface: (*interface).to_owned(),
            address: hex6(address)?,
            prefix: u32::from_str_radix(prefix, 16).ok()?,
            scope,
        })
    };
    let mut found: Vec<Address6> = text.lines().filter_map(line).collect();
    // The kernel lists them in no order; `ip` shows those that reach furthest first.
    let reach = |scope: &str| ["global", "site", "link", "host"].iter().position(|known| *known == scope);
    found.sort_by_key(|address| reach(address.scope));
    found
}

/// The interface and gateway of the best IPv6 default route.
pub fn default6(look: Look<'_>) -> Option<(String, Ipv6Addr)> {
    let text = look.text("/proc/net/ipv6_route");
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [network, "00", _, _, gateway, metric, _, _, flags, interface] = words.as_slice() else { return None };
        let gateway = hex6(gateway)?;
        let up_through_gateway = u32::from_str_radix(flags, 16).ok()? & 3 == 3;
        let metric = u32::from_str_radix(metric, 16).ok()?;
        let wanted = hex6(network)?.is_unspecified() && up_through_gateway;
        wanted.then(|| (metric, (*interface).to_owned(), gateway))
    };
    let best = text.lines().filter_map(line).min_by_key(|(metric, ..)| *metric)?;
    Some((best.1, best.2))
}
