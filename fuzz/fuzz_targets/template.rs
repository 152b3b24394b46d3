//! A template, evaluated as a value, as a condition and as a file. Whatever it says, it ends with a value or a mistake within its
//! fuel, and so in bounded time and memory: ranges, widths, repetitions and patterns included.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cfg_fuzz::template(data));
