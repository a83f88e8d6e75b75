//! What many cached products cost: memory, the time of a hit, and the purge of one.

use std::{
    env,
    time::{Duration, Instant},
};

use prost::Message;
use stockroom_proto::pb;
use tonic::transport::Channel;

use super::{
    SERVER_CORE,
    calls::{GET_PRODUCT, GET_PRODUCTS, PURGE_CACHE},
    generator::{self, Redis},
    process::{Server, gateway},
    redis_hits,
    statistics::{Rounds, percentile},
    storm, wire,
};

/// The most ids of one call.
const IDS_PER_CALL: usize = 100;
/// Hits in one round.
const HITS: usize = 4000;
const SMALL: usize = 1000;
const MIDDLE: usize = 100_000;

/// A gateway with so many products in memory.
struct Filled {
    products: usize,
    server: Server,
    channel: Channel,
}

/// Measures the selected parts and returns the verdicts. `PRODUCTS` is the number of the largest cache.
pub async fn measure(rounds: usize, is_selected: impl Fn(&str) -> bool) -> Vec<String> {
    let redis = Redis::start().await;
    redis.fill(0..redis_hits::PRODUCTS, Duration::ZERO).await;
    let mut verdicts = Vec::new();
    if is_selected("redis") {
        verdicts.push(redis_hits::measure(&redis, rounds).await);
    }
    if is_selected("storm") {
        storm::measure(&redis).await;
    }
    if is_selected("scale") {
        let given = env::var("PRODUCTS").ok().and_then(|products| products.parse().ok());
        let large: usize = given.unwrap_or(if rounds > 1 { 1_000_000 } else { MIDDLE });
        let bytes = redis.fill(0..large, Duration::ZERO).await;
        let average = bytes as f64 / large as f64;
        println!("\nMany products of {average:.0} bytes, encoded");
        let mut filled = Vec::new();
        for products in [SMALL, MIDDLE, large] {
            filled.push(Filled::start(&redis, products, average, &mut verdicts).await);
        }
        let p50 = p50_ratio(&filled, rounds).await;
        println!("p50 of a hit, {large} products to {SMALL}: {p50}");
        verdicts.push(format!("p50 {large}/{SMALL} {:.2}", p50.median()));
        filled[2].purge_one().await;
    }
    verdicts
}

impl Filled {
    /// Starts a gateway and has it read products from Redis; tells what each costs.
    async fn start(redis: &Redis, products: usize, average: f64, verdicts: &mut Vec<String>) -> Self {
        let mut command = gateway(SERVER_CORE);
        generator::configure(&mut command, &redis.url, "http://127.0.0.1:9", "16GiB");
        let server = Server::start(&mut command);
        let channel = wire::connect(&server.address).await.unwrap();
        let before = server.process.resident_bytes();
        for first in (0..products).step_by(IDS_PER_CALL) {
            let request = generator::get_products(first..first + IDS_PER_CALL);
            wire::call(&channel, GET_PRODUCTS, request).await.unwrap();
        }
        if products > SMALL {
            let each = (server.process.resident_bytes() - before) / products as f64;
            println!("resident memory per product, {products} products: {each:.0} bytes, {:.2} of it", each / average);
            verdicts.push(format!("rss/encoded {products} {:.2}", each / average));
        }
        Self { products, server, channel }
    }

    /// The median time of a hit on products at random, one call at a time, in milliseconds.
    async fn p50(&self) -> f64 {
        let mut took = Vec::with_capacity(HITS);
        for _ in 0..HITS {
            let request = generator::get_product(fastrand::usize(..self.products));
            let asked = Instant::now();
            wire::call(&self.channel, GET_PRODUCT, request).await.unwrap();
            took.push(asked.elapsed().as_secs_f64() * 1000.0);
        }
        took.sort_by(f64::total_cmp);
        percentile(&took, 0.5)
    }

    /// Times the purge of one product. The gateway answers once the other replicas can learn of it.
    async fn purge_one(&self) {
        let mut took = Rounds::default();
        for number in 0..5 {
            let asins = vec![generator::asin(number)];
            let request = pb::PurgeCacheRequest {
                target: Some(pb::purge_cache_request::Target::Products(pb::PurgeProducts {
                    asins,
                    marketplace: "US".to_owned(),
                })),
            };
            let asked = Instant::now();
            let messages = wire::call(&self.channel, PURGE_CACHE, request.encode_to_vec().into()).await.unwrap();
            took.push(asked.elapsed().as_secs_f64() * 1000.0);
            let response = pb::PurgeCacheResponse::decode(messages[0].clone()).unwrap();
            assert_eq!(response.dropped_count, 1, "entries purged");
        }
        println!(
            "purge of one among {}: {took} ms; resident {:.0} MB",
            self.products,
            self.server.process.resident_bytes() / 1e6
        );
    }
}

/// The p50 of the largest cache to that of the smallest, in alternating rounds.
async fn p50_ratio(filled: &[Filled], rounds: usize) -> Rounds {
    let mut ratio = Rounds::default();
    let mut p50s = vec![Rounds::default(); filled.len()];
    for _ in 0..rounds.max(3) {
        let mut last = Vec::new();
        for (filled, p50s) in filled.iter().zip(&mut p50s) {
            let p50 = filled.p50().await;
            p50s.push(p50);
            last.push(p50);
        }
        ratio.push(last[filled.len() - 1] / last[0]);
    }
    for (filled, p50) in filled.iter().zip(p50s) {
        println!("p50 of a hit, {} products: {:.3} ms", filled.products, p50.median());
    }
    ratio
}
