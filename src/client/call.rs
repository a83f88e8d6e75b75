//! What every call carries: its id, its deadline, and who calls.

use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Request, Status, metadata::MetadataValue};
use uuid::Uuid;

use super::{Error, Options};

/// How much longer than the server the client waits, so that the server's own, richer answer wins.
const GRACE: Duration = Duration::from_millis(250);

/// When a call must have ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

/// One call, which may be sent twice.
#[derive(Debug)]
pub(super) struct Call<'a> {
    options: &'a Options,
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
    pub(super) fn new(options: &'a Options) -> Self {
        let deadline = Deadline(Instant::now() + options.deadline);
        Self { options, id: Uuid::new_v4().to_string(), deadline }
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

    /// The request with its metadata. It fails only for a token that no header can carry.
    pub(super) fn request<Q>(&self, message: Q) -> Result<Request<Q>, Error> {
        let mut request = Request::new(message);
        request.set_timeout(self.deadline.0.saturating_duration_since(Instant::now()));
        let invalid = |what: &str| Error::local(Code::InvalidArgument, format!("{what} cannot be sent as metadata"));
        let id = MetadataValue::try_from(&self.id).map_err(|_| invalid("the request id"))?;
        request.metadata_mut().insert("x-request-id", id);
        if let Some(token) = &self.options.token {
            let bearer = format!("Bearer {}", token.expose_secret());
            let mut bearer = MetadataValue::try_from(bearer).map_err(|_| invalid("the token"))?;
            bearer.set_sensitive(true);
            request.metadata_mut().insert("authorization", bearer);
        }
        Ok(request)
    }
}

/// Whether a call failed before it was sent: its connection was closed by the server at that very moment. hyper's client
/// then says so in these words, and nothing else tells it apart.
pub(super) fn was_never_sent(status: &Status) -> bool {
    status.code() == Code::Cancelled && status.message().contains("operation was canceled")
}
