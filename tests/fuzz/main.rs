//! Runs the fuzz targets on a seeded corpus with a mutator of its own, for a bounded time.
//!
//! Regression inputs come first. The random numbers are seeded, so a run of so many executions can be repeated; what a
//! longer run adds is more executions. `FUZZ_SECONDS` is the time for all targets together; a plain run takes two seconds.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test that panics has failed")]
#![allow(
    clippy::disallowed_methods,
    reason = "the time of a run comes from the environment, as cargo test has no flags for it"
)]

use std::{
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use fastrand::Rng;

use self::{mutator::mutate, targets::TARGETS};

mod mutator;
#[path = "../../fuzz/targets.rs"]
mod targets;

const SEED: u64 = 0x5706_c4a3;

#[test]
fn no_input_from_outside_makes_a_reader_panic() {
    let seconds = std::env::var("FUZZ_SECONDS").ok().map_or(2, |text| text.parse().unwrap());
    let time = Duration::from_secs(seconds) / u32::try_from(TARGETS.len()).unwrap();
    let mut total = 0_u64;
    for (name, target) in TARGETS {
        for input in inputs("regressions", name) {
            run(name, target, &input);
        }
        let corpus = inputs("corpus", name);
        assert!(!corpus.is_empty(), "{name} has no corpus");
        let (mut rng, end) = (Rng::with_seed(SEED), Instant::now() + time);
        let mut executions = 0_u64;
        corpus.iter().for_each(|input| run(name, target, input));
        while Instant::now() < end {
            for _ in 0..64 {
                run(name, target, &mutate(&corpus, &mut rng));
            }
            executions += 64;
        }
        println!("{name}: {executions} executions");
        total += executions;
    }
    println!("{total} executions of {} targets in {seconds} s", TARGETS.len());
    assert!(total > 0);
}

fn run(name: &str, target: fn(&[u8]), input: &[u8]) {
    if catch_unwind(|| target(input)).is_err() {
        let bytes: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("{name} panicked on {bytes}");
    }
}

fn inputs(kind: &str, name: &str) -> Vec<Vec<u8>> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind).join(name);
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}
