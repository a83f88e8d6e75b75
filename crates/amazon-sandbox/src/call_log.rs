//! What has arrived, for tests to look at and to wait for.

use std::{sync::Mutex, time::Instant};

use serde_json::Value;
use tokio::sync::watch;

use crate::locked;
use amazon_catalog::Operation;

/// A call that arrived.
#[derive(Clone, Debug)]
pub struct RecordedCall {
    /// What was asked; `None` where the path names no operation.
    pub operation: Option<Operation>,
    /// The path, which tells the two APIs apart.
    pub path: String,
    /// The `Host` header.
    pub host: String,
    /// The `ItemIds` of the body, or its `itemIds`.
    pub item_ids: Vec<String>,
    /// The body; null where it is no JSON.
    pub body: Value,
    /// The status of the answer; 0 as long as there is none.
    pub status: u16,
    /// When it had arrived whole.
    pub at: Instant,
}

/// Every call since the start.
#[derive(Debug)]
pub(crate) struct CallLog {
    calls: Mutex<Vec<RecordedCall>>,
    count: watch::Sender<usize>,
}

impl CallLog {
    pub(crate) fn new() -> Self {
        Self { calls: Mutex::default(), count: watch::Sender::new(0) }
    }

    /// Notes a call, and says which it is.
    pub(crate) fn arrive(&self, call: RecordedCall) -> usize {
        let mut calls = locked(&self.calls);
        calls.push(call);
        self.count.send_replace(calls.len());
        calls.len() - 1
    }

    /// Notes that a call is about to be answered.
    pub(crate) fn answered(&self, call: usize, status: u16) {
        if let Some(call) = locked(&self.calls).get_mut(call) {
            call.status = status;
        }
    }

    pub(crate) fn calls(&self) -> Vec<RecordedCall> {
        locked(&self.calls).clone()
    }

    /// Waits until so many have arrived. Dropping the future is safe.
    pub(crate) async fn arrived(&self, calls: usize) {
        // The record keeps the sender, so waiting cannot fail.
        let mut arrivals = self.count.subscribe();
        let _reached = arrivals.wait_for(|count| *count >= calls).await;
    }
}
