//! How fast a cached answer is, as ratios: the gateway beside a bare tonic server that sends the same bytes, `GetProducts`
//! from Redis beside a bare `MGET`, and what a million cached products cost.
//!
//! Every server is a process of its own on one core, the load is on the other, and rounds alternate between the two that are
//! compared, so that a busy machine disturbs both. `ROUNDS` is the number of rounds (default 5); `ONLY` selects parts by
//! name: `memory`, `connections`, `cores`, `redis`, `scale`, `start`, `storm`. Needs h2load, taskset and redis-server.

#![expect(clippy::disallowed_methods, reason = "ROUNDS, ONLY and PRODUCTS in the environment select what to measure")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

use std::env;

mod bare;
mod calls;
mod generator;
mod h2load;
mod memory;
mod mget;
mod process;
mod redis_hits;
mod scale;
mod start;
mod statistics;
mod storm;
mod wire;

/// The gateway's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The core of the server under test.
pub const SERVER_CORE: &str = "0";
/// The core of the load and of everything else.
pub const LOAD_CORE: &str = "1";
/// Both, for the part that measures two cores.
pub const BOTH_CORES: &str = "0,1";

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[1..] {
        ["--bare-server", answers] => bare::run(answers),
        ["--bare-mget", url, keys, in_flight, calls] => mget::run(url, keys, in_flight, calls),
        _ => measure(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn measure() {
    process::pin_this_process(LOAD_CORE);
    let rounds = env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    let only = env::var("ONLY").unwrap_or_default();
    let is_selected = |part: &str| only.is_empty() || only.split(',').any(|selected| selected == part);
    let mut verdicts = Vec::new();
    if ["memory", "connections", "cores"].into_iter().any(is_selected) {
        verdicts.extend(memory::measure(rounds, is_selected).await);
    }
    if ["redis", "scale", "storm"].into_iter().any(is_selected) {
        verdicts.extend(scale::measure(rounds, is_selected).await);
    }
    if is_selected("start") {
        verdicts.extend(start::measure(rounds).await);
    }
    println!();
    verdicts.into_iter().for_each(|verdict| println!("{verdict}"));
}
