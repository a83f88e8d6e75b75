//! Two gateways, one account and one Redis, all of them real processes, and everything that can happen to them.
//!
//! A steady load goes on while Redis falls silent, dies, forgets, fills up and refuses to write, while a gateway dies, and
//! while Amazon throttles and goes away. What each phase did to the load is printed as a table, and then whether what must
//! hold did hold: with exit code 1 where something did not. It takes about 90 seconds, and needs redis-server.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench"
)]

use std::{process::ExitCode, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use self::{
    load::Load,
    parts::{CALLS_PER_SECOND, Counts, Gateway, Redis, Sandbox},
    phase::{Phase, Recovery},
    probe::{Probe, Refusals},
    verdicts::Verdicts,
};

mod load;
mod parts;
mod phase;
mod probe;
mod verdicts;

const LASTS: Duration = Duration::from_secs(4);

/// Two calls in a row, so that one of them may well be a retry.
const THROTTLED: &str = "[[fault]]\nkind = \"retry-after\"\nseconds = 1\ntimes = 2\n";

struct Soak {
    redis: Redis,
    sandbox: Sandbox,
    gateways: [Gateway; 2],
    load: Arc<Load>,
    probe: Probe,
    counts: Counts,
    phases: Vec<Phase>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let ids = popular().await;
    let (redis, sandbox) = (Redis::start().await, Sandbox::start().await);
    let gateways =
        [Gateway::start("gateway-0", &sandbox, &redis).await, Gateway::start("gateway-1", &sandbox, &redis).await];
    let clients = gateways.each_ref().map(|gateway| gateway.client.clone());
    let probe = Probe::new(clients.clone(), &ids);
    let load = Load::start(clients.to_vec(), ids);
    let mut soak = Soak { redis, sandbox, gateways, load, probe, counts: Counts::default(), phases: Vec::new() };
    println!("Two gateways and an account of {CALLS_PER_SECOND} calls a second:\n\n{}", Phase::HEADINGS);
    let refusals = soak.play().await;
    let verdicts = Verdicts::of(&soak.phases, refusals);
    print!("\n{verdicts}");
    if verdicts.all_hold() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Products that exist, found through a gateway of their own so that nobody has read them before.
async fn popular() -> Vec<String> {
    let gateway = Gateway::with_sandbox().await;
    let mut ids = Vec::new();
    for word in ["headphones", "tea", "novel"] {
        ids.extend(load::found(&gateway.client, word, 100).await);
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

impl Soak {
    /// Plays all phases, and tells how what nobody had read was refused while Amazon was away.
    async fn play(&mut self) -> Refusals {
        sleep(LASTS).await;
        // Before that a hit may be one that waited for the other gateway's call.
        self.probe.until_warm().await;
        self.end("cold start", Recovery::NotNeeded).await;
        sleep(LASTS * 2).await;
        self.end(phase::CALM, Recovery::NotNeeded).await;
        self.redis_fails().await;

        self.gateways[1].kill();
        sleep(LASTS / 2).await;
        self.gateways[1].restart();
        let recovery = self.probe.until_reads(1).await;
        sleep(LASTS / 2).await;
        self.end(phase::KILLED, recovery).await;

        self.sandbox.stop().await;
        // Until a breaker has opened: before that each refusal takes a few tries.
        sleep(LASTS).await;
        let refusals = self.probe.refusals().await;
        self.end(phase::AWAY, Recovery::NotNeeded).await;
        self.sandbox.restart("").await;
        let told = refusals.until.saturating_duration_since(Instant::now());
        let recovery = self.probe.until_asked().await.not_counting(told);
        self.end("Amazon back", recovery).await;

        // The last, since a throttled gateway is slower for minutes.
        self.sandbox.stop().await;
        self.sandbox.restart(THROTTLED).await;
        sleep(LASTS).await;
        let recovery = self.probe.until_asked().await;
        self.end(phase::THROTTLED, recovery).await;
        refusals
    }

    async fn redis_fails(&mut self) {
        self.redis.pause();
        sleep(LASTS).await;
        self.redis.wake();
        self.end_when_shared("Redis silent").await;

        self.redis.kill();
        sleep(LASTS).await;
        self.redis.restart().await;
        self.end_when_shared("Redis killed, back empty").await;

        self.redis.run("FLUSHALL").await;
        let recovery = self.probe.until_shared().await;
        sleep(LASTS).await;
        self.end("Redis flushed", recovery).await;

        self.redis.run("CONFIG SET maxmemory 1mb").await;
        sleep(LASTS).await;
        self.redis.run("CONFIG SET maxmemory 0").await;
        self.end_when_shared("Redis full").await;

        self.redis.run("REPLICAOF 127.0.0.1 1").await;
        sleep(LASTS).await;
        self.redis.run("REPLICAOF NO ONE").await;
        self.end_when_shared("Redis read-only").await;
    }

    async fn end_when_shared(&mut self, name: &'static str) {
        let recovery = self.probe.until_shared().await;
        self.end(name, recovery).await;
    }

    /// Writes down what became of the load since the last phase ended.
    async fn end(&mut self, name: &'static str, recovery: Recovery) {
        let counts = self.sandbox.counts().await;
        let phase = Phase { name, tally: self.load.take(), counts: counts - self.counts, recovery };
        self.counts = counts;
        println!("{phase}");
        self.phases.push(phase);
    }
}
