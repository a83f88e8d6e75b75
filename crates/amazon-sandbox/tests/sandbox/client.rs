//! A small client of PA-API 5.0: signs with the AWS library, and reads any answer.

use std::time::{Duration, SystemTime};

use amazon_catalog::{Marketplace, Operation};
use amazon_sandbox::{ACCESS_KEY, Options, SECRET_KEY, Sandbox, partner_tag};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A sandbox with this account, on a free port.
pub(crate) async fn sandbox(options: Options) -> Sandbox {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    Sandbox::start(listener, options).await.unwrap()
}

/// A sandbox whose limits nobody reaches.
pub(crate) async fn generous_sandbox() -> Sandbox {
    sandbox(Options { calls_per_second: 1000.0, calls_per_day: 100_000, ..Options::default() }).await
}

/// What a request is made of. Tests spoil one part of a good one.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    /// The `Host` header; `None`: the address itself.
    pub(crate) host: Option<String>,
    pub(crate) region: &'static str,
    pub(crate) access_key: &'static str,
    pub(crate) secret_key: &'static str,
    /// How far the clock is ahead, in seconds.
    pub(crate) ahead: i64,
    pub(crate) tag: String,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn of(sandbox: &Sandbox, marketplace: &str) -> Self {
        let marketplace = Marketplace::parse(marketplace).unwrap();
        Self {
            // Reading the system's certificates takes longer than the calls do.
            http: reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap(),
            url: sandbox.url(),
            host: Some(marketplace.paapi5_host().to_owned()),
            region: marketplace.aws_region(),
            access_key: ACCESS_KEY,
            secret_key: SECRET_KEY,
            ahead: 0,
            tag: partner_tag(marketplace),
        }
    }

    /// Asks with these fields beside the partner tag, and reads the answer.
    pub(crate) async fn ask(&self, operation: Operation, fields: Value) -> Reply {
        let response = self.send(self.request(operation, fields)).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.unwrap();
        Reply { status, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }

    /// The answer of a call that must succeed.
    pub(crate) async fn ok(&self, operation: Operation, fields: Value) -> Value {
        let reply = self.ask(operation, fields).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    pub(crate) async fn send(&self, request: http::Request<Vec<u8>>) -> reqwest::Result<reqwest::Response> {
        self.http.execute(request.try_into().unwrap()).await
    }

    /// A signed request.
    pub(crate) fn request(&self, operation: Operation, mut fields: Value) -> http::Request<Vec<u8>> {
        let defaults = json!({ "PartnerTag": self.tag, "PartnerType": "Associates" });
        for (key, value) in defaults.as_object().unwrap() {
            fields.as_object_mut().unwrap().entry(key).or_insert(value.clone());
        }
        let uri = format!("{}/paapi5/{}", self.url, operation.name().to_lowercase());
        let mut request = http::Request::post(uri)
            .header("content-encoding", "amz-1.0")
            .header("content-type", "application/json; charset=utf-8")
            .header("x-amz-target", format!("com.amazon.paapi5.v1.ProductAdvertisingAPIv1.{}", operation.name()))
            .body(fields.to_string().into_bytes())
            .unwrap();
        if let Some(host) = &self.host {
            request.headers_mut().insert("host", host.parse().unwrap());
        }
        self.sign(&mut request);
        request
    }

    fn sign(&self, request: &mut http::Request<Vec<u8>>) {
        let identity = Credentials::new(self.access_key, self.secret_key, None, None, "test").into();
        let shift = Duration::from_secs(self.ahead.unsigned_abs());
        let now = SystemTime::now();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("ProductAdvertisingAPI")
            .time(if self.ahead < 0 { now - shift } else { now + shift })
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let uri = request.uri().to_string();
        let headers: Vec<_> =
            request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let body = SignableBody::Bytes(request.body());
        let signable = SignableRequest::new("POST", &uri, headers.into_iter(), body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        instructions.apply_to_request_http1x(request);
    }
}

impl Reply {
    /// The code of the first error.
    pub(crate) fn code(&self) -> &str {
        self.body["Errors"][0]["Code"].as_str().unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.body["Errors"][0]["Message"].as_str().unwrap_or_default()
    }
}
