//! The network as the machine traits speak of it.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Algorithm;

/// What came of trying to connect to a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// Something listens; what it said first, where that was asked for.
    Open(Vec<u8>),
    /// Nothing listens, or it cannot be reached.
    Closed,
    /// It was not tried, because this is a dry run.
    Unknown,
}

/// An IPv4 address of a network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address4 {
    /// The interface.
    pub interface: String,
    /// The name the address goes by: the interface, or `eth0:1`.
    pub label: String,
    /// The address.
    pub address: Ipv4Addr,
    /// Bits of its network.
    pub prefix: u32,
    /// Where a message reaches the whole network.
    pub broadcast: Option<Ipv4Addr>,
    /// Another address of the same network was there before.
    pub secondary: bool,
}

/// Something to fetch by HTTP or HTTPS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// Where from.
    pub url: String,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// User name and password.
    pub user: Option<(String, String)>,
    /// Time to wait for a connection, and for an answer.
    pub timeout: Duration,
    /// Take any certificate.
    pub insecure: bool,
    /// Use no proxy, whatever the environment says.
    pub direct: bool,
    /// Variables added to the environment, where proxies are looked for.
    pub env: Vec<(String, String)>,
    /// The digest the content must have.
    pub checksum: Option<(Algorithm, String)>,
}

/// What was fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// The status of the answer; `None` where this is a dry run and nothing was fetched.
    pub status: Option<u16>,
    /// The SHA-1 of the content.
    pub sha1: String,
    /// The file had another content, or was not there.
    pub replaced: bool,
}

/// Something to say to a web server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// The method, in capitals.
    pub method: String,
    /// Where to, and how.
    pub to: Fetch,
    /// What is sent.
    pub body: Option<Vec<u8>>,
    /// Go where the server points instead.
    pub follow: bool,
}

/// What a web server answered, whatever the status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// What the status means.
    pub reason: String,
    /// Who answered in the end.
    pub url: String,
    /// Header fields in the order in which they came, names in small letters.
    pub headers: Vec<(String, String)>,
    /// The content.
    pub body: Vec<u8>,
    /// This is a dry run: after the apply the answer may be another one.
    pub early: bool,
}
