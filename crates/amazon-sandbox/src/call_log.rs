//! The log of received calls, which tests read and wait for.

use std::{sync::Mutex, time::Instant};

use serde_json::Value;
use tokio::sync::watch;

use crate::locked;
use amazon_catalog::Operation;

/// A call that arrived.
#[derive(Clone, Debug)]
pub struct RecordedCall {
    /// The operation; `None` where the path names none.
    pub operation: Option<Operation>,
    /// The path, which identifies the API.
    pub path: String,
    /// The `Host` header.
    pub host: String,
    /// The `ItemIds` of the body, or its `itemIds`.
    pub item_ids: Vec<String>,
    /// The body; null where it is no JSON.
    pub body: Value,
    /// The HTTP status of the answer; 0 until the answer is sent.
    pub status: u16,
    /// When the whole request had arrived.
    pub at: Instant,
}

/// Every call since the sandbox started.
#[derive(Debug)]
pub(crate) struct CallLog {
    calls: Mutex<Vec<RecordedCall>>,
    count: watch::Sender<usize>,
}

impl CallLog {
    pub(crate) fn new() -> Self {
        Self { calls: Mutex::default(), count: watch::Sender::new(0) }
    }

    /// Appends a call and returns its index.
    pub(crate) fn arrive(&self, call: RecordedCall) -> usize {
        let mut calls = locked(&self.calls);
        calls.push(call);
        self.count.send_replace(calls.len());
        calls.len() - 1
    }

    /// Stores the status of a call's answer.
    pub(crate) fn answered(&self, call: usize, status: u16) {
        if let Some(call) = locked(&self.calls).get_mut(call) {
            call.status = status;
        }
    }

    pub(crate) fn calls(&self) -> Vec<RecordedCall> {
        locked(&self.calls).clone()
    }

    pub(crate) fn calls_after(&self, count: usize) -> Vec<RecordedCall> {
        locked(&self.calls).iter().skip(count).cloned().collect()
    }

    /// Waits until this many calls have arrived in total. Cancel-safe.
    pub(crate) async fn arrived(&self, calls: usize) {
        // `self` owns the sender, so the wait cannot fail.
        let mut arrivals = self.count.subscribe();
        let _reached = arrivals.wait_for(|count| *count >= calls).await;
    }
}
