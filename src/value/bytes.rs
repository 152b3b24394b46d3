//! Bytes that are no text, carried inside text: what a program writes or `b64decode` gives need not be UTF-8, and it
//! reaches a file as it was.
//!
//! As Python's `surrogateescape` (PEP 383), which Ansible relies on, with a private character of plane 16 for each byte
//! where Python has a lone surrogate, for there are none in Rust's text.

use std::borrow::Cow;

/// Byte 0x00 would stand here; only bytes above ASCII ever do.
const BASE: u32 = 0x10_FF00;

/// The character for a byte above ASCII.
fn char_of(byte: u8) -> char {
    char::from_u32(BASE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn byte_of(c: char) -> Option<u8> {
    u8::try_from(u32::from(c).checked_sub(BASE)?).ok().filter(|byte| !byte.is_ascii())
}

/// The text that these bytes are, or that stands for them. [`bytes_of`] gives them back, whatever they are.
pub fn text_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match byte_of(c) {
                // Text that has one of these characters is taken apart, so that it comes back as it was.
                Some(_) => text.extend(c.encode_utf8(&mut [0; 4]).bytes().map(char_of)),
                None => text.push(c),
            }
        }
        text.extend(chunk.invalid().iter().copied().map(char_of));
    }
    text
}

/// The bytes that text is, or stands for.
pub fn bytes_of(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(|c| byte_of(c).is_some()) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match byte_of(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// The text for a person to read.
pub fn readable(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| byte_of(c).is_some()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if byte_of(c).is_some() { char::REPLACEMENT_CHARACTER } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were() {
        let own = "\u{10ff80}".as_bytes().to_vec();
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [b"".to_vec(), b"caf\xe9 \xf1e".to_vec(), "café".into(), own, all, b"\xff\xfe\x00\xc3".to_vec()] {
            assert_eq!(*bytes_of(&text_of(&bytes)), bytes);
        }
        assert_eq!(text_of("café".as_bytes()), "café");
        assert_eq!(readable(&text_of(b"caf\xe9!")), "caf\u{fffd}!");
        assert!(matches!(bytes_of("plain"), Cow::Borrowed(_)));
    }
}
