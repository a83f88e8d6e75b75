//! The responses of a streaming call.

use std::fmt;

use super::{Error, call::Deadline};

/// The messages of a stream, in order. Dropping it cancels the call.
pub struct Streaming<T> {
    messages: tonic::Streaming<T>,
    deadline: Deadline,
    request_id: String,
}

impl<T> Streaming<T> {
    pub(super) fn new(messages: tonic::Streaming<T>, deadline: Deadline, request_id: String) -> Self {
        Self { messages, deadline, request_id }
    }

    /// The next message; `None` after the last. The call's deadline holds for the stream as a whole.
    ///
    /// Cancel-safe: dropping the future loses no message.
    pub async fn message(&mut self) -> Result<Option<T>, Error> {
        let message = self.deadline.bound(self.messages.message()).await;
        message.map_err(|status| Error::decode(&status, &self.request_id))
    }
}

impl<T> fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}
