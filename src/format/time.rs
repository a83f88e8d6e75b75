//! Points in time and durations as text.

use std::time::{Duration, SystemTime};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A point in time as RFC 3339, to the second.
pub fn timestamp(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time).replace_nanosecond(0);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// A duration to its two largest units, as `1h 5m`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m"),
        3600..86_400 => format!("{hours}h {minutes}m"),
        _ => format!("{}d {}h", hours / 24, hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_shows_its_two_largest_units() {
        let cases = [(0, "0ms"), (59, "59s"), (60, "1m"), (3900, "1h 5m"), (90_000, "1d 1h")];
        for (seconds, expected) in cases {
            assert_eq!(duration(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn a_timestamp_is_exact_to_the_second() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1500);
        assert_eq!(timestamp(time), "1970-01-01T00:00:01Z");
    }

    #[test]
    fn a_time_that_cannot_be_written_is_empty() {
        assert!(timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40)).is_empty());
    }
}
