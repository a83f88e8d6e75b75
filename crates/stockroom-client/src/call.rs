//! One call: its id, its deadline and its bearer token.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::{Code, Request, Status, metadata::MetadataValue};
use uuid::Uuid;

use super::connect::Bearer;

/// The client waits this much longer than the server, so that it receives the server's status, which has details.
const GRACE_TIMEOUT: Duration = Duration::from_millis(250);

/// The time by which a call must end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

/// One call. It may be sent twice, with the same id and the same deadline.
#[derive(Debug)]
pub(super) struct Call<'a> {
    bearer: Option<&'a Bearer>,
    id: String,
    deadline: Deadline,
}

impl Deadline {
    /// Awaits a response until the deadline. Returns DEADLINE_EXCEEDED after it.
    pub(super) async fn bound<T>(self, response: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        let late = || Status::deadline_exceeded("the gateway did not answer in time");
        let response = timeout_at(self.0 + GRACE_TIMEOUT, response).await.unwrap_or_else(|_| Err(late()));
        // tonic's own timer reports an elapsed deadline as CANCELLED.
        response.map_err(|status| match status.code() {
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

    pub(super) async fn within<T>(&self, response: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        self.deadline.bound(response).await
    }

    /// Builds the request: the message, the deadline and the metadata.
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

/// Whether the client never sent the call, because the server closed the connection at that moment.
///
/// hyper's client reports this case only by its message, so the message is compared.
pub(super) fn was_never_sent(status: &Status) -> bool {
    status.code() == Code::Cancelled && status.message().contains("operation was canceled")
}
