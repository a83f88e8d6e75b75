//! The body of an answer, followed to its end: the deadline holds for streams too, and the end is logged.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::Full;
use tokio::time::{Sleep, sleep_until};
use tonic::{Status, body::Body};

use super::{
    completion,
    edge::{CallRecord, Held, trailers_only},
    error::ErrorDescriptor,
};
use stockroom_proto::pb::ErrorReason;

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct TrackedBody {
    inner: Body,
    deadline: Option<Pin<Box<Sleep>>>,
    /// `None` after the end.
    record: Option<CallRecord>,
    /// Released when the body is dropped, which hyper does at the end of the stream.
    _held: Option<Held>,
}

impl TrackedBody {
    /// The answer of a call that the edge itself ends with an error.
    pub(crate) fn failed(error: ErrorDescriptor, record: CallRecord) -> Response<Self> {
        Self::track(trailers_only(&error.status()), record, None)
    }

    /// The answer that the services gave.
    pub(crate) fn served(response: Response<Body>, record: CallRecord, held: Held) -> Response<Self> {
        Self::track(response, record, Some(held))
    }

    /// The body of an HTTP response to a request that was no gRPC call.
    pub(crate) fn plain(text: Bytes) -> Self {
        Self { inner: Body::new(Full::new(text)), deadline: None, record: None, _held: None }
    }

    fn track(response: Response<Body>, record: CallRecord, held: Option<Held>) -> Response<Self> {
        let (mut head, inner) = response.into_parts();
        // An error before the first message has its status among the headers.
        let record = if head.headers.contains_key(Status::GRPC_STATUS) {
            completion::finish(&mut head.headers, record);
            None
        } else {
            Some(record)
        };
        let deadline = record.as_ref().map(|record| Box::pin(sleep_until(record.deadline)));
        Response::from_parts(head, Self { inner, deadline, record, _held: held })
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        // Frames that are ready need no timer.
        let inner = &mut this.inner;
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll_frame(cx)));
        let frame = match polled.unwrap_or(Poll::Ready(None)) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let deadline = this.deadline.as_mut().filter(|_| this.record.is_some());
                ready!(deadline.map_or(Poll::Pending, |deadline| deadline.as_mut().poll(cx)));
                return Poll::Ready(this.record.take().map(|record| {
                    this.inner = Body::empty();
                    Ok(Frame::trailers(completion::trailers(completion::deadline_exceeded(), record)))
                }));
            }
        };
        let Some(record) = this.record.take() else { return Poll::Ready(frame) };
        Poll::Ready(Some(Ok(match frame {
            Some(Ok(frame)) => match frame.into_trailers() {
                Ok(mut trailers) => {
                    completion::finish(&mut trailers, record);
                    Frame::trailers(trailers)
                }
                // `into_trailers` returns any other frame as it was.
                Err(data) => {
                    this.record = Some(record);
                    data
                }
            },
            // A stream that breaks off without a status is a defect, and the client learns that it is incomplete.
            Some(Err(_)) | None => {
                this.inner = Body::empty();
                let error = ErrorDescriptor::new(ErrorReason::Panic, "the answer broke off");
                Frame::trailers(completion::trailers(error, record))
            }
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.record.is_none() && self.inner.is_end_stream()
    }

    /// Unknown: an exact size would become a content-length, and an error at the deadline would contradict it.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
