//! The answers of gRPC calls as Connect's.
//!
//! A frame of gRPC and an envelope of Connect have the same form, a flag and four bytes of length, so a stream of binary
//! messages passes unchanged. Only its end differs: an envelope with the flag 2, in JSON, in place of trailers.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::BodyExt;
use prost_reflect::MessageDescriptor;
use serde::Serialize;
use tonic::{Code, Status};

use super::{
    super::{
        completion::{PUSHBACK, REQUEST_ID},
        error::ErrorDescriptor,
        frame,
        framed_message::FramedMessage,
        tracked_body::TrackedBody,
    },
    connect::envelope,
    connect_error::{self, ErrorJson},
    json,
    protocol::Connect,
    response_body::ResponseBody,
};
use stockroom_proto::pb::ErrorReason;

/// The trailers of a call that are metadata in Connect as well.
const METADATA: [HeaderName; 2] = [REQUEST_ID, PUSHBACK];
const END_STREAM: u8 = 2;

impl Connect {
    /// The answer to a call.
    pub(super) async fn response(self, response: Response<TrackedBody>) -> Response<ResponseBody> {
        if self.is_stream { self.stream(response) } else { self.unary(response).await }
    }

    async fn unary(self, response: Response<TrackedBody>) -> Response<ResponseBody> {
        let (head, mut body) = response.into_parts();
        let mut trailers = head.headers;
        let mut framed = BytesMut::new();
        // The body of a call does not fail: it ends with a status.
        while let Some(Ok(frame)) = body.frame().await {
            match frame.into_data() {
                Ok(message) => framed.put(message),
                Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
            }
        }
        let mut response = match self.unary_message(&trailers, framed.freeze()) {
            Ok((content_type, message)) => {
                let mut response = Response::new(ResponseBody::Call(body.with_text(message)));
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
                response
            }
            Err(status) => {
                let (head, text) = connect_error::response(&status, self.method.is_some()).into_parts();
                Response::from_parts(head, ResponseBody::Call(body.with_text(text)))
            }
        };
        for name in METADATA {
            if let Some(value) = trailers.remove(&name) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    fn unary_message(&self, trailers: &HeaderMap, framed: Bytes) -> Result<(&'static str, Bytes), Status> {
        let status = status(trailers);
        if status.code() != Code::Ok {
            return Err(status);
        }
        let message = frame::message(framed);
        match &self.method {
            Some(method) if self.is_json => match json::encode(method.output(), &message) {
                Some(text) => Ok(("application/json", text.into())),
                None => Err(undecodable()),
            },
            _ => Ok(("application/proto", message)),
        }
    }

    /// A stream has the HTTP status 200 whatever comes of it.
    fn stream(self, response: Response<TrackedBody>) -> Response<ResponseBody> {
        let (head, body) = response.into_parts();
        let content_type = if self.is_json { "application/connect+json" } else { "application/connect+proto" };
        let output = self.method.filter(|_| self.is_json).map(|method| method.output());
        let mut response = Response::new(if head.headers.contains_key(Status::GRPC_STATUS) {
            ResponseBody::Call(body.with_text(end_of_stream(&head.headers, None)))
        } else {
            match output {
                Some(output) => {
                    let mut messages = JsonStream { output, framed: BytesMut::new(), is_broken: false };
                    ResponseBody::translated(body.map_frame(move |frame| Frame::data(messages.translate(frame).into())))
                }
                None => ResponseBody::translated(body.map_frame(translate_end)),
            }
        });
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }
}

/// Replaces the trailers of a stream.
fn translate_end(frame: Frame<FramedMessage>) -> Frame<FramedMessage> {
    match frame.into_trailers() {
        Ok(trailers) => Frame::data(end_of_stream(&trailers, None).into()),
        Err(frame) => frame,
    }
}

/// A stream of messages on its way to JSON.
struct JsonStream {
    output: MessageDescriptor,
    /// What came of a frame that is not complete: health puts frames into its data as they fit.
    framed: BytesMut,
    /// Whether a message could not be translated. Nothing follows it but the end.
    is_broken: bool,
}

impl JsonStream {
    fn translate(&mut self, frame: Frame<FramedMessage>) -> Bytes {
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                return end_of_stream(&trailers, self.is_broken.then(undecodable));
            }
        };
        self.framed.put(data);
        let mut envelopes = Vec::new();
        while let Some(message) = self.next_message() {
            match json::encode(self.output.clone(), &message) {
                Some(text) if !self.is_broken => envelopes.extend_from_slice(&envelope(0, &text)),
                _ => self.is_broken = true,
            }
        }
        envelopes.into()
    }

    fn next_message(&mut self) -> Option<Bytes> {
        let end = frame::length(&self.framed).filter(|end| *end <= self.framed.len())?;
        Some(frame::message(self.framed.split_to(end).freeze()))
    }
}

/// The last envelope of a stream (Connect protocol reference, "EndStreamResponse").
#[derive(Serialize)]
struct EndOfStream<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson>,
    metadata: BTreeMap<String, [&'a str; 1]>,
}

/// The end that trailers say, or one with an error of the translation.
fn end_of_stream(trailers: &HeaderMap, error: Option<Status>) -> Bytes {
    let status = error.unwrap_or_else(|| status(trailers));
    let end = EndOfStream {
        error: (status.code() != Code::Ok).then(|| ErrorJson::from(&status)),
        metadata: METADATA
            .iter()
            .filter_map(|name| Some((name.to_string(), [trailers.get(name)?.to_str().ok()?])))
            .collect(),
    };
    // Strings only, so it always serializes.
    envelope(END_STREAM, &serde_json::to_vec(&end).unwrap_or_default())
}

fn status(trailers: &HeaderMap) -> Status {
    Status::from_header_map(trailers)
        .unwrap_or_else(|| ErrorDescriptor::new(ErrorReason::Panic, "the answer broke off").status())
}

fn undecodable() -> Status {
    ErrorDescriptor::new(ErrorReason::Undecodable, "the answer cannot be written as JSON").status()
}
