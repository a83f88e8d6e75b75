//! How long a call takes, for admitting requests and for sending batches in time for their deadlines.
//!
//! # Rule
//!
//! The smoothed time of recent calls plus four times their smoothed deviation, as TCP estimates its retransmission timeout
//! (RFC 6298). Few calls take longer.
//!
//! # Edge cases
//!
//! - Before the first call it is [`FIRST`].
//! - Calls that all take the same time still get [`MIN_MARGIN`], for the machine's own delays.

use std::time::Duration;

/// What a call to Amazon takes at most, as long as nothing was measured.
const FIRST: Duration = Duration::from_millis(1500);
const MIN_MARGIN: Duration = Duration::from_millis(200);

/// The smoothed times of an account's calls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CallTime(Option<Smoothed>);

#[derive(Clone, Copy, Debug)]
struct Smoothed {
    mean: Duration,
    deviation: Duration,
}

impl CallTime {
    /// What the next call takes, with few exceptions.
    pub(super) fn expected(self) -> Duration {
        self.0.map_or(FIRST, |Smoothed { mean, deviation }| mean + (deviation * 4).max(MIN_MARGIN))
    }

    /// A call took so long.
    pub(super) fn record(&mut self, took: Duration) {
        self.0 = Some(match self.0 {
            None => Smoothed { mean: took, deviation: took / 2 },
            Some(Smoothed { mean, deviation }) => {
                Smoothed { mean: (mean * 7 + took) / 8, deviation: (deviation * 3 + mean.abs_diff(took)) / 4 }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_follows_the_calls_and_nearly_all_of_them_take_less() {
        let mut random = fastrand::Rng::with_seed(7);
        for (least, most) in [(0, 1), (80, 120), (200, 600), (1500, 4000)] {
            let mut time = CallTime::default();
            (0..20).for_each(|_| time.record(MS * random.u32(least..=most)));
            let mut longer = 0;
            for _ in 0..1000 {
                let took = MS * random.u32(least..=most);
                longer += usize::from(took > time.expected());
                time.record(took);
            }
            assert!(longer <= 10, "{longer} of 1000 between {least} and {most} ms");
            assert!(time.expected() <= MS * (2 * most + 250), "{:?} for at most {most} ms", time.expected());
        }
    }

    #[test]
    fn before_the_first_call_it_is_a_guess_and_one_slow_call_is_forgotten() {
        let mut time = CallTime::default();
        assert_eq!(time.expected(), FIRST);
        (0..30).for_each(|_| time.record(MS * 300));
        assert_eq!(time.expected(), MS * 500);
        time.record(MS * 5000);
        assert!(time.expected() > MS * 4000);
        (0..30).for_each(|_| time.record(MS * 300));
        assert!(time.expected() < MS * 550, "{:?}", time.expected());
    }
}
