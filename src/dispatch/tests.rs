//! The account's task with a scripted Amazon and a clock that only moves when everybody waits.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    sync::Notify,
    time::{Instant, advance, sleep},
};

use super::*;
use amazon_catalog::{BrowseNodeId, BrowseNodes, GetBrowseNodes, Items, Missing};
use stockroom_proto::pb;

mod batching;
mod ending;
mod failures;
mod fairness;
mod limits;
mod refreshes;
mod rejections;
mod state_log;

/// Answers every id with a product, after a time, unless the script says otherwise.
#[derive(Debug, Default)]
struct Scripted {
    takes: Duration,
    /// Whether Amazon refuses every call that carries an id which begins with P.
    poison: bool,
    /// Whether calls fail before they are sent.
    never_leaves: bool,
    /// How long the first call needs for its connection.
    connects_in: Duration,
    /// After so many calls Amazon does not answer any more.
    hangs_after: Option<usize>,
    credentials: std::sync::atomic::AtomicU64,
    /// The code of the rejection of a poisoned id.
    poison_code: Option<&'static str>,
    script: Mutex<VecDeque<amazon_catalog::Error>>,
    asked: Mutex<Vec<(Instant, CatalogRequest)>>,
    called: Notify,
}

impl Upstream for Scripted {
    fn protocol(&self) -> pb::Protocol {
        pb::Protocol::Paapi5
    }

    fn call<'a>(
        &'a self,
        question: &'a CatalogRequest,
        _: Duration,
    ) -> BoxFuture<'a, Result<CatalogResponse, amazon_catalog::Error>> {
        let is_hung = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((Instant::now(), question.clone()));
            self.hangs_after.is_some_and(|after| asked.len() > after)
        };
        self.called.notify_waiters();
        let scripted = self.script.lock().unwrap().pop_front();
        let poisoned =
            matches!(question, CatalogRequest::Items(items) if items.asins.iter().any(|a| a.as_str().starts_with('P')));
        let poisoned = poisoned && self.poison;
        async move {
            sleep(self.takes).await;
            if is_hung {
                std::future::pending::<()>().await;
            }
            match (scripted, question) {
                (Some(error), _) => Err(error),
                (None, _) if poisoned => Err(amazon_catalog::Error::Rejected {
                    code: self.poison_code.unwrap_or("Invalid").to_owned(),
                    parameter: None,
                    request_id: None,
                }),
                (None, CatalogRequest::Items(items)) => {
                    let product = |asin: &Asin| pb::Product { asin: asin.to_string(), ..Default::default() };
                    let missing = items.asins.iter().filter(|asin| asin.as_str().starts_with('X'));
                    let missing: Vec<_> = missing.map(|asin| (*asin, Missing::NotFound)).collect();
                    // An id that begins with Y is neither answered nor named, and one with Z is left for another call.
                    let answered = |asin: &&Asin| !asin.as_str().starts_with(['X', 'Y', 'Z']);
                    let products = items.asins.iter().filter(answered).map(product).collect();
                    let unprocessed = items.asins.iter().filter(|asin| asin.as_str().starts_with('Z'));
                    let unprocessed = unprocessed.copied().collect();
                    Ok(CatalogResponse::Items(Items { products, missing, unprocessed, ..Items::default() }))
                }
                (None, _) => Ok(CatalogResponse::BrowseNodes(BrowseNodes::default())),
            }
        }
        .boxed()
    }

    fn call_with_notice<'a>(
        &'a self,
        request: &'a CatalogRequest,
        within: Duration,
        sent: &'a amazon_catalog::SentNotice,
    ) -> BoxFuture<'a, Result<CatalogResponse, amazon_catalog::Error>> {
        async move {
            if self.asked.lock().unwrap().is_empty() {
                sleep(self.connects_in).await;
            }
            if !self.never_leaves || self.script.lock().unwrap().is_empty() {
                sent.mark();
            }
            self.call(request, within).await
        }
        .boxed()
    }

    fn credentials_version(&self) -> u64 {
        self.credentials.load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl Scripted {
    fn fails(errors: impl IntoIterator<Item = amazon_catalog::Error>) -> Self {
        Self { script: Mutex::new(errors.into_iter().collect()), ..Self::default() }
    }

    fn batches(&self) -> Vec<usize> {
        let count = |(_, question): &(Instant, CatalogRequest)| match question {
            CatalogRequest::Items(items) => items.asins.len(),
            _ => 1,
        };
        self.asked.lock().unwrap().iter().map(count).collect()
    }

    /// Waits until so many calls have been made in all.
    async fn has_calls(&self, count: usize) {
        loop {
            let called = self.called.notified();
            if self.asked.lock().unwrap().len() >= count {
                return;
            }
            called.await;
        }
    }

    /// The first letters of the ids of each call, in order.
    fn letters(&self) -> Vec<String> {
        let letters = |(_, question): &(Instant, CatalogRequest)| match question {
            CatalogRequest::Items(items) => {
                let mut letters: Vec<char> =
                    items.asins.iter().filter_map(|asin| asin.as_str().chars().next()).collect();
                letters.sort_unstable();
                letters.into_iter().collect()
            }
            _ => "-".to_owned(),
        };
        self.asked.lock().unwrap().iter().map(letters).collect()
    }

    fn times(&self) -> Vec<Instant> {
        self.asked.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }
}

/// Notes what it is given to store, and what it is asked to release.
#[derive(Debug, Default)]
struct Stored {
    items: Mutex<Vec<(Asin, Snapshot)>>,
    released: Mutex<Vec<FetchKey>>,
}

impl AnswerSink for Stored {
    fn store_item(&self, _: Locale, asin: Asin, snapshot: &Snapshot) {
        assert!(!asin.as_str().starts_with('K'), "a defect that is met on the way");
        self.items.lock().unwrap().push((asin, snapshot.clone()));
    }

    fn store_response(&self, _: &CatalogRequest, _: &CatalogResponse, _: &Snapshot) {}

    fn look_up<'a>(&'a self, keys: &'a [(FetchKey, SystemTime)]) -> BoxFuture<'a, Vec<FetchState>> {
        std::future::ready(vec![FetchState::Free; keys.len()]).boxed()
    }

    fn release(&self, keys: &[FetchKey]) {
        self.released.lock().unwrap().extend_from_slice(keys);
    }

    fn fetched_at(&self, _: &FetchKey) -> Option<SystemTime> {
        None
    }
}

fn us() -> Locale {
    Locale::of(Marketplace::parse("US").unwrap())
}

fn uk() -> Locale {
    Locale::of(Marketplace::parse("UK").unwrap())
}

fn asins(prefix: char, count: usize) -> Vec<Asin> {
    (0..count).map(|n| Asin::parse(&format!("{prefix}{n:09}")).unwrap()).collect()
}

fn options(upstream: &Arc<Scripted>) -> Options {
    Options {
        name: "test".to_owned(),
        marketplaces: vec![us().marketplace],
        calls_per_second: 1.0,
        calls_per_day: 8640,
        timeout: Duration::from_secs(5),
        queue_capacity: 1000,
        upstream: Arc::clone(upstream) as Arc<dyn Upstream>,
        answers: Arc::new(Stored::default()),
        refresh_queue: Arc::default(),
        clock: Clock::System,
        sharing: Sharing::default(),
        tracer: <_>::default(),
    }
}

fn terms(within_seconds: u64) -> RequestContext {
    RequestContext::new("tester", Instant::now() + Duration::from_secs(within_seconds))
}

async fn all(mut results: mpsc::UnboundedReceiver<ItemResult>) -> Vec<ItemResult> {
    let mut items = Vec::new();
    while let Some(item) = results.recv().await {
        items.push(item);
    }
    items
}

async fn one(dispatch: &Dispatch, terms: RequestContext) -> Result<Snapshot, Error> {
    all(dispatch.fetch_items(us(), asins('B', 1), terms).await).await.remove(0).result
}

/// A request that has a call of its own.
fn page(id: u32) -> CatalogRequest {
    let ids = vec![BrowseNodeId::parse(&id.to_string()).unwrap()];
    CatalogRequest::BrowseNodes(GetBrowseNodes { locale: us(), ids })
}

fn failed() -> amazon_catalog::Error {
    amazon_catalog::Error::Failed { status: 503, request_id: None }
}

fn throttled() -> amazon_catalog::Error {
    amazon_catalog::Error::Throttled { retry_after: None, request_id: None }
}

fn as_caller(name: &str, class: Priority, weight: f64) -> RequestContext {
    RequestContext { caller: name.into(), priority: class, weight, ..terms(3000) }
}

/// Marks ids as read past their freshness.
fn mark_stale(dispatch: &Dispatch, asins: Vec<Asin>) {
    asins.into_iter().for_each(|asin| dispatch.mark_stale(&FetchKey::Item(us(), asin), SystemTime::UNIX_EPOCH));
}
