//! The Product Advertising API 5.0: signed requests, one host a marketplace.
//!
//! A call is one HTTP request, whatever comes of it: nothing is retried, redirected or remembered here, and the
//! environment's proxy settings are not read. Amazon has announced the API's end; where an account may no longer use it,
//! calls fail with [`Refusal::ApiRetired`].

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::{FutureExt, future::BoxFuture};
use secrecy::{ExposeSecret, SecretString};

use self::signing::{Keys, Unsigned};
use crate::{
    BuildError, CatalogRequest, CatalogResponse, Error, Marketplace, Refusal, Upstream,
    transport::{self, Transport},
};
use stockroom_proto::pb;

mod answer;
mod failure;
mod request;
mod resources;
mod signing;

/// What a [`Client`] needs to know.
pub struct Options {
    /// The account's access key.
    pub access_key: String,
    /// The account's secret key.
    pub secret_key: SecretString,
    /// The partner tag of each marketplace that the account serves.
    pub partner_tags: HashMap<Marketplace, String>,
    /// Another address to send calls to, as `http://127.0.0.1:8080`. The `Host` header and the signature still name the
    /// marketplace's own host.
    pub endpoint: Option<String>,
    /// Certificate authorities, as PEM, to trust beside the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// A proxy for the way out, as `http://proxy.internal:3128`. `None`: none, whatever the environment says.
    pub proxy: Option<String>,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// The largest answer that is read.
    pub max_body_bytes: usize,
}

/// One account's way to the API. Connections are kept and shared between calls.
pub struct Client {
    keys: Mutex<Arc<Keys>>,
    partner_tags: HashMap<Marketplace, String>,
    endpoint: Option<String>,
    transport: Transport,
}

impl Client {
    /// Opens no connection yet.
    pub fn new(options: Options) -> Result<Self, BuildError> {
        Ok(Self {
            keys: Mutex::new(keys(&options.access_key, &options.secret_key)?),
            endpoint: options.endpoint.as_deref().map(transport::base).transpose()?,
            transport: Transport::new(&transport::Options {
                ca_pem: options.ca_pem.as_deref(),
                proxy: options.proxy.as_deref(),
                connect_timeout: options.connect_timeout,
                max_body_bytes: options.max_body_bytes,
            })?,
            partner_tags: options.partner_tags,
        })
    }

    /// Takes other keys for calls that begin from now on.
    pub fn rotate(&self, access_key: &str, secret_key: &SecretString) -> Result<(), BuildError> {
        let keys = keys(access_key, secret_key)?;
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    async fn ask(&self, question: &CatalogRequest, within: Duration) -> Result<CatalogResponse, Error> {
        let marketplace = question.locale().marketplace;
        let refused = |refusal| Error::Refused { refusal, request_id: None };
        let partner_tag = self.partner_tags.get(&marketplace).ok_or_else(|| refused(Refusal::BadPartnerTag))?;

        let operation = question.operation().name();
        let target = format!("com.amazon.paapi5.v1.ProductAdvertisingAPIv1.{operation}");
        let path = format!("/paapi5/{}", operation.to_ascii_lowercase());
        let unsupported = || Error::Rejected { code: "Unsupported".to_owned(), parameter: None, request_id: None };
        let body = request::body(question, partner_tag).ok_or_else(unsupported)?;
        let mut headers = vec![
            // Not a coding: the body is plain JSON, and Amazon insists on the header.
            ("content-encoding", "amz-1.0".to_owned()),
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("host", marketplace.paapi5_host().to_owned()),
            ("x-amz-target", target),
        ];
        let unsigned = Unsigned { region: marketplace.aws_region(), path: &path, headers: &headers, body: &body };
        // Signing fails only where a part cannot stand in a header, and then no signature of it can be right.
        let keys = Arc::clone(&self.keys.lock().unwrap_or_else(PoisonError::into_inner));
        let signature = keys.sign(&unsigned, SystemTime::now()).map_err(|_| refused(Refusal::BadSignature))?;
        headers.extend(signature);

        let url = match &self.endpoint {
            Some(base) => format!("{base}{path}"),
            None => format!("https://{}{path}", marketplace.paapi5_host()),
        };
        let reply = self.transport.post(url, headers, body, within).await?;
        answer::read(question, &reply, SystemTime::now().into())
    }
}

fn keys(access_key: &str, secret_key: &SecretString) -> Result<Arc<Keys>, BuildError> {
    if access_key.is_empty() || !access_key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(BuildError::AccessKey);
    }
    Ok(Arc::new(Keys::new(access_key, secret_key.expose_secret())))
}

impl Upstream for Client {
    fn protocol(&self) -> pb::Protocol {
        pb::Protocol::Paapi5
    }

    fn call<'a>(
        &'a self,
        question: &'a CatalogRequest,
        within: Duration,
    ) -> BoxFuture<'a, Result<CatalogResponse, Error>> {
        self.ask(question, within).boxed()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Beside the keys, an endpoint and a proxy may carry passwords.
        f.debug_struct("paapi5::Options").finish_non_exhaustive()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("paapi5::Client").field("partner_tags", &self.partner_tags).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
