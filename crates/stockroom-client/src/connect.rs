//! From an address and options to a channel.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

/// The value of the `authorization` metadata. It is marked as sensitive, so its Debug output hides it.
pub(super) type Bearer = MetadataValue<Ascii>;

/// The bound of opening a connection; the deadline of a call bounds it as well.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The interval of HTTP/2 pings while calls are in flight. They detect a peer that vanished without closing the connection.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// TLS for a connection, all in PEM.
#[derive(Clone, Debug, Default)]
pub struct ClientTls {
    /// Certificate authorities to trust; `None`: those of the operating system.
    pub ca_pem: Option<String>,
    /// A client certificate with its key, for a server that asks for one.
    pub identity_pem: Option<(String, SecretString)>,
    /// The name that the server's certificate must have; `None`: the host of the URL.
    pub server_name: Option<String>,
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is neither `host:port` nor an `http` or `https` URL.
    #[error("{url:?} is not the address of a gateway; write it as 127.0.0.1:50051 or http://127.0.0.1:50051")]
    Url {
        /// The address.
        url: String,
    },
    /// The token has characters that metadata cannot carry.
    #[error("the token must be printable ASCII")]
    Token,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] tonic::transport::Error),
}

/// The URL of an address. `host:port` becomes `http://host:port`, or `https` with TLS.
pub(super) fn url(address: &str, tls: bool) -> String {
    let port = address.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
    match port.map(str::parse::<u16>) {
        Some(Ok(_)) if !address.contains("://") => format!("{}://{address}", if tls { "https" } else { "http" }),
        _ => address.to_owned(),
    }
}

/// A channel that connects at its first use.
pub(super) fn channel(url: &str, caller: &str, tls: Option<&ClientTls>) -> Result<Channel, ConnectError> {
    let bad_url = || ConnectError::Url { url: url.to_owned() };
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| bad_url())?;
    let scheme = endpoint.uri().scheme_str().map(str::to_owned);
    let endpoint = endpoint
        .user_agent(format!("{caller}/{}", env!("CARGO_PKG_VERSION")))
        .map_err(|_| bad_url())?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL);
    let endpoint = match scheme.as_deref() {
        Some("http") => endpoint,
        Some("https") => endpoint.tls_config(tls_config(tls)).map_err(ConnectError::Tls)?,
        _ => return Err(bad_url()),
    };
    Ok(endpoint.connect_lazy())
}

fn tls_config(tls: Option<&ClientTls>) -> ClientTlsConfig {
    let config = match tls.and_then(|tls| tls.ca_pem.as_ref()) {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    let config = match tls.and_then(|tls| tls.server_name.as_ref()) {
        Some(name) => config.domain_name(name),
        None => config,
    };
    match tls.and_then(|tls| tls.identity_pem.as_ref()) {
        Some((certificate, key)) => config.identity(Identity::from_pem(certificate, key.expose_secret())),
        None => config,
    }
}

/// The metadata that carries a token.
pub(super) fn bearer(token: &SecretString) -> Result<Bearer, ConnectError> {
    let mut bearer = Bearer::try_from(format!("Bearer {}", token.expose_secret())).map_err(|_| ConnectError::Token)?;
    bearer.set_sensitive(true);
    Ok(bearer)
}
