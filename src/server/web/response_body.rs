//! The body of any response on the port.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use tonic::Status;

use super::super::{framed_message::FramedMessage, tracked_body::TrackedBody};

/// The body of a response.
#[expect(clippy::large_enum_variant, reason = "a gRPC call's body is not to cost an allocation")]
pub(crate) enum ResponseBody {
    /// Of a gRPC call, or one whole text.
    Call(TrackedBody),
    /// Of a gRPC call, with its frames translated.
    Translated(UnsyncBoxBody<FramedMessage, Status>),
}

impl ResponseBody {
    pub(super) fn translated(body: impl HttpBody<Data = FramedMessage, Error = Status> + Send + 'static) -> Self {
        Self::Translated(UnsyncBoxBody::new(body))
    }
}

/// The empty body of the answer to a preflight request.
impl Default for ResponseBody {
    fn default() -> Self {
        Self::Call(TrackedBody::plain(Bytes::new()))
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Call(_) => "Call",
            Self::Translated(_) => "Translated",
        })
    }
}

impl HttpBody for ResponseBody {
    type Data = FramedMessage;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<FramedMessage>, Status>>> {
        match &mut *self {
            Self::Call(body) => Pin::new(body).poll_frame(cx),
            Self::Translated(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Call(body) => body.is_end_stream(),
            Self::Translated(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Call(body) => body.size_hint(),
            Self::Translated(body) => body.size_hint(),
        }
    }
}
