//! The clock by which answers age: the system clock, or one that a simulation moves.

use std::time::SystemTime;

use tokio::time::Instant;

/// A clock that can differ from the system clock, so that a simulation plays days in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub enum Clock {
    /// The machine's.
    #[default]
    System,
    /// One that goes with tokio's, which a simulation can move.
    Simulated {
        /// Some moment of tokio's clock.
        zero: Instant,
        /// What time it was then.
        epoch: SystemTime,
    },
}

impl Clock {
    /// A clock that shows the right time now and goes with tokio's from here on.
    pub fn simulated() -> Self {
        Self::Simulated { zero: Instant::now(), epoch: SystemTime::now() }
    }

    /// What time it is.
    pub fn now(self) -> SystemTime {
        match self {
            Self::System => SystemTime::now(),
            Self::Simulated { zero, epoch } => epoch + zero.elapsed(),
        }
    }
}
