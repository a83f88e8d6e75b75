//! The status page: what GetStatus reports, for people. Readable without JavaScript, which only refreshes it.

use std::time::{Duration, SystemTime};

use super::html::{bar, escape, facts, table};
use crate::{
    format::{self, number},
    metrics::{FailedCall, MetricsSnapshot},
};
use stockroom_proto::pb;

/// The whole page. `search` is a search's outcome, and stops the reloading that would lose it.
pub(super) fn page(live: &str, query: &str, search: &str) -> String {
    let reload =
        if search.is_empty() { "<noscript><meta http-equiv=\"refresh\" content=\"15\"></noscript>" } else { "" };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Stockroom</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">{reload}\
         <link rel=\"stylesheet\" href=\"/style.css\"><link rel=\"icon\" href=\"data:,\">\
         <script src=\"/refresh.js\" defer></script></head><body><main id=\"live\">{live}</main>\
         <section><h2>Try a search</h2><form method=\"post\" action=\"/search\">\
         <input name=\"q\" aria-label=\"Keywords\" placeholder=\"wireless headphones\" required maxlength=\"200\" value=\"{}\">\
         <button>Search</button></form><p>A search that is not cached spends a call to Amazon.</p>{search}</section>\
         </body></html>",
        escape(query)
    )
}

/// The part of the page that changes.
pub(super) fn live(snapshot: &MetricsSnapshot, failures: &[FailedCall], now: SystemTime) -> String {
    let status = &snapshot.status;
    let start = status.start_time.and_then(|time| SystemTime::try_from(time).ok());
    let up = start.and_then(|start| now.duration_since(start).ok()).map(format::duration).unwrap_or_default();
    let sandbox = if status.is_sandbox { " · in front of the sandbox: all products are invented" } else { "" };
    let (class, state) = match snapshot.not_ready.is_empty() {
        true => ("ready", "ready".to_owned()),
        false => ("not-ready", format!("not ready: {}", snapshot.not_ready.join("; "))),
    };
    let mut html = format!(
        "<header><h1>Stockroom {}</h1><p><span class=\"{class}\" id=\"connection\">{}</span> · up {} · {}{sandbox}</p></header>",
        escape(&status.version),
        escape(&state),
        escape(&up),
        escape(&format::timestamp(now)),
    );
    for account in &status.accounts {
        html.push_str(&account_part(account, now));
    }
    html.push_str(&cache_part(snapshot));
    html.push_str(&failure_part(failures, now));
    html
}

/// The outcome of a search.
pub(super) fn found(outcome: &Result<pb::SearchProductsResponse, String>) -> String {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(error) => return format!("<p class=\"error\" id=\"found\">{}</p>", escape(error)),
    };
    let products = answer.products.iter().filter_map(|entry| entry.product.as_ref());
    let rows: Vec<Vec<String>> = products
        .map(|product| {
            let offer = format::best_offer(product);
            let reviews = product.reviews.as_ref();
            vec![
                product.asin.clone(),
                product.info.as_ref().map(|info| info.title.clone()).unwrap_or_default(),
                format::price(offer),
                format::rating(reviews.and_then(|r| r.star_rating), reviews.and_then(|r| r.count)),
            ]
        })
        .collect();
    let calls = answer.cost.unwrap_or_default().amazon_calls;
    let total = match answer.total_results_unknown {
        true => "an unknown number of".to_owned(),
        false => number(answer.total_results),
    };
    let caption = format!("{total} products; {calls} calls to Amazon");
    let table = table(&caption, &["ASIN", "Title", "Price", "Rating"], &rows);
    format!("<div id=\"found\">{}</div>", if rows.is_empty() { "<p>No product matches.</p>" } else { &table })
}

/// How often a defect ended what the account was doing; most often not at all.
fn restarts(account: &pb::AccountStatus) -> String {
    let pause = account.paused_for.and_then(|pause| Duration::try_from(pause).ok());
    let pause = pause.map_or(String::new(), |pause| format!("; refuses everything for {}", format::duration(pause)));
    if account.restarts == 0 { String::new() } else { format!("{} after defects{pause}", number(account.restarts)) }
}

fn account_part(account: &pb::AccountStatus, now: SystemTime) -> String {
    let (day, queue) = (account.day.unwrap_or_default(), account.queue.unwrap_or_default());
    let calls = account.calls.unwrap_or_default();
    let left = format!("{} of {} calls left", number(day.left), number(day.limit));
    let rate = format!("{} of {} calls a second", account.current_calls_per_second, account.calls_per_second);
    let wait = queue.predicted_wait.and_then(|wait| Duration::try_from(wait).ok());
    let open: Vec<String> = account.breakers.iter().filter_map(open_breaker).collect();
    let offline = account.own_share_since_time.and_then(|time| SystemTime::try_from(time).ok());
    let offline = offline.and_then(|since| now.duration_since(since).ok());
    let next = day.next_release_time.and_then(|time| SystemTime::try_from(time).ok());
    let next = next.and_then(|next| next.duration_since(now).ok()).filter(|_| day.left == 0);
    let facts = facts(&[
        ("Marketplaces", account.marketplaces.join(" ")),
        ("Next call", next.map(|wait| format!("in {}", format::duration(wait))).unwrap_or_default()),
        ("Queue", format!("{} of {}", number(queue.length), number(queue.capacity))),
        ("Predicted wait", wait.map(format::duration).unwrap_or_default()),
        (
            "Calls to Amazon",
            format!(
                "{} answered, {} throttled, {} failed, {} refused; {} retries",
                number(calls.answered),
                number(calls.throttled),
                number(calls.failed),
                number(calls.refused),
                number(calls.retries)
            ),
        ),
        ("Breakers", if open.is_empty() { "all closed".to_owned() } else { open.join("; ") }),
        ("Redis", offline.map(|time| format!("no answer for {}", format::duration(time))).unwrap_or_default()),
        ("Restarts", restarts(account)),
        ("Last error", account.last_error.clone()),
    ]);
    let caller = |caller: &pb::CallerSpending| {
        vec![caller.caller.clone(), number(caller.spent), caller.limit.map(number).unwrap_or_default()]
    };
    let callers: Vec<Vec<String>> = account.callers.iter().map(caller).collect();
    format!(
        "<section data-account=\"{name}\"><h2>Account {name}</h2>{}{}{facts}{}</section>",
        bar("Day", day.left.into(), day.limit.into(), &left),
        bar("Rate", account.current_calls_per_second, account.calls_per_second, &rate),
        table("Calls in the last 24 hours by caller", &["Caller", "Calls", "Quota"], &callers),
        name = escape(&account.name),
    )
}

fn open_breaker(breaker: &pb::BreakerStatus) -> Option<String> {
    let state = match breaker.state() {
        pb::BreakerState::Open => "open",
        pb::BreakerState::HalfOpen => "half open",
        pb::BreakerState::Closed | pb::BreakerState::Unspecified => return None,
    };
    Some(format!("{} {state}", breaker.operation))
}

fn cache_part(snapshot: &MetricsSnapshot) -> String {
    let row = |cache: &pb::CacheStatus| {
        let lookups = cache.hits.saturating_add(cache.misses);
        let rate = if lookups > 0 { format!("{}%", cache.hits.saturating_mul(100) / lookups) } else { String::new() };
        let numbers = [cache.entries, cache.size_bytes / 1024, cache.hits, cache.stale_hits, cache.misses];
        [cache.tier.clone()].into_iter().chain(numbers.map(number)).chain([rate]).collect()
    };
    let rows: Vec<Vec<String>> = snapshot.status.caches.iter().map(row).collect();
    let redis = match snapshot.redis_answers {
        Some(true) => "<p>Redis answers.</p>",
        Some(false) => "<p class=\"error\">Redis does not answer.</p>",
        None => "<p>No Redis: this replica works alone.</p>",
    };
    let head = ["Tier", "Entries", "KiB", "Hits", "Stale hits", "Misses", "Hit rate"];
    format!("<section><h2>Cache</h2>{}{redis}</section>", table("Tiers", &head, &rows))
}

fn failure_part(failures: &[FailedCall], now: SystemTime) -> String {
    let row = |failure: &FailedCall| {
        let ago = now.duration_since(failure.time).unwrap_or_default();
        vec![
            format!("{} ago", format::duration(ago)),
            failure.method.clone(),
            format!("{} {}", failure.code, failure.reason),
            failure.request_id.clone(),
            failure.amazon_request_id.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = failures.iter().map(row).collect();
    let head = ["When", "Method", "Error", "Request", "Amazon's request"];
    let table = table("Calls that failed", &head, &rows);
    let none = "<p>No call has failed.</p>";
    format!("<section><h2>Recent failures</h2>{}</section>", if rows.is_empty() { none } else { &table })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_accounts_caches_and_failures_and_escapes_them() {
        let account = pb::AccountStatus {
            name: "<main>".to_owned(),
            day: Some(pb::Budget { limit: 8640, left: 8000, spent: 640, next_release_time: None }),
            restarts: 2,
            paused_for: Some(prost_types::Duration { seconds: 3, nanos: 0 }),
            ..Default::default()
        };
        let status = pb::GetStatusResponse { accounts: vec![account], ..Default::default() };
        let snapshot = MetricsSnapshot { status, redis_answers: Some(false), not_ready: vec!["draining".to_owned()] };
        let failure = FailedCall {
            time: SystemTime::UNIX_EPOCH,
            method: "stockroom.v1.SearchService/SearchProducts".to_owned(),
            code: "UNAVAILABLE",
            reason: "UPSTREAM_FAILED".to_owned(),
            request_id: "ours".to_owned(),
            amazon_request_id: "theirs".to_owned(),
        };
        let live = live(&snapshot, &[failure], SystemTime::UNIX_EPOCH + Duration::from_secs(60));
        for text in [
            "&lt;main&gt;",
            "8,000 of 8,640 calls left",
            "2 after defects; refuses everything for 3s",
            "not ready: draining",
            "1m ago",
            "theirs",
            "Redis does not",
        ] {
            assert!(live.contains(text), "{text} is not in {live}");
        }
        assert!(!live.contains("<main>"));
        assert!(page(&live, "\"quoted\"", "").contains("http-equiv=\"refresh\""));
        assert!(!page(&live, "", &found(&Err("<b>".to_owned()))).contains("http-equiv=\"refresh\""));
    }
}
