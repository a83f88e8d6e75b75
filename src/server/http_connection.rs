//! One connection, of HTTP/2 or HTTP/1.1, from its first request to its end.
//!
//! # Rule
//!
//! A connection that carries no stream for `server.max_connection_idle` is closed. Each stream ends at its deadline
//! (`stream_watchdog`).
//!
//! A connection of `server.max_connection_age` is closed gracefully, so that its client opens another one, perhaps to another
//! replica: with a GOAWAY in HTTP/2, and with `connection: close` in HTTP/1.1. The age varies by a tenth, or clients that
//! came together would also go together. Calls in progress are finished: their deadlines are the grace. A health watch is no
//! call.
//!
//! At the drain, and to make room, a connection without a call has [`GOAWAY_INTERVAL`] to read the GOAWAY, whether or not its
//! peer answers.
//!
//! # HTTP/1.1
//!
//! It carries gRPC-Web and Connect. hyper runs its one call at a time within the connection's own future. Therefore the
//! connection ends [`GRACE`] after the deadline of a call whose peer does not read, and a panic ends the connection.

use std::{
    convert::Infallible,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until},
};
use tonic::Status;

use super::{
    auth, coalesced_io,
    connections::{Connection, StreamGuard},
    framed_message::FramedMessage,
    inline_executor::InlineExecutor,
    stream_watchdog::{self, GRACE, StreamExecutor},
    web::{ResponseBody, Web},
};
use crate::config;

/// A ping after this much silence finds peers that are gone without closing their connection.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Concurrent streams of one connection; hyper's own default, were tonic not to lift it.
const MAX_STREAMS: u32 = 256;
/// The headers of a request; hyper's own default for HTTP/2, stated.
const MAX_HEADER_LIST_BYTES: u32 = 16 * 1024;
/// Streams that a peer opened and reset before they were served; hyper's own default, stated (CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 20;
/// What a peer may send on a stream before it is read: a whole request, so that windows need not adapt.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// HTTP/1.1: the time for the headers of a request, from the end of the request before. hyper's own default, stated.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// HTTP/1.1: what a connection holds of a request and of answers that its peer has not read.
const MAX_BUFFER_BYTES: usize = 64 * 1024;
/// The time between a GOAWAY and the close of a connection that has nothing left to do, at the drain or to make room.
const GOAWAY_INTERVAL: Duration = Duration::from_millis(250);
/// The same where nothing is urgent: a call that the client sent before it read the GOAWAY arrives within this time.
const UNHURRIED_GOAWAY_INTERVAL: Duration = Duration::from_secs(5);
/// The part by which the age of a connection varies in either direction (gRFC A9).
const AGE_JITTER: f64 = 0.1;

type Result = std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;

pub(crate) async fn serve_http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    web: &Arc<Web>,
    bounds: config::ServerConfig,
    connection: &Arc<Connection>,
) -> Result {
    let (web, called) = (Arc::clone(web), Arc::clone(connection));
    let service = service_fn(move |request| {
        let (web, connection) = (Arc::clone(&web), Arc::clone(&called));
        async move { Ok::<_, Infallible>(web.call(request, &connection).await) }
    });
    let executor = InlineExecutor::new();
    let streams = StreamExecutor::new(Arc::clone(connection), executor.clone());
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        // gRPC has no use for it.
        .auto_date_header(false)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST_BYTES)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .initial_stream_window_size(STREAM_WINDOW_BYTES);
    let (io, sender) = coalesced_io::coalesce(stream);
    let http2 = builder.serve_connection(TokioIo::new(io), service);
    drive(http2, bounds, connection, |http2, cx| {
        executor.renew();
        let result = http2.poll(cx).map_err(Into::into);
        // A connection that has ended sent everything before.
        match sender.poll_send(cx) {
            Poll::Ready(Err(error)) if result.is_pending() => Poll::Ready(Err(error.into())),
            _ => result,
        }
    })
    .await
}

pub(crate) async fn serve_http1(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    web: &Arc<Web>,
    bounds: config::ServerConfig,
    connection: &Arc<Connection>,
) -> Result {
    let (web, called) = (Arc::clone(web), Arc::clone(connection));
    let service = service_fn(move |request: http::Request<_>| {
        let (web, connection) = (Arc::clone(&web), Arc::clone(&called));
        async move {
            let mut guard = connection.begin_stream();
            if auth::is_public(request.uri().path()) {
                guard.mark_public_service();
            }
            let response = web.call(request, &connection).await;
            Ok::<_, Infallible>(response.map(|body| GuardedBody { body, _guard: guard }))
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_header_size(MAX_HEADER_LIST_BYTES as usize)
        .max_buf_size(MAX_BUFFER_BYTES);
    let http1 = builder.serve_connection(TokioIo::new(stream), service);
    let mut call_end = None;
    drive(http1, bounds, connection, |http1, cx| {
        let poll = AssertUnwindSafe(|| http1.poll(cx).map_err(Into::into));
        let (polled, stream) = stream_watchdog::observe(|| catch_unwind(poll));
        if let Poll::Ready(result) = polled.unwrap_or(Poll::Ready(Ok(()))) {
            return Poll::Ready(result);
        }
        if let Some(stream) = stream {
            call_end = Some(Box::pin(sleep_until(stream.deadline + GRACE)));
        }
        if !connection.has_streams() {
            call_end = None;
        }
        match &mut call_end {
            Some(end) => end.as_mut().poll(cx).map(Ok),
            None => Poll::Pending,
        }
    })
    .await
}

/// Polls a connection until it ends, and closes it when its time has come.
async fn drive<H: GracefulConnection>(
    http: H,
    bounds: config::ServerConfig,
    connection: &Connection,
    mut poll: impl FnMut(Pin<&mut H>, &mut Context<'_>) -> Poll<Result>,
) -> Result {
    let mut http = pin!(http);
    let aged_at = connection.aged_at(jittered(bounds.max_connection_age));
    let ends_at = || connection.idle_until(bounds.max_connection_idle).min(aged_at);
    // The time after which a connection without calls closes, once it is closing.
    let mut goaway_interval = None;
    loop {
        let wake = match goaway_interval {
            Some(interval) => Instant::now() + interval,
            None => ends_at(),
        };
        tokio::select! {
            // Cancel-safe: the connection is only borrowed, and polled on.
            result = poll_fn(|cx| poll(http.as_mut(), cx)) => return result,
            () = connection.closing.cancelled(), if goaway_interval != Some(GOAWAY_INTERVAL) => {
                goaway_interval = Some(GOAWAY_INTERVAL);
                http.as_mut().graceful_shutdown();
            }
            () = sleep_until(wake) => match goaway_interval {
                Some(_) if !connection.has_calls() => return Ok(()),
                Some(_) => {}
                None if ends_at() <= Instant::now() => {
                    goaway_interval = Some(UNHURRIED_GOAWAY_INTERVAL);
                    http.as_mut().graceful_shutdown();
                }
                None => {}
            },
        }
    }
}

/// An age that varies from connection to connection.
fn jittered(age: Duration) -> Duration {
    age.mul_f64(1.0 + AGE_JITTER * (2.0 * fastrand::f64() - 1.0))
}

/// The body of a response over HTTP/1.1. Its call counts as a stream of the connection until the body is dropped.
struct GuardedBody {
    body: ResponseBody,
    _guard: StreamGuard,
}

impl HttpBody for GuardedBody {
    type Data = FramedMessage;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<FramedMessage>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_vary_by_a_tenth_at_most_and_do_vary() {
        let ages: Vec<f64> = (0..1000).map(|_| jittered(Duration::from_secs(1000)).as_secs_f64()).collect();
        assert!(ages.iter().all(|age| (900.0..=1100.0).contains(age)));
        assert!(ages.iter().any(|age| *age < 950.0) && ages.iter().any(|age| *age > 1050.0));
    }
}
