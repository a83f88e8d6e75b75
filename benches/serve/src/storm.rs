//! Hits while ten thousand products are due for a refresh at once.

use std::time::{Duration, Instant};

use tonic::transport::Channel;

use super::{
    LOAD_CORE, SERVER_CORE,
    calls::{GET_PRODUCT, GET_PRODUCTS},
    generator::{self, Redis},
    process::{self, Process, Server, gateway},
    statistics::percentile,
    wire,
};

/// Numbers of products that no other part uses.
const DUE: std::ops::Range<usize> = 900_000_000..900_010_000;
/// Past the freshness of offers, within what may be answered while it is refreshed.
const AGE: Duration = Duration::from_secs(55 * 60);
const IDS_PER_CALL: usize = 100;
const HITS: usize = 5000;

/// Measures hits on a fresh product, first alone, then while the reads of all others make them due.
pub async fn measure(redis: &Redis) {
    redis.fill(DUE, AGE).await;
    let port = process::free_port();
    let mut amazon = process::pinned(LOAD_CORE, &process::gateway_program());
    amazon.args(["sandbox", "--rate", "10", "--per-day", "1000000", "--listen", &format!("127.0.0.1:{port}")]);
    let _amazon = Process::start(amazon.stdout(std::process::Stdio::null()));
    let mut command = gateway(SERVER_CORE);
    generator::configure(&mut command, &redis.url, &format!("http://127.0.0.1:{port}"), "256MiB");
    let server = Server::start(&mut command);
    let channel = wire::connect(&server.address).await.unwrap();

    let calm = hits(&channel).await;
    let other = wire::connect(&server.address).await.unwrap();
    let reads = tokio::spawn(async move {
        for first in DUE.step_by(IDS_PER_CALL) {
            let request = generator::get_products(first..first + IDS_PER_CALL);
            wire::call(&other, GET_PRODUCTS, request).await.unwrap();
        }
    });
    let during = hits(&channel).await;
    reads.await.unwrap();
    let after = hits(&channel).await;
    println!(
        "\nHits one at a time, p50 and p99 ms: alone {calm}; while {} products become due {during}; while they are refreshed {after}",
        DUE.len()
    );
}

async fn hits(channel: &Channel) -> String {
    let mut took = Vec::with_capacity(HITS);
    for _ in 0..HITS {
        let asked = Instant::now();
        wire::call(channel, GET_PRODUCT, generator::get_product(0)).await.unwrap();
        took.push(asked.elapsed().as_secs_f64() * 1000.0);
    }
    took.sort_by(f64::total_cmp);
    format!("{:.2} {:.2}", percentile(&took, 0.5), percentile(&took, 0.99))
}
