//! The fetch lock in Redis: two replicas that miss the same product make one call to Amazon.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use amazon_catalog::{CatalogRequest, CatalogResponse, Items, Upstream};
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use stockroom::{
    cache::{Cache, Key},
    catalog::{AnswerStore, Catalog, ProductMask, ReadContext},
    dispatch::{self, Dispatch, FetchState, RequestContext},
};
use stockroom_proto::pb::{Product, Protocol, Source};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    MINUTE, asin, product,
    relay::Relay,
    replica,
    server::{RedisServer, eventually},
    snapshot, stored, us,
};

/// What a look-up finds that wants an answer of now.
async fn states(cache: &Cache, keys: &[Key]) -> Vec<FetchState> {
    let keys: Vec<_> = keys.iter().map(|key| (key.clone(), SystemTime::now() - MINUTE)).collect();
    cache.look_up(&keys).await
}

#[tokio::test]
async fn one_replica_at_a_time_has_the_lock_on_a_key() {
    use FetchState::{Free, Remote};
    let mut server = RedisServer::start(&[]).await;
    let (one, other) = (replica(&server.url()), replica(&server.url()));
    let keys = [product(1), product(2)];
    assert_eq!(states(&one, &keys[..1]).await, [Free]);
    assert_eq!(states(&other, &keys).await, [Remote, Free]);
    assert_eq!(states(&one, &keys).await, [Free, Remote], "who has it keeps it");
    other.release(vec![keys[0].clone()]);
    other.flush().await;
    assert_eq!(states(&other, &keys[..1]).await, [Remote], "only who has it gives it up");
    one.release(vec![keys[0].clone()]);
    one.flush().await;
    assert_eq!(states(&other, &keys[..1]).await, [Free]);
    let lock = format!("PTTL {}", lock_key(1));
    assert!((1..=3000).contains(&server.run::<i64>(&lock).await), "it ends by itself");
    server.kill();
    assert_eq!(states(&one, &keys).await, [Free, Free], "without Redis everybody fetches");
}

#[tokio::test]
async fn an_answer_that_another_replica_has_stored_meanwhile_is_found_once_and_an_older_one_is_not() {
    let server = RedisServer::start(&[]).await;
    let (one, other) = (replica(&server.url()), replica(&server.url()));
    stored(&server, product(1), snapshot(Duration::from_secs(1))).await;
    stored(&server, product(2), snapshot(2 * MINUTE)).await;
    let found = states(&one, &[product(1), product(2)]).await;
    assert!(matches!(&found[0], FetchState::Answered(Some(_))), "{found:?}");
    assert_eq!(found[1], FetchState::Free);
    assert!(one.fetched_at(&product(1)).is_some(), "it is in memory now");
    assert_eq!(other.fetched_at(&product(1)), None);
}

/// Counts the calls, and answers one for each permit.
#[derive(Debug)]
struct Amazon {
    calls: AtomicU32,
    may_answer: Semaphore,
    succeeds: bool,
}

impl Amazon {
    fn new(succeeds: bool) -> Arc<Self> {
        Arc::new(Self { calls: AtomicU32::new(0), may_answer: Semaphore::new(0), succeeds })
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Upstream for Amazon {
    fn protocol(&self) -> Protocol {
        Protocol::Paapi5
    }

    fn call<'a>(
        &'a self,
        request: &'a CatalogRequest,
        _: Duration,
    ) -> BoxFuture<'a, Result<CatalogResponse, amazon_catalog::Error>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        async move {
            self.may_answer.acquire().await.unwrap().forget();
            let CatalogRequest::Items(items) = request else { panic!("the test requests only items") };
            let products = items.asins.iter().map(|asin| Product { asin: asin.to_string(), ..Default::default() });
            match self.succeeds {
                true => Ok(CatalogResponse::Items(Items { products: products.collect(), ..Items::default() })),
                false => {
                    Err(amazon_catalog::Error::Rejected { code: "No".to_owned(), parameter: None, request_id: None })
                }
            }
        }
        .boxed()
    }
}

fn catalog(server: &RedisServer, amazon: &Arc<Amazon>) -> Catalog {
    catalog_at(&server.url(), amazon)
}

fn catalog_at(url: &str, amazon: &Arc<Amazon>) -> Catalog {
    let cache = Arc::new(replica(url));
    let options = dispatch::Options {
        name: "test".to_owned(),
        marketplaces: vec![us().marketplace],
        calls_per_second: 10.0,
        calls_per_day: 8640,
        timeout: Duration::from_secs(10),
        queue_capacity: 200,
        upstream: Arc::clone(amazon) as Arc<dyn Upstream>,
        answers: Arc::new(AnswerStore::new(Arc::clone(&cache))) as Arc<dyn dispatch::AnswerSink>,
        refresh_queue: cache.refresh_queue(),
        clock: stockroom::clock::Clock::System,
        sharing: dispatch::Sharing::default(),
        tracer: <_>::default(),
    };
    Catalog::new(cache, Dispatch::start(vec![options]))
}

fn reading() -> ReadContext {
    let deadline = Instant::now() + Duration::from_secs(10);
    ReadContext::new(us(), RequestContext::new("tester", deadline), deadline)
}

#[tokio::test]
async fn two_replicas_that_miss_the_same_product_make_one_call() {
    let server = RedisServer::start(&[]).await;
    let amazon = Amazon::new(true);
    let (one, other) = (catalog(&server, &amazon), catalog(&server, &amazon));
    let mut first = one.products(&reading(), [asin(1)]).await;
    eventually("the call is in flight", async || amazon.calls() == 1).await;
    let mut second = other.products(&reading(), [asin(1)]).await;
    amazon.may_answer.add_permits(10);
    let sources = [&mut first, &mut second].map(async |results| {
        let found = results.next().await.unwrap().outcome.unwrap();
        found.freshness.source()
    });
    assert_eq!(join_all(sources).await, [Source::Amazon, Source::Redis]);
    assert!(second.next().await.is_none(), "one result for one id");
    assert_eq!(amazon.calls(), 1);
}

#[tokio::test]
async fn a_hundred_products_take_as_many_round_trips_to_redis_as_one_and_a_few_for_each_call() {
    let server = RedisServer::start(&[]).await;
    let relay = Relay::to(&server).await;
    let amazon = Amazon::new(true);
    amazon.may_answer.add_permits(100);
    let (near, far) = (catalog(&server, &amazon), catalog_at(&relay.url(), &amazon));
    let all_are_answered = async |catalog: &Catalog, ids: Range<u32>| {
        let (expected, mut answered) = (ids.len(), 0);
        let mut lookups = catalog.products(&reading(), ids.map(asin)).await;
        while let Some(lookup) = lookups.next().await {
            answered += usize::from(lookup.outcome.is_ok());
        }
        assert_eq!(answered, expected);
    };
    all_are_answered(&near, 0..102).await;
    eventually("all are in Redis", async || server.run::<usize>("DBSIZE").await >= 102).await;
    // The first read also pays for the connection.
    all_are_answered(&far, 0..1).await;
    let round_trips = async |ids: Range<u32>| {
        let before = relay.round_trips();
        all_are_answered(&far, ids).await;
        relay.round_trips() - before
    };
    let (one, hundred) = (round_trips(1..2).await, round_trips(2..102).await);
    assert!(hundred <= one + 2, "{hundred} for a hundred that Redis has, {one} for one");
    let calls = amazon.calls();
    let missed = round_trips(200..300).await;
    let calls = (amazon.calls() - calls) as usize;
    assert!(missed <= 4 * calls && calls <= 11, "{missed} for a hundred that Redis lacks, with {calls} calls");
}

#[tokio::test]
async fn a_replica_whose_call_fails_releases_its_lock_to_the_others() {
    let server = RedisServer::start(&[]).await;
    let (failing, working) = (Amazon::new(false), Amazon::new(true));
    working.may_answer.add_permits(10);
    let (one, other) = (catalog(&server, &failing), catalog(&server, &working));
    let mut first = one.products(&reading(), [asin(1)]).await;
    eventually("the call is in flight", async || failing.calls() == 1).await;
    // Without an expiry the lock can only go by a release.
    assert_eq!(server.run::<u8>(&format!("PERSIST {}", lock_key(1))).await, 1);
    let before = lookups(&server).await;
    let mut second = other.products(&reading(), [asin(1)]).await;
    eventually("the second replica polls for the answer", async || lookups(&server).await >= before + 3).await;
    assert_eq!(working.calls(), 0, "it waits for the first replica");
    failing.may_answer.add_permits(10);
    assert!(first.next().await.unwrap().outcome.is_err());
    assert!(second.next().await.unwrap().outcome.is_ok());
    eventually("the lock is released", async || server.run::<u8>(&format!("EXISTS {}", lock_key(1))).await == 0).await;
}

fn lock_key(n: u32) -> String {
    format!("stockroom:v1:products:{{example-20:US}}:en_US:USD:{}:lock", asin(n))
}

/// How many lookups of entries the server has answered.
async fn lookups(server: &RedisServer) -> u64 {
    let statistics = server.run::<String>("INFO commandstats").await;
    let calls = |line: &str| line.split_once("calls=")?.1.split(',').next()?.parse::<u64>().ok();
    let lookups = statistics.lines().filter(|line| line.contains("_evalsha:") || line.contains("_mget:"));
    lookups.filter_map(calls).sum()
}

#[tokio::test]
async fn a_hundred_callers_of_what_another_replica_fetches_are_one_poll() {
    let server = RedisServer::start(&[]).await;
    let amazon = Amazon::new(true);
    let (one, other) = (catalog(&server, &amazon), catalog(&server, &amazon));
    let mut first = one.products(&reading(), [asin(1)]).await;
    eventually("the call is in flight", async || amazon.calls() == 1).await;
    let mut waiting = Vec::new();
    for _ in 0..100 {
        waiting.push(other.products(&reading(), [asin(1)]).await);
    }
    let before = lookups(&server).await;
    let polling = Instant::now();
    eventually("it polls", async || lookups(&server).await >= before + 5).await;
    let (asked, fit) = (lookups(&server).await - before, polling.elapsed().as_millis() / 50);
    assert!(u128::from(asked) <= fit + 2, "{asked} questions where {fit} polls fit");
    amazon.may_answer.add_permits(10);
    assert!(first.next().await.unwrap().outcome.is_ok());
    for mut lookups_of_one in waiting {
        assert!(lookups_of_one.next().await.unwrap().outcome.is_ok());
    }
    assert_eq!(amazon.calls(), 1);
}

#[tokio::test]
async fn what_two_replicas_have_stale_is_refreshed_once() {
    let server = RedisServer::start(&[]).await;
    let amazon = Amazon::new(true);
    amazon.may_answer.add_permits(100);
    let (one, other) = (catalog(&server, &amazon), catalog(&server, &amazon));
    for n in 1..=10 {
        stored(&server, product(n), snapshot(61 * MINUTE)).await;
    }
    for catalog in [&one, &other] {
        let offers = ReadContext { parts: ProductMask::from_parts([]), ..reading() };
        let mut found = catalog.products(&offers, (1..=10).map(asin)).await;
        while let Some(found) = found.next().await {
            assert!(found.outcome.unwrap().freshness.is_stale);
        }
    }
    eventually("both have the answer", async || {
        let mut fresh = 0;
        for catalog in [&one, &other] {
            let only = ReadContext { cache_only: true, ..reading() };
            let mut found = catalog.products(&only, (1..=10).map(asin)).await;
            while let Some(found) = found.next().await {
                fresh += usize::from(found.outcome.is_ok_and(|found| !found.freshness.is_stale));
            }
        }
        fresh == 20
    })
    .await;
    assert_eq!(amazon.calls(), 1);
}
