//! `GetProducts` of 50 from Redis beside a bare `MGET` of the same keys.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use prost::Message;
use stockroom_proto::pb;
use tonic::transport::Channel;

use super::{
    SERVER_CORE,
    calls::{GET_PRODUCTS, check_products},
    generator::{self, Redis},
    process::{Server, gateway, this_program},
    statistics::Rounds,
    wire,
};

pub const IDS_PER_CALL: usize = 50;
/// More than the smallest memory holds, read in turn, so that nearly all come from Redis.
pub const PRODUCTS: usize = 10_000;
const IN_FLIGHT: usize = 16;
const CALLS: usize = 4000;
/// The share of products that memory may answer without spoiling the comparison.
const MEMORY_SHARE: f64 = 0.1;

/// Measures alternating rounds and returns the verdict.
pub async fn measure(redis: &Redis, rounds: usize) -> String {
    let mut command = gateway(SERVER_CORE);
    generator::configure(&mut command, &redis.url, "http://127.0.0.1:9", "1MiB");
    let server = Server::start(&mut command);
    let channels: Vec<Channel> =
        futures_util::future::join_all((0..4).map(|_| async { wire::connect(&server.address).await.unwrap() })).await;
    let (mut ratio, mut cpu) = (Rounds::default(), Rounds::default());
    for _ in 0..rounds {
        let before = server.process.cpu_seconds();
        let through_gateway = read_all(&channels).await;
        cpu.push((server.process.cpu_seconds() - before) * 1e6 / CALLS as f64);
        ratio.push(through_gateway / bare(redis));
    }
    println!("\nGetProducts of {IDS_PER_CALL} from Redis, {IN_FLIGHT} in flight: {ratio} of bare MGET; CPU µs {cpu}");
    format!("redis/MGET N={IDS_PER_CALL} {:.2}", ratio.median())
}

/// Reads all products in turn, and returns the calls a second.
async fn read_all(channels: &[Channel]) -> f64 {
    let (next, started) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let from_memory = Arc::new(AtomicUsize::new(0));
    let reader = |reader: usize| {
        let channel = channels[reader % channels.len()].clone();
        let (next, from_memory) = (Arc::clone(&next), Arc::clone(&from_memory));
        async move {
            loop {
                let call = next.fetch_add(1, Ordering::Relaxed);
                if call >= CALLS {
                    return;
                }
                let first = call * IDS_PER_CALL % PRODUCTS;
                let request = generator::get_products(first..first + IDS_PER_CALL);
                let messages = wire::call(&channel, GET_PRODUCTS, request).await.unwrap();
                if call.is_multiple_of(100) {
                    check_products(&messages[0], IDS_PER_CALL);
                    let cost = pb::GetProductsResponse::decode(messages[0].clone()).unwrap().cost.unwrap_or_default();
                    from_memory.fetch_add(cost.from_memory as usize, Ordering::Relaxed);
                }
            }
        }
    };
    let readers: Vec<_> = (0..IN_FLIGHT).map(|number| tokio::spawn(reader(number))).collect();
    for reader in readers {
        reader.await.unwrap();
    }
    let calls_per_second = CALLS as f64 / started.elapsed().as_secs_f64();
    let share = from_memory.load(Ordering::Relaxed) as f64 / (CALLS / 100 * IDS_PER_CALL) as f64;
    assert!(share < MEMORY_SHARE, "{share:.2} of the products came from memory");
    calls_per_second
}

/// `MGET` a second.
fn bare(redis: &Redis) -> f64 {
    let numbers = [PRODUCTS, IN_FLIGHT, CALLS].map(|number| number.to_string());
    let output = this_program(SERVER_CORE).args(["--bare-mget", &redis.url]).args(numbers).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
}
