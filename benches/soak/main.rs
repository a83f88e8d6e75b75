//! Two gateways, one account and one Redis, all of them real processes, and everything that can happen to them.
//!
//! A steady load goes on while Redis falls silent, dies, forgets, fills up and refuses to write, while a gateway dies, while
//! clocks are stepped, and while Amazon throttles, goes away and asks for absurd pauses. Then the same load meets the failover
//! of a primary behind Sentinel, and of a master of a cluster. Last, three of four gateways die. What each phase did to the
//! load is printed as a table, and then whether what must hold did hold: with exit code 1 where something did not. It takes
//! about six minutes, or one and `SOAK_SECONDS`, and needs redis-server; clocks are stepped where libfaketime is installed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench, and the environment sets its length"
)]

use std::{process::ExitCode, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use self::{
    load::Load,
    parts::{CALLS_PER_SECOND, Counts, Gateway, Redis, RedisKind, Sandbox},
    phase::{Phase, Recovery},
    probe::{Probe, Refusals},
    survivor::Survivor,
    verdicts::Verdicts,
};

mod load;
mod parts;
mod phase;
mod probe;
mod survivor;
mod verdicts;

/// How long the whole takes where nobody says otherwise, and in how many parts of equal length it is.
const DEFAULT_SECONDS: u64 = 300;
const PARTS: u32 = 32;

/// Two calls in a row, so that one of them may well be a retry.
const THROTTLED: &str = "[[fault]]\nkind = \"retry-after\"\nseconds = 1\ntimes = 2\n";
const POISON: &str = "[[fault]]\nkind = \"retry-after\"\nseconds = 9223372036854775807\ntimes = 1\n";

struct Soak {
    /// How long each failure lasts.
    lasts: Duration,
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
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let lasts = Duration::from_secs(seconds.unwrap_or(DEFAULT_SECONDS)) / PARTS;
    let ids = popular().await;
    println!("Two gateways and an account of {CALLS_PER_SECOND} calls a second:\n\n{}", Phase::HEADINGS);
    let mut soak = Soak::start(RedisKind::Single, &ids, lasts).await;
    let (away, poisoned) = soak.play().await;
    let mut verdicts = vec![("one Redis", Verdicts::of_all(&soak.phases, &away, &poisoned))];
    drop(soak);
    for (name, kind) in [("Sentinel", RedisKind::Sentinel), ("Cluster", RedisKind::Cluster)] {
        println!("\nThe same with {name}:\n\n{}", Phase::HEADINGS);
        let mut soak = Soak::start(kind, &ids, lasts).await;
        soak.play_failover().await;
        verdicts.push((name, Verdicts::of_any(&soak.phases)));
    }
    println!("\nFour gateways, of which three are killed:\n");
    let survivor = Survivor::run().await;
    println!("calls a second of all four {:.2}, then of one {:.2?}", survivor.before, survivor.after);
    verdicts.push(("one of four", Verdicts::of_survivor(&survivor)));
    for (name, verdicts) in &verdicts {
        print!("\n{name}:\n{verdicts}");
    }
    if verdicts.iter().all(|(_, verdicts)| verdicts.all_hold()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
    async fn start(kind: RedisKind, ids: &[String], lasts: Duration) -> Self {
        let (redis, sandbox) = (Redis::start(kind).await, Sandbox::start().await);
        let gateway = async |name| Gateway::start(name, &sandbox, &redis, 2).await;
        let gateways = [gateway("gateway-0").await, gateway("gateway-1").await];
        let clients = gateways.each_ref().map(|gateway| gateway.client.clone());
        let (probe, load) = (Probe::new(clients.clone(), ids), Load::start(clients.to_vec(), ids.to_vec()));
        Self { lasts, redis, sandbox, gateways, load, probe, counts: Counts::default(), phases: Vec::new() }
    }

    /// Plays all phases. Returns how what nobody had read was refused while Amazon was away, and after its absurd pause.
    async fn play(&mut self) -> (Refusals, Refusals) {
        self.begin().await;
        self.redis_fails().await;
        self.gateway_is_killed().await;
        self.clocks_are_stepped().await;

        self.sandbox.stop().await;
        // Until a breaker has opened: before that each refusal takes a few tries.
        sleep(self.lasts).await;
        let away = self.probe.refusals().await;
        self.end(phase::AWAY, Recovery::NotNeeded).await;
        self.sandbox.restart("").await;
        let told = away.until.saturating_duration_since(Instant::now());
        let recovery = self.probe.until_asked().await.not_counting(told);
        self.end("Amazon back", recovery).await;

        // The last, since a throttled gateway is slower for minutes.
        self.sandbox.stop().await;
        self.sandbox.restart(THROTTLED).await;
        sleep(self.lasts).await;
        let recovery = self.probe.until_asked().await;
        self.end(phase::THROTTLED, recovery).await;
        self.sandbox.stop().await;
        self.sandbox.restart(POISON).await;
        sleep(self.lasts).await;
        let poisoned = self.probe.refusals().await;
        self.end(phase::POISONED, Recovery::NotNeeded).await;
        (away, poisoned)
    }

    /// Plays the death of the server that has the account's budget, and what else a Redis of several servers meets.
    async fn play_failover(&mut self) {
        self.begin().await;
        self.redis.kill_owner_of_budget().await;
        self.redis.fails_over().await;
        self.end_when_shared("Redis failover").await;
        sleep(self.lasts).await;
        self.redis.run("FLUSHALL").await;
        let recovery = self.probe.until_shared().await;
        sleep(self.lasts).await;
        self.end("Redis flushed", recovery).await;
        self.gateway_is_killed().await;
    }

    async fn begin(&mut self) {
        sleep(self.lasts).await;
        // Before that a hit may be one that waited for the other gateway's call.
        self.probe.until_warm().await;
        self.end("cold start", Recovery::NotNeeded).await;
        sleep(self.lasts * 2).await;
        self.end(phase::CALM, Recovery::NotNeeded).await;
    }

    async fn gateway_is_killed(&mut self) {
        self.gateways[1].kill();
        sleep(self.lasts / 2).await;
        self.gateways[1].restart();
        let recovery = self.probe.until_reads(1).await;
        sleep(self.lasts / 2).await;
        self.end(phase::KILLED, recovery).await;
    }

    async fn clocks_are_stepped(&mut self) {
        let mut are_stepped = true;
        for (one, other) in [(2, -2), (-3, 3), (0, 0)] {
            are_stepped &= self.gateways[0].step_clock(one) & self.gateways[1].step_clock(other);
            sleep(self.lasts / 2).await;
        }
        let recovery = self.probe.until_shared().await;
        let name = if are_stepped { "clocks stepped" } else { "clocks not stepped: no libfaketime" };
        self.end(name, recovery).await;
    }

    async fn redis_fails(&mut self) {
        self.redis.pause();
        sleep(self.lasts).await;
        self.redis.wake();
        self.end_when_shared("Redis silent").await;

        self.redis.kill();
        sleep(self.lasts).await;
        self.redis.restart().await;
        self.end_when_shared("Redis killed, back empty").await;

        self.redis.run("FLUSHALL").await;
        let recovery = self.probe.until_shared().await;
        sleep(self.lasts).await;
        self.end("Redis flushed", recovery).await;

        self.redis.run("CONFIG SET maxmemory 1mb").await;
        sleep(self.lasts).await;
        self.redis.run("CONFIG SET maxmemory 0").await;
        self.end_when_shared("Redis full").await;

        self.redis.run("REPLICAOF 127.0.0.1 1").await;
        sleep(self.lasts).await;
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
        let mut dead = Vec::new();
        for (number, gateway) in self.gateways.iter().enumerate() {
            match gateway.account().await {
                Some(account) if !account.last_error.contains("panicked") => {}
                Some(account) => dead.push(format!("{name}: gateway {number}: {}", account.last_error)),
                None => dead.push(format!("{name}: gateway {number} does not say")),
            }
        }
        let phase = Phase { name, tally: self.load.take(), counts: counts - self.counts, recovery, dead };
        self.counts = counts;
        println!("{phase}");
        self.phases.push(phase);
    }
}
