//! Holds answers back, so that a test can act while calls are in flight.

use std::sync::Arc;

use tokio::sync::watch;

/// Delays answers while at least one [`ResponseHold`] exists.
#[derive(Debug)]
pub(crate) struct ResponseGate {
    holds: Arc<watch::Sender<usize>>,
}

/// Holds answers back until it is released or dropped.
#[derive(Debug)]
#[must_use = "dropping a hold releases it"]
pub struct ResponseHold {
    holds: Arc<watch::Sender<usize>>,
}

impl ResponseGate {
    pub(crate) fn new() -> Self {
        Self { holds: Arc::new(watch::Sender::new(0)) }
    }

    pub(crate) fn close(&self) -> ResponseHold {
        self.holds.send_modify(|holds| *holds += 1);
        ResponseHold { holds: Arc::clone(&self.holds) }
    }

    /// Waits until no hold exists. Cancel-safe.
    pub(crate) async fn pass(&self) {
        // `self` owns the sender, so the wait cannot fail.
        let mut holds = self.holds.subscribe();
        let _open = holds.wait_for(|holds| *holds == 0).await;
    }
}

impl ResponseHold {
    /// Releases the answers.
    pub fn release(self) {
        drop(self);
    }
}

impl Drop for ResponseHold {
    fn drop(&mut self) {
        self.holds.send_modify(|holds| *holds -= 1);
    }
}
