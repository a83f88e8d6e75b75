//! Durations and sizes in text form: a whole number and a unit.

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads a duration as `150ms`, `2s`, `50m` or `12h`; `None` without a number or a unit.
pub fn parse_duration(text: &str) -> Option<Duration> {
    parse(text, &DURATION_UNITS).map(Duration::from_millis)
}

/// Reads a size in bytes as `256MiB`; `None` without a number or a unit.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    parse(text, &SIZE_UNITS)
}

/// A duration in the largest unit that leaves no remainder.
pub(super) fn show_duration(duration: Duration) -> String {
    match u64::try_from(duration.as_millis()) {
        Ok(0) => "0s".to_owned(),
        Ok(millis) => show(millis, &DURATION_UNITS),
        Err(_) => format!("{}s", duration.as_secs()),
    }
}

/// A size in the largest unit that leaves no remainder.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZE_UNITS)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}

fn show(amount: u64, units: &[(&str, u64)]) -> String {
    let unit = units.iter().find(|(_, scale)| amount >= *scale && amount.is_multiple_of(*scale));
    unit.map_or_else(|| amount.to_string(), |(name, scale)| format!("{}{name}", amount / scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_a_whole_number_and_a_unit() {
        let cases = [
            ("150ms", Some(150)),
            ("2s", Some(2000)),
            ("50 m", Some(3_000_000)),
            ("24h", Some(86_400_000)),
            ("0s", Some(0)),
            ("5", None),
            ("s", None),
            ("1.5h", None),
            ("-1s", None),
            ("2 weeks", None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_back_as_it_was() {
        for text in ["150ms", "90s", "50m", "12h", "24h", "0s"] {
            assert_eq!(parse_duration(text).map(show_duration).as_deref(), Some(text));
        }
        for text in ["256MiB", "1025B", "1TiB"] {
            assert_eq!(parse_size(text).map(show_size).as_deref(), Some(text));
        }
    }
}
