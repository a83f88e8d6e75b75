//! The accept loop: connections within a bound, and a drain that ends.
//!
//! # Why an own loop
//!
//! tonic's drain waits for ever on an open health watch, it answers an expired deadline with CANCELLED, and it retries a
//! failing accept without a pause.
//!
//! # Rule
//!
//! A connection must send HTTP/2's preface within [`PREFACE_TIMEOUT`]. One that carries no stream for [`IDLE_TIMEOUT`] is
//! closed, and so is the longest idle one when a new connection needs its place (`connections`). Each stream ends at its
//! deadline (`stream_watchdog`).
//!
//! The drain waits for calls and for nothing else: a connection without a call gets a GOAWAY and [`GOAWAY_INTERVAL`] to
//! read it, whether or not its peer answers. What still runs at the end of `server.drain` is cut.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    net::SocketAddr,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use hyper::{server::conn::http2::Builder, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    coalesced_io,
    connections::{Connection, Connections},
    edge::Edge,
    health::Health,
    inline_executor::InlineExecutor,
    preface::{self, Prefaced},
    stream_watchdog::StreamExecutor,
};
use crate::config;

/// Pauses after a failing accept (most often no file descriptors left), doubling from the first to the last.
const MIN_ACCEPT_PAUSE: Duration = Duration::from_millis(5);
const MAX_ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// A ping after this much silence finds peers that are gone without closing their connection.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Concurrent streams of one connection; hyper's own default, were tonic not to lift it.
const MAX_STREAMS: u32 = 256;
/// The headers of a request; hyper's own default, stated.
const MAX_HEADER_LIST_BYTES: u32 = 16 * 1024;
/// Streams that a peer opened and reset before they were served; hyper's own default, stated (CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 20;
/// What a peer may send on a stream before it is read: a whole request, so that windows need not adapt.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const PREFACE_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// The time between a GOAWAY and the close of a connection that has nothing left to do.
const GOAWAY_INTERVAL: Duration = Duration::from_millis(250);
/// The least time between two warnings that all connections are in use.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// How the port was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drained {
    /// Connections that had calls in progress at the end of the bound and were cut.
    pub(crate) cut: usize,
}

/// Accepts and serves until the shutdown comes, then drains: not ready, a pause for load balancers to notice, no more
/// accepting, calls in progress finished within the bound, the rest cut.
pub(crate) async fn run(
    listener: TcpListener,
    edge: Arc<Edge>,
    health: Health,
    bounds: config::Server,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let connections = Connections::new(bounds.max_connections);
    let mut tasks = JoinSet::new();
    let mut shutdown = std::pin::pin!(async {
        shutdown.await;
        health.stop_serving().await;
        sleep(bounds.lame_duck).await;
    });
    let mut pause = MIN_ACCEPT_PAUSE;
    let mut quiet_until = Instant::now();
    // Accepted, and without a place in the table so far.
    let mut waiting: Option<(TcpStream, SocketAddr)> = None;
    loop {
        tokio::select! {
            // Cancel-safe: a connection that is not accepted stays in the listener's queue, one without a place here.
            () = &mut shutdown => break,
            Some(_) = tasks.join_next() => {}
            connection = connections.admit(), if waiting.is_some() => {
                if let Some((stream, peer)) = waiting.take() {
                    tasks.spawn(serve(stream, peer, Arc::clone(&edge), Arc::clone(&connections), connection));
                }
            }
            accepted = listener.accept(), if waiting.is_none() => match accepted {
                Ok(accepted) => {
                    pause = MIN_ACCEPT_PAUSE;
                    if connections.is_full() && quiet_until <= Instant::now() {
                        quiet_until = Instant::now() + WARNING_INTERVAL;
                        let max_connections = bounds.max_connections;
                        tracing::warn!(max_connections, "all connections are in use; idle ones are closed for new ones");
                    }
                    waiting = Some(accepted);
                }
                Err(error) => {
                    tracing::warn!(%error, pause_ms = pause.as_millis(), "accepting a connection failed");
                    sleep(pause).await;
                    pause = (pause * 2).min(MAX_ACCEPT_PAUSE);
                }
            },
        }
    }
    drop(listener);
    connections.drain();
    health.end_watches().await;
    let all_gone = async { while tasks.join_next().await.is_some() {} };
    // Either all went, or the bound came and the rest is counted next.
    let _ = timeout(bounds.drain, all_gone).await;
    let cut = tasks.len();
    tasks.shutdown().await;
    Drained { cut }
}

/// Serves one connection to its end, and takes it off the table.
async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    edge: Arc<Edge>,
    connections: Arc<Connections>,
    connection: Arc<Connection>,
) {
    // Answers are written whole; a peer that has gone already is found by the first read.
    let _ = stream.set_nodelay(true);
    let preface = tokio::select! {
        // The longest that a silent peer stays; it goes earlier where another connection needs its place.
        preface = timeout(PREFACE_TIMEOUT, preface::read(stream)) => preface.ok().and_then(Result::ok).flatten(),
        () = connection.closing.cancelled() => None,
    };
    match preface {
        Some(stream) => {
            if let Err(error) = serve_http2(stream, edge, &connection).await {
                tracing::debug!(%peer, %error, "a connection ended with an error");
            }
        }
        None => tracing::debug!(%peer, "a connection without HTTP/2's preface"),
    }
    connections.remove(&connection);
}

async fn serve_http2(
    stream: Prefaced<TcpStream>,
    edge: Arc<Edge>,
    connection: &Arc<Connection>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let called = Arc::clone(connection);
    let service = service_fn(move |request| {
        let (edge, connection) = (Arc::clone(&edge), Arc::clone(&called));
        async move { Ok::<_, Infallible>(edge.call(request, &connection).await) }
    });
    let executor = InlineExecutor::new();
    let streams = StreamExecutor::new(Arc::clone(connection), executor.clone());
    let mut builder = Builder::new(streams);
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
    let mut http2 = std::pin::pin!(http2);
    let mut is_closing = false;
    loop {
        let wake = if is_closing { Instant::now() + GOAWAY_INTERVAL } else { connection.idle_until(IDLE_TIMEOUT) };
        tokio::select! {
            // Cancel-safe: the connection is only borrowed, and polled on.
            result = poll_fn(|cx| {
                executor.renew();
                let result = http2.as_mut().poll(cx).map_err(Into::into);
                // A connection that has ended sent everything before.
                match sender.poll_send(cx) {
                    Poll::Ready(Err(error)) if result.is_pending() => Poll::Ready(Err(error.into())),
                    _ => result,
                }
            }) => return result,
            () = connection.closing.cancelled(), if !is_closing => {
                is_closing = true;
                http2.as_mut().graceful_shutdown();
            }
            () = sleep_until(wake) => {
                if is_closing && !connection.has_calls() {
                    return Ok(());
                }
                if !is_closing && connection.idle_until(IDLE_TIMEOUT) <= Instant::now() {
                    connection.closing.cancel();
                }
            }
        }
    }
}
