//! Log lines as JSON: one object a line, written in one pass without a tree in between.
//!
//! The fields of an event stand beside `timestamp`, `level` and `target`; those of the innermost span stand in `span`.

use std::{
    fmt::{self, Write},
    time::SystemTime,
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

/// Formats events, and the fields of spans as they are kept until an event is formatted.
#[derive(Debug)]
pub(super) struct JsonLines;

impl<S> FormatEvent<S, JsonLines> for JsonLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonLines>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        line.write_str("{\"timestamp\":\"")?;
        write_timestamp(&mut line, SystemTime::now())?;
        write!(line, "\",\"level\":\"{}\"", event.metadata().level())?;
        let mut fields = Members { json: &mut line, is_first: false, result: Ok(()) };
        event.record(&mut fields);
        fields.result?;
        line.write_str(",\"target\":")?;
        write_string(&mut line, event.metadata().target())?;
        if let Some(span) = context.lookup_current() {
            line.write_str(",\"span\":{\"name\":")?;
            write_string(&mut line, span.name())?;
            if let Some(fields) = span.extensions().get::<FormattedFields<Self>>()
                && !fields.is_empty()
            {
                write!(line, ",{fields}")?;
            }
            line.write_char('}')?;
        }
        line.write_str("}\n")
    }
}

impl<'writer> FormatFields<'writer> for JsonLines {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut members = Members { json: &mut writer, is_first: true, result: Ok(()) };
        fields.record(&mut members);
        members.result
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        let is_first = current.fields.is_empty();
        let mut members = Members { json: &mut current.fields, is_first, result: Ok(()) };
        fields.record(&mut members);
        members.result
    }
}

/// Writes fields as the members of an object that is open.
struct Members<'a, W> {
    json: &'a mut W,
    is_first: bool,
    result: fmt::Result,
}

impl<W: Write> Members<'_, W> {
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut W) -> fmt::Result) {
        let comma = if std::mem::take(&mut self.is_first) { "" } else { "," };
        let write = |json: &mut W| {
            json.write_str(comma)?;
            write_string(json, field.name())?;
            json.write_char(':')?;
            value(json)
        };
        if self.result.is_ok() {
            self.result = write(self.json);
        }
    }
}

impl<W: Write> Visit for Members<'_, W> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has neither infinities nor NaN.
        self.member(field, |json| if value.is_finite() { write!(json, "{value}") } else { json.write_str("null") });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |json| write!(json, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |json| write!(json, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |json| write!(json, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |json| write_string(json, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, |json| {
            json.write_char('"')?;
            write!(Escaped(&mut *json), "{value:?}")?;
            json.write_char('"')
        });
    }
}

/// Escapes what is written for the inside of a JSON string.
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(place) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
            let (clean, special) = rest.split_at(place);
            self.0.write_str(clean)?;
            let mut characters = special.chars();
            match characters.next() {
                Some('"') => self.0.write_str("\\\"")?,
                Some('\\') => self.0.write_str("\\\\")?,
                Some('\n') => self.0.write_str("\\n")?,
                Some(control) => write!(self.0, "\\u{:04x}", u32::from(control))?,
                None => {}
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

fn write_string(json: &mut impl Write, text: &str) -> fmt::Result {
    json.write_char('"')?;
    Escaped(json).write_str(text)?;
    json.write_char('"')
}

/// Writes a time as RFC 3339 in UTC, with microseconds.
fn write_timestamp(json: &mut impl Write, at: SystemTime) -> fmt::Result {
    let at = OffsetDateTime::from(at);
    let (date, time) = (at.date(), at.time());
    write!(
        json,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.microsecond()
    )
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
        time::{Duration, UNIX_EPOCH},
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
        let mut text = String::new();
        write_timestamp(&mut text, UNIX_EPOCH + Duration::new(1_767_323_045, 67_000)).unwrap();
        assert_eq!(text, "2026-01-02T03:04:05.000067Z");
    }
}
