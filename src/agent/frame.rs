//! Frames: a length of four bytes, little end first, and that many bytes as postcard writes them. Controller and agent are
//! built together, so that fields need no names.

use std::io::{Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest frame either side accepts, in bytes.
pub const MAX_FRAME: usize = 64 * 1024 * 1024;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The channel is closed.
    #[error("the channel is closed")]
    Closed,
    /// The channel failed.
    #[error("the channel failed: {0}")]
    Io(#[source] std::io::Error),
    /// The length is out of bounds.
    #[error("a frame of {0} bytes is larger than allowed")]
    TooLarge(usize),
    /// The bytes are not a message.
    #[error("a frame could not be understood: {0}")]
    Malformed(String),
}

/// Writes a message as a frame into bytes.
///
/// # Errors
/// Where it is larger than a frame may be.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let bytes = vec![0; 4];
    let mut bytes = postcard::to_extend(message, bytes).map_err(|e| FrameError::Malformed(e.to_string()))?;
    let length = bytes.len() - 4;
    if length > MAX_FRAME {
        return Err(FrameError::TooLarge(length));
    }
    if let Some(head) = bytes.get_mut(..4) {
        head.copy_from_slice(&(length as u32).to_le_bytes());
    }
    Ok(bytes)
}

/// Reads a message from the bytes of a frame.
///
/// # Errors
/// Where they are not one.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    match postcard::take_from_bytes(bytes).map_err(|e| FrameError::Malformed(e.to_string()))? {
        (message, []) => Ok(message),
        (_, rest) => Err(FrameError::Malformed(format!("{} bytes are left over", rest.len()))),
    }
}

/// Writes a message.
///
/// # Errors
/// Where the channel is closed or fails.
pub fn write_frame<T: Serialize>(out: &mut dyn Write, message: &T) -> Result<(), FrameError> {
    let bytes = encode(message)?;
    out.write_all(&bytes).and_then(|()| out.flush()).map_err(FrameError::Io)
}

/// Reads a message.
///
/// # Errors
/// Where the channel is closed or fails, or what it gives is no message.
pub fn read_frame<T: DeserializeOwned>(input: &mut dyn Read) -> Result<T, FrameError> {
    let mut head = [0; 4];
    input.read_exact(&mut head).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => FrameError::Closed,
        _ => FrameError::Io(e),
    })?;
    let length = u32::from_le_bytes(head) as usize;
    if length > MAX_FRAME {
        return Err(FrameError::TooLarge(length));
    }
    // Grows as bytes come: a length alone must not take memory.
    let mut bytes = Vec::new();
    input.take(length as u64).read_to_end(&mut bytes).map_err(FrameError::Io)?;
    if bytes.len() < length {
        return Err(FrameError::Closed);
    }
    decode(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip_and_bad_ones_are_refused() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &vec!["a".to_owned(), "b".to_owned()]).unwrap();
        assert_eq!(read_frame::<Vec<String>>(&mut bytes.as_slice()).unwrap(), ["a", "b"]);
        assert!(matches!(read_frame::<Vec<String>>(&mut &bytes[..3]), Err(FrameError::Closed)));
        assert!(matches!(read_frame::<Vec<String>>(&mut &bytes[..6]), Err(FrameError::Closed)));
        let huge = u32::MAX.to_le_bytes();
        assert!(matches!(read_frame::<Vec<String>>(&mut huge.as_slice()), Err(FrameError::TooLarge(_))));
        assert!(matches!(read_frame::<u32>(&mut bytes.as_slice()), Err(FrameError::Malformed(_))));
    }
}
