//! Ends a stream at its deadline whatever its peer does.
//!
//! # Why
//!
//! A response body ends a call at its deadline, with a proper status (`tracked_body`). hyper polls a body only while the
//! peer's flow-control window is open, so a peer that never reads would hold its call, and with it a place among the
//! concurrent calls, for as long as it stays connected.
//!
//! # Rule
//!
//! hyper hands each stream as one future to the connection's executor, and resets the stream when that future is dropped.
//! [`watched`] wraps the future and drops it [`GRACE`] after the deadline. What the future owns is released with it.
//!
//! # Edge cases
//!
//! The future is opaque: only the call inside it knows its deadline. The call states it with [`set_stream`] in its first
//! poll, and the wrapper reads it right after that poll on the same thread. A stream that states nothing has no deadline,
//! which cannot happen: stating it is the first thing that the edge does, and that `web` does with what is no gRPC call.

use std::{cell::Cell, future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use hyper::rt::Executor;
use tokio::time::{Instant, sleep_until};

use super::{connections::Connection, inline_executor::InlineExecutor};

/// The time after the deadline in which a peer that reads gets a status instead of a reset.
pub(crate) const GRACE: Duration = Duration::from_millis(250);

thread_local! {
    static STREAM: Cell<Option<Stream>> = const { Cell::new(None) };
}

/// What a call says of the stream that carries it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// When the call ends.
    pub(crate) deadline: Instant,
    /// Whether it calls health or reflection.
    pub(crate) is_public_service: bool,
}

/// Describes the stream that is being polled. Called by the edge in the first poll of each call.
pub(crate) fn set_stream(stream: Stream) {
    STREAM.set(Some(stream));
}

/// Polls, and returns what a call has said in this poll.
pub(crate) fn observe<T>(poll: impl FnOnce() -> T) -> (T, Option<Stream>) {
    STREAM.set(None);
    (poll(), STREAM.take())
}

/// Runs the streams of one connection, counted and each with an end.
#[derive(Clone, Debug)]
pub(crate) struct StreamExecutor {
    connection: Arc<Connection>,
    executor: InlineExecutor,
}

impl StreamExecutor {
    pub(crate) fn new(connection: Arc<Connection>, executor: InlineExecutor) -> Self {
        Self { connection, executor }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, call: F) {
        self.executor.execute(watched(Arc::clone(&self.connection), call));
    }
}

/// A stream of a connection, dropped at its deadline.
async fn watched(connection: Arc<Connection>, call: impl Future<Output = ()>) {
    let mut guard = connection.begin_stream();
    let mut call = pin!(call);
    let mut end = None;
    poll_fn(|cx| {
        let (polled, stream) = observe(|| call.as_mut().poll(cx));
        if polled.is_ready() {
            return Poll::Ready(());
        }
        // A call that is complete at its first poll needs no timer.
        if let Some(stream) = stream {
            if stream.is_public_service {
                guard.mark_public_service();
            }
            end = Some(Box::pin(sleep_until(stream.deadline + GRACE)));
        }
        match &mut end {
            Some(end) => end.as_mut().poll(cx),
            None => Poll::Pending,
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::{super::connections::Connections, *};

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_never_ends_is_dropped_after_its_deadline_and_counted_until_then() {
        let connection = Connections::new(1).admit().await;
        let deadline = Instant::now() + Duration::from_secs(2);
        let (held, released) = tokio::sync::oneshot::channel::<()>();
        StreamExecutor::new(Arc::clone(&connection), InlineExecutor::new()).execute(async move {
            set_stream(Stream { deadline, is_public_service: false });
            let _held = held;
            std::future::pending().await
        });
        tokio::task::yield_now().await;
        assert!(connection.has_calls());
        released.await.expect_err("dropped with the stream");
        assert_eq!(deadline.elapsed(), GRACE);
        tokio::task::yield_now().await;
        assert!(!connection.has_streams());
    }
}
