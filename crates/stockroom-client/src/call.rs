//! The metadata and the deadline of one call.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::{Code, Request, Status, metadata::MetadataValue};
use uuid::Uuid;

use super::connect::Bearer;

/// The client waits this much longer than the gateway does, so that the gateway's answer with its details arrives first.
const GRACE: Duration = Duration::from_millis(250);

/// The instant at which a call ends at the latest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

/// A call: its id, its deadline and its token, which all its attempts share.
#[derive(Debug)]
pub(super) struct OutgoingCall<'a> {
    bearer: Option<&'a Bearer>,
    id: String,
    deadline: Deadline,
}

impl Deadline {
    /// The result of a future, or DEADLINE_EXCEEDED.
    pub(super) async fn bound<T>(self, response: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        let late = || Status::deadline_exceeded("the gateway did not answer in time");
        let response = timeout_at(self.0 + GRACE, response).await.unwrap_or_else(|_| Err(late()));
        // tonic's own timer reports a passed deadline as CANCELLED.
        response.map_err(|status| match status.code() {
            Code::Cancelled if Instant::now() >= self.0 => late(),
            _ => status,
        })
    }

    /// Whether the deadline leaves time for a pause and another attempt.
    pub(super) fn allows(self, pause: Duration) -> bool {
        Instant::now() + pause < self.0
    }
}

impl<'a> OutgoingCall<'a> {
    pub(super) fn new(bearer: Option<&'a Bearer>, deadline: Duration) -> Self {
        Self { bearer, id: Uuid::new_v4().to_string(), deadline: Deadline(Instant::now() + deadline) }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// The request of one attempt, with its metadata.
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
