//! TLS on the gRPC port: the handshake of a connection, and a certificate that changes while the port is open.
//!
//! A new certificate is used by connections that begin after it; those that are open keep theirs.

use std::{
    io,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{config, format, metrics::Metrics};

/// The least time between two warnings that the certificate expires.
const WARNING_INTERVAL: Duration = Duration::from_secs(3600);

/// TLS of the port as it is now.
#[derive(Debug)]
pub(crate) struct PortTls {
    current: RwLock<Current>,
    metrics: &'static Metrics,
}

#[derive(Debug)]
struct Current {
    settings: config::TlsConfig,
    server: Arc<ServerConfig>,
    warned: Option<SystemTime>,
}

impl PortTls {
    /// The error says what is wrong with the settings.
    pub(crate) fn new(settings: config::TlsConfig, metrics: &'static Metrics) -> Result<Self, String> {
        let server = settings.server_config()?;
        metrics.set_certificate_expiry(unix_seconds(settings.expires()));
        Ok(Self { current: RwLock::new(Current { settings, server, warned: None }), metrics })
    }

    /// Uses other certificates for connections that begin from now on. An expired one, or one that cannot be used, changes
    /// nothing.
    pub(crate) fn replace(&self, newer: &config::TlsConfig, now: SystemTime) -> Result<(), String> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if newer.expires() <= now && newer.expires() < current.settings.expires() {
            return Err("the new certificate has expired; the old one stays".to_owned());
        }
        let settings = current.settings.renewed(newer);
        let server = settings.server_config()?;
        self.metrics.set_certificate_expiry(unix_seconds(settings.expires()));
        *current = Current { settings, server, warned: None };
        Ok(())
    }

    /// Warns once an hour while the end of the certificate is close.
    pub(crate) fn warn_of_expiry(&self, now: SystemTime) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let is_quiet = current.warned.is_some_and(|at| now < at + WARNING_INTERVAL);
        if now < current.settings.warns_from() || is_quiet {
            return;
        }
        current.warned = Some(now);
        match current.settings.expires().duration_since(now) {
            Ok(left) => {
                tracing::warn!(expires_in = format::duration(left), "the certificate of the gRPC port expires soon")
            }
            Err(_) => tracing::error!("the certificate of the gRPC port has expired; clients refuse it"),
        }
    }

    /// The handshake. The caller bounds its time. Dropping the future closes the stream.
    pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let server = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).server);
        TlsAcceptor::from(server).accept(stream).await
    }
}

fn unix_seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
