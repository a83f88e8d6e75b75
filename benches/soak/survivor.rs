//! Of four gateways three are killed: how soon the one that is left makes the calls of all.
//!
//! More searches than the account has calls are asked all the time, each with words of its own, so that each needs a call. The
//! sandbox counts the calls, and refuses more than the account's in any second.

use std::time::Duration;

use stockroom_client::Client;
use stockroom_proto::pb::{SearchProductsRequest, SearchQuery};
use tokio::{
    task::JoinSet,
    time::{Instant, interval, sleep},
};

use super::parts::{CALLS_PER_SECOND, Gateway, Redis, RedisKind, Sandbox};

const NAMES: [&str; 4] = ["gateway-0", "gateway-1", "gateway-2", "gateway-3"];
/// Searches a second, over all gateways that run.
const SEARCHES_PER_SECOND: u32 = 2 * CALLS_PER_SECOND;
/// How long calls are counted for a rate.
const WINDOW: Duration = Duration::from_secs(10);
/// How soon the survivor must make its calls, and how many a second.
const WITHIN: Duration = Duration::from_secs(180);
const MIN_RATE: f64 = 0.9 * CALLS_PER_SECOND as f64;

/// What became of the account's calls.
pub(crate) struct Survivor {
    /// The calls a second of all four.
    pub(crate) before: f64,
    /// The calls a second of the one that was left, window by window.
    pub(crate) after: Vec<f64>,
    /// How long it took until it made enough of them.
    pub(crate) recovered_in: Option<Duration>,
    pub(crate) over_the_limits: usize,
}

impl Survivor {
    pub(crate) async fn run() -> Self {
        let (redis, sandbox) = (Redis::start(RedisKind::Single).await, Sandbox::start().await);
        let mut gateways = Vec::new();
        for name in NAMES {
            gateways.push(Gateway::start(name, &sandbox, &redis, NAMES.len()).await);
        }
        let mut load = search(gateways.iter().map(|gateway| gateway.client.clone()).collect());
        // Past the time that a new Redis is given to hear of all replicas.
        sleep(WINDOW / 2).await;
        let before = rate(&sandbox).await;
        gateways.drain(1..).for_each(drop);
        load.shutdown().await;
        let _load = search(gateways.iter().map(|gateway| gateway.client.clone()).collect());
        let (killed_at, mut after, mut recovered_in) = (Instant::now(), Vec::new(), None);
        while recovered_in.is_none() && killed_at.elapsed() < WITHIN {
            let rate = rate(&sandbox).await;
            after.push(rate);
            recovered_in = (rate >= MIN_RATE).then(|| killed_at.elapsed());
        }
        // It goes on like that.
        after.push(rate(&sandbox).await);
        recovered_in = recovered_in.filter(|_| after.last().is_some_and(|rate| *rate >= MIN_RATE));
        Self { before, after, recovered_in, over_the_limits: sandbox.counts().await.over_the_limits }
    }
}

/// Searches in turn through the clients, until the set is dropped.
fn search(clients: Vec<Client>) -> JoinSet<()> {
    let mut load = JoinSet::new();
    load.spawn(async move {
        let (mut turns, mut searches) = (interval(Duration::from_secs(1) / SEARCHES_PER_SECOND), JoinSet::new());
        for client in clients.iter().cycle() {
            turns.tick().await;
            while searches.try_join_next().is_some() {}
            let client = client.clone();
            searches.spawn(async move {
                let query = SearchQuery { keywords: format!("lamp {}", fastrand::u64(..)), ..Default::default() };
                let request = SearchProductsRequest { query: Some(query), page_size: 10, ..Default::default() };
                // Half of them are refused: there are not calls enough.
                let _ = client.search_products(request).await;
            });
        }
    });
    load
}

/// The calls a second of the next window.
async fn rate(sandbox: &Sandbox) -> f64 {
    let (start, before) = (Instant::now(), sandbox.counts().await.calls);
    sleep(WINDOW).await;
    (sandbox.counts().await.calls - before) as f64 / start.elapsed().as_secs_f64()
}
