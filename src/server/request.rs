//! What a request must be before anything is spent on it: one whole message.
//!
//! The message is read here, and not by the handler, so that a peer that sends it slowly, or never, holds no place among
//! the concurrent calls, and so that what is wrong with its framing is known to be the caller's doing.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use super::{compression::Encoding, error::ErrorDescriptor, frame};
use stockroom_proto::pb::ErrorReason;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The largest request message: a hundred ASINs and a query are a few kilobytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// How long a request's message may take to arrive.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads the one message of a request, in its frame. Dropping the future drops the request.
pub(crate) async fn read_message<B>(mut body: B, deadline: Instant) -> Result<Bytes, ErrorDescriptor>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let deadline = deadline.min(Instant::now() + MESSAGE_TIMEOUT);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let frame = timeout_at(deadline, body.frame()).await.map_err(|_| {
            ErrorDescriptor::new(ErrorReason::DeadlineExceeded, "the request did not arrive before the deadline")
        })?;
        let data = match frame {
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(error)) => return Err(unreadable(error.into())),
            None => break,
        };
        // Most requests come in one piece, which is not copied.
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
        check_length(if rest.is_empty() { &first } else { &rest })?;
        if body.is_end_stream() {
            break;
        }
    }
    let message = if rest.is_empty() { first } else { rest.freeze() };
    match frame::length(&message) {
        Some(length) if length == message.len() => Ok(message),
        _ => Err(ErrorDescriptor::new(ErrorReason::ProtocolError, "the request's message is cut short or missing")),
    }
}

/// Why a body ended with an error: a translation of it failed, or the client left.
fn unreadable(error: BoxError) -> ErrorDescriptor {
    match error.downcast::<ErrorDescriptor>() {
        Ok(error) => *error,
        Err(error) if error.is::<Status>() => ErrorDescriptor::new(ErrorReason::ProtocolError, error.to_string()),
        Err(_) => ErrorDescriptor::new(ErrorReason::ClientGone, "the client left within its request"),
    }
}

/// The message in a frame, and whether it is compressed.
pub(crate) fn unframed(framed: Bytes) -> (bool, Bytes) {
    let is_compressed = framed.first() == Some(&1);
    (is_compressed, frame::message(framed))
}

/// A message without its compression, within the same bound.
pub(crate) fn decompress(message: &[u8], encoding: Encoding) -> Result<Bytes, ErrorDescriptor> {
    let decompressed = encoding.decompress(message, MAX_MESSAGE_BYTES).map_err(|error| {
        ErrorDescriptor::new(ErrorReason::ProtocolError, format!("the request's message does not decompress: {error}"))
    })?;
    if decompressed.len() > MAX_MESSAGE_BYTES {
        let message = format!("the request is longer than {MAX_MESSAGE_BYTES} bytes when it is decompressed");
        return Err(ErrorDescriptor::new(ErrorReason::MessageTooLarge, message));
    }
    Ok(decompressed)
}

/// Fails as soon as a message is known to be too long, to have a second one behind it, or an unknown flag.
pub(super) fn check_length(read: &[u8]) -> Result<(), ErrorDescriptor> {
    if let Some(flag) = read.first().filter(|flag| **flag > 1) {
        return Err(ErrorDescriptor::new(ErrorReason::ProtocolError, format!("{flag} is not a flag of gRPC's frames")));
    }
    let Some(length) = frame::length(read) else { return Ok(()) };
    let message_bytes = length - frame::HEADER_BYTES;
    if message_bytes > MAX_MESSAGE_BYTES {
        let message = format!("the request is {message_bytes} bytes long; at most {MAX_MESSAGE_BYTES} are read");
        return Err(ErrorDescriptor::new(ErrorReason::MessageTooLarge, message));
    }
    if read.len() > length {
        return Err(ErrorDescriptor::new(ErrorReason::ProtocolError, "this method takes one message, not several"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_whole_message_is_read_and_nothing_else() {
        use http_body_util::Full;
        let read = async |bytes: &'static [u8]| {
            read_message(Full::new(Bytes::from_static(bytes)), Instant::now() + MESSAGE_TIMEOUT).await
        };
        assert_eq!(read(b"\0\0\0\0\x01x").await.unwrap(), &b"\0\0\0\0\x01x"[..]);
        assert_eq!(read(b"\0\0\0\0\0").await.unwrap(), &b"\0\0\0\0\0"[..]);
        for wrong in [&b""[..], b"\0\0", b"\0\0\0\0\x02x", b"\0\0\0\0\x01x\0\0\0\0\0", b"\x07\0\0\0\0", b"\0\xff\0\0\0"]
        {
            assert!(read(wrong).await.is_err(), "{wrong:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_never_comes_is_waited_for_five_seconds_at_most() {
        let body = http_body_util::StreamBody::new(tokio_stream::pending::<Result<http_body::Frame<Bytes>, Status>>());
        let started = Instant::now();
        assert!(read_message(body, started + Duration::from_secs(60)).await.is_err());
        assert_eq!(started.elapsed(), MESSAGE_TIMEOUT);
    }
}
