//! The form of gRPC's frames (gRPC over HTTP/2, "Length-Prefixed-Message"), which is that of Connect's envelopes as well: a flag,
//! four bytes of length with the most significant first, and the message.

use bytes::{Buf, Bytes};

/// The flag and the length.
pub(crate) const HEADER_BYTES: usize = 5;

/// What precedes a message of so many bytes. One of 4 GiB cannot be: requests are shorter, and so is the cache.
pub(crate) fn header(flag: u8, message_bytes: usize) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = u32::try_from(message_bytes).unwrap_or(u32::MAX).to_be_bytes();
    [flag, a, b, c, d]
}

/// The length of the first frame, its header included; `None` before the header is complete.
pub(crate) fn length(read: &[u8]) -> Option<usize> {
    let length: [u8; 4] = read.get(1..HEADER_BYTES)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(length)).ok().map(|length| length.saturating_add(HEADER_BYTES))
}

/// The message in a frame.
pub(crate) fn message(mut frame: Bytes) -> Bytes {
    frame.advance(HEADER_BYTES.min(frame.len()));
    frame
}
