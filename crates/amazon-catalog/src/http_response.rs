//! An HTTP response: status, headers and the body as far as it was read.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use http::{
    HeaderMap, StatusCode,
    header::{DATE, RETRY_AFTER},
};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use crate::{Error, json_text};

/// The longest wait that a response can ask for: what comes from outside is bounded where it is read.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The headers in which Amazon's services send their id of a call.
const REQUEST_ID: [&str; 4] = ["x-amzn-requestid", "x-amzn-request-id", "x-amz-request-id", "x-amz-rid"];

/// One HTTP response.
pub(super) struct HttpResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// `None` where the body is longer than `max_body_bytes`.
    pub(super) body: Option<Vec<u8>>,
}

impl HttpResponse {
    /// The body as text, with what cannot be read in it replaced (see `json_text`). `None` where it was too long.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        self.body.as_deref().map(json_text::repair)
    }

    /// Amazon's id of the call. A value that does not look like an id, as a proxy may send, is ignored.
    pub(super) fn request_id(&self) -> Option<String> {
        let id = REQUEST_ID.into_iter().find_map(|name| self.headers.get(name))?.to_str().ok()?;
        let is_id = (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        is_id.then(|| id.to_owned())
    }

    /// The wait that Amazon asks for in `Retry-After`, given in seconds or as a date (RFC 9110, 10.2.3); at most
    /// [`MAX_RETRY_AFTER`].
    pub(super) fn retry_after(&self, now: OffsetDateTime) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let wait = match text.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) if is_number => Duration::MAX,
            Err(_) => (OffsetDateTime::parse(text, &Rfc2822).ok()? - now).try_into().unwrap_or_default(),
        };
        Some(wait.min(MAX_RETRY_AFTER))
    }

    /// The server's time (RFC 9110, 6.6.1); `None` without a readable `Date`.
    pub(super) fn date(&self) -> Option<SystemTime> {
        let text = self.headers.get(DATE)?.to_str().ok()?;
        OffsetDateTime::parse(text.trim(), &Rfc2822).ok().map(SystemTime::from)
    }

    /// The error for a response that cannot be read.
    pub(super) fn malformed(&self, what: &str) -> Error {
        Error::Malformed { what: what.to_owned(), request_id: self.request_id() }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn response(headers: &[(&'static str, &'static str)]) -> HttpResponse {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        HttpResponse { status: StatusCode::OK, headers, body: None }
    }

    #[test]
    fn the_wait_is_read_in_seconds_and_as_a_date() {
        let now = datetime!(2026-03-01 12:00:00 UTC);
        let cases = [
            ("7", Some(7)),
            ("0", Some(0)),
            ("Sun, 01 Mar 2026 12:01:30 GMT", Some(90)),
            ("Sun, 01 Mar 2026 11:00:00 GMT", Some(0)),
            ("9223372036854775807", Some(300)),
            ("99999999999999999999999", Some(300)),
            ("Sun, 01 Mar 2027 12:00:00 GMT", Some(300)),
            ("-5", None),
            ("soon", None),
        ];
        for (text, seconds) in cases {
            let wait = response(&[("retry-after", text)]).retry_after(now);
            assert_eq!(wait, seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(response(&[]).retry_after(now), None);
    }

    #[test]
    fn the_request_id_is_taken_from_each_of_its_headers_and_from_nothing_odd() {
        let id = |headers: &[_]| response(headers).request_id();
        assert_eq!(id(&[("x-amz-rid", "RID1"), ("x-amzn-requestid", "a-b-1")]).as_deref(), Some("a-b-1"));
        for name in REQUEST_ID {
            assert_eq!(id(&[(name, "RID1")]).as_deref(), Some("RID1"), "{name}");
        }
        assert_eq!(id(&[("x-amz-rid", "<b>not an id</b>")]), None);
        assert_eq!(id(&[]), None);
    }
}
