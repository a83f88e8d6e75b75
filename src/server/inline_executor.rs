//! Runs a call on its connection's task for as long as it does not have to wait.
//!
//! A call that memory answers is complete at its first poll. A task of its own would only cost it an allocation, two trips
//! through the scheduler and a wake-up of the connection. The executor therefore polls each call once, where the connection
//! has read it, and spawns a task only for a call that is not complete then.
//!
//! Calls of one connection that are run this way share one core. Once they have taken [`INLINE_TIME`] in one poll of their
//! connection, the others get tasks, which another worker can take.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Waker},
    time::{Duration, Instant},
};

use hyper::rt::Executor;

/// The time that calls may take on their connection's task each time it is polled: some tens of hits, and far less than a
/// call over the network takes.
const INLINE_TIME: Duration = Duration::from_micros(250);
/// No call was run since the connection's task was polled.
const UNUSED: u64 = u64::MAX;

/// The executor of one connection; clones share its time.
#[derive(Clone, Debug)]
pub(crate) struct InlineExecutor {
    epoch: Instant,
    /// When the first call of this poll began, in nanoseconds since the epoch.
    began: Arc<AtomicU64>,
}

impl InlineExecutor {
    pub(crate) fn new() -> Self {
        Self { epoch: Instant::now(), began: Arc::new(AtomicU64::new(UNUSED)) }
    }

    /// Gives the calls their time anew. The connection's task does so each time it is polled.
    pub(crate) fn renew(&self) {
        self.began.store(UNUSED, Ordering::Relaxed);
    }

    fn has_time(&self) -> bool {
        let now = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(UNUSED);
        let began = self.began.load(Ordering::Relaxed);
        if began == UNUSED {
            self.began.store(now, Ordering::Relaxed);
        }
        u128::from(now.saturating_sub(began)) < INLINE_TIME.as_nanos()
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for InlineExecutor {
    fn execute(&self, call: F) {
        let mut call = Box::pin(call);
        if !self.has_time() || !is_complete(call.as_mut()) {
            // Ends with the call; its connection does not wait for it.
            tokio::spawn(call);
        }
    }
}

/// Polls a call once. The task that may follow polls it again at once, so nobody has to be woken. A panic ends the call and
/// not its connection.
fn is_complete(call: Pin<&mut (impl Future<Output = ()> + Send)>) -> bool {
    let poll = || call.poll(&mut Context::from_waker(Waker::noop())).is_ready();
    catch_unwind(AssertUnwindSafe(poll)).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test]
    async fn a_call_that_is_complete_at_once_needs_no_task_and_another_gets_one() {
        let executor = InlineExecutor::new();
        let done = Arc::new(AtomicUsize::new(0));
        let call = |waits: bool| {
            let done = Arc::clone(&done);
            async move {
                if waits {
                    tokio::task::yield_now().await;
                }
                done.fetch_add(1, Ordering::SeqCst);
            }
        };
        executor.execute(call(false));
        assert_eq!(done.load(Ordering::SeqCst), 1, "complete when execute returns");
        executor.execute(call(true));
        assert_eq!(done.load(Ordering::SeqCst), 1, "left to a task");
        while done.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn calls_that_have_used_up_their_time_get_tasks_until_it_is_renewed() {
        let executor = InlineExecutor { epoch: Instant::now() - INLINE_TIME * 2, began: Arc::new(AtomicU64::new(0)) };
        let done = Arc::new(AtomicUsize::new(0));
        let call = || {
            let done = Arc::clone(&done);
            async move {
                done.fetch_add(1, Ordering::SeqCst);
            }
        };
        executor.execute(call());
        assert_eq!(done.load(Ordering::SeqCst), 0, "left to a task");
        executor.renew();
        executor.execute(call());
        assert_eq!(done.load(Ordering::SeqCst), 1, "complete when execute returns");
    }

    #[tokio::test]
    async fn a_call_that_panics_does_not_take_its_connection_along() {
        InlineExecutor::new().execute(async { panic!("this call") });
    }
}
