//! Two replicas and a real Redis on a clock that is moved.
//!
//! Sockets know nothing of tokio's clock, so it does not jump here: it is moved in steps of [`STEP`], and between two steps
//! Redis has [`SETTLE`] of real time to answer. Redis' own clock is stepped likewise, so leases, locks and keys end when they
//! should.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, SystemTime},
};

use stockroom::{clock::Clock, config, dispatch::Priority, store::Store};
use tokio::time::{Instant, advance};

use super::{Counter, DAY, HOUR, RESTART_AT, Request, Scenario, read_page, stepped_clock::SteppedClock};

const STEP: Duration = Duration::from_millis(100);
const SETTLE: Duration = Duration::from_micros(250);
const FLUSH_AT: Duration = Duration::from_secs(44 * 3600);

struct Redis {
    process: Child,
    port: u16,
    clock: SteppedClock,
}

impl Redis {
    fn start(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]).stdout(Stdio::null());
        let clock = SteppedClock::new(folder);
        clock.rule(&mut command);
        Self { process: command.spawn().unwrap(), port, clock }
    }

    fn set_clock(&self, clock: Clock) {
        let ahead = clock.now().duration_since(SystemTime::now()).unwrap_or_default();
        self.clock.set_ahead(ahead.as_micros() as i64);
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Over a connection that waits for nobody's clock.
    fn run(&self, command: &str) -> bool {
        let Ok(client) = redis::Client::open(self.url()) else { return false };
        client.get_connection().is_ok_and(|mut connection| redis::cmd(command).exec(&mut connection).is_ok())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Plays the workload of two replicas. Returns the calls of the second day, their minimum, and the throttled calls.
pub(super) fn play(scenario: Scenario) -> (usize, f64, u32) {
    let (workload, folder) = (scenario.workload(), tempfile::tempdir().unwrap());
    let (minimum, ..) = scenario.others(&workload, false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (clock, redis) = (Clock::simulated(), Redis::start(folder.path()));
        redis.set_clock(clock);
        while !redis.run("PING") {}
        // As long as a blocking task runs, tokio's clock does not move by itself.
        let (end, ended) = mpsc::channel::<()>();
        let holding = tokio::task::spawn_blocking(move || ended.recv());
        let amazon = Arc::new(Counter::default());
        let start = || {
            let options = config::RedisConfig {
                timeout: Duration::from_secs(10),
                ..config::RedisConfig::at(&redis.url()).unwrap()
            };
            scenario.replica(&amazon, clock, Some(Store::open(&options).unwrap()))
        };
        let mut replicas = [start(), start()];
        let (begin, mut events) = (Instant::now(), vec![FLUSH_AT, RESTART_AT]);
        let (mut next, mut random) = (0, fastrand::Rng::with_seed(1));
        while begin.elapsed() < 2 * DAY {
            let elapsed = begin.elapsed();
            match events.pop_if(|at| *at <= elapsed) {
                Some(RESTART_AT) => {
                    let stopped = std::mem::replace(&mut replicas, [start(), start()]);
                    stopped.into_iter().for_each(|replica| drop(tokio::spawn(async move { replica.stop().await })));
                }
                Some(_) => assert!(redis.run("FLUSHALL")),
                None => {}
            }
            while let Some(request) = workload.get(next).filter(|request| request.at <= elapsed) {
                next += 1;
                ask(scenario, replicas[random.usize(0..2)].clone(), request);
            }
            advance(STEP).await;
            redis.set_clock(clock);
            // A blocking task's end is awaited in real time, and Redis' answers arrive meanwhile.
            tokio::task::spawn_blocking(|| thread::sleep(SETTLE)).await.unwrap();
            if elapsed.as_secs() % (6 * HOUR.as_secs()) == 0 && elapsed.subsec_millis() < 100 {
                eprintln!("{} h, {} calls", elapsed.as_secs() / 3600, amazon.calls.lock().unwrap().len());
            }
        }
        drop(end);
        let _ = holding.await;
        let calls = amazon.calls.lock().unwrap().iter().filter(|at| **at - begin >= DAY).count();
        let throttled = *amazon.throttled.lock().unwrap();
        (calls, minimum, throttled)
    })
}

fn ask(scenario: Scenario, replica: stockroom::catalog::Catalog, request: &Request) {
    let mut read = scenario.read_context();
    if request.is_bulk {
        read.terms.priority = Priority::Bulk;
    }
    match request.asins() {
        Some(asins) => {
            tokio::spawn(async move {
                let mut lookups = replica.products(&read, asins).await;
                while lookups.next().await.is_some() {}
            });
        }
        None => drop(tokio::spawn(read_page(replica, read, request.what.clone()))),
    }
}
