//! Log lines as JSON: one object a line, written in one pass without a tree in between.
//!
//! The fields of an event stand beside `timestamp`, `level` and `target`; those of the innermost span stand in `span`.

use std::{
    cell::Cell,
    fmt::{self, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use time::OffsetDateTime;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    registry::LookupSpan,
};

thread_local! {
    static LINE: Cell<LineBuffer> = const { Cell::new(LineBuffer { json: String::new(), second: 0, second_text: String::new() }) };
}

/// Formats events, and the fields of spans as they are kept until an event is formatted.
#[derive(Debug)]
pub(super) struct JsonLines;

/// What a thread keeps from line to line.
#[derive(Debug, Default)]
struct LineBuffer {
    json: String,
    /// The second of the last line, and its text.
    second: u64,
    second_text: String,
}

impl<S> FormatEvent<S, JsonLines> for JsonLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonLines>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // A line that is written while a field of another is formatted gets an empty buffer.
        let mut line = LINE.take();
        line.json.clear();
        line.json.push_str("{\"timestamp\":\"");
        line.push_timestamp(SystemTime::now());
        line.json.push_str("\",\"level\":\"");
        line.json.push_str(event.metadata().level().as_str());
        line.json.push('"');
        event.record(&mut Members { json: &mut line.json, is_first: false });
        line.json.push_str(",\"target\":");
        push_string(&mut line.json, event.metadata().target());
        if let Some(span) = context.lookup_current() {
            line.json.push_str(",\"span\":{\"name\":");
            push_string(&mut line.json, span.name());
            if let Some(fields) = span.extensions().get::<FormattedFields<Self>>()
                && !fields.is_empty()
            {
                line.json.push(',');
                line.json.push_str(&fields.fields);
            }
            line.json.push('}');
        }
        line.json.push_str("}\n");
        let result = writer.write_str(&line.json);
        LINE.set(line);
        result
    }
}

impl<'writer> FormatFields<'writer> for JsonLines {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut json = String::new();
        fields.record(&mut Members { json: &mut json, is_first: true });
        writer.write_str(&json)
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        let is_first = current.fields.is_empty();
        fields.record(&mut Members { json: &mut current.fields, is_first });
        Ok(())
    }
}

impl LineBuffer {
    /// Appends a time as RFC 3339 in UTC, with microseconds.
    fn push_timestamp(&mut self, at: SystemTime) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second != since.as_secs() || self.second_text.is_empty() {
            self.second = since.as_secs();
            self.second_text.clear();
            let at = OffsetDateTime::from(at);
            let (date, time) = (at.date(), at.time());
            let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
            let (hour, minute, second) = (time.hour(), time.minute(), time.second());
            // Writing to a string does not fail.
            let _ = write!(self.second_text, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.");
        }
        self.json.push_str(&self.second_text);
        // The first digit only makes the others six.
        let digits = 1_000_000 + since.subsec_micros();
        self.json.push_str(itoa::Buffer::new().format(digits).get(1..).unwrap_or_default());
        self.json.push('Z');
    }
}

/// Appends fields as the members of an object that is open.
struct Members<'a> {
    json: &'a mut String,
    is_first: bool,
}

impl Members<'_> {
    fn name(&mut self, field: &Field) {
        if !std::mem::take(&mut self.is_first) {
            self.json.push(',');
        }
        push_string(self.json, field.name());
        self.json.push(':');
    }

    fn member(&mut self, field: &Field, value: &str) {
        self.name(field);
        self.json.push_str(value);
    }
}

impl Visit for Members<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has neither infinities nor NaN.
        let mut digits = zmij::Buffer::new();
        self.member(field, if value.is_finite() { digits.format_finite(value) } else { "null" });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, itoa::Buffer::new().format(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, itoa::Buffer::new().format(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, if value { "true" } else { "false" });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        push_string(self.json, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.name(field);
        self.json.push('"');
        // A value that fails to format is cut off.
        let _ = write!(Escaped(self.json), "{value:?}");
        self.json.push('"');
    }
}

/// Escapes what is written for the inside of a JSON string.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_special = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
        // Without an early end, which lets the compiler look at many bytes at once. Most text is clean.
        if !text.as_bytes().iter().fold(false, |found, byte| found | is_special(byte)) {
            self.0.push_str(text);
            return Ok(());
        }
        for character in text.chars() {
            match character {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                control if control < ' ' => write!(self.0, "\\u{:04x}", u32::from(control))?,
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

fn push_string(json: &mut String, text: &str) {
    json.push('"');
    // Writing to a string does not fail.
    let _ = Escaped(json).write_str(text);
    json.push('"');
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use tracing_subscriber::{fmt::MakeWriter, layer::SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Log {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_line_is_one_object_whatever_its_fields_hold() {
        let log = Log::default();
        let layer = tracing_subscriber::fmt::layer().fmt_fields(JsonLines).event_format(JsonLines);
        let subscriber = tracing_subscriber::registry().with(layer.with_writer(log.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("call", id = "a\"b", later = tracing::field::Empty);
            span.record("later", 7);
            let _entered = span.enter();
            let list = ["q\"uote", "back\\slash"];
            tracing::warn!(
                n = -3,
                big = u64::MAX,
                part = 0.25,
                none = f64::NAN,
                on = true,
                ?list,
                "line\n\tbreak \u{1}"
            );
        });
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "timestamp": line["timestamp"], "level": "WARN", "n": -3, "big": u64::MAX, "part": 0.25, "none": null, "on": true,
            "list": "[\"q\\\"uote\", \"back\\\\slash\"]", "message": "line\n\tbreak \u{1}",
            "target": "stockroom::telemetry::json_lines::tests",
            "span": {"name": "call", "id": "a\"b", "later": 7},
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_time_is_written_with_leading_zeros_and_microseconds() {
        let mut line = LineBuffer::default();
        for (nanos, expected) in [(67_000, "2026-01-02T03:04:05.000067Z"), (999_999_999, "2026-01-02T03:04:05.999999Z")]
        {
            line.json.clear();
            line.push_timestamp(UNIX_EPOCH + Duration::new(1_767_323_045, nanos));
            assert_eq!(line.json, expected);
        }
        line.json.clear();
        line.push_timestamp(UNIX_EPOCH);
        assert_eq!(line.json, "1970-01-01T00:00:00.000000Z");
    }
}
