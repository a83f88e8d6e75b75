//! Facts of the contract in a few words, as tables and pages show them.

use std::time::{Duration, SystemTime};

use amazon_catalog::offer;
use stockroom_proto::pb;

/// What is saved, as `-23%`.
pub(super) fn saving(offer: Option<&pb::Offer>) -> String {
    percent_off(offer::saving_percent(offer))
}

/// A share saved, as `-23%`; empty where it is not known.
pub(super) fn percent_off(percent: Option<i32>) -> String {
    percent.map_or(String::new(), |percent| format!("-{percent}%"))
}

/// Stars and reviews, as `★ 4.6 (230)`; empty without stars.
pub(super) fn rating(stars: Option<f64>, reviews: Option<i32>) -> String {
    match (stars, reviews) {
        (Some(stars), Some(reviews)) => format!("★ {stars:.1} ({})", number(reviews)),
        (Some(stars), None) => format!("★ {stars:.1}"),
        (None, _) => String::new(),
    }
}

/// A flag that may be unknown; empty where it is.
pub(super) fn yes_no(flag: Option<bool>) -> String {
    flag.map_or("", |flag| if flag { "yes" } else { "no" }).to_owned()
}

/// What an answer cost, as `1 call to Amazon, 3 from memory`.
pub(super) fn cost(cost: Option<&pb::Cost>) -> String {
    let Some(cost) = cost else { return String::new() };
    let calls = if cost.amazon_calls == 1 { "1 call".to_owned() } else { format!("{} calls", cost.amazon_calls) };
    let mut words = format!("{calls} to Amazon, {} from cache", cost.from_memory + cost.from_redis);
    if cost.stale > 0 {
        words.push_str(&format!(" ({} past their time)", cost.stale));
    }
    words
}

/// What a list of products cost and how old its oldest answer is, as `1 call to Amazon, 9 from cache; fetched 3m ago`.
pub(super) fn cost_and_age(spent: Option<&pb::Cost>, entries: &[pb::ProductEntry], now: SystemTime) -> String {
    let answers = entries.iter().filter_map(|entry| entry.freshness.as_ref());
    let oldest = answers.min_by_key(|answer| answer.fetch_time.map(|time| (time.seconds, time.nanos)));
    let age = oldest.map(|oldest| fetched(oldest, now));
    [Some(cost(spent)).filter(|cost| !cost.is_empty()), age].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// How old an answer is and where it came from, as `fetched 3m ago, from memory`.
pub(super) fn freshness(freshness: Option<&pb::Freshness>, now: SystemTime) -> String {
    let Some(freshness) = freshness else { return String::new() };
    let source = match freshness.source() {
        pb::Source::Memory => ", from memory",
        pb::Source::Redis => ", from Redis",
        pb::Source::Amazon => ", from Amazon",
        pb::Source::Unspecified => "",
    };
    let stale = if freshness.is_stale { ", past its time" } else { "" };
    format!("{}{source}{stale}", fetched(freshness, now))
}

fn fetched(freshness: &pb::Freshness, now: SystemTime) -> String {
    let Some(fetch_time) = freshness.fetch_time.and_then(|time| SystemTime::try_from(time).ok()) else {
        return "fetched at an unknown time".to_owned();
    };
    // A clock that is behind the gateway's makes no age negative.
    let age = now.duration_since(fetch_time).unwrap_or_default();
    // Amazon's terms ask for the time itself beside prices that are an hour old.
    let stamp = if freshness.price_stamp_required { format!(" ({})", time(fetch_time)) } else { String::new() };
    match age.as_secs() {
        0..5 => format!("fetched just now{stamp}"),
        _ => format!("fetched {} ago{stamp}", duration(age)),
    }
}

/// A point in time as RFC 3339, to the second.
pub(super) fn time(time: SystemTime) -> String {
    let time = time::OffsetDateTime::from(time).replace_nanosecond(0);
    time.ok().and_then(|time| time.format(&time::format_description::well_known::Rfc3339).ok()).unwrap_or_default()
}

/// A duration to its two largest units, as `1h 5m`.
pub(super) fn duration(duration: Duration) -> String {
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

/// A duration of the contract; `None` for one that is not set or negative.
pub(super) fn wire_duration(duration: Option<prost_types::Duration>) -> Option<Duration> {
    duration.and_then(|duration| duration.try_into().ok())
}

/// When asking again can help, as `; try again in 3s`.
pub(super) fn retry_after(wait: Option<Duration>) -> String {
    wait.map_or(String::new(), |wait| format!("; try again in {}", duration(wait)))
}

/// Why there is less than was asked; empty where there is not.
pub(super) fn incomplete(incomplete: Option<&pb::Incomplete>) -> String {
    incomplete.map_or(String::new(), |why| {
        format!("Not complete: {}{}", why.message, retry_after(wire_duration(why.retry_after)))
    })
}

/// Why a product is missing, in words.
pub(super) fn absence(absence: &pb::Absence) -> String {
    let reason = match absence.reason() {
        pb::AbsenceReason::NotFound => "not found",
        pb::AbsenceReason::NotAccessible => "not offered through Amazon's API",
        pb::AbsenceReason::Invalid => "not an ASIN",
        pb::AbsenceReason::Throttled => "no budget for now",
        pb::AbsenceReason::NotAttempted => "not asked",
        pb::AbsenceReason::UpstreamFailed => "Amazon failed",
        pb::AbsenceReason::Unspecified => "missing",
    };
    let message = if absence.message.is_empty() { String::new() } else { format!(": {}", absence.message) };
    format!("{reason}{message}{}", retry_after(wire_duration(absence.retry_after)))
}

/// Which of Amazon's APIs an account speaks.
pub(super) fn protocol(protocol: pb::Protocol) -> &'static str {
    match protocol {
        pb::Protocol::Unspecified => "",
        pb::Protocol::Paapi5 => "PA-API 5.0",
        pb::Protocol::Creators => "Creators API",
    }
}

/// A whole number with commas between its thousands.
pub(super) fn number(number: impl Into<i64>) -> String {
    let number: i64 = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if number < 0 { format!("-{grouped}") } else { grouped }
}

/// A part of a whole as a bar of twenty cells; none is filled only where the part is nothing.
pub(super) fn bar(part: i64, whole: i64) -> String {
    let share = if whole > 0 { (part.clamp(0, whole).saturating_mul(20) + whole - 1) / whole } else { 0 };
    let filled = usize::try_from(share).unwrap_or_default();
    "█".repeat(filled) + &"░".repeat(20 - filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_price_a_price_of_nothing_and_a_withheld_price_differ() {
        let free = pb::Money { currency_code: "USD".to_owned(), display: "$0.00".to_owned(), ..Default::default() };
        let offer = |price, price_withheld| pb::Offer { price, price_withheld, ..Default::default() };
        assert_eq!(offer::price_text(None), "No price");
        assert_eq!(offer::price_text(Some(&offer(None, false))), "No price");
        assert_eq!(offer::price_text(Some(&offer(Some(free), false))), "$0.00");
        assert_eq!(offer::price_text(Some(&offer(None, true))), "See price in cart");
    }

    #[test]
    fn an_amount_without_amazons_words_is_told_by_its_digits() {
        let amount = |units, nanos| {
            amazon_catalog::money::text(&pb::Money {
                currency_code: "EUR".to_owned(),
                units,
                nanos,
                display: String::new(),
            })
        };
        assert_eq!(amount(33, 990_000_000), "33.99 EUR");
        assert_eq!(amount(0, 0), "0.00 EUR");
        assert_eq!(amount(0, -500_000_000), "-0.50 EUR");
        assert_eq!(amount(1, 5_000_000), "1.005 EUR");
    }

    #[test]
    fn what_is_not_known_takes_no_words() {
        assert_eq!(rating(None, Some(3)), "");
        assert_eq!(rating(Some(4.56), Some(1230)), "★ 4.6 (1,230)");
        assert_eq!((yes_no(None), yes_no(Some(false))), (String::new(), "no".to_owned()));
        assert_eq!(saving(None), "");
    }

    #[test]
    fn the_time_stands_beside_prices_that_need_it() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(7200);
        let answer = |seconds, price_stamp_required| pb::Freshness {
            fetch_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
            source: pb::Source::Memory.into(),
            price_stamp_required,
            ..Default::default()
        };
        assert_eq!(freshness(Some(&answer(7199, false)), now), "fetched just now, from memory");
        assert_eq!(freshness(Some(&answer(7000, false)), now), "fetched 3m ago, from memory");
        assert_eq!(freshness(Some(&answer(0, true)), now), "fetched 2h 0m ago (1970-01-01T00:00:00Z), from memory");
        assert_eq!(freshness(Some(&answer(9999, false)), now), "fetched just now, from memory");
    }

    #[test]
    fn a_bar_is_never_longer_than_twenty_cells() {
        assert_eq!(bar(5, 10), format!("{}{}", "█".repeat(10), "░".repeat(10)));
        assert_eq!(bar(11, 10), "█".repeat(20));
        assert_eq!((bar(0, 8640), bar(1, 8640)), ("░".repeat(20), format!("█{}", "░".repeat(19))));
        assert_eq!(bar(3, 0), "░".repeat(20));
    }
}
