//! The way to Amazon: connections, and one HTTP request with its response, bounded in time and size.

use std::{fmt, time::Duration};

#[cfg(any(feature = "paapi5", feature = "creators"))]
pub(crate) use self::client::{Transport, base_url, with_notice};

/// The default of [`TransportOptions::connect_timeout`]: several round trips to any of Amazon's regions.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The default of [`TransportOptions::max_body_bytes`]: a full page of ten products is below 200 kB.
const MAX_BODY_BYTES: usize = 4 << 20;

/// How a client reaches Amazon. Both APIs take the same settings.
///
/// The environment's proxy variables are never read.
#[derive(Clone)]
pub struct TransportOptions {
    /// Another address to send calls to, as `http://127.0.0.1:8080`. `None` means Amazon's own. The `Host` header and the
    /// signature of PA-API still name the marketplace's own host.
    pub endpoint: Option<String>,
    /// Certificate authorities in PEM form, to trust beside the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// The address of a proxy, as `http://proxy.internal:3128`. `None` means a direct connection.
    pub proxy: Option<String>,
    /// The longest wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// The largest response body that is read. A longer one is [`Error::Malformed`](crate::Error::Malformed).
    pub max_body_bytes: usize,
}

impl Default for TransportOptions {
    /// Amazon's own address, a direct connection, 2 s to connect and 4 MiB of body.
    fn default() -> Self {
        Self {
            endpoint: None,
            ca_pem: None,
            proxy: None,
            connect_timeout: CONNECT_TIMEOUT,
            max_body_bytes: MAX_BODY_BYTES,
        }
    }
}

impl fmt::Debug for TransportOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An endpoint and a proxy may carry passwords.
        f.debug_struct("TransportOptions")
            .field("connect_timeout", &self.connect_timeout)
            .field("max_body_bytes", &self.max_body_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(any(feature = "paapi5", feature = "creators"))]
mod client;
