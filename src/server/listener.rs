//! The accept loop: connections within a bound, and a drain that ends.
//!
//! Our own instead of tonic's because tonic's drain waits for ever on an open health watch, answers an expired deadline
//! with CANCELLED, and retries a failing accept without a pause.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures_util::FutureExt;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpConnectInfo;

use super::{coalesced_io, edge::Edge, health::Health, inline_executor::InlineExecutor};
use crate::config;

/// Pauses after a failing accept (most often no file descriptors left), doubling from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// A ping after this much silence finds peers that have gone without a word.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(20);
/// Calls under way at once on one connection; hyper's own default, were tonic not to lift it.
const STREAMS: u32 = 256;

/// How the port was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drained {
    /// Connections that had calls under way at the end of the bound and were cut.
    pub(crate) cut: usize,
}

/// Accepts and serves until the shutdown comes, then drains: not ready, a pause for load balancers to notice, no more
/// accepting, calls under way finished within the bound, the rest cut.
pub(crate) async fn run(
    listener: TcpListener,
    edge: Arc<Edge>,
    health: Health,
    bounds: config::Server,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let places = Arc::new(Semaphore::new(bounds.max_connections));
    let draining = CancellationToken::new();
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(async {
        shutdown.await;
        health.stop_serving().await;
        sleep(bounds.lame_duck).await;
    });
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::select! {
            // Cancel-safe: a connection that is not accepted stays in the listener's queue.
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = accept(&listener, &places) => match accepted {
                Ok((stream, peer, place)) => {
                    pause = FIRST_PAUSE;
                    connections.spawn(serve(stream, peer, Arc::clone(&edge), draining.clone(), place));
                }
                Err(error) => {
                    tracing::warn!(%error, pause_ms = pause.as_millis(), "accepting a connection failed");
                    sleep(pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            },
        }
    }
    drop(listener);
    draining.cancel();
    health.end_watches().await;
    let all_gone = async { while connections.join_next().await.is_some() {} };
    // Either all went, or the bound came and the rest is counted next.
    let _ = timeout(bounds.drain, all_gone).await;
    let cut = connections.len();
    connections.shutdown().await;
    Drained { cut }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, place))
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    edge: Arc<Edge>,
    draining: CancellationToken,
    place: OwnedSemaphorePermit,
) {
    let info = TcpConnectInfo { local_addr: stream.local_addr().ok(), remote_addr: Some(peer) };
    let service = tower::service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(info.clone());
        let edge = Arc::clone(&edge);
        async move { Ok::<_, std::convert::Infallible>(edge.call(request).await) }
    });
    let executor = InlineExecutor::new();
    let mut builder = Builder::new(executor.clone()).http2_only();
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_ANSWER)
        .max_concurrent_streams(STREAMS)
        .adaptive_window(true);
    let (io, sender) = coalesced_io::coalesce(stream);
    let connection = builder.serve_connection(TokioIo::new(io), TowerToHyperService::new(service)).into_owned();
    let mut connection = std::pin::pin!(connection);
    let mut draining = std::pin::pin!(draining.cancelled().fuse());
    let result = poll_fn(|cx| {
        if draining.as_mut().poll(cx).is_ready() {
            connection.as_mut().graceful_shutdown();
        }
        executor.renew();
        let result = connection.as_mut().poll(cx);
        // A connection that has ended sent everything before.
        match sender.poll_send(cx) {
            Poll::Ready(Err(error)) if result.is_pending() => Poll::Ready(Err(error.into())),
            _ => result,
        }
    })
    .await;
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "a connection ended badly");
    }
    drop(place);
}
