//! The body of an answer, watched to its end: the deadline holds for streams too, and the end is told.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep_until},
};
use tokio_util::sync::DropGuard;
use tonic::{Status, body::Body};

use super::{
    edge::{Begun, trailers_only},
    ending,
};

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct Observed {
    inner: Body,
    deadline: Pin<Box<Sleep>>,
    /// Gone once the end has been told.
    begun: Option<Begun>,
    /// Held to the end: the call's place among those under way, and the sign to its handlers that it goes on.
    _held: (Option<OwnedSemaphorePermit>, Option<DropGuard>),
}

impl Observed {
    /// The answer of a call that no handler served.
    pub(crate) fn refused(status: Status, begun: Begun) -> Response<Self> {
        Self::observe(trailers_only(&status), begun, (None, None))
    }

    /// The answer of a handler.
    pub(crate) fn answered(
        response: Response<Body>,
        begun: Begun,
        permit: Option<OwnedSemaphorePermit>,
        ends: DropGuard,
    ) -> Response<Self> {
        Self::observe(response, begun, (permit, Some(ends)))
    }

    fn observe(
        response: Response<Body>,
        begun: Begun,
        held: (Option<OwnedSemaphorePermit>, Option<DropGuard>),
    ) -> Response<Self> {
        let (mut head, inner) = response.into_parts();
        let deadline = Box::pin(sleep_until(begun.deadline));
        // An error before the first message has its status among the headers.
        let ended = head.headers.contains_key(Status::GRPC_STATUS);
        if ended {
            ending::finish(&mut head.headers, &begun);
        }
        let begun = (!ended).then_some(begun);
        Response::from_parts(head, Self { inner, deadline, begun, _held: held })
    }
}

impl HttpBody for Observed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.begun.is_some() && this.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(this.begun.take().map(|begun| {
                let mut trailers = HeaderMap::new();
                // A status of ours always makes headers.
                let _ = ending::deadline_exceeded().add_header(&mut trailers);
                ending::finish(&mut trailers, &begun);
                this.inner = Body::empty();
                Ok(Frame::trailers(trailers))
            }));
        }
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| match frame.into_trailers() {
                Ok(mut trailers) => {
                    if let Some(begun) = this.begun.take() {
                        ending::finish(&mut trailers, &begun);
                    }
                    Frame::trailers(trailers)
                }
                Err(data) => data,
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.begun.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if let Some(begun) = self.begun.take() {
            ending::abandoned(&begun);
        }
    }
}
