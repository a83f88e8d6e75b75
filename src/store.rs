//! The Redis that all replicas share: bounded, and never needed.
//!
//! Every question to it ends within [`Store::timeout`](crate::config::RedisConfig::timeout), is tried once, and is not even
//! tried for a moment after several have failed. A Redis that is dead, slow, full, read-only or loading is therefore an
//! [`Error`] that costs little, and what it means to go on without an answer is the caller's to say. Nothing above knows
//! that there are connections, or which of a single server, Sentinel and Cluster is behind them.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use bb8_redis::bb8::{self, Pool};
use bb8_redis::redis::{RedisError, RedisResult};
use tokio::time::{Instant, timeout_at};

pub use self::{commands::Script, rights::RedisCheck};
use self::{
    connection::{Connector, RedisConnection},
    failure_log::{ConnectFailures, FailureLog},
    pause::RedisPause,
};
use crate::config;

mod commands;
mod connection;
mod failure_log;
mod journal;
mod pause;
mod rights;

/// Connections kept open. They are multiplexed: a few take any number of commands, and more than one keeps a long
/// answer from holding up all others.
const CONNECTIONS: u32 = 4;

/// A shared Redis; cheap to clone. Connections are made as they are needed, so it starts with Redis down.
#[derive(Clone)]
pub struct Store(Arc<StoreParts>);

struct StoreParts {
    pool: Pool<Connector>,
    connector: Connector,
    pause: RedisPause,
    failures: Arc<FailureLog>,
    prefix: String,
    timeout: Duration,
}

/// The client could not be built.
#[derive(Debug, thiserror::Error)]
#[error("the Redis client cannot be built")]
pub struct OpenError(#[source] RedisError);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It failed several times just now and is left alone for a moment.
    #[error("Redis is left alone for a moment after it failed")]
    Paused,
    /// It did not answer in time, or there was no connection to ask over.
    #[error("Redis did not answer in time")]
    TimedOut,
    /// It refused, or the connection broke.
    #[error("Redis refused or the connection broke")]
    Failed(#[source] RedisError),
}

impl Store {
    /// The Redis of a configuration. Needs a runtime; does not wait for a connection.
    pub fn open(options: &config::RedisConfig) -> Result<Self, OpenError> {
        let ca_pem = options.ca_file.as_ref().map(|file| file.pem().to_vec());
        let connector = Connector::new(&options.url, ca_pem).map_err(OpenError)?;
        let failures = Arc::new(FailureLog::default());
        let pool = Pool::builder()
            .max_size(CONNECTIONS)
            .min_idle(CONNECTIONS)
            .connection_timeout(options.timeout)
            .idle_timeout(None)
            .error_sink(Box::new(ConnectFailures(Arc::clone(&failures))))
            .build_unchecked(connector.clone());
        let (prefix, timeout) = (options.prefix.clone(), options.timeout);
        Ok(Self(Arc::new(StoreParts { pool, connector, pause: RedisPause::default(), failures, prefix, timeout })))
    }

    /// What every key begins with.
    pub fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// How long a question may take.
    pub fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// Whether it answered when it was last asked.
    pub fn answers(&self) -> bool {
        self.0.pause.is_closed()
    }

    /// Asks once, within the bound. Dropping the future is safe; what has been sent may still be done.
    async fn run<T, F>(&self, ask: impl FnOnce(RedisConnection) -> F) -> Result<T, Error>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let inner = &*self.0;
        if !inner.pause.admits(Instant::now()) {
            return Err(Error::Paused);
        }
        let until = Instant::now() + inner.timeout;
        // The connection is cloned out of the pool and handed back at once. A pool starves waiters when callers hold on
        // to connections, and these are made to be shared.
        let connection = match inner.pool.get().await {
            Ok(pooled) => pooled.clone(),
            Err(bb8::RunError::TimedOut) => {
                inner.pause.failed(Instant::now());
                return Err(Error::TimedOut);
            }
            Err(bb8::RunError::User(error)) => {
                inner.pause.failed(Instant::now());
                return Err(Error::Failed(error));
            }
        };
        let outcome = timeout_at(until, ask(connection.clone())).await;
        match &outcome {
            Ok(Err(error)) if error.is_io_error() => {
                inner.failures.report("The connection to Redis broke", error);
                inner.pause.failed(Instant::now());
            }
            Ok(result) => {
                if inner.pause.answered() {
                    inner.failures.clear();
                }
                // A refusal is an answer: a full or read-only Redis still has what it had.
                if let Err(error) = result {
                    inner.failures.report("Redis refuses a command", error);
                }
            }
            Err(_) => inner.pause.failed(Instant::now()),
        }
        connection.ended(outcome.as_ref().ok().map(|answer| answer.as_ref().err()));
        outcome.map_err(|_| Error::TimedOut)?.map_err(Error::Failed)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("prefix", &self.0.prefix)
            .field("timeout", &self.0.timeout)
            .finish_non_exhaustive()
    }
}
