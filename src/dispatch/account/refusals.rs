//! The pause of an account that Amazon refuses.
//!
//! After [`MAX_REFUSALS`] equal refusals in a row nothing is admitted and nothing that waits is sent for [`FIRST_PAUSE`], doubled with each further refusal up to
//! [`MAX_PAUSE`]. An answer or other credentials end the pause.

use std::{sync::Arc, time::Duration};

use amazon_catalog::{Error, Refusal};
use tokio::time::Instant;

const MAX_REFUSALS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// The refusals in a row.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    in_a_row: u32,
    last: Option<Arc<Error>>,
    until: Option<Instant>,
    /// The credentials that were refused.
    credentials: u64,
}

impl Refusals {
    /// The refusal for which the account pauses; `None` where it does not.
    pub(super) fn pause(&self, credentials: u64, now: Instant) -> Option<Arc<Error>> {
        let is_paused = self.credentials == credentials && self.until.is_some_and(|until| until > now);
        self.last.clone().filter(|_| is_paused)
    }

    /// Takes note of how a call ended.
    pub(super) fn note(&mut self, error: Option<&Error>, credentials: u64, now: Instant) {
        match error {
            // A partner tag is one marketplace's, and the account serves others.
            Some(Error::Refused { refusal: Refusal::BadPartnerTag, .. }) => {}
            Some(error @ Error::Refused { refusal, .. }) => {
                let is_same =
                    |last: &Error| matches!(last, Error::Refused { refusal: before, .. } if before == refusal);
                let is_next = self.credentials == credentials && self.last.as_deref().is_some_and(is_same);
                self.in_a_row = if is_next { self.in_a_row + 1 } else { 1 };
                self.credentials = credentials;
                self.last = Some(Arc::new(error.clone()));
                let doublings = self.in_a_row.checked_sub(MAX_REFUSALS);
                let pause = doublings.map(|n| FIRST_PAUSE.saturating_mul(1 << n.min(10)).min(MAX_PAUSE));
                self.until = pause.map(|pause| now + pause);
            }
            Some(_) => {}
            None => *self = Self::default(),
        }
    }
}
