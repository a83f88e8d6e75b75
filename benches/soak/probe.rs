//! Finds out when all is well again, by asking as a caller would.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use stockroom_client::{Client, Error};
use stockroom_proto::pb::{GetProductRequest, ReadOptions};
use tokio::time::{Instant, sleep};

use super::{
    load::{HOT, get_products},
    phase::Recovery,
};

/// Longer than any pause of the gateway's own after failures.
const LONGEST: Duration = Duration::from_secs(45);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Probe {
    clients: [Client; 2],
    hot: Vec<String>,
    next: AtomicU32,
}

/// How ids that nobody had read were refused while Amazon was away.
pub(crate) struct Refusals {
    pub(crate) asked: usize,
    /// Those that said when to try again.
    pub(crate) with_a_time: usize,
    pub(crate) slowest: Duration,
    /// The longest of the times that they said.
    pub(crate) longest: Duration,
    /// The latest of the times that they said.
    pub(crate) until: Instant,
}

impl Probe {
    pub(crate) fn new(clients: [Client; 2], popular: &[String]) -> Self {
        Self { clients, hot: popular[..HOT].to_vec(), next: AtomicU32::new(0) }
    }

    /// Until both gateways have in memory what is read all the time.
    pub(crate) async fn until_warm(&self) -> Recovery {
        until(async || {
            let [one, other] = self.clients.each_ref().map(|client| get_products(client, self.hot.clone()));
            let told = tokio::join!(one, other);
            [told.0, told.1].iter().all(|cost| cost.as_ref().is_ok_and(|cost| cost.from_memory == HOT as i32))
        })
        .await
    }

    /// Until what one gateway has asked of Amazon is told by the other out of Redis.
    pub(crate) async fn until_shared(&self) -> Recovery {
        until(async || {
            let asin = self.unread();
            self.knows(0, &asin, false).await && self.has_heard_of(1, &asin).await
        })
        .await
    }

    /// Until a gateway tells what is read all the time.
    pub(crate) async fn until_reads(&self, gateway: usize) -> Recovery {
        until(async || self.ask(gateway, &self.hot[0], false).await.is_ok()).await
    }

    /// Until both gateways tell what only Amazon knows.
    pub(crate) async fn until_asked(&self) -> Recovery {
        until(async || {
            let (one, other) = (self.unread(), self.unread());
            let told = tokio::join!(self.knows(0, &one, false), self.knows(1, &other, false));
            told == (true, true)
        })
        .await
    }

    /// Asks both gateways for what nobody has read, while Amazon is away.
    pub(crate) async fn refusals(&self) -> Refusals {
        let (slowest, longest) = (Duration::ZERO, Duration::ZERO);
        let mut refusals = Refusals { asked: 0, with_a_time: 0, slowest, longest, until: Instant::now() };
        for gateway in [0, 1].repeat(5) {
            let asked = Instant::now();
            let refusal = self.ask(gateway, &self.unread(), false).await.err();
            let now = Instant::now();
            refusals.asked += 1;
            refusals.slowest = refusals.slowest.max(now - asked);
            if let Some(wait) = refusal.and_then(|error| error.retry_after) {
                refusals.with_a_time += 1;
                refusals.longest = refusals.longest.max(wait);
                refusals.until = refusals.until.max(now + wait);
            }
        }
        refusals
    }

    /// Redis is told in the background: the answer may be a moment ahead of it.
    async fn has_heard_of(&self, gateway: usize, asin: &str) -> bool {
        for _ in 0..5 {
            if self.knows(gateway, asin, true).await {
                return true;
            }
            sleep(PAUSE).await;
        }
        false
    }

    /// Whether a gateway knows that there is no such product, which only Amazon can tell.
    async fn knows(&self, gateway: usize, asin: &str, cache_only: bool) -> bool {
        let told = self.ask(gateway, asin, cache_only).await;
        told.is_err_and(|error| error.reason == "PRODUCT_NOT_FOUND")
    }

    async fn ask(&self, gateway: usize, asin: &str, cache_only: bool) -> Result<(), Error> {
        let options = Some(ReadOptions { cache_only, ..Default::default() });
        self.clients[gateway].get_product(GetProductRequest { asin: asin.to_owned(), options }).await.map(|_| ())
    }

    /// An id that nobody has read, and no product has.
    fn unread(&self) -> String {
        format!("B0PROB{:04}", self.next.fetch_add(1, Ordering::Relaxed))
    }
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) -> Recovery {
    let start = Instant::now();
    while start.elapsed() < LONGEST {
        if is_so().await {
            return Recovery::After(start.elapsed());
        }
        sleep(PAUSE).await;
    }
    Recovery::Never
}
