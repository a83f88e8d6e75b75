//! Runs h2load and reads what it measured.

use std::{fs, path::Path, process::Stdio};

use super::{process::pinned, statistics::percentile};

/// How much is asked at once.
#[derive(Clone, Copy)]
pub struct Load {
    pub connections: usize,
    pub streams: usize,
}

impl Load {
    /// 512 calls in flight.
    pub const FULL: Self = Self { connections: 16, streams: 32 };
    /// 8 calls in flight.
    pub const LIGHT: Self = Self { connections: 8, streams: 1 };

    pub fn in_flight(self) -> usize {
        self.connections * self.streams
    }
}

/// What became of a load.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub calls_per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub data_bytes: u64,
}

/// Makes so many calls, all with the request in the file. Every one must be answered.
pub fn run(cores: &str, address: &str, path: &str, request: &Path, load: Load, calls: usize) -> Measured {
    let log = request.with_extension("log");
    let _ = fs::remove_file(&log);
    let numbers = [("-n", calls), ("-c", load.connections), ("-m", load.streams)];
    let output = pinned(cores, "h2load")
        .args(numbers.iter().flat_map(|(flag, number)| [(*flag).to_owned(), number.to_string()]))
        .args(["-w", "30", "-W", "30", "-H", "content-type: application/grpc", "-H", "te: trailers"])
        .arg(format!("--log-file={}", log.display()))
        .arg("-d")
        .arg(request)
        .arg(format!("http://{address}{path}"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let number = |line: &str, before: &str| -> f64 {
        let line = text.lines().find(|found| found.starts_with(line)).unwrap_or_else(|| panic!("{line} in:\n{text}"));
        let words = line.split_once(before).unwrap_or_else(|| panic!("{before} in {line}")).0;
        words.rsplit([' ', '(']).next().unwrap().parse().unwrap()
    };
    let (answered, good) = (number("requests:", " succeeded"), number("status codes:", " 2xx"));
    assert!(answered as usize == calls && good as usize == calls, "of {calls} calls to {path}:\n{text}");
    let data_bytes = number("traffic:", ") data") as u64;
    let calls_per_second = number("finished in", " req/s");
    let (p50_ms, p99_ms) = latencies(&log);
    Measured { calls_per_second, p50_ms, p99_ms, data_bytes }
}

/// The third column of the log is how long a call took, in microseconds.
fn latencies(log: &Path) -> (f64, f64) {
    let log = fs::read_to_string(log).unwrap();
    let third = |line: &str| line.split('\t').nth(2).and_then(|took| took.parse::<f64>().ok());
    let mut took: Vec<f64> = log.lines().filter_map(third).map(|micros| micros / 1000.0).collect();
    took.sort_by(f64::total_cmp);
    (percentile(&took, 0.5), percentile(&took, 0.99))
}
