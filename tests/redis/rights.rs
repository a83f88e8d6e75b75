//! The check of a Redis before it is used: its rights, and the replicas that it has.

use stockroom::{config::RedisConfig, store::Store};

use crate::server::{RedisServer, eventually};

/// The rights that docs/operations.md recommends.
fn recommended() -> String {
    let text = include_str!("../../docs/operations.md");
    let rule = text.lines().find(|line| line.starts_with("ACL SETUSER stockroom ")).unwrap();
    rule.replace("PASSWORD", "word")
}

async fn check(server: &RedisServer) -> Vec<&'static str> {
    let url = server.url().replace("redis://", "redis://stockroom:word@");
    let redis = RedisConfig { timeout: std::time::Duration::from_secs(5), ..RedisConfig::at(&url).unwrap() };
    let checked = Store::open(&redis).unwrap().check().await.unwrap();
    checked.refused.into_iter().map(|(command, _)| command).collect()
}

#[tokio::test]
async fn the_rights_of_the_documentation_are_enough_and_each_that_is_missing_is_named() {
    let server = RedisServer::start(&[]).await;
    let _: String = server.run(&recommended()).await;
    assert_eq!(check(&server).await, [""; 0]);
    for (rule, missing) in
        [("-hset", vec!["HSET"]), ("-xadd -xread", vec!["XADD", "XREAD"]), ("-script|load", vec!["SCRIPT LOAD"])]
    {
        let _: String = server.run(&format!("{} {rule}", recommended())).await;
        assert_eq!(check(&server).await, missing, "{rule}");
        // Rights are added to those before.
        let _: i64 = server.run("ACL DELUSER stockroom").await;
    }
}

#[tokio::test]
async fn what_the_check_writes_is_gone_after_its_time() {
    let server = RedisServer::start(&[]).await;
    let _: String = server.run(&recommended()).await;
    check(&server).await;
    eventually("its keys expire", async || {
        let keys: Vec<String> = server.run("KEYS *").await;
        let mut lasting = 0;
        for key in keys {
            lasting += usize::from(server.run::<i64>(&format!("PTTL {key}")).await == -1);
        }
        lasting == 0
    })
    .await;
}
