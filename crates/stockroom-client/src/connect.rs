//! From a URL to a channel, and from a token to what proves it.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::{Channel, ClientTlsConfig, Endpoint},
};

/// The value of the `authorization` metadata; its Debug tells nothing.
pub(super) type Bearer = MetadataValue<Ascii>;

/// How long to wait for a connection; the deadline of the call bounds it as well.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A peer that vanished without a word is noticed after this long.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is none, or not one of a gRPC server.
    #[error("{url:?} is no URL of a server; write it as http://127.0.0.1:50051")]
    Url {
        /// What was given.
        url: String,
    },
    /// The token has characters that no metadata can carry.
    #[error("the token must be printable ASCII")]
    Token,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] tonic::transport::Error),
}

/// A channel that connects when it is first used.
pub(super) fn channel(url: &str, caller: &str) -> Result<Channel, ConnectError> {
    let bad_url = || ConnectError::Url { url: url.to_owned() };
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| bad_url())?;
    let scheme = endpoint.uri().scheme_str().map(str::to_owned);
    let endpoint = endpoint
        .user_agent(format!("{caller}/{}", env!("CARGO_PKG_VERSION")))
        .map_err(|_| bad_url())?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE);
    let endpoint = match scheme.as_deref() {
        Some("http") => endpoint,
        Some("https") => {
            let tls = ClientTlsConfig::new().with_native_roots();
            endpoint.tls_config(tls).map_err(ConnectError::Tls)?
        }
        _ => return Err(bad_url()),
    };
    Ok(endpoint.connect_lazy())
}

/// The metadata that proves a token.
pub(super) fn bearer(token: &SecretString) -> Result<Bearer, ConnectError> {
    let mut bearer = Bearer::try_from(format!("Bearer {}", token.expose_secret())).map_err(|_| ConnectError::Token)?;
    bearer.set_sensitive(true);
    Ok(bearer)
}
