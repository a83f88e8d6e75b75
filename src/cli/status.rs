//! `stockroom status`, `purge` and `health`: commands for operators.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, SystemTime},
};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{
    exit::{self, Failure, Outcome},
    format,
    json::JsonLayout,
    output::Output,
    page::{Column, Page},
    parse,
    remote::Remote,
};
use amazon_catalog::Marketplace;
use stockroom_client::{Client, Code, Health};
use stockroom_proto::pb::{self, purge_cache_request::Target};

/// Show each account's budget and queue, and the cache
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  stockroom status\n  stockroom status --json | jq '.accounts[].day.left'")]
pub(super) struct Status {
    /// Show it again and again, every 2s or at another interval
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "2s", value_parser = parse::duration)]
    watch: Option<Duration>,
    #[command(flatten)]
    remote: Remote,
}

/// Drop products, a namespace or everything from the cache
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  stockroom purge B0SBHEAD01 -m UK\n  stockroom purge --namespace searches\n  stockroom purge --everything --yes"
)]
pub(super) struct PurgeArgs {
    #[command(flatten)]
    what: What,
    /// Do not ask before everything is dropped
    #[arg(long, short)]
    yes: bool,
    /// The marketplace of the products [default: the gateway's own]
    #[arg(
        long,
        short,
        env = "STOCKROOM_MARKETPLACE",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    marketplace: String,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct What {
    /// Products, in every language and currency
    #[arg(value_name = "ASIN")]
    asins: Vec<String>,
    /// All of one kind
    #[arg(long, value_enum)]
    namespace: Option<NamespaceArg>,
    /// Everything
    #[arg(long)]
    everything: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum NamespaceArg {
    Products,
    Searches,
    Variations,
    BrowseNodes,
}

/// Check whether the gateway is serving: exit code 0 or 1
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  stockroom health\n  stockroom health stockroom.v1.SearchService --timeout 1s")]
pub(super) struct HealthArgs {
    /// One service, as stockroom.v1.SearchService [default: the whole gateway]
    #[arg(default_value = "", hide_default_value = true)]
    service: String,
    #[command(flatten)]
    remote: Remote,
}

impl Status {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let (client, mut out) = (self.remote.client()?, self.remote.out());
        let Some(pause) = self.watch else {
            let answer = client.get_status(pb::GetStatusRequest {}).await?;
            out.answer(&answer, |answer| status_page(answer, SystemTime::now()))?;
            return Ok(Outcome::Done);
        };
        out.enter_screen()?;
        // Cancel-safe: what is dropped is a question and a frame.
        tokio::select! {
            ended = watch(&client, &mut out, pause) => ended,
            _ = tokio::signal::ctrl_c() => Ok(Outcome::Done),
        }
    }
}

/// Shows the status again and again. While the gateway does not answer, the last status stays, below the reason.
async fn watch(client: &Client, out: &mut Output, pause: Duration) -> Result<Outcome, Failure> {
    let mut last = String::new();
    loop {
        let answer = client.get_status(pb::GetStatusRequest {}).await;
        let time = format::timestamp(SystemTime::now());
        let Some(style) = out.style() else {
            match answer {
                Ok(answer) => out.json(&answer, JsonLayout::Line)?,
                Err(error) => exit::complain(&error.into()),
            }
            tokio::time::sleep(pause).await;
            continue;
        };
        match answer {
            Ok(answer) => {
                last = status_page(&answer, SystemTime::now()).render(style);
                out.frame(&format!("{time}\n\n{last}"))?;
            }
            Err(error) if matches!(error.code, Code::PermissionDenied | Code::Unauthenticated) => {
                return Err(error.into());
            }
            Err(error) => {
                let mut page = Page::default();
                page.line(format!(
                    "{time}  no answer: {}; trying again every {}",
                    error.message,
                    format::duration(pause)
                ));
                out.frame(&format!("{}\n{last}", page.render(style)))?;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

impl PurgeArgs {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        if self.what.everything && !self.yes && !confirmed("Drop everything from the cache of every replica?")? {
            return Ok(Outcome::Nothing);
        }
        let target = match (self.what.namespace, self.what.everything) {
            (Some(namespace), _) => Target::Namespace(pb::CacheNamespace::from(namespace).into()),
            (None, true) => Target::Everything(true),
            (None, false) => {
                Target::Products(pb::PurgeProducts { marketplace: self.marketplace, asins: self.what.asins })
            }
        };
        let answer = self.remote.client()?.purge_cache(pb::PurgeCacheRequest { target: Some(target) }).await?;
        self.remote.out().answer(&answer, |answer| {
            let mut page = Page::default();
            let entries = if answer.dropped_count == 1 { "entry" } else { "entries" };
            page.line(format!("Dropped {} {entries} from memory.", format::number(answer.dropped_count)));
            page
        })?;
        Ok(Outcome::Done)
    }
}

/// Asks a question on the terminal. Without a terminal nobody can answer, and the command must say so itself.
fn confirmed(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage("--everything asks first, and there is no terminal; add --yes".to_owned()));
    }
    // The question goes where the answer does not.
    let _ = write!(io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(Failure::local("the answer cannot be read"))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

impl HealthArgs {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let answer = self.remote.client()?.health(&self.service).await?;
        let (word, name) = match answer {
            Health::Serving => ("serving", "SERVING"),
            Health::NotServing => ("not serving", "NOT_SERVING"),
            Health::Unknown => ("no such service", "UNKNOWN"),
        };
        let mut out = self.remote.out();
        match out.style() {
            Some(_) => out.text(&format!("{word}\n"))?,
            None => out.text(&format!("{}\n", json!({ "status": name })))?,
        }
        Ok(if answer == Health::Serving { Outcome::Done } else { Outcome::Nothing })
    }
}

impl From<NamespaceArg> for pb::CacheNamespace {
    fn from(namespace: NamespaceArg) -> Self {
        match namespace {
            NamespaceArg::Products => Self::Products,
            NamespaceArg::Searches => Self::Searches,
            NamespaceArg::Variations => Self::Variations,
            NamespaceArg::BrowseNodes => Self::BrowseNodes,
        }
    }
}

pub(super) fn status_page(answer: &pb::GetStatusResponse, now: SystemTime) -> Page {
    let mut page = Page::default();
    let start = answer.start_time.and_then(|time| SystemTime::try_from(time).ok());
    let up = start.and_then(|start| now.duration_since(start).ok()).map(format::duration);
    let up = up.map_or(String::new(), |up| format!(", up {up}"));
    let sandbox = if answer.is_sandbox { ", in front of the sandbox: all products are invented" } else { "" };
    page.line(format!("Stockroom {}{up}{sandbox}", answer.version));
    answer.accounts.iter().for_each(|account| account_part(&mut page, account, now));
    let columns = [
        Column::new("Cache"),
        Column::number("Entries"),
        Column::number("Size"),
        Column::number("Hits"),
        Column::number("Stale"),
        Column::number("Misses"),
        Column::number("Hit rate"),
    ];
    page.table(&columns, answer.caches.iter().map(cache_row).collect());
    page
}

fn account_part(page: &mut Page, account: &pb::AccountStatus, now: SystemTime) {
    let budget = account.day.unwrap_or_default();
    let queue = account.queue.unwrap_or_default();
    let calls = account.calls.unwrap_or_default();
    let slowed = if account.current_calls_per_second < account.calls_per_second { "; Amazon throttled it" } else { "" };
    let rate = format!("{} of {} calls a second{slowed}", account.current_calls_per_second, account.calls_per_second);
    let ended = format!(
        "{} answered, {} throttled, {} failed, {} refused; {} were retries",
        format::number(calls.answered),
        format::number(calls.throttled),
        format::number(calls.failed),
        format::number(calls.refused),
        format::number(calls.retries)
    );
    let mut facts = vec![
        ("speaks", format::protocol(account.protocol()).to_owned()),
        ("serves", account.marketplaces.iter().map(|name| code(name)).collect::<Vec<_>>().join(" ")),
        ("day", day(&budget, now)),
        ("rate", rate),
        ("queue", queue_words(&queue)),
        ("calls", ended),
        ("asked", asked(&account.breakers)),
        ("breakers", breakers(&account.breakers)),
        ("last error", account.last_error.clone()),
    ];
    let alone = account.own_share_since_time.and_then(|time| SystemTime::try_from(time).ok());
    if let Some(alone) = alone.and_then(|since| now.duration_since(since).ok()) {
        let alone = format::duration(alone);
        facts.push(("budget", format!("this replica's own share for {alone}; Redis does not answer")));
    }
    if account.restarts > 0 {
        facts.push(("restarts", restarts(account)));
    }
    page.heading(format!("Account {}", account.name)).facts(facts);
    let caller = |caller: &pb::CallerSpending| {
        vec![caller.caller.clone(), format::number(caller.spent), caller.limit.map(format::number).unwrap_or_default()]
    };
    let columns = [Column::new("Caller"), Column::number("Spent"), Column::number("Share")];
    page.table(&columns, account.callers.iter().map(caller).collect());
}

fn day(budget: &pb::Budget, now: SystemTime) -> String {
    let next = budget.next_release_time.and_then(|time| SystemTime::try_from(time).ok());
    let next = next.and_then(|next| next.duration_since(now).ok()).map(format::duration);
    let next = next.filter(|_| budget.left == 0).map_or(String::new(), |wait| format!("; the next in {wait}"));
    let (left, limit) = (budget.left, budget.limit);
    let bar = format::bar(left.into(), limit.into());
    format!("{bar} {} of {} calls left{next}", format::number(left), format::number(limit))
}

fn queue_words(queue: &pb::QueueStatus) -> String {
    let wait = format::wire_duration(queue.predicted_wait).filter(|wait| *wait > Duration::ZERO);
    let wait = wait.map_or(String::new(), |wait| format!("; who joins now waits {}", format::duration(wait)));
    format!("{} of {} places taken{wait}", format::number(queue.length), format::number(queue.capacity))
}

fn restarts(account: &pb::AccountStatus) -> String {
    let pause = format::wire_duration(account.paused_for);
    let pause = pause.map_or(String::new(), |pause| format!("; refuses everything for {}", format::duration(pause)));
    format!("{} after defects of the gateway{pause}", format::number(account.restarts))
}

/// The code of a marketplace, or its name where this version does not know it.
fn code(marketplace: &str) -> &str {
    Marketplace::parse(marketplace).map_or(marketplace, |known| known.code())
}

/// What was asked of Amazon, as `GetItems 12, SearchItems 3`.
fn asked(operations: &[pb::BreakerStatus]) -> String {
    let called = operations.iter().filter(|operation| operation.calls > 0);
    called.map(|called| format!("{} {}", called.operation, format::number(called.calls))).collect::<Vec<_>>().join(", ")
}

/// The breakers that hold something back; most of the time there are none.
fn breakers(breakers: &[pb::BreakerStatus]) -> String {
    let tripped = breakers.iter().filter(|breaker| breaker.state() != pb::BreakerState::Closed);
    let tripped: Vec<String> = tripped.map(breaker_words).collect();
    if tripped.is_empty() { "all closed".to_owned() } else { tripped.join("; ") }
}

fn breaker_words(breaker: &pb::BreakerStatus) -> String {
    let state = match breaker.state() {
        pb::BreakerState::Closed => "closed",
        pb::BreakerState::Open => "open",
        pb::BreakerState::HalfOpen => "half open",
        pb::BreakerState::Unspecified => "unknown",
    };
    format!("{} {state}{}", breaker.operation, format::retry_after(format::wire_duration(breaker.retry_after)))
}

fn cache_row(cache: &pb::CacheStatus) -> Vec<String> {
    let lookups = cache.hits.saturating_add(cache.misses);
    let rate = if lookups > 0 { format!("{}%", cache.hits.saturating_mul(100) / lookups) } else { String::new() };
    let kib = |bytes: i64| format!("{} KiB", format::number(bytes / 1024));
    vec![
        cache.tier.clone(),
        format::number(cache.entries),
        kib(cache.size_bytes),
        format::number(cache.hits),
        format::number(cache.stale_hits),
        format::number(cache.misses),
        rate,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::Style;

    #[test]
    fn the_day_is_a_bar_and_a_spent_day_tells_when_it_goes_on() {
        let breaker = |operation: &str, state: pb::BreakerState, seconds| pb::BreakerStatus {
            operation: operation.to_owned(),
            state: state.into(),
            retry_after: (seconds > 0).then_some(prost_types::Duration { seconds, nanos: 0 }),
            ..Default::default()
        };
        let answer = pb::GetStatusResponse {
            version: "1.2.3".to_owned(),
            accounts: vec![pb::AccountStatus {
                name: "main".to_owned(),
                protocol: pb::Protocol::Creators.into(),
                marketplaces: vec!["www.amazon.com".to_owned()],
                own_share_since_time: Some(prost_types::Timestamp { seconds: 0, nanos: 0 }),
                calls_per_second: 1.0,
                current_calls_per_second: 0.5,
                day: Some(pb::Budget {
                    limit: 8640,
                    spent: 8640,
                    left: 0,
                    next_release_time: Some(prost_types::Timestamp { seconds: 90, nanos: 0 }),
                }),
                restarts: 2,
                paused_for: Some(prost_types::Duration { seconds: 3, nanos: 0 }),
                breakers: vec![
                    breaker("GetItems", pb::BreakerState::Closed, 0),
                    breaker("SearchItems", pb::BreakerState::Open, 30),
                ],
                ..Default::default()
            }],
            ..Default::default()
        };
        let expected = "\
Stockroom 1.2.3

Account main
  speaks    Creators API
  serves    US
  day       ░░░░░░░░░░░░░░░░░░░░ 0 of 8,640 calls left; the next in 1m
  rate      0.5 of 1 calls a second; Amazon throttled it
  queue     0 of 0 places taken
  calls     0 answered, 0 throttled, 0 failed, 0 refused; 0 were retries
  breakers  SearchItems open; try again in 30s
  budget    this replica's own share for 0ms; Redis does not answer
  restarts  2 after defects of the gateway; refuses everything for 3s
";
        assert_eq!(status_page(&answer, SystemTime::UNIX_EPOCH).render(Style::Text(None)), expected);
    }

    #[test]
    fn no_value_of_a_server_makes_a_page_panic() {
        let time = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: i32::MIN });
        let wait = Some(prost_types::Duration { seconds: i64::MIN, nanos: i32::MAX });
        let account = pb::AccountStatus {
            name: "\u{1b}[2J".to_owned(),
            own_share_since_time: time,
            day: Some(pb::Budget { limit: i32::MAX, spent: i32::MIN, left: i32::MIN, next_release_time: time }),
            queue: Some(pb::QueueStatus { length: i32::MIN, capacity: i32::MIN, predicted_wait: wait }),
            calls_per_second: f64::NAN,
            current_calls_per_second: f64::INFINITY,
            protocol: 77,
            ..Default::default()
        };
        let cache = pb::CacheStatus { hits: i64::MAX, misses: i64::MAX, size_bytes: i64::MIN, ..Default::default() };
        let status = pb::GetStatusResponse {
            start_time: time,
            accounts: vec![account],
            caches: vec![cache],
            ..Default::default()
        };
        for style in [Style::Text(Some(1)), Style::Text(Some(60)), Style::Text(None), Style::Markdown] {
            assert!(!status_page(&status, SystemTime::now()).render(style).contains('\u{1b}'));
        }
        let cost = pb::Cost { from_memory: i32::MAX, from_redis: i32::MAX, ..Default::default() };
        assert!(format::cost(Some(&cost)).contains("from cache"));
    }
}
