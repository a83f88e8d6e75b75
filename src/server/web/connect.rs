//! Connect's unary and server-streaming calls as gRPC calls.

use bytes::Bytes;
use futures_util::TryFutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt, LengthLimitError, Limited, StreamBody, combinators::UnsyncBoxBody};

use super::{
    super::{
        compression::{self, Encoding},
        deadline::GRPC_TIMEOUT,
        error::ErrorDescriptor,
        frame,
        request::{MAX_MESSAGE_BYTES, decompress, unframed},
        services::unknown_method,
    },
    json,
    protocol::Connect,
};
use stockroom_proto::pb::ErrorReason;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

const TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
const STREAM_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");

impl Connect {
    /// The gRPC call of a request. Its body is one frame, or the error of what is wrong with the request, and is not read
    /// before the edge asks for it.
    pub(super) fn request<B>(&self, request: Request<B>) -> Request<UnsyncBoxBody<Bytes, BoxError>>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let (mut head, body) = request.into_parts();
        let (is_json, is_stream) = (self.is_json, self.is_stream);
        let encoding_header = if is_stream { STREAM_ENCODING } else { header::CONTENT_ENCODING };
        let encoding = head.headers.get(encoding_header).map(Encoding::from_name).transpose();
        translate_headers(&mut head.headers);
        let input = self.method.as_ref().map(|method| method.input());
        let message = async move {
            let encoding = encoding?.flatten();
            let input = input.ok_or_else(unknown_method)?;
            let read = Limited::new(body, MAX_MESSAGE_BYTES + frame::HEADER_BYTES).collect().await.map_err(too_long)?;
            let (is_compressed, message) = match is_stream {
                true => open_envelope(read.to_bytes())?,
                false => (true, read.to_bytes()),
            };
            let message = match encoding.filter(|_| is_compressed) {
                Some(encoding) => decompress(&message, encoding)?,
                None => message,
            };
            let message = if is_json { json::decode(input, &message)? } else { message };
            Ok::<_, BoxError>(envelope(0, &message))
        };
        let frames = futures_util::stream::once(message.map_ok(Frame::data));
        Request::from_parts(head, UnsyncBoxBody::new(StreamBody::new(frames)))
    }
}

fn translate_headers(headers: &mut HeaderMap) {
    let timeout = headers.get(TIMEOUT).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    for name in [
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        STREAM_ENCODING,
        compression::ENCODING,
        HeaderName::from_static(compression::ACCEPT_ENCODING),
        GRPC_TIMEOUT,
    ] {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc+proto"));
    // gRPC has at most eight digits, and Connect ten.
    let timeout = timeout.map(|millis| match millis {
        0..=99_999_999 => format!("{millis}m"),
        _ => format!("{}S", (millis / 1000).min(99_999_999)),
    });
    if let Some(timeout) = timeout.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(GRPC_TIMEOUT, timeout);
    }
}

/// The message of the one envelope of a request, and whether it is compressed.
fn open_envelope(read: Bytes) -> Result<(bool, Bytes), ErrorDescriptor> {
    match read.first() {
        Some(0..=1) if frame::length(&read) == Some(read.len()) => Ok(unframed(read)),
        _ => Err(ErrorDescriptor::new(ErrorReason::ProtocolError, "the body is not one whole envelope")),
    }
}

/// A message in an envelope. With the flag 0 it is a frame of gRPC as well.
pub(super) fn envelope(flag: u8, message: &[u8]) -> Bytes {
    [&frame::header(flag, message.len()), message].concat().into()
}

fn too_long(error: BoxError) -> BoxError {
    if !error.is::<LengthLimitError>() {
        return error;
    }
    let message = format!("the request is too long; at most {MAX_MESSAGE_BYTES} bytes are read");
    ErrorDescriptor::new(ErrorReason::MessageTooLarge, message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_in_milliseconds_becomes_grpc_s() {
        let translated = |millis: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(TIMEOUT, HeaderValue::from_static(millis));
            // A timeout of the other protocol does not count.
            headers.insert(GRPC_TIMEOUT, HeaderValue::from_static("1S"));
            translate_headers(&mut headers);
            headers.get(GRPC_TIMEOUT).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(translated("250").as_deref(), Some("250m"));
        assert_eq!(translated("9999999999").as_deref(), Some("9999999S"));
        for malformed in ["", "soon", "-1", "1.5", "99999999999999999999"] {
            assert_eq!(translated(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn one_whole_envelope_is_opened_and_nothing_else() {
        let open = |bytes: &'static [u8]| open_envelope(Bytes::from_static(bytes));
        assert_eq!(open(b"\0\0\0\0\x02{}").unwrap(), (false, Bytes::from_static(b"{}")));
        assert_eq!(open(b"\x01\0\0\0\x01x").unwrap(), (true, Bytes::from_static(b"x")));
        for wrong in [&b""[..], b"\0\0\0\0", b"\0\0\0\0\x02x", b"\0\0\0\0\x01xx", b"\x02\0\0\0\x01x", b"\0\xff\0\0\0"] {
            assert!(open(wrong).is_err(), "{wrong:?}");
        }
    }
}
