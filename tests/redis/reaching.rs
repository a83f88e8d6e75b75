//! The same over TLS, with a password, through Sentinel and on a cluster.

use std::time::Duration;

use stockroom::{
    cache::{Namespace, Purge},
    config,
};
use stockroom_proto::pb::Source;

use crate::{
    MINUTE, get, has, page, product, put, replica_with,
    server::{RedisServer, eventually, free_port},
    snapshot, tier,
};

/// That two replicas share answers and purges, whatever their Redis is made of.
async fn shares(redis: config::RedisConfig) {
    let redis = config::RedisConfig { timeout: Duration::from_secs(5), ..redis };
    let (one, other) = (replica_with(redis.clone()), replica_with(redis));
    let keys = [product(1), page(Namespace::Searches), product(2)];
    for key in &keys {
        put(&one, key.clone(), snapshot(MINUTE));
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
    shares(config::RedisConfig::at(&server.url()).unwrap()).await;
    let _: String = server.run("FLUSHALL").await;
    let over_tls = config::RedisConfig::at(&format!("rediss://:p%40ss@localhost:{tls_port}")).unwrap();
    shares(config::RedisConfig { ca_file: Some(config::CaFile::read(path("cert.pem")).unwrap()), ..over_tls.clone() })
        .await;

    let distrustful = replica_with(over_tls);
    eventually("a certificate that nobody vouches for is refused", async || {
        assert!(!has(&distrustful, &product(1)).await);
        !tier(&distrustful).answers
    })
    .await;
}

#[tokio::test]
async fn it_works_through_sentinel_with_and_without_a_password_of_its_own() {
    let server = RedisServer::start_with_password(&[]).await;
    let sentinel = RedisServer::sentinel_of(&server, &["sentinel auth-pass primary p@ss"]).await;
    let address = sentinel.url().replace("redis://", "redis-sentinel://:p%40ss@");
    shares(config::RedisConfig::at(&format!("{address}/primary")).unwrap()).await;

    let guarded = RedisServer::sentinel_with_password(&server, &["sentinel auth-pass primary p@ss"]).await;
    let address = guarded.url().replace("redis://", "redis-sentinel://");
    shares(config::RedisConfig::at(&format!("{address}/primary")).unwrap()).await;
}

#[tokio::test]
async fn it_works_on_a_cluster() {
    let server = RedisServer::start(&["cluster-enabled yes"]).await;
    let _: String = server.run("CLUSTER ADDSLOTSRANGE 0 16383").await;
    eventually("the cluster is up", async || server.run::<String>("CLUSTER INFO").await.contains("cluster_state:ok"))
        .await;
    shares(config::RedisConfig::at(&server.url().replace("redis://", "redis-cluster://")).unwrap()).await;
}
