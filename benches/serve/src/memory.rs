//! Answers from memory beside the same bytes from a bare tonic server.

use std::cell::Cell;

use super::{
    BOTH_CORES, LOAD_CORE, SERVER_CORE, bare,
    calls::{Call, Calls},
    h2load::{self, Load, Measured},
    process::{Server, gateway, this_program},
    statistics::Rounds,
    wire,
};

/// What the parts after the first measure: enough to see how a ratio moves.
const FEW_ROUNDS: usize = 3;

/// A server, how a call is named there, and what it has shown so far.
struct Contestant {
    server: Server,
    is_bare: bool,
    calls: Cell<usize>,
}

/// The gateway and the bare server on the same cores.
struct Pair {
    contestants: [Contestant; 2],
    load_cores: &'static str,
}

/// What the rounds of one call and load have shown, of the gateway and of the bare server.
#[derive(Default)]
struct Shown {
    calls_per_second: [Rounds; 2],
    cpu_micros: [Rounds; 2],
    p50_ms: [Rounds; 2],
    p99_ms: [Rounds; 2],
    ratio: Rounds,
    cpu_ratio: Rounds,
    p99_ratio: Rounds,
}

/// Measures the selected parts, prints tables, and returns the verdicts.
pub async fn measure(rounds: usize, is_selected: impl Fn(&str) -> bool) -> Vec<String> {
    let first = start_gateway(SERVER_CORE);
    let calls = Calls::record(&first.address).await;
    let pair = Pair::start(first, &calls, SERVER_CORE, LOAD_CORE);
    let mut verdicts = Vec::new();
    if is_selected("memory") {
        for load in [Load::FULL, Load::LIGHT] {
            println!("\nFrom memory, {} calls in flight, one core\n\n{HEADINGS}", load.in_flight());
            for call in &calls.all {
                let shown = pair.rounds(call, load, call.in_a_round, rounds).await;
                println!("{}", shown.row(call.name));
                if load.in_flight() == Load::FULL.in_flight() {
                    verdicts.push(format!("serve/bare {} {:.2}", call.name, shown.ratio.median()));
                } else {
                    verdicts.push(format!("p99/bare {} at 8 in flight {:.2}", call.name, shown.p99_ratio.median()));
                }
            }
        }
    }
    if is_selected("connections") {
        println!("\nFrom memory, by number of connections, one core\n\n{HEADINGS}");
        for (connections, streams) in [(1, 100), (10, 10), (100, 1), (1000, 1)] {
            for call in &calls.all[..3] {
                let shown =
                    pair.rounds(call, Load { connections, streams }, call.in_a_round, rounds.min(FEW_ROUNDS)).await;
                println!("{}", shown.row(&format!("{} over {connections}", call.name)));
            }
        }
    }
    let gateway = &pair.contestants[0];
    println!("\nThe gateway wrote {} log lines for {} calls", gateway.server.process.log_lines(), gateway.calls.get());
    drop(pair);
    if is_selected("cores") {
        let gateway = start_gateway(BOTH_CORES);
        // Products are as fresh as this gateway, so the answers are others.
        let calls = Calls::record(&gateway.address).await;
        let pair = Pair::start(gateway, &calls, BOTH_CORES, BOTH_CORES);
        println!("\nFrom memory, two cores shared with the load\n\n{HEADINGS}");
        for call in &calls.all[..3] {
            let shown = pair.rounds(call, Load::FULL, call.in_a_round, rounds.min(FEW_ROUNDS)).await;
            println!("{}", shown.row(call.name));
            verdicts.push(format!("serve/bare {} on two cores {:.2}", call.name, shown.ratio.median()));
        }
    }
    verdicts.sort_by_key(|verdict| verdict.starts_with("serve/bare N") && !verdict.ends_with("cores"));
    verdicts
}

fn start_gateway(cores: &str) -> Server {
    Server::start(gateway(cores).arg("--sandbox"))
}

impl Pair {
    fn start(gateway: Server, calls: &Calls, cores: &str, load_cores: &'static str) -> Self {
        let bare = Server::start(this_program(cores).arg("--bare-server").arg(&calls.answers));
        let contestants = [Contestant::new(gateway, false), Contestant::new(bare, true)];
        Self { contestants, load_cores }
    }

    /// Lets both answer a call in alternating rounds.
    async fn rounds(&self, call: &Call, load: Load, calls: usize, rounds: usize) -> Shown {
        let mut shown = Shown::default();
        for round in 0..rounds {
            let mut measured = [None; 2];
            for turn in 0..2 {
                let which = (round + turn) % 2;
                measured[which] = Some(self.contestants[which].answer(call, load, calls, self.load_cores).await);
            }
            shown.add(measured.map(Option::unwrap));
        }
        shown
    }
}

impl Contestant {
    fn new(server: Server, is_bare: bool) -> Self {
        Self { server, is_bare, calls: Cell::new(0) }
    }

    /// Checks the bytes of an answer, over a connection that is not open while the load goes on.
    async fn check(&self, call: &Call, path: &str) {
        call.check(&wire::connect(&self.server.address).await.unwrap(), path).await;
    }

    /// One round, and the processor time that each call took in microseconds.
    async fn answer(&self, call: &Call, load: Load, calls: usize, cores: &str) -> (Measured, f64) {
        let path = if self.is_bare { bare::path(call.name) } else { call.path.to_owned() };
        self.check(call, &path).await;
        let before = self.server.process.cpu_seconds();
        let measured = h2load::run(cores, &self.server.address, &path, &call.file, load, calls);
        let cpu_seconds = self.server.process.cpu_seconds() - before;
        self.calls.set(self.calls.get() + calls);
        self.check(call, &path).await;
        assert_eq!(measured.data_bytes, (call.answer_bytes() * calls) as u64, "bytes of {calls} answers to {path}");
        (measured, cpu_seconds * 1e6 / calls as f64)
    }
}

const HEADINGS: &str = "\
call            calls/s   bare   CPU µs   bare   p50 ms   bare   p99 ms   bare   calls/s to bare    CPU to bare's";

impl Shown {
    fn add(&mut self, [(gateway, gateway_cpu), (bare, bare_cpu)]: [(Measured, f64); 2]) {
        for (n, (measured, cpu)) in [(gateway, gateway_cpu), (bare, bare_cpu)].into_iter().enumerate() {
            self.calls_per_second[n].push(measured.calls_per_second);
            self.cpu_micros[n].push(cpu);
            self.p50_ms[n].push(measured.p50_ms);
            self.p99_ms[n].push(measured.p99_ms);
        }
        self.ratio.push(gateway.calls_per_second / bare.calls_per_second);
        self.cpu_ratio.push(gateway_cpu / bare_cpu);
        self.p99_ratio.push(gateway.p99_ms / bare.p99_ms);
    }

    fn row(&self, name: &str) -> String {
        let pair = |rounds: &[Rounds; 2], decimals: usize| {
            format!("{:8.decimals$} {:6.decimals$}", rounds[0].median(), rounds[1].median())
        };
        format!(
            "{name:13} {} {} {} {}   {}  {}",
            pair(&self.calls_per_second, 0),
            pair(&self.cpu_micros, 1),
            pair(&self.p50_ms, 2),
            pair(&self.p99_ms, 2),
            self.ratio,
            self.cpu_ratio,
        )
    }
}
