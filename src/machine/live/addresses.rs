//! The IPv4 addresses of the network interfaces, as the kernel tells them over netlink.
//!
//! Source: rtnetlink(7); RFC 3549, "Linux Netlink as an IP Services Protocol", sections 2.2 and 3.1.

use std::net::Ipv4Addr;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netdevice};

use super::super::{Address4, Fault, Result};

/// Kinds of messages.
mod message {
    pub const ERROR: u16 = 2;
    pub const DONE: u16 = 3;
    pub const NEW_ADDRESS: u16 = 20;
    pub const GET_ADDRESS: u16 = 22;
    /// A request for all there are.
    pub const ALL: u16 = 0x301;
}

/// Kinds of attributes.
mod attribute {
    /// The address, or that of the other end where there is one.
    pub const ADDRESS: u16 = 1;
    pub const LOCAL: u16 = 2;
    pub const LABEL: u16 = 3;
    pub const BROADCAST: u16 = 4;
}

const HEADER: usize = 16;
const IPV4: u8 = 2;
/// Another address of the same network was there before.
const SECONDARY: u8 = 1;

/// Asks the kernel for all of them, in its order.
///
/// # Errors
/// Where it speaks no netlink.
pub fn read() -> Result<Vec<Address4>> {
    let failed = |e: rustix::io::Errno| Fault::io("ask for the network addresses".to_owned(), &e.into());
    let (family, kind, flags) = (AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC);
    // Protocol 0 of netlink is routes and addresses.
    let socket = rustix::net::socket_with(family, kind, flags, None).map_err(failed)?;
    rustix::net::send(&socket, &request(), SendFlags::empty()).map_err(failed)?;
    let name = |index: u32| netdevice::index_to_name(&socket, index).ok();
    let (mut found, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let (_, length) = rustix::net::recv(&socket, &mut buffer[..], RecvFlags::empty()).map_err(failed)?;
        if parse(buffer.get(..length).unwrap_or_default(), &name, &mut found) == More::No {
            return Ok(found);
        }
    }
}

/// Numbers are in the byte order of the machine.
fn request() -> Vec<u8> {
    let length = (HEADER + 8) as u32;
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(message::GET_ADDRESS.to_ne_bytes());
    bytes.extend(message::ALL.to_ne_bytes());
    // Sequence number and port, and the body: family, length, flags, scope, index.
    bytes.extend([0; 8]);
    bytes.extend([IPV4, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

/// Whether more datagrams follow.
#[derive(Debug, PartialEq, Eq)]
enum More {
    Yes,
    No,
}

fn parse(mut bytes: &[u8], name: &dyn Fn(u32) -> Option<String>, found: &mut Vec<Address4>) -> More {
    if bytes.is_empty() {
        return More::No;
    }
    while let (Some(length), Some(kind)) = (u32_at(bytes, 0), u16_at(bytes, 4)) {
        let length = length as usize;
        if matches!(kind, message::DONE | message::ERROR) || length < HEADER {
            return More::No;
        }
        if kind == message::NEW_ADDRESS {
            found.extend(bytes.get(HEADER..length).and_then(|body| address(body, name)));
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    More::Yes
}

/// Reads an `ifaddrmsg` and the attributes behind it.
fn address(body: &[u8], name: &dyn Fn(u32) -> Option<String>) -> Option<Address4> {
    let &[IPV4, prefix, flags, ..] = body else { return None };
    let interface = name(u32_at(body, 4)?)?;
    let (mut local, mut peer, mut broadcast, mut label) = (None, None, None, None);
    let mut attributes = body.get(8..)?;
    while let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
        let length = usize::from(length);
        let Some(value) = attributes.get(4..length) else { break };
        let four = <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from);
        match kind {
            attribute::ADDRESS => peer = four,
            attribute::LOCAL => local = four,
            attribute::BROADCAST => broadcast = four,
            attribute::LABEL => label = std::str::from_utf8(value).ok().map(|l| l.trim_end_matches('\0').to_owned()),
            _ => {}
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    let address = local.or(peer)?;
    // Between two ends the length is that of the network behind the other one.
    let prefix = if peer.is_some_and(|peer| peer != address) { 32 } else { prefix };
    let label = label.unwrap_or_else(|| interface.clone());
    Some(Address4 {
        interface,
        label,
        address,
        prefix: u32::from(prefix),
        broadcast,
        secondary: flags & SECONDARY != 0,
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An `RTM_NEWADDR` message as rtnetlink(7) lays it out.
    fn message(kind: u16, prefix: u8, flags: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![IPV4, prefix, flags, 0];
        body.extend(7u32.to_ne_bytes());
        for (kind, value) in attributes {
            body.extend((4 + value.len() as u16).to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn messages_of_the_kernel_are_read() {
        let name = |index: u32| (index == 7).then(|| "eth0".to_owned());
        let mut bytes =
            message(20, 24, 0, &[(1, &[192, 0, 2, 2]), (2, &[192, 0, 2, 2]), (4, &[192, 0, 2, 255]), (3, b"eth0\0")]);
        bytes.extend(message(20, 24, 1, &[(1, &[192, 0, 2, 9]), (2, &[192, 0, 2, 9]), (3, b"eth0:1\0")]));
        // Two ends; and one of a kind that is skipped.
        bytes.extend(message(20, 31, 0, &[(1, &[10, 0, 0, 2]), (2, &[10, 0, 0, 1]), (99, b"abc")]));
        bytes.extend(message(16, 0, 0, &[]));
        let mut found = Vec::new();
        assert_eq!(parse(&bytes, &name, &mut found), More::Yes);
        let shown: Vec<String> = found
            .iter()
            .map(|a| {
                format!("{} {} {}/{} {:?} {}", a.interface, a.label, a.address, a.prefix, a.broadcast, a.secondary)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "eth0 eth0 192.0.2.2/24 Some(192.0.2.255) false",
                "eth0 eth0:1 192.0.2.9/24 None true",
                "eth0 eth0 10.0.0.1/32 None false",
            ]
        );
    }

    #[test]
    fn an_end_an_error_and_garbage_end_the_list() {
        let name = |_: u32| Some("eth0".to_owned());
        for bytes in [message(3, 0, 0, &[]), message(2, 0, 0, &[]), vec![0; 40], Vec::new()] {
            assert_eq!(parse(&bytes, &name, &mut Vec::new()), More::No);
        }
        let mut cut = message(20, 24, 0, &[(2, &[192, 0, 2, 2])]);
        cut.truncate(26);
        let mut found = Vec::new();
        parse(&cut, &name, &mut found);
        assert!(found.is_empty());
    }

    #[test]
    fn this_machine_has_a_loopback() {
        let found = read().unwrap();
        assert!(found.iter().any(|a| a.interface == "lo" && a.address == Ipv4Addr::LOCALHOST && a.prefix == 8));
    }
}
