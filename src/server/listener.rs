//! The accept loop: connections within a bound, and a drain that ends.
//!
//! # Why an own loop
//!
//! tonic's drain waits for ever on an open health watch, it answers an expired deadline with CANCELLED, and it retries a
//! failing accept without a pause.
//!
//! # Rule
//!
//! A connection must have done TLS' handshake and begun with HTTP within [`PREFACE_TIMEOUT`]; `http_connection` serves it
//! then. The longest idle one is closed when a new connection needs its place (`connections`).
//!
//! The drain waits for calls and for nothing else. What still runs at the end of `server.drain` is cut.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::{
    connections::{Connection, Connections},
    health::HealthState,
    http_connection::{serve_http1, serve_http2},
    identity::Peer,
    preface::{self, HttpVersion, Prefaced},
    tls::PortTls,
    web::Web,
};
use crate::{config, dispatch::AccountHealth};

/// Pauses after a failing accept (most often no file descriptors left), doubling from the first to the last.
const MIN_ACCEPT_PAUSE: Duration = Duration::from_millis(5);
const MAX_ACCEPT_PAUSE: Duration = Duration::from_secs(1);
const PREFACE_TIMEOUT: Duration = Duration::from_secs(5);
/// The least time between two warnings that all connections are in use.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// What every connection shares.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) web: Arc<Web>,
    pub(crate) tls: Option<Arc<PortTls>>,
    pub(crate) bounds: config::ServerConfig,
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
    health: HealthState,
    accounts: watch::Receiver<AccountHealth>,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let port = Arc::new(port);
    let bounds = port.bounds;
    let connections = Connections::new(bounds.max_connections);
    let mut tasks = JoinSet::new();
    let mut shutdown = std::pin::pin!(async {
        // Cancel-safe: whatever health showed of the accounts, it shows the drain from here on.
        tokio::select! {
            () = shutdown => {}
            () = health.follow(accounts) => {}
        }
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
        Ok(Some((version, stream))) => {
            let served = match version {
                HttpVersion::Http1 => serve_http1(stream, &port.web, port.bounds, &connection).await,
                HttpVersion::Http2 => serve_http2(stream, &port.web, port.bounds, &connection).await,
            };
            if let Err(error) = served {
                tracing::debug!(%peer, %error, "a connection ended with an error");
            }
        }
        Ok(None) => tracing::debug!(%peer, "a connection that does not begin with HTTP"),
        Err(error) => tracing::debug!(%peer, %error, "a connection that ended before its first request"),
    }
    connections.remove(&connection);
}

/// A stream with TLS or without.
type PortStream = Either<Box<TlsStream<TcpStream>>, TcpStream>;

/// Does TLS' handshake where the port has TLS, and reads which HTTP the peer speaks. `None` where it speaks something else.
async fn open(
    stream: TcpStream,
    remote: SocketAddr,
    port: &Port,
    connection: &Connection,
) -> io::Result<Option<(HttpVersion, Prefaced<PortStream>)>> {
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
