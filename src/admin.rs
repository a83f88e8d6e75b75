//! The admin port: HTTP for operators, beside the gRPC port.
//!
//! | Path | Answer |
//! | --- | --- |
//! | `/livez` | 200 while the process runs |
//! | `/readyz` | 200 with the accounts that pause, or 503 with the reasons |
//! | `/metrics` | OpenMetrics |
//! | `/` | the status page, and a form that tries a search |
//!
//! The port has no authentication and is open on loopback only unless the configuration says otherwise. So that no web page in
//! an operator's browser can use it: on loopback the `Host` must be a loopback name, and a search must come from the page
//! itself.

use std::{convert::Infallible, io, time::Duration};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet, time::sleep};

use self::routes::{Body, Routes};
use crate::server::Operations;

mod html;
mod origin;
mod page;
mod routes;

/// Connections that may be open at once: operators, probes and scrapers are few.
const MAX_CONNECTIONS: usize = 64;
/// A client must send its request's head within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest life of a connection. Scrapers and probes open another one.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(300);
/// The pause after a failed accept, most often because no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the admin port until the future is dropped; all connections end with it.
pub async fn run(listener: TcpListener, operations: Operations) -> io::Result<()> {
    let loopback = listener.local_addr()?.ip().is_loopback();
    let routes = Routes::new(operations, loopback);
    let places = std::sync::Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "accepting a connection on the admin port failed");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let routes = routes.clone();
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let routes = routes.clone();
                async move { Ok::<Response<Body>, Infallible>(routes.answer(request).await) }
            });
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
            builder.http2().timer(TokioTimer::new()).max_concurrent_streams(16);
            let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
            // Either the client is done, or the connection has lived long enough.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
            drop(place);
        });
    }
}
