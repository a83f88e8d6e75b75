//! The shared tier against a real Redis: what replicas have of each other, and that nothing which can ail Redis is more
//! than a miss.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use stockroom::{
    amazon::{self, Answer, Asin, Items, Locale, Marketplace, Missing, Question, Snapshot, Upstream},
    cache::{Cache, Hit, Key, Namespace, Purge, Standing, Stats, Wish},
    catalog::{Catalog, Parts, Reading},
    config,
    dispatch::{self, Dispatch, Terms},
    pb::{Product, Protocol, Source},
    store::Store,
};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;

use self::redis_server::{RedisServer, eventually, free_port};

#[path = "support/redis_server.rs"]
mod redis_server;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Longer than the bound of 50 ms by what a busy machine takes to run a task.
const AT_ONCE: Duration = Duration::from_millis(500);

/// A replica whose bound is generous, so that a busy machine does not fail it.
fn replica(url: &str) -> Cache {
    replica_with(config::Redis { timeout: Duration::from_secs(5), ..config::Redis::at(url) })
}

fn replica_with(redis: config::Redis) -> Cache {
    let tags = [(us().marketplace, "example-20".to_owned())];
    Cache::shared(&config::Cache::default(), Store::open(&redis).unwrap(), tags)
}

fn us() -> Locale {
    Locale::of(Marketplace::parse("US").unwrap())
}

fn asin(n: u32) -> Asin {
    Asin::parse(&format!("B{n:09}")).unwrap()
}

fn product(n: u32) -> Key {
    Key::Product(us(), asin(n))
}

fn page(namespace: Namespace) -> Key {
    Key::Page { namespace, locale: us(), request: "keywords\u{1}lamp".into() }
}

fn told(age: Duration) -> Snapshot {
    Snapshot { fetched_at: SystemTime::now() - age, protocol: Protocol::Paapi5, content: Ok("a product".into()) }
}

async fn get(cache: &Cache, key: &Key) -> Option<Hit> {
    cache.get_many(std::slice::from_ref(key), &Wish::default(), SystemTime::now()).await.remove(0)
}

async fn has(cache: &Cache, key: &Key) -> bool {
    get(cache, key).await.is_some()
}

fn tier(cache: &Cache) -> Stats {
    cache.stats().into_iter().find(|stats| stats.tier == "redis").unwrap()
}

/// Has an answer kept and waits until another replica can read it.
async fn kept(server: &RedisServer, key: Key, snapshot: Snapshot) {
    let writer = replica(&server.url());
    writer.put(key.clone(), snapshot);
    eventually("the answer is in Redis", async || has(&replica(&server.url()), &key).await).await;
}

#[tokio::test]
async fn what_one_replica_was_told_another_reads_with_its_original_time() {
    let server = RedisServer::start(&[]).await;
    let reader = replica(&server.url());
    let absent = Snapshot { content: Err(Missing::NotAccessible), ..told(MINUTE) };
    let cases = [(product(1), told(10 * MINUTE)), (page(Namespace::Searches), told(HOUR)), (product(2), absent)];
    for (key, snapshot) in cases {
        kept(&server, key.clone(), snapshot.clone()).await;
        let hit = get(&reader, &key).await.unwrap();
        let off = snapshot.fetched_at.duration_since(hit.snapshot.fetched_at).unwrap();
        assert!(off < Duration::from_millis(1), "to the millisecond, not {off:?}");
        assert_eq!((hit.snapshot.content, hit.snapshot.protocol), (snapshot.content, snapshot.protocol));
        assert_eq!(hit.source, Source::Redis);
        assert_eq!(get(&reader, &key).await.unwrap().source, Source::Memory, "kept near after the first time");
    }
    assert_eq!((tier(&reader).hits, tier(&reader).misses), (3, 0));
}

#[tokio::test]
async fn an_account_with_another_tag_does_not_share() {
    let server = RedisServer::start(&[]).await;
    kept(&server, product(1), told(MINUTE)).await;
    let redis = config::Redis { timeout: Duration::from_secs(5), ..config::Redis::at(server.url()) };
    let tags = [(us().marketplace, "another-20".to_owned())];
    let other = Cache::shared(&config::Cache::default(), Store::open(&redis).unwrap(), tags);
    assert!(!has(&other, &product(1)).await);
    assert!(tier(&other).answers);
}

#[tokio::test]
async fn nothing_outlives_the_time_it_may_be_told() {
    let server = RedisServer::start(&[]).await;
    kept(&server, product(1), told(Duration::ZERO)).await;
    kept(&server, product(2), told(23 * HOUR)).await;
    kept(&server, product(3), Snapshot { content: Err(Missing::NotFound), ..told(Duration::ZERO) }).await;
    let writer = replica(&server.url());
    writer.put(product(4), told(25 * HOUR));
    kept(&server, product(5), told(Duration::ZERO)).await;
    for (n, most) in [(1, 24 * HOUR), (2, HOUR), (3, HOUR)] {
        let key = format!("stockroom:v1:products:{{example-20:US}}:en_US:USD:{}", asin(n));
        let left_ms: u64 = server.run(&format!("PTTL {key}")).await;
        let left = Duration::from_millis(left_ms);
        assert!(left <= most && left > most / 2, "{n}: {left:?}");
    }
    assert_eq!(server.run::<u64>("DBSIZE").await, 4, "what nobody may be told is not written");
}

#[tokio::test]
async fn one_read_fetches_all_that_memory_lacks_and_none_what_it_has() {
    let server = RedisServer::start(&[]).await;
    let (writer, reader) = (replica(&server.url()), replica(&server.url()));
    let keys: Vec<Key> = (0..40).map(product).collect();
    for key in &keys {
        writer.put(key.clone(), told(MINUTE));
    }
    eventually("all are in Redis", async || server.run::<u64>("DBSIZE").await == 40).await;
    for _ in 0..2 {
        let hits = reader.get_many(&keys, &Wish::default(), SystemTime::now()).await;
        assert_eq!(hits.iter().flatten().count(), 40);
        let commands: String = server.run("INFO commandstats").await;
        assert!(commands.contains("cmdstat_mget:calls=1,"), "{commands}");
    }
}

#[tokio::test]
async fn what_is_stale_here_may_be_fresh_there() {
    let server = RedisServer::start(&[]).await;
    let reader = replica(&server.url());
    kept(&server, product(1), told(13 * HOUR)).await;
    assert_eq!(get(&reader, &product(1)).await.unwrap().standing, Standing::Stale);
    let writer = replica(&server.url());
    writer.put(product(1), told(MINUTE));
    eventually("the fresh answer is told", async || {
        get(&reader, &product(1)).await.unwrap().standing == Standing::Fresh
    })
    .await;
}

#[tokio::test]
async fn a_purge_reaches_every_replicas_memory_and_what_is_in_redis() {
    let keys = [product(1), product(2), page(Namespace::Searches)];
    let cases = [
        (Purge::Products(us().marketplace, vec![asin(1)]), [false, true, true]),
        (Purge::Namespace(Namespace::Searches), [true, true, false]),
        (Purge::Everything, [false, false, false]),
    ];
    for (what, left) in cases {
        let server = RedisServer::start(&[]).await;
        let (asked, other) = (replica(&server.url()), replica(&server.url()));
        for key in &keys {
            asked.put(key.clone(), told(MINUTE));
            eventually("the other replica has it", async || has(&other, key).await).await;
        }
        let purged = asked.purge(&what).await;
        assert!(purged.everywhere, "{what:?}");
        assert_eq!(purged.dropped, left.iter().filter(|left| !**left).count() as u64, "{what:?}");
        for replica in [&asked, &other, &replica(&server.url())] {
            for (key, left) in keys.iter().zip(left) {
                eventually(&format!("{what:?} of {key:?}"), async || has(replica, key).await == left).await;
            }
        }
        // What Amazon says after the purge holds.
        for key in &keys {
            asked.put(key.clone(), told(Duration::ZERO));
            assert!(has(&asked, key).await);
        }
    }
}

#[tokio::test]
async fn a_replica_that_was_cut_off_hears_of_a_purge_when_it_is_back() {
    let server = RedisServer::start(&[]).await;
    let (asked, other) = (replica(&server.url()), replica(&server.url()));
    asked.put(product(1), told(MINUTE));
    eventually("the other replica has it", async || has(&other, &product(1)).await).await;
    let _: u64 = server.run("CLIENT KILL TYPE normal").await;
    eventually("the purge is taken", async || asked.purge(&Purge::Everything).await.everywhere).await;
    eventually("the other replica drops it", async || !has(&other, &product(1)).await).await;
}

#[tokio::test]
async fn a_purge_that_redis_does_not_take_says_so() {
    let mut server = RedisServer::start(&[]).await;
    kept(&server, product(1), told(MINUTE)).await;
    let cache = replica_with(config::Redis::at(server.url()));
    eventually("it is read", async || has(&cache, &product(1)).await).await;
    server.kill();
    let purged = cache.purge(&Purge::Everything).await;
    assert_eq!((purged.dropped, purged.everywhere), (1, false));
    assert!(!has(&cache, &product(1)).await);
    // A full Redis refuses as well, while what it has would still be read.
    server.restart();
    server.answers().await;
    kept(&server, product(1), told(MINUTE)).await;
    let _: String = server.run("CONFIG SET maxmemory 1").await;
    eventually("Redis refuses", async || {
        let purged = cache.purge(&Purge::Everything).await;
        assert!(!purged.everywhere);
        cache.stats().iter().all(|tier| tier.answers)
    })
    .await;
    assert!(!has(&cache, &product(1)).await, "here it is gone all the same");
}

/// Something that can ail Redis.
enum Ailment {
    Dead,
    Silent,
    Loading,
}

#[tokio::test]
async fn a_redis_that_does_not_answer_is_a_miss_at_once_and_used_again_within_a_second() {
    // Slow to load on purpose: a millisecond for each key, and the door open meanwhile.
    let slow = ["key-load-delay 2000", "loading-process-events-interval-bytes 1024"];
    for ailment in [Ailment::Dead, Ailment::Silent, Ailment::Loading] {
        let mut server = RedisServer::start(&slow).await;
        let _: () = server.run("EVAL for\ti=1,1000\tdo\tredis.call('SET',i,i)\tend 0").await;
        kept(&server, product(1), told(MINUTE)).await;
        let _: String = server.run("SAVE").await;
        let cache = replica_with(config::Redis::at(server.url()));
        cache.put(product(2), told(MINUTE));
        eventually("it is used", async || tier(&cache).answers && has(&cache, &product(1)).await).await;
        match ailment {
            Ailment::Dead => server.kill(),
            Ailment::Silent => server.pause(),
            Ailment::Loading => {
                server.kill();
                server.restart();
                eventually("it is loading", async || server.is_loading().await).await;
            }
        }
        for n in 10..30 {
            let start = Instant::now();
            assert!(!has(&cache, &product(n)).await);
            assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
            cache.put(product(n), told(MINUTE));
            assert!(has(&cache, &product(n)).await && has(&cache, &product(2)).await, "memory is what it was");
        }
        match ailment {
            Ailment::Dead => server.restart(),
            Ailment::Silent => server.wake(),
            Ailment::Loading => {}
        }
        server.answers().await;
        let back = Instant::now();
        kept(&server, product(3), told(MINUTE)).await;
        eventually("it is used again", async || has(&cache, &product(3)).await).await;
        assert!(back.elapsed() < Duration::from_secs(2), "{:?}", back.elapsed());
    }
}

#[tokio::test]
async fn a_full_or_read_only_redis_drops_writes_and_tells_what_it_has() {
    let cases = [("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"), ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE")];
    for (ail, cure) in cases {
        let server = RedisServer::start(&[]).await;
        kept(&server, product(1), told(MINUTE)).await;
        let cache = replica(&server.url());
        let _: String = server.run(ail).await;
        cache.put(product(2), told(MINUTE));
        eventually("the write is dropped and counted", async || tier(&cache).dropped_writes == 1).await;
        eventually("what is there is told", async || has(&cache, &product(1)).await).await;
        assert!(tier(&cache).answers, "{ail}: it answers");
        let _: String = server.run(cure).await;
        eventually("writes go through", async || {
            cache.put(product(3), told(MINUTE));
            has(&replica(&server.url()), &product(3)).await
        })
        .await;
    }
}

#[tokio::test]
async fn a_flushed_or_foreign_redis_is_a_miss() {
    let server = RedisServer::start(&[]).await;
    let cache = replica(&server.url());
    kept(&server, product(1), told(MINUTE)).await;
    let _: String = server.run("FLUSHALL").await;
    assert!(!has(&cache, &product(1)).await);
    let key = |n| format!("stockroom:v1:products:{{example-20:US}}:en_US:USD:{}", asin(n));
    let _: String = server.run(&format!("SET {} somebody-elses", key(1))).await;
    let _: u64 = server.run(&format!("LPUSH {} one two", key(2))).await;
    let hits = cache.get_many(&[product(1), product(2)], &Wish::default(), SystemTime::now()).await;
    assert!(hits.iter().all(Option::is_none));
    kept(&server, product(1), told(MINUTE)).await;
}

#[tokio::test]
async fn a_gateway_starts_without_its_redis_and_finds_it_later() {
    let port = free_port();
    let cache = replica_with(config::Redis::at(format!("redis://127.0.0.1:{port}")));
    cache.put(product(1), told(MINUTE));
    assert!(has(&cache, &product(1)).await && !has(&cache, &product(2)).await);
    let server = RedisServer::start_on(port, &[]);
    server.answers().await;
    kept(&server, product(2), told(MINUTE)).await;
    eventually("it is used", async || has(&cache, &product(2)).await).await;
}

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

    fn call<'a>(&'a self, question: &'a Question, _: Duration) -> BoxFuture<'a, Result<Answer, amazon::Error>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        async move {
            self.may_answer.acquire().await.unwrap().forget();
            let Question::Items(items) = question else { panic!("only products are asked for") };
            let products = items.asins.iter().map(|asin| Product { asin: asin.to_string(), ..Default::default() });
            match self.well {
                true => Ok(Answer::Items(Items { products: products.collect(), missing: Vec::new() })),
                false => Err(amazon::Error::Rejected { code: "No".to_owned(), parameter: None, request_id: None }),
            }
        }
        .boxed()
    }
}

fn catalog(server: &RedisServer, amazon: &Arc<Amazon>) -> Catalog {
    let options = dispatch::Options {
        name: "test".to_owned(),
        marketplaces: vec![us().marketplace],
        calls_per_second: 10.0,
        calls_per_day: 8640,
        timeout: Duration::from_secs(10),
        queue_capacity: 100,
        upstream: Arc::clone(amazon) as Arc<dyn Upstream>,
    };
    Catalog::new(replica(&server.url()), Dispatch::start(vec![options]))
}

fn reading() -> Reading {
    let deadline = Instant::now() + Duration::from_secs(10);
    Reading {
        locale: us(),
        parts: Parts::of([]),
        max_age: None,
        cache_only: false,
        terms: Terms { caller: "tester".into(), share: None, deadline, abandoned: CancellationToken::new() },
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

/// That two replicas share answers and purges, whatever their Redis is made of.
async fn shares(redis: config::Redis) {
    let redis = config::Redis { timeout: Duration::from_secs(5), ..redis };
    let (one, other) = (replica_with(redis.clone()), replica_with(redis));
    let keys = [product(1), page(Namespace::Searches), product(2)];
    for key in &keys {
        one.put(key.clone(), told(MINUTE));
    }
    for key in &keys {
        eventually("the other replica reads it", async || {
            get(&other, key).await.is_some_and(|hit| hit.source == Source::Redis)
        })
        .await;
    }
    eventually("the purge is taken", async || one.purge(&Purge::Everything).await.everywhere).await;
    eventually("the other replica drops it", async || !has(&other, &product(1)).await).await;
}

#[tokio::test]
async fn it_works_with_a_password_and_over_tls() {
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| files.path().join(name);
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(path("cert.pem"), certified.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    let tls_port = free_port();
    let tls = [
        format!("tls-port {tls_port}"),
        format!("tls-cert-file {}", path("cert.pem").display()),
        format!("tls-key-file {}", path("key.pem").display()),
        "tls-auth-clients no".to_owned(),
    ];
    let server = RedisServer::start_with_password(&tls.each_ref().map(String::as_str)).await;
    shares(config::Redis::at(server.url())).await;
    let _: String = server.run("FLUSHALL").await;
    let over_tls = config::Redis::at(format!("rediss://:p%40ss@localhost:{tls_port}"));
    shares(config::Redis { ca_file: Some(path("cert.pem")), ..over_tls.clone() }).await;

    let distrustful = replica_with(over_tls);
    eventually("a certificate that nobody vouches for is refused", async || {
        assert!(!has(&distrustful, &product(1)).await);
        !tier(&distrustful).answers
    })
    .await;
}

#[tokio::test]
async fn it_works_through_sentinel() {
    let server = RedisServer::start_with_password(&[]).await;
    let sentinel = RedisServer::sentinel_of(&server, &["sentinel auth-pass primary p@ss"]).await;
    let address = sentinel.url().replace("redis://", "redis-sentinel://:p%40ss@");
    shares(config::Redis::at(format!("{address}/primary"))).await;
}

#[tokio::test]
async fn it_works_on_a_cluster() {
    let server = RedisServer::start(&["cluster-enabled yes"]).await;
    let _: String = server.run("CLUSTER ADDSLOTSRANGE 0 16383").await;
    eventually("the cluster is up", async || server.run::<String>("CLUSTER INFO").await.contains("cluster_state:ok"))
        .await;
    shares(config::Redis::at(server.url().replace("redis://", "redis-cluster://"))).await;
}
