//! Whatever ails Redis is a miss, and it is used again when it is well.

use std::time::{Duration, SystemTime};

use stockroom::{cache::FreshnessRequirement, config};
use tokio::time::Instant;

use crate::{
    AT_ONCE, MINUTE, asin, has, kept, product, put, replica, replica_with,
    server::{RedisServer, eventually, free_port},
    tier, told,
};

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
        put(&cache, product(2), told(MINUTE));
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
            put(&cache, product(n), told(MINUTE));
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
        put(&cache, product(2), told(MINUTE));
        eventually("the write is dropped and counted", async || tier(&cache).dropped_writes == 1).await;
        eventually("what is there is told", async || has(&cache, &product(1)).await).await;
        assert!(tier(&cache).answers, "{ail}: it answers");
        let _: String = server.run(cure).await;
        eventually("writes go through", async || {
            put(&cache, product(3), told(MINUTE));
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
    let hits = cache.get_many(&[product(1), product(2)], &FreshnessRequirement::default(), SystemTime::now()).await;
    assert!(hits.iter().all(Option::is_none));
    kept(&server, product(1), told(MINUTE)).await;
}

#[tokio::test]
async fn a_gateway_starts_without_its_redis_and_finds_it_later() {
    let port = free_port();
    let cache = replica_with(config::Redis::at(format!("redis://127.0.0.1:{port}")));
    put(&cache, product(1), told(MINUTE));
    assert!(has(&cache, &product(1)).await && !has(&cache, &product(2)).await);
    let server = RedisServer::start_on(port, &[]);
    server.answers().await;
    kept(&server, product(2), told(MINUTE)).await;
    eventually("it is used", async || has(&cache, &product(2)).await).await;
}
