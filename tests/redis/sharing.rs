//! What replicas have of each other, and for how long.

use std::time::{Duration, SystemTime};

use amazon_catalog::{Missing, Snapshot};
use stockroom::{
    cache::{Cache, Freshness, FreshnessRequirement, Key, Namespace},
    config,
    store::Store,
};
use stockroom_proto::pb::Source;

use crate::{
    HOUR, MINUTE, asin, get, has, page, product, put, replica,
    server::{RedisServer, eventually},
    snapshot, stored, tier, us,
};

#[tokio::test]
async fn a_replica_reads_another_replica_s_answers_with_their_original_time() {
    let server = RedisServer::start(&[]).await;
    let reader = replica(&server.url());
    let absent = Snapshot { content: Err(Missing::NotAccessible), ..snapshot(MINUTE) };
    let cases =
        [(product(1), snapshot(10 * MINUTE)), (page(Namespace::Searches), snapshot(HOUR)), (product(2), absent)];
    for (key, snapshot) in cases {
        stored(&server, key.clone(), snapshot.clone()).await;
        let hit = get(&reader, &key).await.unwrap();
        let off = snapshot.fetched_at.duration_since(hit.snapshot.fetched_at).unwrap();
        assert!(off < Duration::from_millis(1), "to the millisecond, not {off:?}");
        assert_eq!(hit.snapshot.content.is_ok(), snapshot.content.is_ok());
        assert_eq!((hit.snapshot.content.err(), hit.snapshot.protocol), (snapshot.content.err(), snapshot.protocol));
        assert_eq!(hit.source, Source::Redis);
        assert_eq!(get(&reader, &key).await.unwrap().source, Source::Memory, "the first read copies it into memory");
    }
    assert_eq!((tier(&reader).hits, tier(&reader).misses), (3, 0));
}

#[tokio::test]
async fn an_account_with_another_tag_does_not_share() {
    let server = RedisServer::start(&[]).await;
    stored(&server, product(1), snapshot(MINUTE)).await;
    let redis =
        config::RedisConfig { timeout: Duration::from_secs(5), ..config::RedisConfig::at(&server.url()).unwrap() };
    let tags = [(us().marketplace, "another-20".to_owned())];
    let other = Cache::shared(&config::CacheConfig::default(), Store::open(&redis).unwrap(), tags);
    assert!(!has(&other, &product(1)).await);
    assert!(tier(&other).answers);
}

#[tokio::test]
async fn nothing_outlives_the_ceiling() {
    let server = RedisServer::start(&[]).await;
    stored(&server, product(1), snapshot(Duration::ZERO)).await;
    stored(&server, product(2), snapshot(23 * HOUR)).await;
    stored(&server, product(3), Snapshot { content: Err(Missing::NotFound), ..snapshot(Duration::ZERO) }).await;
    let writer = replica(&server.url());
    put(&writer, product(4), snapshot(25 * HOUR));
    stored(&server, product(5), snapshot(Duration::ZERO)).await;
    for (n, most) in [(1, 24 * HOUR), (2, HOUR), (3, HOUR)] {
        let key = format!("stockroom:v1:products:{{example-20:US}}:en_US:USD:{}", asin(n));
        let left_ms: u64 = server.run(&format!("PTTL {key}")).await;
        let left = Duration::from_millis(left_ms);
        assert!(left <= most && left > most / 2, "{n}: {left:?}");
    }
    assert_eq!(server.run::<u64>("DBSIZE").await, 4, "an expired answer is not written");
}

#[tokio::test]
async fn one_read_fetches_all_that_memory_lacks_and_none_what_it_has() {
    let server = RedisServer::start(&[]).await;
    let (writer, reader) = (replica(&server.url()), replica(&server.url()));
    let keys: Vec<Key> = (0..40).map(product).collect();
    for key in &keys {
        put(&writer, key.clone(), snapshot(MINUTE));
    }
    eventually("all are in Redis", async || server.run::<u64>("DBSIZE").await == 40).await;
    for _ in 0..2 {
        let hits = reader.get_many(&keys, &FreshnessRequirement::default(), SystemTime::now()).await;
        assert_eq!(hits.iter().flatten().count(), 40);
        let commands: String = server.run("INFO commandstats").await;
        assert!(commands.contains("cmdstat_mget:calls=1,"), "{commands}");
    }
}

#[tokio::test]
async fn what_is_stale_here_may_be_fresh_there() {
    let server = RedisServer::start(&[]).await;
    let reader = replica(&server.url());
    stored(&server, product(1), snapshot(13 * HOUR)).await;
    assert_eq!(get(&reader, &product(1)).await.unwrap().freshness, Freshness::StaleWhileRevalidate);
    let writer = replica(&server.url());
    put(&writer, product(1), snapshot(MINUTE));
    eventually("the fresh answer is served", async || {
        get(&reader, &product(1)).await.unwrap().freshness == Freshness::Fresh
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_came_late_does_not_replace_a_younger_one_in_redis() {
    let server = RedisServer::start(&[]).await;
    let writer = replica(&server.url());
    let (young, old) = (snapshot(MINUTE), snapshot(2 * HOUR));
    put(&writer, product(1), young.clone());
    writer.flush().await;
    put(&writer, product(1), old);
    writer.flush().await;
    let hit = get(&replica(&server.url()), &product(1)).await.unwrap();
    assert!(young.fetched_at.duration_since(hit.snapshot.fetched_at).unwrap() < Duration::from_millis(1));
}

#[tokio::test]
async fn what_is_not_the_answer_to_its_key_is_a_miss() {
    let server = RedisServer::start(&[]).await;
    stored(&server, product(1), snapshot(MINUTE)).await;
    let name = |n: u32| format!("stockroom:v1:products:{{example-20:US}}:en_US:USD:{}", asin(n));
    // Another product's answer, a text, an empty answer, and a list.
    let _: u8 = server.run(&format!("COPY {} {}", name(1), name(2))).await;
    let _: String = server.run(&format!("SET {} garbage", name(3))).await;
    let empty = "local\tv=redis.call('GET',KEYS[1])\tredis.call('SET',KEYS[2],v:sub(1,11))";
    let _: Option<u8> = server.run(&format!("EVAL {empty} 2 {} {}", name(1), name(4))).await;
    let _: u8 = server.run(&format!("RPUSH {} garbage", name(5))).await;
    let reader = replica(&server.url());
    assert!(has(&reader, &product(1)).await);
    for n in 2..=5 {
        assert!(!has(&reader, &product(n)).await, "product {n}");
        let found = reader.look_up(&[(product(n), SystemTime::UNIX_EPOCH)]).await;
        assert_eq!(found, [stockroom::dispatch::FetchState::Free], "product {n}");
    }
}
