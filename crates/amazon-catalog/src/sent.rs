//! Whether and when a request left this process.
//!
//! Amazon counts calls where they arrive. A call that failed before its request was written costs nothing, and one that had
//! to open a connection first arrives later than it was asked for.

use std::sync::{Arc, OnceLock};

use tokio::{sync::Notify, time::Instant};

/// Says whether and when the request of one call was written. Cheap to clone; all clones say the same.
#[derive(Clone, Debug, Default)]
pub struct SentNotice(Arc<SentState>);

#[derive(Debug, Default)]
struct SentState {
    at: OnceLock<Instant>,
    written: Notify,
}

impl SentNotice {
    /// Records that the request is being written. The first time counts.
    pub fn mark(&self) {
        if self.0.at.set(Instant::now()).is_ok() {
            self.0.written.notify_one();
        }
    }

    /// When the request was written; `None` where it has not left.
    pub fn at(&self) -> Option<Instant> {
        self.0.at.get().copied()
    }

    /// Waits until the request is written, and for ever where it never is. Cancel-safe, for one that waits.
    pub async fn written(&self) -> Instant {
        loop {
            if let Some(at) = self.at() {
                return at;
            }
            self.0.written.notified().await;
        }
    }
}
