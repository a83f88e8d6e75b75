//! `stockroom mcp`: the gateway's reads as tools of the Model Context Protocol, which agents call.
//!
//! The process is a client of a gateway, as every other command is: it holds a token at most, and no key of Amazon's.
//!
//! Over stdio the client that starts the process is the only one that can call it. stdout carries the protocol alone.
//! Over HTTP the port has no authentication, and every call uses the token of this process. Therefore it opens on loopback
//! only, and it refuses a request whose `Host` or `Origin` is not loopback: a web page whose name is made to resolve to
//! 127.0.0.1 (DNS rebinding) sends its own name in both.

use std::{net::SocketAddr, sync::Arc};

use clap::Args;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use rmcp::{
    ServiceExt,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use tokio::net::TcpListener;

use self::server::ToolServer;
use super::{
    exit::{Failure, Outcome},
    output::{Format, Output},
    remote::GatewayArgs,
};
use crate::admin;

mod arguments;
mod result;
mod server;
mod tools;

const EXAMPLES: &str = "\
Examples:
  stockroom mcp                              over stdio, as an agent's configuration starts it
  stockroom mcp --listen 127.0.0.1:8765      over HTTP, at http://127.0.0.1:8765/mcp";

/// The path of the endpoint.
const PATH: &str = "/mcp";
/// A message: the arguments of a call are the longest, and the gateway reads no request above 256 KiB.
const MAX_MESSAGE_BYTES: usize = 512 * 1024;

/// Serve search, product, compare, browse, trending, deals and status as tools for agents (Model Context Protocol)
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Mcp {
    /// Serve streamable HTTP on this loopback address, as 127.0.0.1:8765 [default: stdio]
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

impl Mcp {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let server = ToolServer::new(self.gateway.client("stockroom-mcp")?);
        match self.listen {
            None => serve_stdio(server).await,
            Some(address) => serve_http(server, address).await,
        }
    }
}

/// An address that only this machine reaches.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "write it as 127.0.0.1:8765 or [::1]:8765".to_owned())?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err("it must be a loopback address, as 127.0.0.1: the port has no authentication, and every call uses the token of \
         this process"
        .to_owned())
}

async fn serve_stdio(server: ToolServer) -> Result<Outcome, Failure> {
    let transport = rmcp::transport::stdio();
    let session = Box::pin(server.serve(transport)).await;
    let session = session.map_err(Failure::local("no client of the Model Context Protocol is at stdin"))?;
    // Until the client closes stdin.
    session.waiting().await.map_err(Failure::local("the session broke"))?;
    Ok(Outcome::Done)
}

async fn serve_http(server: ToolServer, address: SocketAddr) -> Result<Outcome, Failure> {
    let cannot_open = || format!("{address} cannot be opened");
    let listener = TcpListener::bind(address).await.map_err(Failure::local(cannot_open()))?;
    let address = listener.local_addr().map_err(Failure::local(cannot_open()))?;
    Output::stdout(Format::Table).text(&format!("listening on http://{address}{PATH}\n"))?;
    // Without sessions: each request is complete in itself, so nothing grows with the number of clients.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MAX_MESSAGE_BYTES)
        .with_allowed_hosts(["localhost", "127.0.0.1", "::1"])
        .with_allowed_origins(["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"]);
    let sessions = Arc::new(NeverSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
    let served = admin::serve(listener, move |request| {
        let service = service.clone();
        async move {
            if request.uri().path() == PATH {
                return service.handle(request).await;
            }
            let mut response = Response::new(Full::from(format!("the endpoint is {PATH}\n")).boxed());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    });
    served.await.map_err(Failure::local("the port broke"))?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_address_is_opened() {
        for text in ["127.0.0.1:8765", "127.8.0.1:0", "[::1]:8765"] {
            assert!(loopback(text).is_ok(), "{text}");
        }
        for text in ["0.0.0.0:8765", "[::]:8765", "192.168.0.1:8765", "[::ffff:10.0.0.1]:8765"] {
            assert!(loopback(text).is_err_and(|fault| fault.contains("no authentication")), "{text}");
        }
        assert!(loopback("8765").is_err_and(|fault| fault.contains("127.0.0.1:8765")));
    }
}
