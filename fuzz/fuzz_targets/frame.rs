//! A frame between controller and agent, as each of the messages there are. It is refused, or the same message when it was written
//! and read again; a length or a depth that is only claimed costs nothing.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cfg_fuzz::frame(data));
