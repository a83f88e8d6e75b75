//! The place of a call in a trace, as W3C Trace Context states it in the header `traceparent`.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// A span as other spans refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) is_sampled: bool,
}

impl TraceContext {
    /// Parses the value of `traceparent`: `00`, the ids of the trace and of the caller's span, and flags, in lower-case
    /// hexadecimal digits with `-` between. A later version may have more at its end, as W3C says. `None` for anything else.
    pub fn parse(traceparent: &[u8]) -> Option<Self> {
        let mut fields = std::str::from_utf8(traceparent).ok()?.splitn(5, '-');
        let version = hexadecimal(fields.next()?, 2)?;
        let trace_id = hexadecimal(fields.next()?, 32)?;
        let span_id = u64::try_from(hexadecimal(fields.next()?, 16)?).ok()?;
        let flags = hexadecimal(fields.next()?, 2)?;
        let is_version = version == 0 && fields.next().is_none() || (1..0xff).contains(&version);
        let is_sampled = flags & u128::from(TraceFlags::SAMPLED.to_u8()) != 0;
        (is_version && trace_id != 0 && span_id != 0).then(|| Self {
            trace_id: trace_id.into(),
            span_id: span_id.into(),
            is_sampled,
        })
    }

    /// The id of the trace, for log lines.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Whether the spans of the trace are recorded.
    pub fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    pub(super) fn to_span_context(self, is_remote: bool) -> SpanContext {
        let flags = TraceFlags::default().with_sampled(self.is_sampled);
        SpanContext::new(self.trace_id, self.span_id, flags, is_remote, TraceState::default())
    }
}

/// The value of so many lower-case hexadecimal digits.
fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_whole = text.len() == digits && text.bytes().all(is_digit);
    u128::from_str_radix(text, 16).ok().filter(|_| is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn parse(text: &str) -> Option<(String, String, bool)> {
        let context = TraceContext::parse(text.as_bytes())?;
        Some((context.trace_id.to_string(), context.span_id.to_string(), context.is_sampled))
    }

    #[test]
    fn a_traceparent_is_read_with_its_flag() {
        let read = |is_sampled| Some((TRACE.to_owned(), "00f067aa0ba902b7".to_owned(), is_sampled));
        for (flags, is_sampled) in [("00", false), ("01", true), ("02", false), ("03", true), ("ff", true)] {
            assert_eq!(parse(&format!("00-{TRACE}-00f067aa0ba902b7-{flags}")), read(is_sampled), "{flags}");
        }
        assert_eq!(parse(&format!("01-{TRACE}-00f067aa0ba902b7-01-what-later-versions-add")), read(true));
    }

    #[test]
    fn anything_else_is_no_traceparent() {
        let zeros = "0".repeat(32);
        let malformed = [
            String::new(),
            "ä".repeat(28),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("0-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{zeros}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-+{}-00f067aa0ba902b7-01", &TRACE[1..]),
            format!("00-{TRACE}-00f067aa0ba902b7-1"),
            format!("00-{TRACE}{TRACE}-00f067aa0ba902b7-01"),
        ];
        for text in malformed {
            assert_eq!(parse(&text), None, "{text}");
        }
    }
}
