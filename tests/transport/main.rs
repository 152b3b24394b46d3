//! The SSH transport against a real sshd on a random port of the loopback interface.

mod sshd;

mod auth;
mod exec;
mod hops;
mod host_keys;
mod passwords;
