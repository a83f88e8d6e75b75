//! The body of an answer, followed to its end: the deadline holds for streams too, and the end is logged.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use futures_util::Stream;
use http::{HeaderMap, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep_until};
use tonic::{Status, body::Body};

use super::{
    completion,
    edge::{CallRecord, Held, trailers_only},
    error::ErrorDescriptor,
    framed_message::FramedMessage,
};
use stockroom_proto::pb::ErrorReason;

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct TrackedBody {
    content: Content,
    /// Ends the call at its deadline. Set once the answer has to wait.
    timer: Option<Pin<Box<Sleep>>>,
    /// `None` after the end.
    record: Option<CallRecord>,
    /// Released when the body is dropped, which hyper does at the end of the stream.
    _held: Option<Held>,
}

/// Where the data of an answer comes from.
pub(crate) enum Content {
    /// Nothing is left.
    Empty,
    /// The one message; without a record, the text of an answer that is no call's, or of a call that has ended.
    One(FramedMessage),
    /// The messages of a stream.
    Stream(Pin<Box<dyn Stream<Item = Result<FramedMessage, Status>> + Send>>),
    /// Health and reflection, which tonic serves.
    Foreign(Body),
}

/// What comes next of an answer.
enum Next {
    Data(FramedMessage),
    Succeeded,
    Failed(Status),
    Trailers(HeaderMap),
    /// The stream panicked, or one of health or reflection failed or ended without a status: a defect, and the client learns
    /// that the answer is incomplete.
    Defect,
}

impl TrackedBody {
    /// The answer of a call that ends with an error before its first message.
    pub(crate) fn failed(error: &Status, record: CallRecord) -> Response<Self> {
        Self::track(trailers_only(error), record, None)
    }

    /// The answer that the services gave.
    pub(crate) fn served(response: Response<Content>, record: CallRecord, held: Held) -> Response<Self> {
        Self::track(response, record, Some(held))
    }

    /// The body of an HTTP response to a request that was no call.
    pub(crate) fn plain(text: Bytes) -> Self {
        Self { content: Content::One(text.into()), timer: None, record: None, _held: None }
    }

    /// The body of a call that has ended, so that it has no record, with another text.
    pub(crate) fn with_text(self, text: Bytes) -> Self {
        Self { content: Content::One(text.into()), ..self }
    }

    fn track(response: Response<Content>, record: CallRecord, held: Option<Held>) -> Response<Self> {
        let (mut head, content) = response.into_parts();
        // An error before the first message has its status among the headers, which are then to end the stream: nothing follows.
        let (content, record) = if head.headers.contains_key(Status::GRPC_STATUS) {
            completion::finish(&mut head.headers, record);
            (Content::Empty, None)
        } else {
            (content, Some(record))
        };
        Response::from_parts(head, Self { content, timer: None, record, _held: held })
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::One(_) => "One",
            Self::Stream(_) => "Stream",
            Self::Foreign(_) => "Foreign",
        })
    }
}

impl Content {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        match self {
            Self::Empty => Poll::Ready(Next::Succeeded),
            Self::One(message) => {
                let message = std::mem::take(message);
                *self = Self::Empty;
                Poll::Ready(Next::Data(message))
            }
            Self::Stream(stream) => {
                let polled = catch_unwind(AssertUnwindSafe(|| stream.as_mut().poll_next(cx)));
                Poll::Ready(match polled {
                    Ok(polled) => match ready!(polled) {
                        Some(Ok(message)) => Next::Data(message),
                        Some(Err(status)) => Next::Failed(status),
                        None => Next::Succeeded,
                    },
                    Err(_) => Next::Defect,
                })
            }
            Self::Foreign(body) => {
                let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx)));
                Poll::Ready(match ready!(polled.unwrap_or(Poll::Ready(None))) {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => Next::Data(data.into()),
                        Err(frame) => match frame.into_trailers() {
                            Ok(trailers) if trailers.contains_key(Status::GRPC_STATUS) => Next::Trailers(trailers),
                            Ok(_) | Err(_) => Next::Defect,
                        },
                    },
                    Some(Err(_)) | None => Next::Defect,
                })
            }
        }
    }
}

impl HttpBody for TrackedBody {
    type Data = FramedMessage;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<FramedMessage>, Status>>> {
        let this = &mut *self;
        let Some(record) = &this.record else {
            // Only the text of an answer that is no call's, or of a call that has ended.
            let text = std::mem::replace(&mut this.content, Content::Empty);
            return Poll::Ready(if let Content::One(text) = text { Some(Ok(Frame::data(text))) } else { None });
        };
        // What is ready needs no timer. A stream that never waits is ended by `stream_watchdog`.
        let next = match this.content.poll_next(cx) {
            Poll::Ready(next) => next,
            Poll::Pending => {
                let deadline = record.deadline;
                ready!(this.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline))).as_mut().poll(cx));
                Next::Failed(completion::deadline_exceeded().status())
            }
        };
        if let Next::Data(message) = next {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        this.content = Content::Empty;
        Poll::Ready(this.record.take().map(|record| {
            Ok(Frame::trailers(match next {
                Next::Trailers(mut trailers) => {
                    completion::finish(&mut trailers, record);
                    trailers
                }
                Next::Failed(status) => completion::trailers(&status, record),
                Next::Defect | Next::Data(_) => {
                    let error = ErrorDescriptor::new(ErrorReason::Panic, "the answer broke off");
                    completion::trailers(&error.status(), record)
                }
                Next::Succeeded => completion::succeed(record),
            }))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.record.is_none() && matches!(self.content, Content::Empty)
    }

    /// Unknown for a call: an exact size would become a content-length, and an error at the deadline would contradict it.
    fn size_hint(&self) -> SizeHint {
        match (&self.record, &self.content) {
            (None, Content::One(text)) => SizeHint::with_exact(text.remaining() as u64),
            _ => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, stream};
    use http_body_util::StreamBody;

    use super::*;

    #[test]
    fn an_end_without_a_status_is_a_defect_and_no_success() {
        let next = |trailers: HeaderMap| {
            let frames = stream::iter([Ok::<_, Status>(Frame::<Bytes>::trailers(trailers))]);
            let mut content = Content::Foreign(Body::new(StreamBody::new(frames)));
            std::future::poll_fn(|cx| content.poll_next(cx)).now_or_never().unwrap()
        };
        assert!(matches!(next(HeaderMap::new()), Next::Defect));
        let mut ok = HeaderMap::new();
        ok.insert(Status::GRPC_STATUS, http::HeaderValue::from_static("0"));
        assert!(matches!(next(ok), Next::Trailers(_)));
    }
}
