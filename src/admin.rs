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

use std::io;

use tokio::net::TcpListener;

pub(crate) use self::connections::serve;
use self::routes::Routes;
use crate::server::Operations;

mod connections;
mod html;
mod origin;
mod page;
mod routes;

/// Serves the admin port until the future is dropped; all connections end with it.
pub async fn run(listener: TcpListener, operations: Operations) -> io::Result<()> {
    let loopback = listener.local_addr()?.ip().is_loopback();
    let routes = Routes::new(operations, loopback);
    serve(listener, move |request| {
        let routes = routes.clone();
        async move { routes.answer(request).await }
    })
    .await
}
