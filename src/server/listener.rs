//! The accept loop: connections within a bound, and a drain that ends.
//!
//! # Why an own loop
//!
//! tonic's drain waits for ever on an open health watch, it answers an expired deadline with CANCELLED, and it retries a
//! failing accept without a pause.
//!
//! # Rule
//!
//! A connection must have done TLS' handshake and sent HTTP/2's preface within [`PREFACE_TIMEOUT`]. One that carries no
//! stream for `server.max_connection_idle` is closed, and so is the longest idle one when a new connection needs its place
//! (`connections`). Each stream ends at its deadline (`stream_watchdog`).
//!
//! A connection of `server.max_connection_age` gets a GOAWAY, so that its client opens another one, perhaps to another
//! replica. The age varies by a tenth, or clients that came together would also go together. Calls in progress are
//! finished: their deadlines are the grace. A health watch is no call.
//!
//! The drain waits for calls and for nothing else: a connection without a call gets a GOAWAY and [`GOAWAY_INTERVAL`] to
//! read it, whether or not its peer answers. What still runs at the end of `server.drain` is cut.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
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
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::{
    coalesced_io,
    connections::{Connection, Connections},
    edge::Edge,
    health::Health,
    identity::Peer,
    inline_executor::InlineExecutor,
    preface::{self, Prefaced},
    stream_watchdog::StreamExecutor,
    tls::PortTls,
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
/// The time between a GOAWAY and the close of a connection that has nothing left to do, at the drain or to make room.
const GOAWAY_INTERVAL: Duration = Duration::from_millis(250);
/// The same where nothing is urgent: a call that the client sent before it read the GOAWAY arrives within this time.
const UNHURRIED_GOAWAY_INTERVAL: Duration = Duration::from_secs(5);
/// The part by which the age of a connection varies in either direction (gRFC A9).
const AGE_JITTER: f64 = 0.1;
/// The least time between two warnings that all connections are in use.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// What every connection shares.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) edge: Arc<Edge>,
    pub(crate) tls: Option<Arc<PortTls>>,
    pub(crate) bounds: config::Server,
}

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
    port: Port,
    health: Health,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let port = Arc::new(port);
    let bounds = port.bounds;
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
                    tasks.spawn(serve(stream, peer, Arc::clone(&port), Arc::clone(&connections), connection));
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
    port: Arc<Port>,
    connections: Arc<Connections>,
    connection: Arc<Connection>,
) {
    // Answers are written whole; a peer that has gone already is found by the first read.
    let _ = stream.set_nodelay(true);
    let preface = tokio::select! {
        // The longest that a silent peer stays; it goes earlier where another connection needs its place.
        preface = timeout(PREFACE_TIMEOUT, open(stream, peer, &port, &connection)) => {
            preface.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        }
        () = connection.closing.cancelled() => Ok(None),
    };
    match preface {
        Ok(Some(stream)) => {
            if let Err(error) = serve_http2(stream, &port, &connection).await {
                tracing::debug!(%peer, %error, "a connection ended with an error");
            }
        }
        Ok(None) => tracing::debug!(%peer, "a connection without HTTP/2's preface"),
        Err(error) => tracing::debug!(%peer, %error, "a connection that did not come to HTTP/2's preface"),
    }
    connections.remove(&connection);
}

/// A stream with TLS or without.
type PortStream = Either<Box<TlsStream<TcpStream>>, TcpStream>;

/// Does TLS' handshake where the port has TLS, and reads HTTP/2's preface. `None` where the peer speaks something else.
async fn open(
    stream: TcpStream,
    remote: SocketAddr,
    port: &Port,
    connection: &Connection,
) -> io::Result<Option<Prefaced<PortStream>>> {
    let local = stream.local_addr().ok();
    let stream = match &port.tls {
        Some(tls) => Either::Left(Box::new(tls.accept(stream).await?)),
        None => Either::Right(stream),
    };
    let certificate = match &stream {
        Either::Left(stream) => stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()),
        Either::Right(_) => None,
    };
    // The only place that sets it.
    let _ = connection.peer.set(Peer::new(remote, local, certificate));
    preface::read(stream).await
}

async fn serve_http2(
    stream: Prefaced<PortStream>,
    port: &Port,
    connection: &Arc<Connection>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (edge, called) = (Arc::clone(&port.edge), Arc::clone(connection));
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
    let max_idle = port.bounds.max_connection_idle;
    let aged_at = connection.aged_at(jittered(port.bounds.max_connection_age));
    let ends_at = || connection.idle_until(max_idle).min(aged_at);
    // The time after which a connection without calls closes, once it is closing.
    let mut goaway_interval = None;
    loop {
        let wake = match goaway_interval {
            Some(interval) => Instant::now() + interval,
            None => ends_at(),
        };
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
            () = connection.closing.cancelled(), if goaway_interval != Some(GOAWAY_INTERVAL) => {
                goaway_interval = Some(GOAWAY_INTERVAL);
                http2.as_mut().graceful_shutdown();
            }
            () = sleep_until(wake) => match goaway_interval {
                Some(_) if !connection.has_calls() => return Ok(()),
                Some(_) => {}
                None if ends_at() <= Instant::now() => {
                    goaway_interval = Some(UNHURRIED_GOAWAY_INTERVAL);
                    http2.as_mut().graceful_shutdown();
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
