//! Dates as Amazon writes them: instants, and dates of which only the year or the month may be known.

use prost_types::Timestamp;
use time::{Date, Month, OffsetDateTime, format_description::well_known::Iso8601};

use stockroom_proto::pb;

/// Reads an instant in ISO 8601 with its offset, with or without seconds, as `2024-11-06T05:35Z`. `None` for a date alone.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    let instant = OffsetDateTime::parse(text.trim(), &Iso8601::PARSING).ok()?;
    Some(Timestamp { seconds: instant.unix_timestamp(), nanos: i32::try_from(instant.nanosecond()).ok()? })
}

/// Reads a date: a year, a year and a month, or all three; zero stands for a part that the text does not have. A time after it
/// is ignored. A text that is no date, such as `2005-02-30`, has zero for all three. The text is kept in any case. `None`
/// without a text.
///
/// Amazon writes `2019-07-01T00:00:01Z`, `2005-03-26`, `2005-03`, `2005-03T`, `1997T`.
pub(crate) fn partial(text: String) -> Option<pb::PartialDate> {
    if text.is_empty() {
        return None;
    }
    let (year, month, day) = parts(&text).unwrap_or_default();
    Some(pb::PartialDate { text, year, month, day })
}

fn parts(text: &str) -> Option<(i32, i32, i32)> {
    let date = text.trim().split(['T', 't', ' ']).next()?;
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4)?;
    let Some(month) = parts.next() else {
        return Some((year, 0, 0));
    };
    let month = Month::try_from(u8::try_from(number(month, 2)?).ok()?).ok()?;
    let Some(day) = parts.next() else {
        return Some((year, u8::from(month).into(), 0));
    };
    let day = number(day, 2)?;
    Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?;
    parts.next().is_none().then_some((year, u8::from(month).into(), day))
}

fn number(digits: &str, width: usize) -> Option<i32> {
    let is_number = digits.len() == width && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_far_as_they_are_known() {
        let cases = [
            ("2019-07-01T00:00:01Z", (2019, 7, 1)),
            ("2005-03-26", (2005, 3, 26)),
            ("2019-07-01 00:00:01", (2019, 7, 1)),
            ("2005-03-26t00:00:00z", (2005, 3, 26)),
            ("2005-03T", (2005, 3, 0)),
            ("2005-03", (2005, 3, 0)),
            ("1997T", (1997, 0, 0)),
            ("1997", (1997, 0, 0)),
            ("2005-02-30", (0, 0, 0)),
            ("2005-13", (0, 0, 0)),
            ("2005-1-2-3", (0, 0, 0)),
            ("spring 2005", (0, 0, 0)),
            ("20050326", (0, 0, 0)),
        ];
        for (text, (year, month, day)) in cases {
            let date = pb::PartialDate { text: text.to_owned(), year, month, day };
            assert_eq!(partial(text.to_owned()), Some(date), "{text}");
        }
        assert_eq!(partial(String::new()), None);
    }

    #[test]
    fn instants_are_read_with_and_without_seconds() {
        let seconds = |text| timestamp(text).map(|instant| instant.seconds);
        assert_eq!(seconds("2024-11-06T05:35Z"), Some(1_730_871_300));
        assert_eq!(seconds("2024-11-06T05:35:59Z"), Some(1_730_871_359));
        assert_eq!(seconds("2024-11-06T06:35:59.000+01:00"), Some(1_730_871_359));
        assert_eq!(seconds("2024-11-06"), None);
        assert_eq!(seconds("soon"), None);
    }
}
