//! Logs each failure of Redis once, with Redis' own words.
//!
//! A Redis that fails does so for every question. The same failure is logged again only after Redis was back in between.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use bb8_redis::{bb8::ErrorSink, redis::RedisError};

/// Failures that are remembered. Past that nothing more is logged until Redis is back.
const MAX_FAILURES: usize = 32;

/// The failures that were logged since Redis last came back.
#[derive(Debug, Default)]
pub(super) struct FailureLog(Mutex<HashSet<String>>);

impl FailureLog {
    /// Logs a failure, unless it has been logged.
    pub(super) fn report(&self, what: &'static str, error: &RedisError) {
        let text = error.to_string();
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() < MAX_FAILURES && logged.insert(text) {
            tracing::warn!(%error, "{what}");
        }
    }

    /// Redis is back.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Where the pool reports that a connection could not be made.
#[derive(Clone, Debug)]
pub(super) struct ConnectFailures(pub(super) std::sync::Arc<FailureLog>);

impl ErrorSink<RedisError> for ConnectFailures {
    fn sink(&self, error: RedisError) {
        self.0.report("Redis cannot be connected to", &error);
    }

    fn boxed_clone(&self) -> Box<dyn ErrorSink<RedisError>> {
        Box::new(self.clone())
    }
}
