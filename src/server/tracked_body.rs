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
    completion,
    edge::{CallRecord, trailers_only},
    error::ErrorDescriptor,
};

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct TrackedBody {
    inner: Body,
    deadline: Pin<Box<Sleep>>,
    /// Gone once the end has been told.
    record: Option<CallRecord>,
    /// Held to the end: the call's place among those under way, and the sign to its handlers that it goes on.
    _held: (Option<OwnedSemaphorePermit>, Option<DropGuard>),
}

impl TrackedBody {
    /// The answer of a call that no handler served.
    pub(crate) fn refused(error: ErrorDescriptor, record: CallRecord) -> Response<Self> {
        Self::observe(trailers_only(&error.status()), record, (None, None))
    }

    /// The answer of a handler.
    pub(crate) fn answered(
        response: Response<Body>,
        record: CallRecord,
        permit: Option<OwnedSemaphorePermit>,
        ends: DropGuard,
    ) -> Response<Self> {
        Self::observe(response, record, (permit, Some(ends)))
    }

    fn observe(
        response: Response<Body>,
        record: CallRecord,
        held: (Option<OwnedSemaphorePermit>, Option<DropGuard>),
    ) -> Response<Self> {
        let (mut head, inner) = response.into_parts();
        let deadline = Box::pin(sleep_until(record.deadline));
        // An error before the first message has its status among the headers.
        let ended = head.headers.contains_key(Status::GRPC_STATUS);
        if ended {
            completion::finish(&mut head.headers, &record);
        }
        let record = (!ended).then_some(record);
        Response::from_parts(head, Self { inner, deadline, record, _held: held })
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.record.is_some() && this.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(this.record.take().map(|record| {
                let mut trailers = HeaderMap::new();
                // A status built here always encodes into headers.
                let _ = completion::deadline_exceeded().status().add_header(&mut trailers);
                completion::finish(&mut trailers, &record);
                this.inner = Body::empty();
                Ok(Frame::trailers(trailers))
            }));
        }
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| match frame.into_trailers() {
                Ok(mut trailers) => {
                    if let Some(record) = this.record.take() {
                        completion::finish(&mut trailers, &record);
                    }
                    Frame::trailers(trailers)
                }
                Err(data) => data,
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.record.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            completion::abandoned(&record);
        }
    }
}
