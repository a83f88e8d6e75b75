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

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, missing_docs, reason = "a bench")]

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use amazon_catalog::{Asin, CatalogRequest, CatalogResponse, Items, Locale, Marketplace, Upstream};
use fastrand::Rng;
use futures_util::{FutureExt, future::BoxFuture};
use stockroom::{
    cache::Cache,
    catalog::{Catalog, ProductMask, ReadContext},
    clock::Clock,
    config,
    dispatch::{AnswerSink, Dispatch, Options, Priority, RequestContext},
};
use stockroom_proto::pb;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const CALLS_PER_DAY: u32 = 8640;
const CALL_TAKES: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
struct Scenario {
    ids: usize,
    skew: f64,
    lookups_per_second: f64,
    lifetime: Lifetime,
}

#[derive(Clone, Copy, PartialEq)]
enum Lifetime {
    /// Nobody wants offers: fresh for all of the 24 hours that the terms allow.
    Day,
    /// Everybody wants offers: fresh for an hour, told while a refresh is under way up to the ceiling.
    HourOfOffers,
}

struct Request {
    at: Duration,
    ids: Vec<u32>,
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
            let CatalogRequest::Items(items) = question else { unreachable!("only products are asked for") };
            let product = |asin: &Asin| pb::Product { asin: asin.to_string(), ..Default::default() };
            Ok(CatalogResponse::Items(Items {
                products: items.asins.iter().map(product).collect(),
                ..Items::default()
            }))
        }
        .boxed()
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
            let mut ids = Vec::with_capacity(count);
            while ids.len() < count {
                let drawn = random.f64();
                let id = shares.partition_point(|reached| *reached < drawn) as u32;
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            requests.push(Request { at: Duration::from_secs_f64(at), ids });
        }
    }

    fn catalog(self, amazon: &Arc<Counter>) -> Catalog {
        let clock = Clock::simulated();
        let options = config::Cache {
            memory_bytes: 8 << 30,
            offers_fresh: HOUR,
            catalog_fresh: DAY,
            offers_stale: DAY,
            ceiling: DAY,
        };
        let cache = Arc::new(Cache::new(&options).with_clock(clock));
        let account = Options {
            name: "bench".to_owned(),
            marketplaces: vec![marketplace()],
            calls_per_second: 1.0,
            calls_per_day: CALLS_PER_DAY,
            timeout: Duration::from_secs(5),
            queue_capacity: 1000,
            upstream: Arc::clone(amazon) as Arc<dyn Upstream>,
            answers: Arc::clone(&cache) as Arc<dyn AnswerSink>,
            clock,
            store: None,
            replicas: 1,
        };
        Catalog::new(cache, Dispatch::start(vec![account]))
    }

    fn read_context(self) -> ReadContext {
        let part = match self.lifetime {
            Lifetime::Day => pb::ProductPart::Info,
            Lifetime::HourOfOffers => pb::ProductPart::Offers,
        };
        let deadline = Instant::now() + PATIENCE;
        ReadContext {
            locale: Locale::of(marketplace()),
            parts: ProductMask::from_parts([part]),
            max_age: None,
            cache_only: false,
            estimate: false,
            terms: RequestContext {
                caller: "bench".into(),
                daily_quota: None,
                weight: 1.0,
                priority: Priority::Interactive,
                deadline,
                abandoned: CancellationToken::new(),
            },
            give_up: deadline,
        }
    }

    /// Plays the workload, and tells the calls of the second day and what its look-ups were told.
    fn play(self, workload: &[Request]) -> (usize, Response, u32) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let amazon = Arc::new(Counter::default());
            let catalog = self.catalog(&amazon);
            let start = Instant::now();
            let told = Arc::new(Mutex::new(Response::default()));
            let fetched: Arc<Mutex<HashMap<Asin, Instant>>> = Arc::default();
            for request in workload {
                sleep_until(start + request.at).await;
                let asins: Vec<Asin> = request.ids.iter().map(|id| asin(*id)).collect();
                let (catalog, told, fetched) = (catalog.clone(), Arc::clone(&told), Arc::clone(&fetched));
                let (read_context, is_counted) = (self.read_context(), request.at >= DAY);
                tokio::spawn(async move {
                    let asked = Instant::now();
                    let mut known = catalog.products(&read_context, asins).await;
                    while let Some(known) = known.next().await {
                        let now = Instant::now();
                        let waited = now > asked;
                        let before = match known.call {
                            Some(_) if known.outcome.is_ok() => fetched.lock().unwrap().insert(known.asin, now),
                            _ => fetched.lock().unwrap().get(&known.asin).copied(),
                        };
                        if !is_counted {
                            continue;
                        }
                        let mut told = told.lock().unwrap();
                        told.lookups += 1;
                        match &known.outcome {
                            Ok(found) => told.stale += u64::from(found.freshness.is_stale),
                            Err(_) => told.refused += 1,
                        }
                        if waited {
                            told.waits.push(now - asked);
                            told.known_waited +=
                                u64::from(before.is_some_and(|before| asked - before.min(asked) < DAY));
                        }
                    }
                });
            }
            sleep_until(start + 2 * DAY).await;
            let calls = amazon.calls.lock().unwrap().iter().filter(|at| **at - start >= DAY).count();
            let told = std::mem::take(&mut *told.lock().unwrap());
            let throttled = *amazon.throttled.lock().unwrap();
            (calls, told, throttled)
        })
    }

    /// The calls of the second day by the minimum, by a per-item cache and by a memoizer of whole answers.
    fn others(self, workload: &[Request]) -> (f64, usize, usize) {
        let lifetime = self.lifetime();
        let (mut items, mut lists) = (HashMap::<u32, Duration>::new(), HashMap::<Vec<u32>, Duration>::new());
        let (mut fetches, mut calls, mut memoized) = (0, 0, 0);
        for request in workload {
            let counts = usize::from(request.at >= DAY);
            let is_old = |at: Option<&Duration>| at.is_none_or(|at| request.at - *at >= lifetime);
            let missing: Vec<u32> = request.ids.iter().copied().filter(|id| is_old(items.get(id))).collect();
            fetches += counts * missing.len();
            calls += counts * usize::from(!missing.is_empty());
            items.extend(missing.into_iter().map(|id| (id, request.at)));
            let mut list = request.ids.clone();
            list.sort_unstable();
            if is_old(lists.get(&list)) {
                memoized += counts;
                lists.insert(list, request.at);
            }
        }
        (fetches as f64 / 10.0, calls, memoized)
    }
}

fn main() {
    println!(
        "| lifetime | ids | skew | look-ups/s | calls, day 2 | minimum | ratio | per item | memoizer | waited | p50 / p99 | stale | refused |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut first_goal = 0.0;
    for lifetime in [Lifetime::Day, Lifetime::HourOfOffers] {
        for (ids, skew) in [(5_000, 0.9), (5_000, 1.1), (50_000, 0.9), (50_000, 1.1)] {
            for lookups_per_second in [2.0, 9.0, 20.0] {
                let scenario = Scenario { ids, skew, lookups_per_second, lifetime };
                let ratio = report(scenario);
                if lifetime == Lifetime::Day && ids == 5_000 {
                    first_goal = f64::max(first_goal, ratio);
                }
            }
        }
    }
    println!("\nThe largest of the 24 h rows of 5,000 ids:");
    println!("calls/minimum = {first_goal:.2}");
}

fn report(scenario: Scenario) -> f64 {
    let workload = scenario.workload();
    let (minimum, per_item, memoized) = scenario.others(&workload);
    let (calls, mut told, throttled) = scenario.play(&workload);
    assert_eq!(throttled, 0, "Amazon would have throttled");
    told.waits.sort_unstable();
    let at = |share: f64| told.waits.get((told.waits.len() as f64 * share) as usize).map_or(0.0, Duration::as_secs_f64);
    let percent = |count: u64| 100.0 * count as f64 / told.lookups as f64;
    let name = if scenario.lifetime == Lifetime::Day { "24 h" } else { "1 h offers" };
    let ratio = calls as f64 / minimum;
    println!(
        "| {name} | {} | {} | {} | {calls} | {minimum:.0} | {ratio:.2} | {per_item} | {memoized} | {} ({:.2} %), {} of them known | {:.1} / {:.1} s | {:.1} % | {:.2} % |",
        scenario.ids,
        scenario.skew,
        scenario.lookups_per_second,
        told.waits.len(),
        percent(told.waits.len() as u64),
        told.known_waited,
        at(0.5),
        at(0.99),
        percent(told.stale),
        percent(told.refused),
    );
    ratio
}

fn marketplace() -> Marketplace {
    Marketplace::parse("US").unwrap()
}

fn asin(id: u32) -> Asin {
    Asin::parse(&format!("B{id:09}")).unwrap()
}
