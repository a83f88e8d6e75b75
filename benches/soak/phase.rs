//! What one phase did to the load: a row of the table.

use std::{fmt, time::Duration};

use super::{load::Tally, parts::Counts};

pub(crate) const CALM: &str = "calm";
pub(crate) const KILLED: &str = "gateway 1 killed, back";
pub(crate) const THROTTLED: &str = "Amazon throttles twice";
pub(crate) const AWAY: &str = "Amazon away";
pub(crate) const POISONED: &str = "Retry-After of 292 billion years";

/// What a phase did to the load.
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) tally: Tally,
    pub(crate) counts: Counts,
    pub(crate) recovery: Recovery,
    /// Why the account of a gateway does not live, where one does not.
    pub(crate) dead: Vec<String>,
}

/// How long it took, from the end of what happened, until all was well again.
#[derive(Clone, Copy)]
pub(crate) enum Recovery {
    /// Nothing happened, or it goes on.
    NotNeeded,
    After(Duration),
    Never,
}

impl Phase {
    pub(crate) const HEADINGS: &str = "\
| phase | requests | failed | memory hits | p50 | p99 | calls | 429 on purpose | 429 over the limits | recovery |
|---|---|---|---|---|---|---|---|---|---|";

    /// How many requests failed, of those to one gateway or of all.
    pub(crate) fn failed(&self, gateway: Option<usize>) -> usize {
        let of_it = |at: usize| gateway.is_none_or(|gateway| gateway == at);
        self.tally.failed.iter().filter(|((at, _), _)| of_it(*at)).map(|(_, count)| count).sum()
    }

    pub(crate) fn is_about_redis(&self) -> bool {
        self.name.starts_with("Redis")
    }
}

impl Recovery {
    /// Leaves out what had been announced.
    pub(crate) fn not_counting(self, told: Duration) -> Self {
        match self {
            Self::After(wait) => Self::After(wait.saturating_sub(told)),
            Self::NotNeeded | Self::Never => self,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, tally, counts, recovery, .. } = self;
        let reasons = tally.failed.iter().map(|((gateway, reason), count)| format!("{count} {reason} of {gateway}"));
        let reasons = reasons.collect::<Vec<_>>().join(", ");
        let reasons = if reasons.is_empty() { "0".to_owned() } else { reasons };
        let on_purpose = counts.throttled.saturating_sub(counts.over_the_limits);
        write!(f, "| {name} | {} | {reasons} | {} ", tally.requests, tally.hits.len())?;
        write!(f, "| {} | {} ", millis(tally.hits_within(0.5)), millis(tally.hits_within(0.99)))?;
        write!(f, "| {} | {on_purpose} | {} | {recovery} |", counts.calls, counts.over_the_limits)
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNeeded => f.write_str("-"),
            Self::After(wait) => f.write_str(&millis(*wait)),
            Self::Never => f.write_str("never"),
        }
    }
}

pub(crate) fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}
