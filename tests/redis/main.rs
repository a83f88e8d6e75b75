//! The shared cache tier and the shared budget against a real Redis: what replicas share, and that every failure of Redis is
//! a cache miss.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::time::{Duration, SystemTime};

use amazon_catalog::{Asin, Locale, Marketplace, Snapshot};
use prost::Message;
use stockroom::{
    cache::{Cache, CacheHit, FreshnessRequirement, Key, Namespace, Stats},
    config,
    store::Store,
};
use stockroom_proto::pb::{Product, Protocol};

use self::server::{RedisServer, eventually};

mod budget;
mod failures;
mod fetch_lock;
mod log;
mod purging;
mod reaching;
mod relay;
mod rights;
mod server;
mod sharing;
#[path = "../support/stepped_clock.rs"]
mod stepped_clock;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A replica with a long Redis timeout, so that a busy machine does not turn hits into misses.
fn replica(url: &str) -> Cache {
    replica_with(config::RedisConfig { timeout: Duration::from_secs(5), ..config::RedisConfig::at(url).unwrap() })
}

fn replica_with(redis: config::RedisConfig) -> Cache {
    let tags = [(us().marketplace, "example-20".to_owned())];
    Cache::shared(&config::CacheConfig::default(), Store::open(&redis).unwrap(), tags)
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

fn snapshot(age: Duration) -> Snapshot {
    Snapshot { fetched_at: SystemTime::now() - age, protocol: Protocol::Paapi5, content: Ok("a product".into()) }
}

async fn get(cache: &Cache, key: &Key) -> Option<CacheHit> {
    cache.get_many(std::slice::from_ref(key), &FreshnessRequirement::default(), SystemTime::now()).await.remove(0)
}

async fn has(cache: &Cache, key: &Key) -> bool {
    get(cache, key).await.is_some()
}

fn tier(cache: &Cache) -> Stats {
    cache.stats().into_iter().find(|stats| stats.tier == "redis").unwrap()
}

/// Stores an answer under a key, as one that is about that key.
fn put(cache: &Cache, key: Key, snapshot: Snapshot) {
    let content = snapshot.content.map(|content| match &key {
        Key::Product(_, asin) => Product { asin: asin.to_string(), ..Default::default() }.encode_to_vec().into(),
        Key::Page { .. } => content,
    });
    cache.put(key, Snapshot { content, ..snapshot });
}

/// Writes an answer through one replica and waits until another replica can read it.
async fn stored(server: &RedisServer, key: Key, snapshot: Snapshot) {
    let writer = replica(&server.url());
    put(&writer, key.clone(), snapshot);
    eventually("the answer is in Redis", async || has(&replica(&server.url()), &key).await).await;
}
