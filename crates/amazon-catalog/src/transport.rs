//! One HTTP request and its reply, bounded in time and size.

use std::{sync::Arc, time::Duration};

use reqwest::{Certificate, Proxy, Url, redirect, retry};
use tokio::time::timeout;

use crate::{BuildError, Error, reply::Reply};

/// Less than servers commonly keep an idle connection, so that one about to be closed is not taken for a call.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// The way out.
pub(super) struct Options<'a> {
    /// Certificate authorities, as PEM, to trust beside the system's.
    pub(super) ca_pem: Option<&'a [u8]>,
    /// A proxy; `None`: none, whatever the environment says.
    pub(super) proxy: Option<&'a str>,
    pub(super) connect_timeout: Duration,
    pub(super) max_body_bytes: usize,
}

/// Connections to Amazon, or to what stands in its place.
pub(super) struct Transport {
    client: reqwest::Client,
    connect_timeout: Duration,
    max_body_bytes: usize,
}

impl Transport {
    /// Opens no connection yet.
    pub(super) fn new(options: &Options<'_>) -> Result<Self, BuildError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            // PA-API's Host header must be what was signed, also on the way to another endpoint; HTTP/2 has none.
            .http1_only()
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(POOL_IDLE);
        builder = match options.proxy {
            Some(proxy) => builder.proxy(Proxy::all(proxy).map_err(|_| BuildError::Proxy)?),
            None => builder.no_proxy(),
        };
        if let Some(pem) = options.ca_pem {
            let authorities = Certificate::from_pem_bundle(pem).unwrap_or_default();
            if authorities.is_empty() {
                return Err(BuildError::CertificateAuthority);
            }
            builder = builder.tls_certs_merge(authorities);
        }
        Ok(Self {
            client: builder.build().map_err(BuildError::Client)?,
            connect_timeout: options.connect_timeout,
            max_body_bytes: options.max_body_bytes,
        })
    }

    /// Sends the body, and waits `within` for the whole reply. Dropping the future closes the connection.
    pub(super) async fn post(
        &self,
        url: String,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Reply, Error> {
        let mut request = self.client.post(url).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        match timeout(within, self.reply(request)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(fault)) if fault.is_connect() && fault.is_timeout() => {
                Err(Error::TimedOut { within: self.connect_timeout })
            }
            Ok(Err(fault)) => Err(Error::Unreachable { source: Arc::new(fault.without_url()) }),
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

/// Checks that a text is an http or https address, and takes the slash off its end, so that a path can follow.
pub(super) fn base(text: &str) -> Result<String, BuildError> {
    let is_http = |url: &Url| ["http", "https"].contains(&url.scheme()) && url.has_host();
    let url = Url::parse(text).ok().filter(is_http).ok_or(BuildError::Endpoint)?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}
