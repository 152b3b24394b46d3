//! A vault: every text is opened or refused, and what was sealed comes out as it went in. No key is derived, which is slow by
//! design: the keys are fixed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cfg_fuzz::vault(data));
