//! The HTTP client: one request, one response, no redirect and no retry.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use reqwest::{Certificate, Proxy, Url, redirect, retry};
use tokio::time::timeout;

use crate::{BuildError, Error, SentNotice, TransportOptions, http_response::HttpResponse};

/// How long an idle connection is kept: less than servers commonly do, so that a call does not start on a connection that
/// the server is about to close.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections to Amazon, or to what stands in its place.
pub(crate) struct Transport {
    client: reqwest::Client,
    connect_timeout: Duration,
    max_body_bytes: usize,
}

impl Transport {
    /// Validates the options. Opens no connection.
    pub(crate) fn new(options: &TransportOptions) -> Result<Self, BuildError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            // PA-API's Host header must be what was signed, also on the way to another endpoint; HTTP/2 has none.
            .http1_only()
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT);
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
            connect_timeout: options.connect_timeout,
            max_body_bytes: options.max_body_bytes,
        })
    }

    /// Sends the body and waits at most `within` for the whole response. Dropping the future closes the connection.
    pub(crate) async fn post(
        &self,
        url: String,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<HttpResponse, Error> {
        let mut request = self.client.post(url).body(reqwest::Body::wrap(NoticedBody::new(body)));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        self.bounded(request, within).await
    }

    /// Asks for a page without its body and without credentials, so that Amazon counts no call. Any status is a response.
    pub(crate) async fn head(&self, url: &str, within: Duration) -> Result<HttpResponse, Error> {
        self.bounded(self.client.head(url), within).await
    }

    async fn bounded(&self, request: reqwest::RequestBuilder, within: Duration) -> Result<HttpResponse, Error> {
        match timeout(within, self.send(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(fault)) if fault.is_connect() && fault.is_timeout() => {
                Err(Error::TimedOut { within: self.connect_timeout })
            }
            Ok(Err(fault)) => Err(Error::Unreachable { source: Arc::new(fault.without_url()) }),
            Err(_) => Err(Error::TimedOut { within }),
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<HttpResponse> {
        let mut response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > self.max_body_bytes {
                return Ok(HttpResponse { status, headers, body: None });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpResponse { status, headers, body: Some(body) })
    }
}

/// Validates an http or https address, and removes the slash at its end so that a path can follow.
pub(crate) fn base_url(text: &str) -> Result<String, BuildError> {
    let is_http = |url: &Url| ["http", "https"].contains(&url.scheme()) && url.has_host();
    let url = Url::parse(text).ok().filter(is_http).ok_or(BuildError::Endpoint)?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

tokio::task_local! {
    /// The notice of the call that this task makes. A token is fetched by a task of its own, and is no call.
    static SENT: SentNotice;
}

/// Runs one call, and marks the notice when its request is written.
pub(crate) async fn with_notice<T>(sent: &SentNotice, call: impl Future<Output = T>) -> T {
    SENT.scope(sent.clone(), call).await
}

/// The body of a request. It is first asked for when its connection is there and the request is being written.
struct NoticedBody {
    bytes: Option<Bytes>,
    sent: Option<SentNotice>,
}

impl NoticedBody {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: Some(bytes.into()), sent: SENT.try_with(Clone::clone).ok() }
    }
}

impl http_body::Body for NoticedBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        if let Some(sent) = self.sent.take() {
            sent.mark();
        }
        Poll::Ready(self.bytes.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
