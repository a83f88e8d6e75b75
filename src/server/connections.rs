//! The open connections: how many there may be, what each of them is doing, and which one goes when a new one needs room.
//!
//! A peer needs no token to connect, so connections are the one resource that anybody can use up. Therefore a full table
//! does not keep new connections out: the connection that has been without a stream for the longest time is closed
//! instead, those that never carried a stream first. Only when every connection carries a stream does a new one wait.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::identity::Peer;

/// The table of open connections.
#[derive(Debug)]
pub(crate) struct Connections {
    max: usize,
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    next_id: AtomicU64,
    /// A connection ended, or its last stream did.
    room: Notify,
    /// Cancelled when the gateway drains.
    draining: CancellationToken,
}

/// What one connection is doing.
#[derive(Debug)]
pub(crate) struct Connection {
    id: u64,
    accepted: Instant,
    /// Streams of this gateway's own services, which a drain waits for.
    calls: AtomicUsize,
    /// Streams of health and reflection, also of checks, which nothing waits for.
    public_service_streams: AtomicUsize,
    /// Milliseconds between `accepted` and the end of the last stream; 0 before the first.
    last_stream_ms: AtomicU64,
    /// Who is at the other end, once TLS is set up.
    pub(crate) peer: OnceLock<Peer>,
    /// Cancelled when the connection is to close: at the drain, or to make room.
    pub(crate) closing: CancellationToken,
}

/// A stream of a connection, counted from its first byte to its last.
#[derive(Debug)]
pub(crate) struct StreamGuard {
    connection: Arc<Connection>,
    is_public_service: bool,
}

impl Connections {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            open: Mutex::default(),
            next_id: AtomicU64::default(),
            room: Notify::new(),
            draining: CancellationToken::new(),
        })
    }

    /// Adds a connection. Closes the one that has been idle for the longest time if the table is full, and waits if none
    /// is idle. Dropping the future adds nothing.
    pub(crate) async fn admit(&self) -> Arc<Connection> {
        loop {
            // Registered before the look at the table, so that room made in between is not missed.
            let room = self.room.notified();
            if let Some(connection) = self.try_admit() {
                return connection;
            }
            // An idle connection may appear without an event: its stream ends.
            let _ = tokio::time::timeout(Duration::from_millis(50), room).await;
        }
    }

    fn try_admit(&self) -> Option<Arc<Connection>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= self.max {
            let idle = open.values().filter(|connection| !connection.has_streams());
            let victim = idle.min_by_key(|connection| connection.idle_since())?.id;
            if let Some(victim) = open.remove(&victim) {
                victim.closing.cancel();
            }
        }
        let connection = Arc::new(Connection {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            accepted: Instant::now(),
            calls: AtomicUsize::default(),
            public_service_streams: AtomicUsize::default(),
            last_stream_ms: AtomicU64::default(),
            peer: OnceLock::new(),
            closing: self.draining.child_token(),
        });
        open.insert(connection.id, Arc::clone(&connection));
        Some(connection)
    }

    /// Whether the next connection costs another one its place.
    pub(crate) fn is_full(&self) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len() >= self.max
    }

    /// Removes a connection that has ended.
    pub(crate) fn remove(&self, connection: &Connection) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&connection.id);
        self.room.notify_one();
    }

    /// Closes every connection: at once those without a call, the others after their last call.
    pub(crate) fn drain(&self) {
        self.draining.cancel();
    }
}

impl Connection {
    /// Counts a stream as a call until [`StreamGuard::is_public_service`] says otherwise.
    pub(crate) fn begin_stream(self: &Arc<Self>) -> StreamGuard {
        self.calls.fetch_add(1, Ordering::Relaxed);
        StreamGuard { connection: Arc::clone(self), is_public_service: false }
    }

    pub(crate) fn has_calls(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn public_service_streams(&self) -> usize {
        self.public_service_streams.load(Ordering::Relaxed)
    }

    pub(crate) fn has_streams(&self) -> bool {
        self.has_calls() || self.public_service_streams() > 0
    }

    /// Whether the connection carried a stream before, and when the last one ended or else when it was accepted: the order
    /// in which idle connections are closed.
    fn idle_since(&self) -> (bool, Instant) {
        let last = self.last_stream_ms.load(Ordering::Relaxed);
        (last > 0, self.accepted + Duration::from_millis(last))
    }

    /// When the connection will have been open for so long.
    pub(crate) fn aged_at(&self, age: Duration) -> Instant {
        self.accepted + age
    }

    /// When the connection will have been idle for so long; counted from now while it carries a stream.
    pub(crate) fn idle_until(&self, bound: Duration) -> Instant {
        let since = if self.has_streams() { Instant::now() } else { self.idle_since().1 };
        since + bound
    }
}

impl StreamGuard {
    /// Counts the stream as one of health or reflection.
    pub(crate) fn mark_public_service(&mut self) {
        if !std::mem::replace(&mut self.is_public_service, true) {
            self.connection.public_service_streams.fetch_add(1, Ordering::Relaxed);
            self.connection.calls.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let connection = &self.connection;
        let millis = u64::try_from(connection.accepted.elapsed().as_millis()).unwrap_or(u64::MAX);
        connection.last_stream_ms.store(millis.max(1), Ordering::Relaxed);
        let counter = if self.is_public_service { &connection.public_service_streams } else { &connection.calls };
        counter.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_full_table_closes_the_connection_that_was_idle_for_the_longest_time_unused_ones_first() {
        let table = Connections::new(3);
        let [used, silent, busy] = [table.admit().await, table.admit().await, table.admit().await];
        drop(used.begin_stream());
        let call = busy.begin_stream();
        assert!(table.is_full());

        let fourth = table.admit().await;
        assert!(silent.closing.is_cancelled() && !used.closing.is_cancelled() && !busy.closing.is_cancelled());
        let _streams = (fourth.begin_stream(), used.begin_stream());
        let mut fifth = std::pin::pin!(table.admit());
        assert!(futures_util::poll!(&mut fifth).is_pending(), "every connection carries a stream");
        drop(call);
        fifth.await;
        assert!(busy.closing.is_cancelled());
    }

    #[tokio::test]
    async fn a_drain_closes_all_and_streams_of_public_services_are_no_calls() {
        let table = Connections::new(2);
        let connection = table.admit().await;
        let mut watch = connection.begin_stream();
        assert!(connection.has_calls());
        watch.mark_public_service();
        assert!(!connection.has_calls() && connection.has_streams());
        table.drain();
        assert!(connection.closing.is_cancelled());
        drop(watch);
        assert!(!connection.has_streams());
    }
}
