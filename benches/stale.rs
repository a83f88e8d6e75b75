//! What stale reads cost while Amazon does not answer: memory, and calls.
//!
//! A hundred products and ten pages of searches are read once and become stale. Then Amazon falls silent, and five thousand
//! reads a second go on, half of the time of products and half of pages. Every read is answered with what is stale. At no time
//! may a key be in two calls, and the memory of the process may not grow with the reads. Takes two minutes, or `STALE_SECONDS`;
//! exit code 1 where something does not hold.
//!
//! First a memory tier is filled past its bound with answers of a few bytes, for which its estimate matters most: the process
//! may take no more for it than the tier believes that it holds.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench, and the environment sets its length"
)]

use std::{
    collections::{HashMap, HashSet},
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use amazon_catalog::{
    Asin, CatalogRequest, CatalogResponse, Error, Items, Locale, Marketplace, SearchItems, SearchPage, Snapshot,
    Upstream,
};
use futures_util::{FutureExt, future::BoxFuture};
use stockroom::{
    cache::Cache,
    catalog::{AnswerStore, Catalog, CostCounter, ReadContext, SearchPlan},
    clock::Clock,
    config,
    dispatch::{AnswerSink, Dispatch, Options, RequestContext, Sharing},
};
use stockroom_proto::pb;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

const PRODUCTS: u32 = 100;
const PAGES: u32 = 10;
const READS_PER_SECOND: u32 = 5000;
const TICK: Duration = Duration::from_millis(10);
const FRESH: Duration = Duration::from_secs(2);
const DEFAULT_SECONDS: u64 = 120;
const MAX_GROWTH: u64 = 5 << 20;
/// The bound of a full memory tier, and the part by which the process may take more for it: its allocator's share.
const FULL_BYTES: u64 = 64 << 20;
const MAX_EXCESS: f64 = 0.1;

/// Answers until it falls silent. Counts how many calls carry a key at the same time.
#[derive(Debug, Default)]
struct Amazon {
    is_silent: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: usize,
    in_flight: HashMap<String, usize>,
    most_of_a_key: usize,
}

impl Amazon {
    fn enter(&self, keys: &[String]) {
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        for key in keys {
            let calls = state.in_flight.entry(key.clone()).or_default();
            *calls += 1;
            let calls = *calls;
            state.most_of_a_key = state.most_of_a_key.max(calls);
        }
    }

    fn leave(&self, keys: &[String]) {
        let mut state = self.state.lock().unwrap();
        keys.iter().for_each(|key| *state.in_flight.entry(key.clone()).or_default() -= 1);
    }
}

impl Upstream for Amazon {
    fn protocol(&self) -> pb::Protocol {
        pb::Protocol::Paapi5
    }

    fn call<'a>(
        &'a self,
        request: &'a CatalogRequest,
        within: Duration,
    ) -> BoxFuture<'a, Result<CatalogResponse, Error>> {
        let keys: Vec<String> = match request {
            CatalogRequest::Items(items) => items.asins.iter().map(ToString::to_string).collect(),
            other => vec![format!("{other:?}")],
        };
        self.enter(&keys);
        async move {
            if self.is_silent.load(Ordering::Relaxed) {
                sleep(within).await;
                self.leave(&keys);
                return Err(Error::TimedOut { within });
            }
            self.leave(&keys);
            let product = |asin: String| pb::Product { asin, ..Default::default() };
            Ok(match request {
                CatalogRequest::Search(search) => {
                    let page: u32 = search.keywords.as_ref().unwrap().parse().unwrap();
                    let places = (0..10).map(|n| Some(product(asin(page * 10 + n).to_string()))).collect();
                    CatalogResponse::Search(SearchPage { places, total_results: Some(10), ..SearchPage::default() })
                }
                _ => CatalogResponse::Items(Items {
                    products: keys.into_iter().map(product).collect(),
                    ..Items::default()
                }),
            })
        }
        .boxed()
    }
}

fn us() -> Locale {
    Locale::of(Marketplace::parse("US").unwrap())
}

fn asin(n: u32) -> Asin {
    Asin::parse(&format!("B{n:09}")).unwrap()
}

/// Fills a memory tier with twice what it may hold, in answers of this size. Whether the process takes what the tier weighs.
fn weighs_what_it_takes(content_bytes: usize) -> bool {
    let cache = Arc::new(Cache::new(&config::CacheConfig { memory_bytes: FULL_BYTES, ..Default::default() }));
    let answers = AnswerStore::new(Arc::clone(&cache));
    let memory = || cache.stats().into_iter().next().unwrap();
    let (before, mut size_bytes) = (resident_bytes(), 0);
    for n in 0..u32::try_from(2 * FULL_BYTES).unwrap() / (500 + u32::try_from(content_bytes).unwrap()) {
        let content = Ok(vec![7; content_bytes].into());
        let snapshot = Snapshot { fetched_at: SystemTime::now(), protocol: pb::Protocol::Paapi5, content };
        answers.store_item(us(), asin(n), &snapshot);
        if n % 1000 == 0 {
            // Lets the tier drop what is too much.
            size_bytes = memory().size_bytes;
        }
    }
    let (entries, grew) = (memory().entries, resident_bytes().saturating_sub(before));
    let excess = grew as f64 / size_bytes as f64 - 1.0;
    let [weighs, takes] = [size_bytes, grew].map(|bytes| bytes as f64 / f64::from(1 << 20));
    println!("{entries} answers of {content_bytes} bytes weigh {weighs:.1} MB and take {takes:.1} MB\n");
    excess <= MAX_EXCESS
}

fn catalog(amazon: &Arc<Amazon>) -> Catalog {
    let day = Duration::from_secs(24 * 3600);
    let options = config::CacheConfig {
        memory_bytes: 256 << 20,
        offers_fresh: FRESH,
        catalog_fresh: FRESH,
        offers_stale: day,
        ceiling: day,
    };
    let cache = Arc::new(Cache::new(&options));
    let account = Options {
        name: "bench".to_owned(),
        marketplaces: vec![us().marketplace],
        calls_per_second: 10.0,
        calls_per_day: 8640,
        timeout: Duration::from_secs(5),
        queue_capacity: 1000,
        upstream: Arc::clone(amazon) as Arc<dyn Upstream>,
        answers: Arc::new(AnswerStore::new(Arc::clone(&cache))),
        refresh_queue: cache.refresh_queue(),
        clock: Clock::System,
        sharing: Sharing::default(),
        tracer: <_>::default(),
    };
    Catalog::new(cache, Dispatch::start(vec![account]))
}

fn read_context() -> ReadContext {
    let deadline = Instant::now() + Duration::from_secs(10);
    ReadContext::new(us(), RequestContext::new("bench", deadline), deadline)
}

/// Reads one product. Whether it was answered.
async fn read_product(catalog: &Catalog, n: u32) -> bool {
    let mut lookups = catalog.products(&read_context(), [asin(n)]).await;
    lookups.next().await.is_some_and(|lookup| lookup.outcome.is_ok())
}

/// Reads one page of a search. Whether it was answered whole.
async fn read_page(catalog: &Catalog, n: u32) -> bool {
    let first_page = SearchItems { keywords: Some(n.to_string()), ..SearchItems::new(us()) };
    let plan = SearchPlan { first_page, min_rating: None };
    let (mut seen, mut cost) = (HashSet::new(), CostCounter::default());
    let page = catalog.search_page(&read_context(), &plan, 0, 10, &mut seen, &mut cost).await;
    page.is_ok_and(|page| page.products.len() == 10)
}

/// The memory of this process.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Reads for so long, at the rate. Returns how many reads there were, and how many were not answered.
async fn storm(seconds: u64, read: impl AsyncFn(u32) -> bool) -> (u64, u64) {
    let (mut reads, mut failed) = (0, 0);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        ticks.tick().await;
        for _ in 0..READS_PER_SECOND / 100 {
            reads += 1;
            failed += u64::from(!read(fastrand::u32(..)).await);
        }
    }
    (reads, failed)
}

#[tokio::main]
async fn main() -> ExitCode {
    let seconds = std::env::var("STALE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let seconds = seconds.unwrap_or(DEFAULT_SECONDS) / 2;
    let weighs = weighs_what_it_takes(16);
    let amazon = Arc::new(Amazon::default());
    let catalog = catalog(&amazon);
    for n in 0..PRODUCTS {
        assert!(read_product(&catalog, n).await, "product {n}");
    }
    for n in 0..PAGES {
        assert!(read_page(&catalog, n).await, "page {n}");
    }
    amazon.is_silent.store(true, Ordering::Relaxed);
    sleep(FRESH + FRESH / 10).await;
    // What the first reads of each kind allocate once is not growth.
    storm(2, async |n| read_product(&catalog, n % PRODUCTS).await & read_page(&catalog, n % PAGES).await).await;
    println!(
        "| stale reads of | reads | a second | not answered | calls | most calls of a key at once | memory grew by |"
    );
    println!("|---|---|---|---|---|---|---|");
    let products = report("products", seconds, &amazon, async |n| read_product(&catalog, n % PRODUCTS).await).await;
    let pages = report("pages", seconds, &amazon, async |n| read_page(&catalog, n % PAGES).await).await;
    if products && pages && weighs { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn report(what: &str, seconds: u64, amazon: &Amazon, read: impl AsyncFn(u32) -> bool) -> bool {
    let (before, calls) = (resident_bytes(), amazon.state.lock().unwrap().calls);
    let start = Instant::now();
    let (reads, failed) = storm(seconds, read).await;
    let per_second = reads as f64 / start.elapsed().as_secs_f64();
    let grew = resident_bytes().saturating_sub(before);
    let state = amazon.state.lock().unwrap();
    let (calls, most) = (state.calls - calls, state.most_of_a_key);
    let megabytes = grew as f64 / f64::from(1 << 20);
    println!("| {what} | {reads} | {per_second:.0} | {failed} | {calls} | {most} | {megabytes:.1} MB |");
    failed == 0 && most <= 1 && grew < MAX_GROWTH
}
