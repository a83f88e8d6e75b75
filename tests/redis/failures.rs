//! Every failure of Redis is a cache miss, and the cache uses Redis again when it answers again.

use std::time::SystemTime;

use stockroom::{cache::FreshnessRequirement, config};

use crate::{
    MINUTE, asin, has, product, put, replica, replica_with,
    server::{RedisServer, eventually, free_port},
    snapshot, stored, tier,
};

/// A way in which Redis can fail.
enum Failure {
    Dead,
    Silent,
    Loading,
}

#[tokio::test]
async fn a_redis_that_does_not_answer_is_a_miss_and_is_used_again_when_it_answers() {
    // Loading takes a millisecond for each key, and the server accepts connections meanwhile.
    let slow = ["key-load-delay 2000", "loading-process-events-interval-bytes 1024"];
    for failure in [Failure::Dead, Failure::Silent, Failure::Loading] {
        let mut server = RedisServer::start(&slow).await;
        let _: () = server.run("EVAL for\ti=1,1000\tdo\tredis.call('SET',i,i)\tend 0").await;
        stored(&server, product(1), snapshot(MINUTE)).await;
        let _: String = server.run("SAVE").await;
        let cache = replica_with(config::RedisConfig::at(&server.url()).unwrap());
        put(&cache, product(2), snapshot(MINUTE));
        eventually("it is used", async || tier(&cache).answers && has(&cache, &product(1)).await).await;
        match failure {
            Failure::Dead => server.kill(),
            Failure::Silent => server.pause(),
            Failure::Loading => {
                server.kill();
                server.restart();
                eventually("it is loading", async || server.is_loading().await).await;
            }
        }
        for n in 10..30 {
            // Redis stays unreachable until the loop ends, so a lookup without a bound would never return.
            assert!(!has(&cache, &product(n)).await);
            put(&cache, product(n), snapshot(MINUTE));
            assert!(has(&cache, &product(n)).await && has(&cache, &product(2)).await, "memory is what it was");
        }
        match failure {
            Failure::Dead => server.restart(),
            Failure::Silent => server.wake(),
            Failure::Loading => {}
        }
        server.answers().await;
        stored(&server, product(3), snapshot(MINUTE)).await;
        eventually("it is used again", async || has(&cache, &product(3)).await).await;
    }
}

#[tokio::test]
async fn a_full_or_read_only_redis_drops_writes_and_serves_what_it_has() {
    let cases = [("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"), ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE")];
    for (ail, cure) in cases {
        let server = RedisServer::start(&[]).await;
        stored(&server, product(1), snapshot(MINUTE)).await;
        let cache = replica(&server.url());
        let _: String = server.run(ail).await;
        put(&cache, product(2), snapshot(MINUTE));
        eventually("the write is dropped and counted", async || tier(&cache).dropped_writes == 1).await;
        eventually("what it has is served", async || has(&cache, &product(1)).await).await;
        assert!(tier(&cache).answers, "{ail}: it answers");
        let _: String = server.run(cure).await;
        eventually("writes go through", async || {
            put(&cache, product(3), snapshot(MINUTE));
            has(&replica(&server.url()), &product(3)).await
        })
        .await;
    }
}

#[tokio::test]
async fn a_flushed_or_foreign_redis_is_a_miss() {
    let server = RedisServer::start(&[]).await;
    let cache = replica(&server.url());
    stored(&server, product(1), snapshot(MINUTE)).await;
    let _: String = server.run("FLUSHALL").await;
    assert!(!has(&cache, &product(1)).await);
    let key = |n| format!("stockroom:v1:products:{{example-20:US}}:en_US:USD:{}", asin(n));
    let _: String = server.run(&format!("SET {} somebody-elses", key(1))).await;
    let _: u64 = server.run(&format!("LPUSH {} one two", key(2))).await;
    let hits = cache.get_many(&[product(1), product(2)], &FreshnessRequirement::default(), SystemTime::now()).await;
    assert!(hits.iter().all(Option::is_none));
    stored(&server, product(1), snapshot(MINUTE)).await;
}

#[tokio::test]
async fn a_gateway_starts_without_its_redis_and_finds_it_later() {
    let port = free_port();
    let cache = replica_with(config::RedisConfig::at(&format!("redis://127.0.0.1:{port}")).unwrap());
    put(&cache, product(1), snapshot(MINUTE));
    assert!(has(&cache, &product(1)).await && !has(&cache, &product(2)).await);
    let server = RedisServer::start_on(port, &[]);
    server.answers().await;
    stored(&server, product(2), snapshot(MINUTE)).await;
    eventually("it is used", async || has(&cache, &product(2)).await).await;
}
