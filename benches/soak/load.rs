//! The load: a bounded, steady rate of look-ups to every gateway, and what became of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use stockroom_client::{Client, Error};
use stockroom_proto::pb::{
    self, Absence, AbsenceReason, CompareProductsRequest, Cost, GetProductsRequest, SearchProductsRequest, SearchQuery,
    compare_products_response::Event, product_outcome::Result as Outcome,
};
use tokio::time::{Instant, interval};

/// Reads a second, of each gateway, of what is in its memory.
const HOT_PER_SECOND: u32 = 40;
/// Reads a second, of each gateway, of anything.
const MIXED_PER_SECOND: u32 = 2;
/// How many ids are read all the time.
pub(crate) const HOT: usize = 20;
/// Ids that no product has, after those that one has.
const UNKNOWN: usize = 5000;
const SKEW: f64 = 0.9;
const WORDS: [&str; 24] = [
    "lamp", "tea", "novel", "guitar", "shirt", "coffee", "notebook", "kettle", "mouse", "keyboard", "chair", "desk",
    "knife", "pan", "puzzle", "ball", "shoes", "watch", "camera", "speaker", "bag", "soap", "cream", "bottle",
];

/// What became of the requests that ended since it was last taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: usize,
    /// By gateway and reason.
    pub(crate) failed: BTreeMap<(usize, String), usize>,
    /// Of those that asked for what is read all the time.
    pub(crate) hot_failed: usize,
    /// Those that ended by their deadline, and how many were not refused at once.
    pub(crate) late: usize,
    pub(crate) admitted: usize,
    /// How long those took that memory answered.
    pub(crate) hits: Vec<Duration>,
}

pub(crate) struct Load {
    clients: Vec<Client>,
    ids: Vec<String>,
    /// By rank, the share of the reads that this id and all before it have.
    shares: Vec<f64>,
    tally: Mutex<Tally>,
}

impl Load {
    /// Starts to read these products, the most popular first, and others that do not exist, until it is dropped.
    pub(crate) fn start(clients: Vec<Client>, mut ids: Vec<String>) -> Arc<Self> {
        ids.extend((0..UNKNOWN).map(|number| format!("B0SOAK{number:04}")));
        let mut reached = 0.0;
        let shares = (1..=ids.len()).map(|rank| {
            reached += (rank as f64).powf(-SKEW);
            reached
        });
        let shares = shares.collect();
        let load = Arc::new(Self { clients, ids, shares, tally: Mutex::default() });
        for gateway in 0..load.clients.len() {
            tokio::spawn(Self::go_on(Arc::downgrade(&load), gateway, HOT_PER_SECOND, Self::read_hot));
            tokio::spawn(Self::go_on(Arc::downgrade(&load), gateway, MIXED_PER_SECOND, Self::read_any));
        }
        load
    }

    pub(crate) fn take(&self) -> Tally {
        std::mem::take(&mut self.tally.lock().unwrap())
    }

    /// Asks on time, whether or not those before have been answered.
    async fn go_on<F: Future<Output = ()> + Send>(
        load: Weak<Self>,
        gateway: usize,
        per_second: u32,
        read: impl Fn(Arc<Self>, usize) -> F + Copy + Send + 'static,
    ) {
        let mut turns = interval(Duration::from_secs(1) / per_second);
        while let Some(load) = load.upgrade() {
            turns.tick().await;
            tokio::spawn(async move { read(load, gateway).await });
        }
    }

    async fn read_hot(self: Arc<Self>, gateway: usize) {
        let first = fastrand::usize(..HOT - 2);
        let asins = self.ids[first..first + 3].to_vec();
        let asked = Instant::now();
        let told = get_products(&self.clients[gateway], asins).await;
        let took = asked.elapsed();
        let mut tally = self.tally.lock().unwrap();
        tally.hot_failed += usize::from(told.is_err());
        match told {
            Ok(cost) if cost.from_memory == 3 => tally.hits.push(took),
            Ok(_) | Err(_) => {}
        }
        tally.count(gateway, told.map(|_| ()));
    }

    async fn read_any(self: Arc<Self>, gateway: usize) {
        let client = &self.clients[gateway];
        let told = match fastrand::u32(..100) {
            0..65 => get_products(client, self.some_ids(1..=10)).await.map(|_| ()),
            65..85 => compare_products(client, self.some_ids(2..=5)).await,
            _ => search_products(client).await,
        };
        self.tally.lock().unwrap().count(gateway, told);
    }

    fn some_ids(&self, count: std::ops::RangeInclusive<usize>) -> Vec<String> {
        let (count, whole) = (fastrand::usize(count), self.shares.last().unwrap());
        let mut ids = Vec::new();
        while ids.len() < count {
            let drawn = fastrand::f64() * whole;
            let id = &self.ids[self.shares.partition_point(|reached| *reached < drawn)];
            if !ids.contains(id) {
                ids.push(id.clone());
            }
        }
        ids
    }
}

impl Tally {
    fn count(&mut self, gateway: usize, told: Result<(), String>) {
        self.requests += 1;
        let is_late = told.as_ref().is_err_and(|reason| reason.to_lowercase().replace('_', "") == "deadlineexceeded");
        self.late += usize::from(is_late);
        self.admitted += usize::from(is_late || told.is_ok());
        if let Err(reason) = told {
            *self.failed.entry((gateway, reason)).or_default() += 1;
        }
    }

    /// How long at most the fastest hits took, of which there is this share.
    pub(crate) fn hits_within(&self, share: f64) -> Duration {
        let mut hits = self.hits.clone();
        hits.sort_unstable();
        hits.get((hits.len() as f64 * share) as usize).copied().unwrap_or_default()
    }
}

/// The ids of up to so many products that a search finds.
pub(crate) async fn found(client: &Client, word: &str, limit: i32) -> Vec<String> {
    let query = Some(SearchQuery { keywords: word.to_owned(), ..Default::default() });
    let request = pb::StreamSearchRequest { query, limit, ..Default::default() };
    let (mut pages, mut ids) = (client.stream_search(request).await.unwrap(), Vec::new());
    while let Some(page) = pages.message().await.unwrap() {
        ids.extend(page.products.into_iter().filter_map(|entry| Some(entry.product?.asin)));
    }
    ids
}

pub(crate) async fn get_products(client: &Client, asins: Vec<String>) -> Result<Cost, String> {
    let told = client.get_products(GetProductsRequest { asins, options: None }).await.map_err(reason)?;
    for outcome in told.outcomes {
        if let Some(Outcome::Absence(absence)) = outcome.result {
            is_known(&absence)?;
        }
    }
    Ok(told.cost.unwrap_or_default())
}

async fn compare_products(client: &Client, asins: Vec<String>) -> Result<(), String> {
    let mut told = client.compare_products(CompareProductsRequest { asins, options: None }).await.map_err(reason)?;
    while let Some(message) = told.message().await.map_err(reason)? {
        if let Some(Event::Missing(missing)) = message.event {
            is_known(&missing.absence.unwrap_or_default())?;
        }
    }
    Ok(())
}

async fn search_products(client: &Client) -> Result<(), String> {
    let word = fastrand::choice(WORDS).unwrap_or_default();
    let query = Some(SearchQuery { keywords: word.to_owned(), ..Default::default() });
    let request = SearchProductsRequest { query, page_size: 10, ..Default::default() };
    client.search_products(request).await.map(|_| ()).map_err(reason)
}

/// That there is no such product is an answer as good as any.
fn is_known(absence: &Absence) -> Result<(), String> {
    match absence.reason() {
        AbsenceReason::NotFound | AbsenceReason::NotAccessible => Ok(()),
        reason => Err(reason.as_str_name().replace("ABSENCE_REASON_", "")),
    }
}

fn reason(error: Error) -> String {
    if error.reason.is_empty() { format!("{:?}", error.code) } else { error.reason }
}
