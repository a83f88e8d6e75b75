//! One HTTP request and its reply, bounded in time and size.

use std::time::Duration;

use reqwest::{Certificate, Proxy, Url, redirect, retry};
use tokio::time::timeout;

use super::{Options, reply::Reply};
use crate::amazon::Error;

/// Less than servers commonly keep an idle connection, so that one about to be closed is not taken for a call.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// A client could not be built from its options.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The access key cannot stand in a header.
    #[error("the access key must be printable ASCII without spaces")]
    AccessKey,
    /// The endpoint is no address.
    #[error("the endpoint must be an http or https address, as http://127.0.0.1:8080")]
    Endpoint,
    /// The certificate authorities cannot be read.
    #[error("the certificate authorities must be one or more certificates in PEM form")]
    CertificateAuthority,
    /// The proxy is no address.
    #[error("the proxy must be an address, as http://proxy.internal:3128")]
    Proxy,
    /// TLS could not be set up.
    #[error("the HTTP client could not be set up")]
    Client(#[source] reqwest::Error),
}

/// Connections to Amazon, or to what stands in its place.
pub(super) struct Transport {
    client: reqwest::Client,
    endpoint: Option<Url>,
    connect_timeout: Duration,
    max_body_bytes: usize,
}

impl Transport {
    pub(super) fn new(options: &Options) -> Result<Self, BuildError> {
        let endpoint = options.endpoint.as_deref().map(endpoint).transpose()?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            // The Host header must be what was signed, also on the way to another endpoint; HTTP/2 has none.
            .http1_only()
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(POOL_IDLE);
        builder = match &options.proxy {
            Some(proxy) => builder.proxy(Proxy::all(proxy).map_err(|_| BuildError::Proxy)?),
            None => builder.no_proxy(),
        };
        if let Some(pem) = &options.ca_pem {
            let authorities = Certificate::from_pem_bundle(pem).unwrap_or_default();
            if authorities.is_empty() {
                return Err(BuildError::CertificateAuthority);
            }
            builder = builder.tls_certs_merge(authorities);
        }
        Ok(Self {
            client: builder.build().map_err(BuildError::Client)?,
            endpoint,
            connect_timeout: options.connect_timeout,
            max_body_bytes: options.max_body_bytes,
        })
    }

    /// Sends the body, and waits `within` for the whole reply. Dropping the future closes the connection.
    pub(super) async fn post(
        &self,
        host: &str,
        path: &str,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Reply, Error> {
        let base = self.endpoint.as_ref().map_or_else(|| format!("https://{host}"), |url| url.as_str().to_owned());
        let mut request = self.client.post(format!("{}{path}", base.trim_end_matches('/'))).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        match timeout(within, self.reply(request)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(fault)) if fault.is_connect() && fault.is_timeout() => {
                Err(Error::TimedOut { within: self.connect_timeout })
            }
            Ok(Err(fault)) => Err(Error::Unreachable { source: fault.without_url().into() }),
            Err(_) => Err(Error::TimedOut { within }),
        }
    }

    async fn reply(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Reply> {
        let mut response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > self.max_body_bytes {
                return Ok(Reply { status, headers, body: None });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body: Some(body) })
    }
}

fn endpoint(text: &str) -> Result<Url, BuildError> {
    let is_http = |url: &Url| ["http", "https"].contains(&url.scheme()) && url.has_host();
    Url::parse(text).ok().filter(is_http).ok_or(BuildError::Endpoint)
}
