//! A gate before the answers, for tests that need calls to be under way.

use std::sync::Arc;

use tokio::sync::watch;

/// Open unless somebody holds it.
#[derive(Debug)]
pub(crate) struct ResponseGate {
    holds: Arc<watch::Sender<usize>>,
}

/// Keeps answers back until it is released or dropped.
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

    /// Waits until nobody holds the gate. Dropping the future is safe.
    pub(crate) async fn pass(&self) {
        // The gate keeps the sender, so waiting cannot fail.
        let mut holds = self.holds.subscribe();
        let _open = holds.wait_for(|holds| *holds == 0).await;
    }
}

impl ResponseHold {
    /// Lets the answers go.
    pub fn release(self) {
        drop(self);
    }
}

impl Drop for ResponseHold {
    fn drop(&mut self) {
        self.holds.send_modify(|holds| *holds -= 1);
    }
}
