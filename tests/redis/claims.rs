//! Two replicas that miss the same product make one call.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use amazon_catalog::{CatalogRequest, CatalogResponse, Items, Upstream};
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use stockroom::{
    catalog::{Catalog, ProductMask, ReadContext},
    dispatch::{self, Dispatch, RequestContext},
};
use stockroom_proto::pb::{Product, Protocol, Source};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    asin, product, replica,
    server::{RedisServer, eventually},
    us,
};

#[tokio::test]
async fn one_replica_at_a_time_has_the_claim_to_a_key() {
    let mut server = RedisServer::start(&[]).await;
    let (one, other) = (replica(&server.url()), replica(&server.url()));
    let keys = [product(1), product(2)];
    assert_eq!(one.claim(&keys[..1]).await, [true]);
    assert_eq!(other.claim(&keys).await, [false, true]);
    assert_eq!(one.claim(&keys).await, [true, false], "who has it keeps it");
    other.release(&keys[0]).await;
    assert_eq!(other.claim(&keys[..1]).await, [false], "only who has it gives it up");
    one.release(&keys[0]).await;
    assert_eq!(other.claim(&keys[..1]).await, [true]);
    let lease = format!("PTTL stockroom:v1:products:{{example-20:US}}:en_US:USD:{}:lease", asin(1));
    assert!((1..=3000).contains(&server.run::<i64>(&lease).await), "it runs out by itself");
    server.kill();
    assert_eq!(one.claim(&keys).await, [true, true], "without Redis everybody asks");
}

/// Counts the calls, and answers when it is let.
#[derive(Debug)]
struct Amazon {
    calls: AtomicU32,
    may_answer: Semaphore,
    well: bool,
}

impl Upstream for Amazon {
    fn protocol(&self) -> Protocol {
        Protocol::Paapi5
    }

    fn call<'a>(
        &'a self,
        question: &'a CatalogRequest,
        _: Duration,
    ) -> BoxFuture<'a, Result<CatalogResponse, amazon_catalog::Error>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        async move {
            self.may_answer.acquire().await.unwrap().forget();
            let CatalogRequest::Items(items) = question else { panic!("only products are asked for") };
            let products = items.asins.iter().map(|asin| Product { asin: asin.to_string(), ..Default::default() });
            match self.well {
                true => Ok(CatalogResponse::Items(Items { products: products.collect(), missing: Vec::new() })),
                false => {
                    Err(amazon_catalog::Error::Rejected { code: "No".to_owned(), parameter: None, request_id: None })
                }
            }
        }
        .boxed()
    }
}

fn catalog(server: &RedisServer, amazon: &Arc<Amazon>) -> Catalog {
    let cache = Arc::new(replica(&server.url()));
    let options = dispatch::Options {
        name: "test".to_owned(),
        marketplaces: vec![us().marketplace],
        calls_per_second: 10.0,
        calls_per_day: 8640,
        timeout: Duration::from_secs(10),
        queue_capacity: 100,
        upstream: Arc::clone(amazon) as Arc<dyn Upstream>,
        answers: Arc::clone(&cache) as Arc<dyn dispatch::AnswerSink>,
        clock: stockroom::clock::Clock::System,
        store: None,
        replicas: 1,
    };
    Catalog::new(cache, Dispatch::start(vec![options]))
}

fn reading() -> ReadContext {
    let deadline = Instant::now() + Duration::from_secs(10);
    ReadContext {
        locale: us(),
        parts: ProductMask::from_parts([]),
        max_age: None,
        cache_only: false,
        estimate: false,
        terms: RequestContext {
            caller: "tester".into(),
            daily_quota: None,
            weight: 1.0,
            priority: dispatch::Priority::Interactive,
            deadline,
            abandoned: CancellationToken::new(),
        },
        give_up: deadline,
    }
}

#[tokio::test]
async fn two_replicas_that_miss_the_same_product_make_one_call() {
    let server = RedisServer::start(&[]).await;
    let amazon = Arc::new(Amazon { calls: AtomicU32::new(0), may_answer: Semaphore::new(0), well: true });
    let (one, other) = (catalog(&server, &amazon), catalog(&server, &amazon));
    let mut first = one.products(&reading(), [asin(1)]).await;
    eventually("the call is under way", async || amazon.calls.load(Ordering::SeqCst) == 1).await;
    let mut second = other.products(&reading(), [asin(1)]).await;
    amazon.may_answer.add_permits(10);
    let sources = [&mut first, &mut second].map(async |told| {
        let found = told.recv().await.unwrap().outcome.unwrap();
        found.freshness.source()
    });
    assert_eq!(join_all(sources).await, [Source::Amazon, Source::Redis]);
    assert!(second.recv().await.is_none(), "told once");
    assert_eq!(amazon.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_replica_whose_call_fails_leaves_it_to_the_others_at_once() {
    let server = RedisServer::start(&[]).await;
    let ailing = Arc::new(Amazon { calls: AtomicU32::new(0), may_answer: Semaphore::new(0), well: false });
    let well = Arc::new(Amazon { calls: AtomicU32::new(0), may_answer: Semaphore::new(10), well: true });
    let (one, other) = (catalog(&server, &ailing), catalog(&server, &well));
    let mut first = one.products(&reading(), [asin(1)]).await;
    eventually("the call is under way", async || ailing.calls.load(Ordering::SeqCst) == 1).await;
    let mut second = other.products(&reading(), [asin(1)]).await;
    assert_eq!(well.calls.load(Ordering::SeqCst), 0, "it waits for the first");
    let failed = Instant::now();
    ailing.may_answer.add_permits(10);
    assert!(first.recv().await.unwrap().outcome.is_err());
    assert!(second.recv().await.unwrap().outcome.is_ok());
    assert!(failed.elapsed() < Duration::from_secs(2), "before the claim has run out: {:?}", failed.elapsed());
}
