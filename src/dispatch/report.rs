//! The state of an account, for operators.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use amazon_catalog::{Marketplace, Operation};
use stockroom_proto::pb;

/// How one account does.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its name.
    pub name: Arc<str>,
    /// The protocol it speaks.
    pub protocol: pb::Protocol,
    /// The marketplaces it serves.
    pub marketplaces: Vec<Marketplace>,
    /// The calls a second it may make.
    pub calls_per_second: f64,
    /// The calls a second it makes now.
    pub current_calls_per_second: f64,
    /// The calls it may make in 24 hours.
    pub day_limit: u32,
    /// The calls it made in the past 24 hours.
    pub day_spent: u32,
    /// Since when Redis is unreachable and this replica keeps to its offline quota; `None` where it is reachable.
    pub offline_since: Option<SystemTime>,
    /// The calls that this replica may make while Redis is unreachable; `None` without Redis.
    pub offline_calls_left: Option<u32>,
    /// How long until the oldest of them leave the window.
    pub next_release_in: Option<Duration>,
    /// The calls of the past 24 hours by caller, in alphabetical order.
    pub callers: Vec<(Arc<str>, u32)>,
    /// How many ids and other calls wait.
    pub queue_length: usize,
    /// How many may wait.
    pub queue_capacity: usize,
    /// The predicted wait of a request that joins now.
    pub predicted_wait: Duration,
    /// Each operation that was called: the state of its circuit breaker, and the calls sent since the start.
    pub breakers: Vec<(Operation, super::BreakerState, u64)>,
    /// How calls ended.
    pub counts: CallCounts,
    /// How long the account refuses everything after a panic of its actor; `None` while the actor runs.
    pub paused_for: Option<Duration>,
    /// The last failure in words, with Amazon's request id.
    pub last_error: Option<String>,
}

/// How calls ended since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Answered.
    pub answered: u64,
    /// Throttled by Amazon.
    pub throttled: u64,
    /// Failed: timeouts, the network, Amazon's own errors, unreadable answers.
    pub failed: u64,
    /// Refused by Amazon.
    pub refused: u64,
    /// Second and third attempts among them all.
    pub retries: u64,
    /// Requests for an id or another call that was waiting or in flight already.
    pub coalesced: u64,
    /// How often the account's actor panicked and was restarted.
    pub restarts: u64,
}
