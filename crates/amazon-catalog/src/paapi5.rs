//! The Product Advertising API 5.0: signed requests, one host for each marketplace.
//!
//! A call is one HTTP request. This client does not retry, follow redirects or cache. Requests are signed with AWS
//! Signature Version 4; the secret key itself is never sent.
//!
//! Amazon has announced the end of this API. Where an account may no longer use it, calls fail with
//! [`Refusal::ApiRetired`].
//!
//! The rules of the API are those of <https://webservices.amazon.com/paapi5/documentation/>.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{FutureExt, future::BoxFuture};
use secrecy::{ExposeSecret, SecretString};

use self::signing::{SigningKeys, Unsigned};
use crate::{
    BuildError, CatalogRequest, CatalogResponse, ConnectionCheck, Error, Marketplace, Operation, Refusal, SentNotice,
    TransportOptions, Unsupported, Upstream, pb, response_body,
    rotating::Rotating,
    transport::{Transport, base_url, with_notice},
};

mod request;
mod resources;
mod signing;

/// The account and the connection of a [`Paapi5Client`].
pub struct Options {
    /// The account's access key.
    pub access_key: String,
    /// The account's secret key.
    pub secret_key: SecretString,
    /// The partner tag of each marketplace that the account serves. A request for another marketplace is refused with
    /// [`Refusal::BadPartnerTag`] before anything is sent.
    pub partner_tags: HashMap<Marketplace, String>,
    /// How the client reaches Amazon.
    pub transport: TransportOptions,
}

/// A client with one account's keys. Calls share its connections; share the client behind an `Arc`.
pub struct Paapi5Client {
    keys: Rotating<SigningKeys>,
    partner_tags: HashMap<Marketplace, String>,
    endpoint: Option<String>,
    transport: Transport,
}

impl Paapi5Client {
    /// Validates the options. Opens no connection.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the option that cannot work.
    pub fn new(options: Options) -> Result<Self, BuildError> {
        Ok(Self {
            keys: Rotating::new(keys(&options.access_key, &options.secret_key)?),
            endpoint: options.transport.endpoint.as_deref().map(base_url).transpose()?,
            transport: Transport::new(&options.transport)?,
            partner_tags: options.partner_tags,
        })
    }

    /// Replaces the keys for calls that start from now on. Calls in flight keep the keys they were signed with.
    ///
    /// # Errors
    ///
    /// [`BuildError::AccessKey`]; the client then keeps its keys.
    pub fn rotate(&self, access_key: &str, secret_key: &SecretString) -> Result<(), BuildError> {
        self.keys.replace(keys(access_key, secret_key)?);
        Ok(())
    }

    async fn send(&self, request: &CatalogRequest, within: Duration) -> Result<CatalogResponse, Error> {
        let marketplace = request.locale().marketplace;
        let refused = |refusal| Error::Refused { refusal, request_id: None };
        let partner_tag = self.partner_tags.get(&marketplace).ok_or_else(|| refused(Refusal::BadPartnerTag))?;
        if let Some(unsupported) = self.unsupported(request) {
            return Err(unsupported.into());
        }

        let operation = request.operation().name();
        let target = format!("com.amazon.paapi5.v1.ProductAdvertisingAPIv1.{operation}");
        let path = format!("/paapi5/{}", operation.to_ascii_lowercase());
        let body = request::body(request, partner_tag);
        let mut headers = vec![
            // Not a coding: the body is plain JSON, and Amazon requires the header.
            ("content-encoding", "amz-1.0".to_owned()),
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("host", marketplace.paapi5_host().to_owned()),
            ("x-amz-target", target),
        ];
        let unsigned = Unsigned { region: marketplace.aws_region(), path: &path, headers: &headers, body: &body };
        // Signing fails only where a part cannot be written into a header; no signature of such a request is valid.
        let signature =
            self.keys.current().sign(&unsigned, SystemTime::now()).map_err(|_| refused(Refusal::BadSignature))?;
        headers.extend(signature);

        let url = match &self.endpoint {
            Some(base) => format!("{base}{path}"),
            None => format!("https://{}{path}", marketplace.paapi5_host()),
        };
        let response = self.transport.post(url, headers, body, within).await?;
        response_body::decode(request, &response, SystemTime::now().into())
    }
}

fn keys(access_key: &str, secret_key: &SecretString) -> Result<Arc<SigningKeys>, BuildError> {
    if access_key.is_empty() || !access_key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(BuildError::AccessKey);
    }
    Ok(Arc::new(SigningKeys::new(access_key, secret_key.expose_secret())))
}

impl Upstream for Paapi5Client {
    fn protocol(&self) -> pb::Protocol {
        pb::Protocol::Paapi5
    }

    fn unsupported(&self, request: &CatalogRequest) -> Option<Unsupported> {
        let operation = request.operation();
        (operation == Operation::Files).then_some(Unsupported::Operation(operation))
    }

    fn call<'a>(
        &'a self,
        request: &'a CatalogRequest,
        within: Duration,
    ) -> BoxFuture<'a, Result<CatalogResponse, Error>> {
        self.send(request, within).boxed()
    }

    fn call_with_notice<'a>(
        &'a self,
        request: &'a CatalogRequest,
        within: Duration,
        sent: &'a SentNotice,
    ) -> BoxFuture<'a, Result<CatalogResponse, Error>> {
        with_notice(sent, self.send(request, within)).boxed()
    }

    fn check_connection(&self, within: Duration) -> BoxFuture<'_, Result<ConnectionCheck, Error>> {
        let host = self.partner_tags.keys().map(|marketplace| marketplace.paapi5_host()).min().unwrap_or_default();
        let url = format!("{}/", self.endpoint.clone().unwrap_or_else(|| format!("https://{host}")));
        async move {
            let response = self.transport.head(&url, within).await?;
            Ok(ConnectionCheck { server_time: response.date(), has_token: false })
        }
        .boxed()
    }

    fn credentials_version(&self) -> u64 {
        self.keys.version()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("paapi5::Options").field("transport", &self.transport).finish_non_exhaustive()
    }
}

impl fmt::Debug for Paapi5Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paapi5Client").field("partner_tags", &self.partner_tags).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
