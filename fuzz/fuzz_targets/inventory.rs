//! An inventory: the first byte chooses between INI (`i`), YAML (`y`), TOML (`t`), what a script prints (`j`), `-i` (`l`) and a
//! pattern (`p`). Every text ends as an inventory and mistakes; ranges and layers make no more than is allowed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cfg_fuzz::inventory(data));
