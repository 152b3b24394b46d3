//! Addresses and networks: the common part of `ansible.utils.ipaddr`.

use std::net::IpAddr;

use minijinja::{Environment, Error};

use super::call::{Args, Outcome, add, fail};
use crate::value::Value;

/// Registers them, under the names of both collections that have had them.
pub fn register(env: &mut Environment<'static>) {
    const ANY: &[&str] = &["ipaddr"];
    const FOUR: &[&str] = &["ipv4"];
    const SIX: &[&str] = &["ipv6"];
    add(env, ANY, |v, a| each(v, &|v| query(v, a, None)));
    add(env, FOUR, |v, a| each(v, &|v| query(v, a, Some(4))));
    add(env, SIX, |v, a| each(v, &|v| query(v, a, Some(6))));
    add(env, &["ipwrap"], |v, _| each(v, &|v| Ok(wrap(v))));
}

/// A list is filtered: what gives false is left out.
fn each(value: &Value, one: &dyn Fn(&Value) -> Outcome) -> Outcome {
    let Value::List(list) = value else { return one(value) };
    let results = list.iter().map(one).collect::<Result<Vec<_>, Error>>()?;
    Ok(Value::list(results.into_iter().filter(|value| *value != Value::Bool(false))))
}

/// An address with the bits of its network, as numbers.
struct Net {
    address: u128,
    prefix: u32,
    bits: u32,
    written: bool,
}

impl Net {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.trim().parse().ok()?;
        let (address, bits) = number(address);
        let length = match prefix {
            None => bits,
            Some(prefix) => prefix.parse().ok().or_else(|| {
                let (mask, width) = number(prefix.parse().ok()?);
                (width == bits).then_some(mask.count_ones())
            })?,
        };
        (length <= bits).then_some(Self { address, prefix: length, bits, written: prefix.is_some() })
    }

    fn mask(&self) -> u128 {
        let all = if self.bits == 32 { u128::from(u32::MAX) } else { u128::MAX };
        all & !self.host_bits()
    }

    fn host_bits(&self) -> u128 {
        1u128.checked_shl(self.bits - self.prefix).map_or(u128::MAX, |n| n - 1)
    }

    fn shown(&self, number: u128) -> String {
        match u32::try_from(number) {
            Ok(small) if self.bits == 32 => std::net::Ipv4Addr::from(small).to_string(),
            _ => std::net::Ipv6Addr::from(number).to_string(),
        }
    }

    fn network(&self) -> u128 {
        self.address & self.mask()
    }
}

fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(four) => (u32::from(four).into(), 32),
        IpAddr::V6(six) => (six.into(), 128),
    }
}

/// What there is not is false, as in Ansible.
fn query(value: &Value, args: &Args, version: Option<u8>) -> Outcome {
    let text = value.to_string();
    let net = Net::parse(&text).filter(|net| version.is_none_or(|v| (v == 4) == (net.bits == 32)));
    let Some(net) = net else { return Ok(Value::Bool(false)) };
    let text_of = |number: u128| Value::from(net.shown(number));
    let with_prefix = |number: u128| Value::from(format!("{}/{}", net.shown(number), net.prefix));
    let is_network = net.written && net.address == net.network() && net.prefix < net.bits;
    let when = |condition: bool, value: Value| if condition { value } else { Value::Bool(false) };
    Ok(match args.text(0, "query").unwrap_or_default().as_str() {
        "" | "bool" => Value::from(text.trim()),
        "address" | "ip" => when(!is_network, text_of(net.address)),
        "network" | "network_id" => text_of(net.network()),
        "prefix" => Value::from(net.prefix),
        "netmask" => text_of(net.mask()),
        "hostmask" | "wildcard" => text_of(net.host_bits()),
        "broadcast" => when(net.bits == 32 && net.prefix < 31, text_of(net.network() | net.host_bits())),
        "host" | "address/prefix" => when(!is_network, with_prefix(net.address)),
        "net" => when(is_network, with_prefix(net.address)),
        "subnet" | "network/prefix" | "cidr" => with_prefix(net.network()),
        "size" => {
            net.host_bits().checked_add(1).and_then(|n| i64::try_from(n).ok()).map_or(Value::Bool(false), Value::Int)
        }
        "version" => Value::Int(if net.bits == 32 { 4 } else { 6 }),
        "ipv4" => when(net.bits == 32, Value::from(text.trim())),
        "ipv6" => when(net.bits == 128, Value::from(text.trim())),
        "int" => i64::try_from(net.address).map_or_else(|_| Value::from(net.address.to_string()), Value::Int),
        other => return nth(&net, other),
    })
}

/// The address of a number in the network; a negative one counts from its end.
fn nth(net: &Net, query: &str) -> Outcome {
    let n: i128 = query.parse().map_err(|_| fail(format!("`ipaddr` does not know `{query}`")))?;
    let offset = if n < 0 { net.host_bits().checked_sub(n.unsigned_abs() - 1) } else { Some(n.unsigned_abs()) };
    let offset = offset.filter(|offset| *offset <= net.host_bits());
    Ok(offset
        .map_or(Value::Bool(false), |offset| format!("{}/{}", net.shown(net.network() | offset), net.prefix).into()))
}

/// Puts brackets around an IPv6 address.
fn wrap(value: &Value) -> Value {
    let text = value.to_string();
    match text.split_once('/') {
        Some((address, prefix)) if address.parse::<std::net::Ipv6Addr>().is_ok() => {
            format!("[{address}]/{prefix}").into()
        }
        None if text.parse::<std::net::Ipv6Addr>().is_ok() => format!("[{text}]").into(),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    /// From the documentation of `ansible.utils.ipaddr`: the library it needs is not here to be asked.
    #[test]
    fn addresses_are_taken_apart() {
        let table = [
            ("192.0.2.1/24", "address", "192.0.2.1"),
            ("192.0.2.1/24", "netmask", "255.255.255.0"),
            ("192.0.2.1/24", "network", "192.0.2.0"),
            ("192.0.2.1/24", "broadcast", "192.0.2.255"),
            ("192.0.2.1/24", "prefix", "24"),
            ("192.0.2.1/24", "subnet", "192.0.2.0/24"),
            ("192.0.2.0/24", "net", "192.0.2.0/24"),
            ("192.0.2.0/24", "1", "192.0.2.1/24"),
            ("192.0.2.0/24", "-1", "192.0.2.255/24"),
            ("2001:db8::1/64", "network", "2001:db8::"),
            ("hello", "address", "False"),
        ];
        for (address, wanted, expected) in table {
            let env = {
                let mut env = Environment::new();
                register(&mut env);
                env
            };
            let shown = env.render_str(&format!("{{{{ '{address}' | ipaddr('{wanted}') }}}}"), ()).unwrap();
            assert_eq!(shown.to_lowercase(), expected.to_lowercase(), "{address} {wanted}");
        }
    }
}
