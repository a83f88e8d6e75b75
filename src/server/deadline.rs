//! The deadline of a call: what the client allows, within what the gateway allows.

use std::time::Duration;

use http::{HeaderMap, header::HeaderName};

use crate::config;

pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The time that the client allows. A header that does not parse counts as none, as in other gRPC servers.
pub(crate) fn asked(headers: &HeaderMap) -> Option<Duration> {
    headers.get(GRPC_TIMEOUT).and_then(|value| parse(value.as_bytes()))
}

/// How long a call may take, within the gateway's own bounds.
pub(crate) fn allowed(asked: Option<Duration>, bounds: &config::ServerConfig) -> Duration {
    asked.unwrap_or(bounds.default_deadline).min(bounds.max_deadline)
}

/// Reads `grpc-timeout`: one to eight digits and a unit (gRPC over HTTP/2, "Timeout").
fn parse(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(value * 3600)),
        b'M' => Some(Duration::from_secs(value * 60)),
        b'S' => Some(Duration::from_secs(value)),
        b'm' => Some(Duration::from_millis(value)),
        b'u' => Some(Duration::from_micros(value)),
        b'n' => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_read_and_the_gateway_s_bound_holds() {
        let bounds = config::ServerConfig::default();
        let allowed_for = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", http::HeaderValue::from_static(text));
            allowed(asked(&headers), &bounds)
        };
        let cases = [
            ("250m", Duration::from_millis(250)),
            ("3S", Duration::from_secs(3)),
            ("1M", Duration::from_secs(60)),
            ("99999999H", bounds.max_deadline),
            ("7u", Duration::from_micros(7)),
            ("0n", Duration::ZERO),
            ("", bounds.default_deadline),
            ("5", bounds.default_deadline),
            ("123456789S", bounds.default_deadline),
            ("-1S", bounds.default_deadline),
            ("1X", bounds.default_deadline),
        ];
        for (text, allowed) in cases {
            assert_eq!(allowed_for(text), allowed, "{text}");
        }
        assert_eq!(allowed(None, &bounds), bounds.default_deadline);
    }
}
