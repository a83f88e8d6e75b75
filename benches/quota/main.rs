//! What an account's calls are worth: two simulated days of look-ups through the real cache and dispatcher.
//!
//! A seeded workload, Zipf over the ids, one to ten ids a request, is played on a clock that jumps from event to event, so
//! that two days take seconds. Amazon is a counter in this process that takes half a second, allows one call a second and
//! 8,640 in any 24 hours, and throttles beyond that: sockets know nothing of a clock that jumps. Beside the calls of the
//! second day stand, for the same look-ups and with unlimited speed:
//!
//! - the minimum: every id fetched once a lifetime, ten to a call
//! - a per-item cache that makes a call for each request that misses anything
//! - a memoizer that keeps whole answers by their list of ids
//!
//! The first row is mixed traffic, and so is the last: one request in ten is a page of a search and one in twenty a page of variations, and one in
//! twenty comes from a bulk caller. In the first of them the process is restarted in the middle of the second day. Without
//! Redis a restart loses the cache, so its minimum fetches again what is asked for after it. In the second two replicas share
//! a real Redis; both are restarted in the middle of the second day, and Redis is flushed eight hours later. That row needs
//! redis-server and a C compiler, takes a quarter of an hour, and is played with `QUOTA_REDIS=1` only.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench, and the environment selects its rows"
)]

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use amazon_catalog::{
    Asin, CatalogRequest, CatalogResponse, Items, Locale, Marketplace, SearchItems, SearchPage, Upstream,
    VariationsPage,
};
use fastrand::Rng;
use futures_util::{FutureExt, future::BoxFuture};
use stockroom::{
    cache::Cache,
    catalog::{AnswerStore, Catalog, CostCounter, ProductMask, ReadContext, SearchPlan},
    clock::Clock,
    config,
    dispatch::{AnswerSink, Dispatch, Options, Priority, RequestContext, Sharing},
    store::Store,
};
use stockroom_proto::pb;
use tokio::time::{Instant, sleep, sleep_until};

mod shared;
#[path = "../../tests/support/stepped_clock.rs"]
mod stepped_clock;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const RESTART_AT: Duration = Duration::from_secs(36 * 3600);
const CALLS_PER_DAY: u32 = 8640;
const CALL_TAKES: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
struct Scenario {
    ids: usize,
    skew: f64,
    lookups_per_second: f64,
    lifetime: Lifetime,
    is_mixed: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Lifetime {
    /// Nobody wants offers: fresh for all of the 24 hours that the terms allow.
    Day,
    /// Everybody wants offers: fresh for an hour, and stale-while-revalidate up to the ceiling.
    HourOfOffers,
}

struct Request {
    at: Duration,
    what: What,
    is_bulk: bool,
}

#[derive(Clone)]
enum What {
    Products(Vec<u32>),
    /// A page of a search, by its query.
    Search(u32),
    /// A page of a variation family, by its parent.
    Variations(u32),
}

#[derive(Default)]
struct Response {
    lookups: u64,
    waits: Vec<Duration>,
    stale: u64,
    refused: u64,
    known_waited: u64,
}

#[derive(Debug, Default)]
struct Counter {
    calls: Mutex<VecDeque<Instant>>,
    throttled: Mutex<u32>,
}

impl Upstream for Counter {
    fn protocol(&self) -> pb::Protocol {
        pb::Protocol::Creators
    }

    fn call<'a>(
        &'a self,
        question: &'a CatalogRequest,
        _: Duration,
    ) -> BoxFuture<'a, Result<CatalogResponse, amazon_catalog::Error>> {
        let now = Instant::now();
        let mut calls = self.calls.lock().unwrap();
        let in_a_day = calls.iter().rev().take_while(|at| now - **at < DAY).count();
        let too_soon = calls.back().is_some_and(|at| now - *at < Duration::from_millis(999));
        calls.push_back(now);
        if too_soon || in_a_day >= CALLS_PER_DAY as usize {
            *self.throttled.lock().unwrap() += 1;
        }
        async move {
            sleep(CALL_TAKES).await;
            let product = |asin: &Asin| pb::Product { asin: asin.to_string(), ..Default::default() };
            let page = |page: u32| on_page(page).map(|id| Some(product(&asin(id)))).collect();
            Ok(match question {
                CatalogRequest::Items(items) => CatalogResponse::Items(Items {
                    products: items.asins.iter().map(product).collect(),
                    ..Items::default()
                }),
                CatalogRequest::Search(search) => CatalogResponse::Search(SearchPage {
                    places: page(search.keywords.as_ref().unwrap().parse().unwrap()),
                    total_results: Some(10),
                    ..SearchPage::default()
                }),
                CatalogRequest::Variations(family) => CatalogResponse::Variations(Some(VariationsPage {
                    places: page(family.asin.as_str()[1..].parse().unwrap()),
                    page_count: Some(1),
                    ..VariationsPage::default()
                })),
                _ => unreachable!("nothing else is asked for"),
            })
        }
        .boxed()
    }
}

impl Request {
    /// The products that are asked for; `None` where it is for a page.
    fn asins(&self) -> Option<Vec<Asin>> {
        match &self.what {
            What::Products(ids) => Some(ids.iter().map(|id| asin(*id)).collect()),
            What::Search(_) | What::Variations(_) => None,
        }
    }
}

/// Reads a page. What becomes of it is counted at Amazon.
async fn read_page(catalog: Catalog, read: ReadContext, what: What) {
    let mut cost = CostCounter::default();
    match what {
        What::Search(page) => {
            let first_page = SearchItems { keywords: Some(page.to_string()), ..SearchItems::new(read.locale) };
            let plan = SearchPlan { first_page, min_rating: None };
            drop(catalog.search_page(&read, &plan, 0, 10, &mut HashSet::new(), &mut cost).await);
        }
        What::Variations(page) => drop(catalog.variations(&read, asin(page), 0, 10, &mut cost).await),
        What::Products(_) => {}
    }
}

impl Scenario {
    fn lifetime(self) -> Duration {
        match self.lifetime {
            Lifetime::Day => DAY,
            Lifetime::HourOfOffers => HOUR,
        }
    }

    /// Two days of requests, the same on every run.
    fn workload(self) -> Vec<Request> {
        let mut random = Rng::with_seed(42);
        let mut shares: Vec<f64> = (1..=self.ids).map(|rank| (rank as f64).powf(-self.skew)).collect();
        let whole: f64 = shares.iter().sum();
        let mut reached = 0.0;
        for share in &mut shares {
            reached += *share / whole;
            *share = reached;
        }
        let (mut requests, mut at) = (Vec::new(), 0.0);
        loop {
            let count = random.usize(1..=10);
            at += -(1.0 - random.f64()).ln() * count as f64 / self.lookups_per_second;
            if at >= 2.0 * DAY.as_secs_f64() {
                return requests;
            }
            let mut draw = || {
                let drawn = random.f64();
                shares.partition_point(|reached| *reached < drawn) as u32
            };
            let first = draw();
            let mut ids = vec![first];
            while ids.len() < count {
                let id = draw();
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            let (kind, bulk) = if self.is_mixed { (random.u32(0..20), random.u32(0..20)) } else { (19, 19) };
            let what = match kind {
                0 | 1 => What::Search(first / 10),
                2 => What::Variations(first / 10),
                _ => What::Products(ids),
            };
            requests.push(Request { at: Duration::from_secs_f64(at), what, is_bulk: bulk == 0 });
        }
    }

    fn catalog(self, amazon: &Arc<Counter>, clock: Clock) -> Catalog {
        self.replica(amazon, clock, None)
    }

    /// A gateway over a Redis, if there is one.
    fn replica(self, amazon: &Arc<Counter>, clock: Clock, store: Option<Store>) -> Catalog {
        let options = config::CacheConfig {
            memory_bytes: 8 << 30,
            offers_fresh: HOUR,
            catalog_fresh: DAY,
            offers_stale: DAY,
            ceiling: DAY,
        };
        let cache = match store.clone() {
            Some(store) => Cache::shared(&options, store, [(marketplace(), "example-20".to_owned())]),
            None => Cache::new(&options),
        };
        let cache = Arc::new(cache.with_clock(clock));
        let replicas = if store.is_some() { 2 } else { 1 };
        let account = Options {
            name: "bench".to_owned(),
            marketplaces: vec![marketplace()],
            calls_per_second: 1.0,
            calls_per_day: CALLS_PER_DAY,
            timeout: Duration::from_secs(5),
            queue_capacity: 1000,
            upstream: Arc::clone(amazon) as Arc<dyn Upstream>,
            answers: Arc::new(AnswerStore::new(Arc::clone(&cache))) as Arc<dyn AnswerSink>,
            refresh_queue: cache.refresh_queue(),
            clock,
            sharing: Sharing { store, replicas, replica_index: None },
            tracer: <_>::default(),
        };
        Catalog::new(cache, Dispatch::start(vec![account]))
    }

    fn read_context(self) -> ReadContext {
        let part = match self.lifetime {
            Lifetime::Day => pb::ProductPart::Info,
            Lifetime::HourOfOffers => pb::ProductPart::Offers,
        };
        let deadline = Instant::now() + PATIENCE;
        let terms = RequestContext::new("bench", deadline);
        let parts = ProductMask::from_parts([part]);
        ReadContext { parts, ..ReadContext::new(Locale::of(marketplace()), terms, deadline) }
    }

    /// Plays the workload. Returns the calls of the second day, the outcomes of its look-ups and the throttled calls.
    fn play(self, workload: &[Request]) -> (usize, Response, u32) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let amazon = Arc::new(Counter::default());
            let clock = Clock::simulated();
            let mut catalog = self.catalog(&amazon, clock);
            let mut is_restarted = !self.is_mixed;
            let start = Instant::now();
            let results = Arc::new(Mutex::new(Response::default()));
            let fetched: Arc<Mutex<HashMap<Asin, Instant>>> = Arc::default();
            for request in workload {
                sleep_until(start + request.at).await;
                if !is_restarted && request.at >= RESTART_AT {
                    is_restarted = true;
                    catalog.stop().await;
                    catalog = self.catalog(&amazon, clock);
                }
                let (catalog, results, fetched) = (catalog.clone(), Arc::clone(&results), Arc::clone(&fetched));
                let (mut read_context, is_counted) = (self.read_context(), request.at >= DAY);
                if request.is_bulk {
                    read_context.terms.priority = Priority::Bulk;
                }
                let Some(asins) = request.asins() else {
                    tokio::spawn(read_page(catalog, read_context, request.what.clone()));
                    continue;
                };
                tokio::spawn(async move {
                    let asked = Instant::now();
                    let mut known = catalog.products(&read_context, asins).await;
                    while let Some(known) = known.next().await {
                        let now = Instant::now();
                        let waited = now > asked;
                        let before = match known.calls.is_empty() {
                            false if known.outcome.is_ok() => fetched.lock().unwrap().insert(known.asin, now),
                            _ => fetched.lock().unwrap().get(&known.asin).copied(),
                        };
                        if !is_counted {
                            continue;
                        }
                        let mut results = results.lock().unwrap();
                        results.lookups += 1;
                        match &known.outcome {
                            Ok(found) => results.stale += u64::from(found.freshness.is_stale),
                            Err(_) => results.refused += 1,
                        }
                        if waited {
                            results.waits.push(now - asked);
                            results.known_waited +=
                                u64::from(before.is_some_and(|before| asked - before.min(asked) < DAY));
                        }
                    }
                });
            }
            sleep_until(start + 2 * DAY).await;
            let calls = amazon.calls.lock().unwrap().iter().filter(|at| **at - start >= DAY).count();
            let results = std::mem::take(&mut *results.lock().unwrap());
            let throttled = *amazon.throttled.lock().unwrap();
            (calls, results, throttled)
        })
    }

    /// The calls of the second day by the minimum, by a per-item cache and by a memoizer of whole answers.
    fn others(self, workload: &[Request], loses_cache: bool) -> (f64, usize, usize) {
        let lifetime = self.lifetime();
        let (mut items, mut lists) = (HashMap::<u32, Duration>::new(), HashMap::<Vec<u32>, Duration>::new());
        let (mut fetches, mut calls, mut memoized) = (0, 0, 0);
        let mut pages = HashMap::<(bool, u32), Duration>::new();
        let (mut page_calls, mut is_restarted) = (0, !loses_cache);
        for request in workload {
            if !is_restarted && request.at >= RESTART_AT {
                is_restarted = true;
                items.clear();
                pages.clear();
            }
            let counts = usize::from(request.at >= DAY);
            let is_old = |at: Option<&Duration>| at.is_none_or(|at| request.at - *at >= lifetime);
            let (ids, page) = match &request.what {
                What::Products(ids) => (ids.clone(), None),
                What::Search(page) => (on_page(*page).collect(), Some((true, *page))),
                What::Variations(page) => (on_page(*page).collect(), Some((false, *page))),
            };
            if let Some(page) = page
                && is_old(pages.get(&page))
            {
                page_calls += counts;
                pages.insert(page, request.at);
                items.extend(ids.iter().map(|id| (*id, request.at)));
            }
            let missing: Vec<u32> = ids.iter().copied().filter(|id| is_old(items.get(id))).collect();
            fetches += counts * missing.len();
            calls += counts * usize::from(!missing.is_empty());
            items.extend(missing.into_iter().map(|id| (id, request.at)));
            let mut list = ids;
            list.sort_unstable();
            if is_old(lists.get(&list)) {
                memoized += counts;
                lists.insert(list, request.at);
            }
        }
        let (fetches, calls) = (fetches + 10 * page_calls, calls + page_calls);
        (fetches as f64 / 10.0, calls, memoized)
    }
}

fn main() {
    println!(
        "| lifetime | ids | skew | look-ups/s | calls, day 2 | minimum | ratio | per item | memoizer | waited | p50 / p99 | stale | refused |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mixed = Scenario { ids: 5_000, skew: 0.9, lookups_per_second: 9.0, lifetime: Lifetime::Day, is_mixed: true };
    let restarted = report(mixed);
    let mut first_goal = 0.0;
    for lifetime in [Lifetime::Day, Lifetime::HourOfOffers] {
        for (ids, skew) in [(5_000, 0.9), (5_000, 1.1), (50_000, 0.9), (50_000, 1.1)] {
            for lookups_per_second in [2.0, 9.0, 20.0] {
                let scenario = Scenario { ids, skew, lookups_per_second, lifetime, is_mixed: false };
                let ratio = report(scenario);
                if lifetime == Lifetime::Day && ids == 5_000 {
                    first_goal = f64::max(first_goal, ratio);
                }
            }
        }
    }
    println!("\nMixed traffic and a restart without Redis: calls/minimum = {restarted:.2}");
    if std::env::var_os("QUOTA_REDIS").is_some() {
        let (calls, minimum, throttled) = shared::play(mixed);
        let ratio = calls as f64 / minimum;
        println!(
            "Mixed traffic, two replicas with Redis, both restarted, Redis flushed: {calls} calls of {minimum:.0},"
        );
        println!("{throttled} of them throttled: calls/minimum = {ratio:.2}");
    }
    println!("The largest of the 24 h rows of 5,000 ids:");
    println!("calls/minimum = {first_goal:.2}");
}

fn report(scenario: Scenario) -> f64 {
    let workload = scenario.workload();
    let (minimum, per_item, memoized) = scenario.others(&workload, scenario.is_mixed);
    let (calls, mut results, throttled) = scenario.play(&workload);
    assert_eq!(throttled, 0, "Amazon would have throttled");
    results.waits.sort_unstable();
    let at = |share: f64| {
        results.waits.get((results.waits.len() as f64 * share) as usize).map_or(0.0, Duration::as_secs_f64)
    };
    let percent = |count: u64| 100.0 * count as f64 / results.lookups as f64;
    let name = match scenario.lifetime {
        _ if scenario.is_mixed => "24 h, mixed",
        Lifetime::Day => "24 h",
        Lifetime::HourOfOffers => "1 h offers",
    };
    let ratio = calls as f64 / minimum;
    println!(
        "| {name} | {} | {} | {} | {calls} | {minimum:.0} | {ratio:.2} | {per_item} | {memoized} | {} ({:.2} %), {} of them known | {:.1} / {:.1} s | {:.1} % | {:.2} % |",
        scenario.ids,
        scenario.skew,
        scenario.lookups_per_second,
        results.waits.len(),
        percent(results.waits.len() as u64),
        results.known_waited,
        at(0.5),
        at(0.99),
        percent(results.stale),
        percent(results.refused),
    );
    ratio
}

fn marketplace() -> Marketplace {
    Marketplace::parse("US").unwrap()
}

/// The products of a page, of a search or of a family.
fn on_page(page: u32) -> impl Iterator<Item = u32> {
    (0..10).map(move |n| page * 10 + n)
}

fn asin(id: u32) -> Asin {
    Asin::parse(&format!("B{id:09}")).unwrap()
}
