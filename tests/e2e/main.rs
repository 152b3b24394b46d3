//! Real runs against real hosts: the test fleet of `tests/fleet/fleet`, which needs root and network namespaces. Where it
//! cannot be had, each test says so and counts as passed.

mod fleet;

mod become_;
mod faults;
mod language;
mod local;
mod login;
mod many;
mod reboot;
mod redis;
mod requisites;
mod secrets;
mod vault;
