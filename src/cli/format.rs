//! Facts of the contract in a few words, as tables and pages show them.

use std::time::{Duration, SystemTime};

use crate::format;
pub(super) use crate::format::{
    best_offer, condition, duration, measures, money, number, percent_off, price, rating, timestamp,
};
use stockroom_proto::pb;

/// What is saved, as `-23%`.
pub(super) fn saving(offer: Option<&pb::Offer>) -> String {
    let percent = offer.and_then(|offer| offer.saving.as_ref()).and_then(|saving| saving.percent);
    percent_off(percent)
}

/// A flag that may be unknown; empty where it is.
pub(super) fn yes_no(flag: Option<bool>) -> String {
    flag.map_or("", |flag| if flag { "yes" } else { "no" }).to_owned()
}

/// Availability in Amazon's words, or else by its kind.
pub(super) fn availability(offer: Option<&pb::Offer>) -> String {
    offer.and_then(|offer| offer.availability.as_ref()).map(format::availability).unwrap_or_default()
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
    let stamp = if freshness.price_stamp_required { format!(" ({})", timestamp(fetch_time)) } else { String::new() };
    match age.as_secs() {
        0..5 => format!("fetched just now{stamp}"),
        _ => format!("fetched {} ago{stamp}", duration(age)),
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
