//! Memory and swap, in megabytes.

use super::look::{Look, put};
use crate::value::{Map, Value};

/// Reads them.
pub fn read(look: Look<'_>, facts: &mut Map) {
    let text = look.text("/proc/meminfo");
    let mb = |name: &str| -> i64 {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.and_then(|v| v.split_whitespace().next()?.parse::<i64>().ok()).unwrap_or(0) / 1024
    };
    let (total, free, swap, swap_free) = (mb("MemTotal"), mb("MemFree"), mb("SwapTotal"), mb("SwapFree"));
    let without_cache = free + mb("Cached") + mb("Buffers");
    let numbers = |entries: &[(&str, i64)]| Value::map(entries.iter().map(|(name, n)| (*name, Value::Int(*n))));
    put(
        facts,
        [
            ("memtotal_mb", Value::Int(total)),
            ("memfree_mb", Value::Int(free)),
            ("swaptotal_mb", Value::Int(swap)),
            ("swapfree_mb", Value::Int(swap_free)),
            (
                "memory_mb",
                Value::map([
                    ("real", numbers(&[("total", total), ("used", total - free), ("free", free)])),
                    ("nocache", numbers(&[("free", without_cache), ("used", total - without_cache)])),
                    (
                        "swap",
                        numbers(&[
                            ("total", swap),
                            ("free", swap_free),
                            ("used", swap - swap_free),
                            ("cached", mb("SwapCached")),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}
