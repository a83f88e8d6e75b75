//! What browsers and curl speak, on the port of gRPC: gRPC-Web and Connect, translated into the gRPC call that the edge serves.
//!
//! # Rule
//!
//! A gRPC call passes straight to the edge. Everything else is classified by its content type before anything is spent on it:
//! a call of gRPC-Web or Connect becomes a gRPC call, whose message is read where the edge reads messages, so that
//! authentication and limits come first; the rest is refused with an HTTP status and words.
//!
//! A page may call if `web.allowed_origins` has its origin. Any other request with the header `Origin` is refused: browsers
//! send it with each POST, so that no page can spend the account's calls through a browser that reaches the port.
//!
//! # Edge cases
//!
//! Connect's GET is not served: browsers send no `Origin` with the GET of an image, which would spend calls as well.

use std::{convert::Infallible, time::Duration};

use bytes::{Buf, Bytes};
use futures_util::{FutureExt, future::Either};
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::Instant;
use tonic::body::Body;
use tonic_web::GrpcWebLayer;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::{AllowHeaders, CorsLayer};

use self::protocol::{HttpRefusal, WebProtocol};
pub(crate) use self::response_body::ResponseBody;
use super::{
    completion::{PUSHBACK, REQUEST_ID},
    connections::Connection,
    edge::Edge,
    framed_message::FramedMessage,
    stream_watchdog::{self, Stream},
};

mod connect;
mod connect_error;
mod connect_response;
pub(super) mod json;
mod protocol;
mod response_body;

/// How long a peer may take to read the answer to what is no call.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a browser remembers that a page may call; Chromium's maximum.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(7200);
/// What a page may read of an answer's headers.
const EXPOSED_HEADERS: [HeaderName; 6] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
    PUSHBACK,
    REQUEST_ID,
    header::RETRY_AFTER,
];

/// The calls of one port, whatever their protocol.
#[derive(Debug)]
pub(crate) struct Web {
    edge: Edge,
    allowed_origins: Vec<HeaderValue>,
    cors: CorsLayer,
}

impl Web {
    /// The configuration has checked the origins.
    pub(crate) fn new(edge: Edge, allowed_origins: &[String]) -> Self {
        let allowed_origins: Vec<_> = allowed_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
        let cors = CorsLayer::new()
            .allow_origin(allowed_origins.clone())
            .allow_methods([Method::POST])
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(EXPOSED_HEADERS)
            .max_age(PREFLIGHT_MAX_AGE);
        Self { edge, allowed_origins, cors }
    }

    /// Serves one request.
    pub(crate) fn call<'a>(
        &'a self,
        request: Request<Incoming>,
        connection: &'a Connection,
    ) -> impl Future<Output = Response<ResponseBody>> + Send + 'a {
        if protocol::is_grpc(&request) {
            Either::Left(self.edge.call(request, connection).map(|response| response.map(ResponseBody::Call)))
        } else {
            // Boxed, so that it does not enlarge the future of each gRPC call.
            Either::Right(Box::pin(self.call_from_web(request, connection)))
        }
    }

    async fn call_from_web(&self, request: Request<Incoming>, connection: &Connection) -> Response<ResponseBody> {
        // The edge states the deadline of a call; this is that of everything else.
        let deadline = Instant::now() + REFUSAL_TIMEOUT;
        stream_watchdog::set_stream(Stream { deadline, is_public_service: false });
        match request.headers().get(header::ORIGIN) {
            None => self.translate(request, connection).await,
            Some(origin) if self.allowed_origins.contains(origin) => {
                let inner = service_fn(async |request| Ok::<_, Infallible>(self.translate(request, connection).await));
                let Ok(response) = self.cors.layer(inner).oneshot(request).await;
                response
            }
            Some(_) => HttpRefusal::ORIGIN.response(),
        }
    }

    async fn translate(&self, request: Request<Incoming>, connection: &Connection) -> Response<ResponseBody> {
        match WebProtocol::of(&request) {
            Ok(WebProtocol::GrpcWeb(content_type)) => self.grpc_web(request, content_type, connection).await,
            Ok(WebProtocol::Connect(connect)) => {
                let response = self.edge.call(connect.request(request), connection).await;
                connect.response(response).await
            }
            Err(refusal) => refusal.response(),
        }
    }

    /// gRPC-Web is gRPC, with the trailers in a last frame of the body. The answer has the form of the request, binary or
    /// text.
    async fn grpc_web(
        &self,
        mut request: Request<Incoming>,
        content_type: &'static str,
        connection: &Connection,
    ) -> Response<ResponseBody> {
        for name in [header::CONTENT_TYPE, header::ACCEPT] {
            request.headers_mut().insert(name, HeaderValue::from_static(content_type));
        }
        let inner = service_fn(async |request: Request<Body>| {
            let response = self.edge.call(request, connection).await;
            let as_bytes = |mut message: FramedMessage| -> Bytes { message.copy_to_bytes(message.remaining()) };
            Ok::<_, Infallible>(response.map(|body| body.map_frame(move |frame| frame.map_data(as_bytes))))
        });
        let Ok(response) = GrpcWebLayer::new().layer(inner).oneshot(request).await;
        response.map(|body| ResponseBody::translated(body.map_frame(|frame| frame.map_data(FramedMessage::from))))
    }
}
