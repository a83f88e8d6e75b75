//! What every call carries: its id, its deadline, and who calls.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::{Code, Request, Status, metadata::MetadataValue};
use uuid::Uuid;

use super::connect::Bearer;

/// How much longer than the server the client waits, so that the server's own, richer answer wins.
const GRACE: Duration = Duration::from_millis(250);

/// When a call must have ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

/// One call, which may be sent twice.
#[derive(Debug)]
pub(super) struct Call<'a> {
    bearer: Option<&'a Bearer>,
    id: String,
    deadline: Deadline,
}

impl Deadline {
    /// What a future comes to, or that it took too long.
    pub(super) async fn bound<T>(self, answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        let late = || Status::deadline_exceeded("the gateway did not answer in time");
        let answer = timeout_at(self.0 + GRACE, answer).await.unwrap_or_else(|_| Err(late()));
        // tonic's own timer reports the same as CANCELLED.
        answer.map_err(|status| match status.code() {
            Code::Cancelled if Instant::now() >= self.0 => late(),
            _ => status,
        })
    }
}

impl<'a> Call<'a> {
    pub(super) fn new(bearer: Option<&'a Bearer>, within: Duration) -> Self {
        Self { bearer, id: Uuid::new_v4().to_string(), deadline: Deadline(Instant::now() + within) }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn deadline(&self) -> Deadline {
        self.deadline
    }

    pub(super) async fn within<T>(&self, answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        self.deadline.bound(answer).await
    }

    /// The request with its metadata.
    pub(super) fn request<Q>(&self, message: Q) -> Request<Q> {
        let mut request = Request::new(message);
        request.set_timeout(self.deadline.0.saturating_duration_since(Instant::now()));
        let id = MetadataValue::try_from(&self.id).expect("a UUID is printable ASCII");
        request.metadata_mut().insert("x-request-id", id);
        if let Some(bearer) = self.bearer {
            request.metadata_mut().insert("authorization", bearer.clone());
        }
        request
    }
}

/// Whether a call failed before it was sent: its connection was closed by the server at that very moment. hyper's client
/// then says so in these words, and nothing else tells it apart.
pub(super) fn was_never_sent(status: &Status) -> bool {
    status.code() == Code::Cancelled && status.message().contains("operation was canceled")
}
