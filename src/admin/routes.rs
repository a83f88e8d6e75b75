//! The paths of the admin port.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{origin, page};
use crate::server::Operations;
use stockroom_proto::pb;

pub(super) type Body = Full<Bytes>;

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Only files of this port: no page of another origin can be loaded, or load this one.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                              form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The largest form: a search of 200 characters, encoded.
const MAX_FORM_BYTES: usize = 4096;
/// The longest wait for a form.
const FORM_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_KEYWORD_CHARS: usize = 200;

/// Answers requests; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    operations: Operations,
    loopback: bool,
}

impl Routes {
    pub(super) fn new(operations: Operations, loopback: bool) -> Self {
        Self { operations, loopback }
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if self.loopback && !origin::is_for_loopback(request.uri(), request.headers()) {
            return plain(StatusCode::FORBIDDEN, "this port answers to localhost only\n");
        }
        let path = request.uri().path().to_owned();
        let read = matches!(*request.method(), Method::GET | Method::HEAD);
        match (path.as_str(), read) {
            ("/livez", true) => plain(StatusCode::OK, "ok\n"),
            ("/readyz", true) => self.readiness(),
            ("/metrics", true) => {
                let snapshot = self.operations.snapshot().await;
                response(StatusCode::OK, OPENMETRICS, self.operations.metrics().render(&snapshot))
            }
            ("/", true) => html(page::page(&self.live().await, "", "")),
            ("/live", true) => html(self.live().await),
            ("/style.css", true) => response(StatusCode::OK, "text/css; charset=utf-8", include_str!("style.css")),
            ("/refresh.js", true) => {
                response(StatusCode::OK, "text/javascript; charset=utf-8", include_str!("refresh.js"))
            }
            ("/search", false) if request.method() == Method::POST => self.search(request).await,
            ("/search", _) => not_allowed("POST"),
            ("/livez" | "/readyz" | "/metrics" | "/" | "/live" | "/style.css" | "/refresh.js", false) => {
                not_allowed("GET, HEAD")
            }
            _ => plain(StatusCode::NOT_FOUND, "paths: / /livez /readyz /metrics\n"),
        }
    }

    fn readiness(&self) -> Response<Body> {
        match self.operations.not_ready() {
            reasons if reasons.is_empty() => {
                let lines = ["ready".to_owned()].into_iter().chain(self.operations.paused_accounts());
                plain(StatusCode::OK, lines.map(|line| line + "\n").collect::<String>())
            }
            reasons => plain(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n"),
        }
    }

    async fn live(&self) -> String {
        let snapshot = self.operations.snapshot().await;
        page::live(&snapshot, &self.operations.metrics().recent_failures(), SystemTime::now())
    }

    async fn search(&self, request: Request<Incoming>) -> Response<Body> {
        if !origin::is_own(request.uri(), request.headers()) {
            return plain(StatusCode::FORBIDDEN, "a search must come from the status page\n");
        }
        let form = timeout(FORM_TIMEOUT, Limited::new(request.into_body(), MAX_FORM_BYTES).collect()).await;
        let Ok(Ok(form)) = form else { return plain(StatusCode::BAD_REQUEST, "the form could not be read\n") };
        let form = form.to_bytes();
        let mut fields = form_urlencoded::parse(&form);
        let keywords = fields.find(|(name, _)| name == "q").map(|(_, value)| value.into_owned()).unwrap_or_default();
        let keywords: String = keywords.chars().take(MAX_KEYWORD_CHARS).collect();
        let query = pb::SearchQuery { keywords: keywords.clone(), ..Default::default() };
        let request = pb::SearchProductsRequest { query: Some(query), page_size: 10, ..Default::default() };
        let found = page::found(&self.operations.search(request).await);
        html(page::page(&self.live().await, &keywords, &found))
    }
}

fn html(text: String) -> Response<Body> {
    response(StatusCode::OK, HTML, text)
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    response(status, TEXT, text)
}

fn not_allowed(methods: &'static str) -> Response<Body> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, format!("use {methods}\n"));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

fn response(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // With `no-referrer` browsers send `Origin: null` with the form, as they do from another site.
        (header::REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
