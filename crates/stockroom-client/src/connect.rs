//! Builds the channel from an address, and the `authorization` metadata from a token.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::{Channel, ClientTlsConfig, Endpoint},
};

/// The value of the `authorization` metadata. Its `Debug` output does not contain the token.
pub(super) type Bearer = MetadataValue<Ascii>;

/// The longest wait for a connection. The deadline of the call also bounds it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The interval of HTTP/2 pings, which detect a peer that disappeared. The gateway accepts pings at this interval.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is neither `host:port` nor an `http` or `https` URL.
    #[error("{url:?} is not an address; write host:port, http://host:port or https://host")]
    Url {
        /// The address that was given.
        url: String,
    },
    /// The token contains characters that gRPC metadata cannot carry.
    #[error("the token must be printable ASCII")]
    Token,
    /// TLS cannot be configured.
    #[error("TLS cannot be configured")]
    Tls(#[source] tonic::transport::Error),
}

/// Builds a channel that connects at its first call. `host:port` means `http://host:port`.
pub(super) fn channel(url: &str, caller: &str) -> Result<Channel, ConnectError> {
    let bad_url = || ConnectError::Url { url: url.to_owned() };
    let is_host_and_port =
        !url.contains("://") && url.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let full_url = if is_host_and_port { format!("http://{url}") } else { url.to_owned() };
    let endpoint = Endpoint::from_shared(full_url).map_err(|_| bad_url())?;
    let scheme = endpoint.uri().scheme_str().map(str::to_owned);
    let endpoint = endpoint
        .user_agent(format!("{caller}/{}", env!("CARGO_PKG_VERSION")))
        .map_err(|_| bad_url())?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL);
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

/// Builds the `authorization` metadata of a token.
pub(super) fn bearer(token: &SecretString) -> Result<Bearer, ConnectError> {
    let mut bearer = Bearer::try_from(format!("Bearer {}", token.expose_secret())).map_err(|_| ConnectError::Token)?;
    bearer.set_sensitive(true);
    Ok(bearer)
}
