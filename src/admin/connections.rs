//! HTTP for few peers: how many connections there are, how long each lives, and what a peer must send in time.

use std::{convert::Infallible, error::Error, io, pin::pin, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

/// Connections that may be open at once: operators, probes and scrapers are few, and so are agents of one machine.
const MAX_CONNECTIONS: usize = 64;
/// A client must send its request's head within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest life of a connection. Its client opens another one.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(300);
/// The time that a request in progress has to end once its connection has reached its longest life.
const GRACE: Duration = Duration::from_secs(30);
/// The pause after a failed accept, most often because no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers the requests of a port until the future is dropped; all connections end with it.
pub(crate) async fn serve<F, A, B>(listener: TcpListener, answer: F) -> io::Result<()>
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "accepting a connection failed");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let answer = answer.clone();
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let response = answer(request);
                async move { Ok::<_, Infallible>(response.await) }
            });
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
            builder.http2().timer(TokioTimer::new()).max_concurrent_streams(16);
            let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).into_owned());
            // Either the client is done, or the connection has lived long enough.
            if timeout(CONNECTION_TIMEOUT, connection.as_mut()).await.is_err() {
                connection.as_mut().graceful_shutdown();
                let _ = timeout(GRACE, connection).await;
            }
            drop(place);
        });
    }
}
