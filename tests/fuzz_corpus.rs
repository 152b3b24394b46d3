//! Feeds the corpus of the fuzzers to what they feed, so that what they found once stays mended without them.

use std::path::Path;
use std::time::{Duration, Instant};

#[path = "../fuzz/src/lib.rs"]
mod targets;

/// On a thread with the stack of a main thread: the fuzzers have that one.
fn feed(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus in {}", folder.display());
    for file in files {
        let data = std::fs::read(&file).unwrap();
        let start = Instant::now();
        let thread = std::thread::Builder::new().stack_size(8 << 20).spawn(move || run(&data)).unwrap();
        assert!(thread.join().is_ok(), "{} makes it panic", file.display());
        assert!(start.elapsed() < Duration::from_secs(60), "{} takes too long", file.display());
    }
}

#[test]
fn yaml() {
    feed("yaml", targets::yaml);
}

#[test]
fn template() {
    feed("template", targets::template);
}

#[test]
fn inventory() {
    feed("inventory", targets::inventory);
}

#[test]
fn vault() {
    feed("vault", targets::vault);
}

#[test]
fn frame() {
    feed("frame", targets::frame);
}
