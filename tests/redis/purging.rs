//! A purge reaches every replica, or says that it did not.

use std::time::{Duration, SystemTime};

use stockroom::{
    cache::{FreshnessRequirement, Namespace, Purge},
    config,
};

use crate::{
    MINUTE, asin, has, page, product, put, replica, replica_with,
    server::{RedisServer, eventually},
    snapshot, stored, us,
};

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
            put(&asked, key.clone(), snapshot(MINUTE));
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
            put(&asked, key.clone(), snapshot(Duration::ZERO));
            assert!(has(&asked, key).await);
        }
    }
}

#[tokio::test]
async fn a_replica_that_was_cut_off_hears_of_a_purge_when_it_is_back() {
    let server = RedisServer::start(&[]).await;
    let (asked, other) = (replica(&server.url()), replica(&server.url()));
    put(&asked, product(1), snapshot(MINUTE));
    eventually("the other replica has it", async || has(&other, &product(1)).await).await;
    let _: u64 = server.run("CLIENT KILL TYPE normal").await;
    eventually("the purge is taken", async || asked.purge(&Purge::Everything).await.everywhere).await;
    eventually("the other replica drops it", async || !has(&other, &product(1)).await).await;
}

#[tokio::test]
async fn a_purge_that_redis_does_not_take_says_so() {
    let mut server = RedisServer::start(&[]).await;
    stored(&server, product(1), snapshot(MINUTE)).await;
    let cache = replica_with(config::RedisConfig::at(&server.url()).unwrap());
    eventually("it is read", async || has(&cache, &product(1)).await).await;
    server.kill();
    let purged = cache.purge(&Purge::Everything).await;
    assert_eq!((purged.dropped, purged.everywhere), (1, false));
    assert!(!has(&cache, &product(1)).await);
    // A full Redis refuses as well, while what it has would still be read.
    server.restart();
    server.answers().await;
    stored(&server, product(1), snapshot(MINUTE)).await;
    let _: String = server.run("CONFIG SET maxmemory 1").await;
    eventually("Redis refuses", async || {
        let purged = cache.purge(&Purge::Everything).await;
        assert!(!purged.everywhere);
        cache.stats().iter().all(|tier| tier.answers)
    })
    .await;
    assert!(!has(&cache, &product(1)).await, "here it is gone all the same");
    // Redis is too full to take the next answer, and still has the one from before the purge.
    put(&cache, product(1), snapshot(Duration::ZERO));
    let another = FreshnessRequirement { max_age: Some(Duration::ZERO), ..FreshnessRequirement::default() };
    assert!(cache.get_many(&[product(1)], &another, SystemTime::now()).await.iter().all(Option::is_none));
    assert!(has(&cache, &product(1)).await, "finding the old one there does not cost the new one here");
}

#[tokio::test]
async fn a_purge_reaches_a_call_in_flight_and_a_foreign_entry_does_not_end_the_journal() {
    let server = RedisServer::start(&[]).await;
    let (asked, other) = (replica(&server.url()), replica(&server.url()));
    let _: String = server.run("XADD stockroom:v1:purges * entry \u{fffd} other field").await;
    let bytes = "redis.call('XADD',KEYS[1],'*','entry','\\255\\254')";
    let _: Option<u8> = server.run(&format!("EVAL {bytes} 1 stockroom:v1:purges")).await;
    let sent = snapshot(Duration::ZERO);
    assert!(asked.purge(&Purge::Everything).await.everywhere);
    put(&asked, product(1), sent.clone());
    assert!(!has(&asked, &product(1)).await, "its call was sent before the purge");
    eventually("the other replica follows the journal", async || {
        put(&other, product(1), sent.clone());
        !has(&other, &product(1)).await
    })
    .await;
}
