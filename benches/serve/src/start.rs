//! How long it takes from starting the program to the first answer.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    LOAD_CORE, SERVER_CORE,
    generator::{self, Redis},
    process::{self, Process},
    statistics::Rounds,
    wire,
};

const STARTS: usize = 7;
/// `status: SERVING` of `grpc.health.v1.HealthCheckResponse`.
const SERVING: &[u8] = &[8, 1];

/// Measures a gateway alone, one with an empty Redis, and one whose Redis does not answer.
pub async fn measure(rounds: usize) -> Vec<String> {
    let redis = Redis::start().await;
    let nowhere = format!("redis://127.0.0.1:{}", process::free_port());
    let mut verdicts = Vec::new();
    println!("\nFrom exec to the first answer, ms");
    for (name, url) in [("alone", ""), ("with an empty Redis", &redis.url), ("with Redis down", &nowhere)] {
        let mut took = Rounds::default();
        for _ in 0..STARTS.max(rounds) {
            took.push(start(url).await.as_secs_f64() * 1000.0);
        }
        println!("{name}: {took}");
        verdicts.push(format!("exec to serving, {name} {:.0} ms", took.median()));
    }
    verdicts
}

/// Starts a gateway and waits until it says that it serves.
async fn start(redis_url: &str) -> Duration {
    let address = format!("127.0.0.1:{}", process::free_port());
    let mut command = process::pinned(SERVER_CORE, &process::gateway_program());
    command.args(["serve", "--listen", &address]).stdout(std::process::Stdio::null());
    generator::configure(&mut command, redis_url, "http://127.0.0.1:9", "256MiB");
    let started = Instant::now();
    let _gateway = Process::start(&mut command);
    while TcpStream::connect(&address).is_err() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "a gateway on {address} does not start (core {LOAD_CORE})"
        );
        std::thread::sleep(Duration::from_micros(500));
    }
    loop {
        if let Ok(channel) = wire::connect(&address).await
            && let Ok(messages) = wire::call(&channel, "/grpc.health.v1.Health/Check", Bytes::new()).await
            && messages[0] == SERVING
        {
            return started.elapsed();
        }
    }
}
