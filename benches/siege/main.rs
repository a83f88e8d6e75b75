//! One gateway, one client that behaves, and peers that do not.
//!
//! Each attack meets a fresh gateway process with the built-in sandbox. A client with a token and a connection of its own
//! makes paced calls before, during and after the attack; a probe asks for health. At the end the attack is started once
//! more, and SIGTERM has to end the gateway. The table states what the client lost and how long its calls took.
//!
//! All traffic stays on loopback, and every attack is bounded in connections, requests and time. It takes two to three
//! minutes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench"
)]

use std::{process::ExitCode, time::Duration};

use tokio::time::{sleep, timeout};

use self::{
    attacks::Attack,
    client::{Client, Phase},
    process::Gateway,
};

mod attacks;
mod client;
mod process;

const CALM: Duration = Duration::from_secs(2);
const UNDER_ATTACK: Duration = Duration::from_secs(4);
/// The time for connections and buffers of an attack to go before the last phase.
const SETTLE: Duration = Duration::from_secs(2);
/// `server.drain` of the gateway.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);
const MAX_HEALTH: Duration = Duration::from_millis(100);
const MAX_SLOWDOWN: f64 = 3.0;

#[tokio::main]
async fn main() -> ExitCode {
    // Attackers need more descriptors than the usual soft limit has.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    let only = std::env::args().nth(1).filter(|name| !name.starts_with('-'));
    println!(
        "{:<22} {:>6} {:>5} {:>6} {:>22} {:>7} {:>18} {:>6}  holds",
        "attack", "calls", "lost", "busy", "p99 ms before/in/after", "health", "RSS MB before/in/after", "stop s"
    );
    let mut all_hold = true;
    for attack in Attack::ALL.into_iter().filter(|attack| only.as_ref().is_none_or(|only| attack.name().contains(only)))
    {
        all_hold &= besiege(attack).await;
    }
    if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn besiege(attack: Attack) -> bool {
    let mut gateway = Gateway::start(attack).await;
    let client = Client::connect(&gateway).await;
    let before = client.phase(CALM).await;
    let memory_before = gateway.resident_megabytes();

    let siege = attack.begin(gateway.address);
    sleep(Duration::from_millis(300)).await;
    let during = client.phase(UNDER_ATTACK).await;
    let memory_during = gateway.resident_megabytes();
    siege.end().await;
    sleep(SETTLE).await;
    let after = client.phase(CALM).await;
    let memory_after = gateway.resident_megabytes();

    let siege = attack.begin(gateway.address);
    sleep(Duration::from_millis(500)).await;
    let stopped = timeout(DRAIN + Duration::from_secs(5), gateway.terminate()).await;
    siege.end().await;
    let stop = stopped.map_or(f64::INFINITY, |took| took.as_secs_f64());

    let lost: usize = [&before, &during, &after].iter().map(|phase| phase.lost).sum();
    let faults = faults(attack, [&before, &during, &after], (memory_before, memory_after), stop);
    println!(
        "{:<22} {:>6} {:>5} {:>6} {:>8.1}/{:>6.1}/{:>6.1} {:>4} ms {:>6.0}/{:>5.0}/{:>5.0} {:>6.1}  {}",
        attack.name(),
        before.calls + during.calls + after.calls,
        lost,
        during.busy,
        before.p99_ms(),
        during.p99_ms(),
        after.p99_ms(),
        during.slowest_health.as_millis(),
        memory_before,
        memory_during,
        memory_after,
        stop,
        if faults.is_empty() { "yes".to_owned() } else { format!("NO: {}", faults.join(", ")) },
    );
    faults.is_empty()
}

/// What does not hold.
fn faults(attack: Attack, [before, during, after]: [&Phase; 3], memory: (f64, f64), stop: f64) -> Vec<&'static str> {
    let mut faults = Vec::new();
    if before.lost + during.lost + after.lost > 0 {
        faults.push("calls lost");
    }
    if during.busy > 0 && !attack.fills_places() {
        faults.push("refused as overloaded");
    }
    if during.p99_ms() > before.p99_ms().max(1.0) * MAX_SLOWDOWN {
        faults.push("p99");
    }
    if during.slowest_health > MAX_HEALTH {
        faults.push("health");
    }
    if memory.1 > memory.0 * 1.1 {
        faults.push("RSS");
    }
    if stop > DRAIN.as_secs_f64() {
        faults.push("stop");
    }
    faults
}
