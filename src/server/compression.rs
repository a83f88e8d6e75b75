//! Compressed messages, and which answers are compressed: those of callers that compress their requests, in the same
//! encoding.
//!
//! Clients announce every encoding that they can read in `grpc-accept-encoding`, most of them without being asked to.
//! Compressing each of those answers would cost the gateway more time than all else that it does for a cached product. A
//! caller that compresses its own requests has decided that its network is the scarcer good. Its short answers, and those
//! that compression does not make shorter, are sent as they are: the flag of each message's frame says which is which.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use flate2::{Compression, read::GzDecoder, read::GzEncoder};
use http::{HeaderMap, HeaderValue, header::HeaderName};
use stockroom_proto::pb::ErrorReason;

use super::{error::ErrorDescriptor, framed_message::FramedMessage};

pub(crate) const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
pub(crate) const ACCEPT_ENCODING: &str = "grpc-accept-encoding";
/// What a client learns that used another encoding.
pub(crate) const ACCEPTED: &str = "gzip,zstd,identity";
/// The memory that a decoder may take for its window, as a power of two: 8 MiB, more than any encoder takes for messages
/// as short as requests are.
const MAX_ZSTD_WINDOW_LOG: u32 = 23;

/// Below this a message fits one packet with its headers, compressed or not.
const MIN_COMPRESSED_BYTES: usize = 1024;

/// An encoding of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    Zstd,
}

/// The encodings of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Encodings {
    /// Of the request's message, where its frame says that it is compressed.
    pub(crate) request: Option<Encoding>,
    /// Of the answer.
    pub(crate) answer: Option<Encoding>,
}

impl Encodings {
    /// The encodings that the headers of a request ask for. Fails where the request's message comes in another one.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Self, ErrorDescriptor> {
        let Some(name) = headers.get(ENCODING) else { return Ok(Self::default()) };
        let Some(encoding) = Encoding::from_name(name)? else { return Ok(Self::default()) };
        let accepted = headers.get(ACCEPT_ENCODING).map(HeaderValue::as_bytes).unwrap_or_default();
        let is_accepted = accepted.split(|byte| *byte == b',').any(|one| one.trim_ascii() == name.as_bytes());
        Ok(Self { request: Some(encoding), answer: is_accepted.then_some(encoding) })
    }
}

impl Encoding {
    /// The encoding of a name in the headers of a request; `None` where nothing is compressed.
    pub(crate) fn from_name(name: &HeaderValue) -> Result<Option<Self>, ErrorDescriptor> {
        match name.as_bytes() {
            b"identity" => Ok(None),
            b"gzip" => Ok(Some(Self::Gzip)),
            b"zstd" => Ok(Some(Self::Zstd)),
            _ => {
                let message = format!("messages compressed with {name:?} cannot be read");
                Err(ErrorDescriptor::new(ErrorReason::UnsupportedEncoding, message))
            }
        }
    }

    /// Its name in the headers.
    pub(crate) fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }

    /// Decompresses a message; what is longer than `max_bytes` is cut off behind the first byte that is too many.
    pub(crate) fn decompress(self, message: &[u8], max_bytes: usize) -> io::Result<Bytes> {
        let mut decompressed = Vec::new();
        let limit = max_bytes as u64 + 1;
        match self {
            Self::Gzip => GzDecoder::new(message).take(limit).read_to_end(&mut decompressed)?,
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(message)?;
                decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
                decoder.take(limit).read_to_end(&mut decompressed)?
            }
        };
        Ok(decompressed.into())
    }

    /// Compresses a message in its frame, where that is worth it.
    pub(crate) fn compress(self, message: FramedMessage) -> io::Result<FramedMessage> {
        if message.remaining() < MIN_COMPRESSED_BYTES {
            return Ok(message);
        }
        let message = message.into_message();
        let mut compressed = Vec::new();
        match self {
            Self::Gzip => GzEncoder::new(&*message, Compression::default()).read_to_end(&mut compressed)?,
            Self::Zstd => {
                let level = zstd::DEFAULT_COMPRESSION_LEVEL;
                zstd::stream::read::Encoder::with_buffer(&*message, level)?.read_to_end(&mut compressed)?
            }
        };
        let is_shorter = compressed.len() < message.len();
        Ok(FramedMessage::from_message(if is_shorter { &compressed } else { &message }, is_shorter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encodings(encoding: &'static str, accepted: &'static str) -> Result<Encodings, ErrorDescriptor> {
        let mut headers = HeaderMap::new();
        headers.insert(ENCODING, HeaderValue::from_static(encoding));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accepted));
        Encodings::from_headers(&headers)
    }

    #[test]
    fn an_answer_is_compressed_as_its_request_was_where_the_client_reads_that() {
        let both = |encoding| Encodings { request: Some(encoding), answer: Some(encoding) };
        assert_eq!(encodings("gzip", "identity, deflate, gzip").unwrap(), both(Encoding::Gzip));
        assert_eq!(encodings("zstd", "zstd,gzip").unwrap(), both(Encoding::Zstd));
        assert_eq!(encodings("identity", "identity, deflate, gzip").unwrap(), Encodings::default());
        assert_eq!(encodings("gzip", "identity").unwrap(), Encodings { request: Some(Encoding::Gzip), answer: None });
        assert!(encodings("deflate", "deflate").is_err());
    }

    #[test]
    fn a_message_comes_back_and_a_long_one_is_cut_off() {
        let message = vec![7; 10_000];
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let compressed = encoding.compress(FramedMessage::from_message(&message, false)).unwrap();
            assert!(compressed.chunk().starts_with(&[1]) && compressed.remaining() < 1000);
            let compressed = compressed.into_message();
            assert_eq!(encoding.decompress(&compressed, 10_000).unwrap(), message);
            assert_eq!(encoding.decompress(&compressed, 5000).unwrap().len(), 5001);
            assert!(encoding.decompress(b"no such thing", 5000).is_err());
        }
    }

    #[test]
    fn what_compression_does_not_make_shorter_is_sent_as_it_is() {
        let short = vec![7; 1000];
        let mut random = fastrand::Rng::with_seed(7);
        let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(5000).collect();
        for (message, encoding) in [(&short, Encoding::Gzip), (&noise, Encoding::Gzip), (&noise, Encoding::Zstd)] {
            let sent = encoding.compress(FramedMessage::from_message(message, false)).unwrap();
            assert!(sent.chunk().starts_with(&[0]));
            assert_eq!(sent.into_message(), message);
        }
    }
}
