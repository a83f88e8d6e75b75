//! The measure for answers from Redis: a client that does nothing but `MGET`, over as many connections as the gateway has.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;

use super::{generator, redis_hits::IDS_PER_CALL};

/// The connections that the gateway keeps.
const CONNECTIONS: usize = 4;

/// Reads products, the next ones in turn of so many, and prints how many `MGET` a second were answered and the processor
/// time that each took.
pub fn run(url: &str, products: &str, in_flight: &str, calls: &str) {
    let (products, in_flight, calls): (usize, usize, usize) =
        (products.parse().unwrap(), in_flight.parse().unwrap(), calls.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = redis::Client::open(url).unwrap();
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(client.get_multiplexed_async_connection().await.unwrap());
        }
        let (next, started) = (Arc::new(AtomicUsize::new(0)), Instant::now());
        let reader = |reader: usize| {
            let (mut connection, next) = (connections[reader % CONNECTIONS].clone(), Arc::clone(&next));
            async move {
                loop {
                    let call = next.fetch_add(1, Ordering::Relaxed);
                    if call >= calls {
                        return;
                    }
                    let first = call * IDS_PER_CALL % products;
                    let keys: Vec<String> = (first..first + IDS_PER_CALL).map(generator::key).collect();
                    let values: Vec<Option<Bytes>> =
                        redis::cmd("MGET").arg(&keys).query_async(&mut connection).await.unwrap();
                    assert!(values.iter().all(Option::is_some), "a product is not in Redis");
                }
            }
        };
        let readers: Vec<_> = (0..in_flight).map(|number| tokio::spawn(reader(number))).collect();
        for reader in readers {
            reader.await.unwrap();
        }
        println!("{}", calls as f64 / started.elapsed().as_secs_f64());
    });
}
