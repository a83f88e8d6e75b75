//! Which answers are compressed: those of callers that compress their requests, in the same encoding.
//!
//! Clients announce every encoding that they can read in `grpc-accept-encoding`, most of them without being asked to.
//! Compressing each of those answers would cost the gateway more time than all else that it does for a cached product. A
//! caller that compresses its own requests has decided that its network is the scarcer good.

use http::{HeaderMap, HeaderValue, header::HeaderName};
use tonic::codec::CompressionEncoding;

/// The encodings that requests may come in.
pub(crate) const ENCODINGS: [CompressionEncoding; 2] = [CompressionEncoding::Gzip, CompressionEncoding::Zstd];

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// Reduces what the request accepts to the encoding that it came in.
pub(crate) fn choose(headers: &mut HeaderMap) {
    let encoding = headers.get(ENCODING).filter(|encoding| *encoding != "identity").cloned();
    let is_accepted = |encoding: &HeaderValue| {
        let accepted = headers.get(ACCEPT_ENCODING).map(HeaderValue::as_bytes).unwrap_or_default();
        accepted.split(|byte| *byte == b',').any(|one| one.trim_ascii() == encoding.as_bytes())
    };
    match encoding.filter(is_accepted) {
        Some(encoding) => headers.insert(ACCEPT_ENCODING, encoding),
        None => headers.remove(ACCEPT_ENCODING),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_compressed_as_its_request_was_where_the_client_reads_that() {
        let chosen = |encoding: &'static str, accepted: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ENCODING, HeaderValue::from_static(encoding));
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            choose(&mut headers);
            headers.get(ACCEPT_ENCODING).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(chosen("gzip", "identity, deflate, gzip").as_deref(), Some("gzip"));
        assert_eq!(chosen("zstd", "zstd,gzip").as_deref(), Some("zstd"));
        assert_eq!(chosen("identity", "identity, deflate, gzip"), None);
        assert_eq!(chosen("gzip", "identity"), None);
    }
}
