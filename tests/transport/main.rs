//! The SSH transport against a real sshd on a random port of the loopback interface.

mod sshd;

mod auth;
mod exec;
mod host_keys;
mod hops;
