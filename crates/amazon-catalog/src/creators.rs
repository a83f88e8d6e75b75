//! The Creators API: bearer tokens, one host for all marketplaces.
//!
//! A call is one HTTP request. This client does not retry, follow redirects or cache.
//!
//! # Renewal of a refused token
//!
//! **Why.** Amazon can invalidate a bearer token before its stated end. A call with it fails, and Amazon counts it; the next
//! call must not fail for the same reason.
//!
//! **Rule.** On HTTP 401 the client drops the token, and the call ends with
//! [`Error::TokenExpired`]. The next call fetches a new token.
//!
//! **Edge cases.** Of many calls refused at once, one causes a fetch and all later calls wait for it. If a token that was
//! fetched for that reason is refused before it ever worked, the account is refused, and the client does not ask for tokens
//! for some seconds, so that no calls are spent on finding out again.
//!
//! The rules of the API are those of Amazon's Python SDK 1.3.0 and of
//! <https://affiliate-program.amazon.com/creatorsapi/docs/>.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{FutureExt, future::BoxFuture};
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use self::{
    token_cache::{Token, TokenCache},
    token_request::TokenEndpoint,
    version::Issuer,
};
use crate::{
    BuildError, CatalogRequest, CatalogResponse, ConnectionCheck, Error, FileKind, GetFileLink, ListFiles, Marketplace,
    Refusal, SentNotice, TransportOptions, Unsupported, Upstream,
    http_response::HttpResponse,
    pb, response_body,
    rotating::Rotating,
    transport::{Transport, base_url, with_notice},
};

pub use self::version::{NotAVersion, Version};

mod request;
mod resources;
mod token_cache;
mod token_request;
mod version;

/// One host for all marketplaces (Amazon's SDK 1.3.0, `configuration.py`).
const BASE: &str = "https://creatorsapi.amazon";

/// The credential and the connection of a [`CreatorsClient`].
pub struct Options {
    /// The credential's id.
    pub credential_id: String,
    /// The credential's secret.
    pub credential_secret: SecretString,
    /// The credential's version. It names the group of marketplaces that the credential is valid for.
    pub version: Version,
    /// The partner tag of each marketplace that the account serves. A request for another marketplace is refused with
    /// [`Refusal::BadPartnerTag`] before anything is sent.
    pub partner_tags: HashMap<Marketplace, String>,
    /// The full address of the token service. `None` means Amazon's own; with [`TransportOptions::endpoint`] set it means
    /// a path below that endpoint: `/oauth2/token` for versions 2.x, `/auth/o2/token` for 3.x.
    pub token_endpoint: Option<String>,
    /// How the client reaches Amazon, for calls and token requests alike.
    pub transport: TransportOptions,
}

/// A client with one account's credential. Calls share its connections; all clients of this process that have the same
/// credential share one token. Share the client behind an `Arc`.
pub struct CreatorsClient {
    version: Version,
    partner_tags: HashMap<Marketplace, String>,
    base: String,
    token_url: String,
    transport: Arc<Transport>,
    token_cache: Rotating<TokenCache>,
}

impl CreatorsClient {
    /// Validates the options. Opens no connection and fetches no token.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the option that cannot work.
    pub fn new(options: Options) -> Result<Self, BuildError> {
        let version = options.version;
        if let Some(marketplace) = options.partner_tags.keys().find(|m| m.region_group() != version.region_group()) {
            return Err(BuildError::RegionGroup { version, marketplace: *marketplace });
        }
        let endpoint = options.transport.endpoint.as_deref().map(base_url).transpose()?;
        let token_url = match (&options.token_endpoint, &endpoint) {
            (Some(url), _) => base_url(url)?,
            (None, Some(base)) => format!("{base}{}", version.issuer().path()),
            (None, None) => version.token_url().to_owned(),
        };
        let transport = Arc::new(Transport::new(&options.transport)?);
        let token_endpoint = TokenEndpoint {
            url: token_url.clone(),
            issuer: version.issuer(),
            transport: Arc::clone(&transport),
            credential_id: options.credential_id,
            credential_secret: options.credential_secret,
        };
        Ok(Self {
            version,
            partner_tags: options.partner_tags,
            base: endpoint.unwrap_or_else(|| BASE.to_owned()),
            token_url,
            transport,
            token_cache: Rotating::new(token_cache(token_endpoint)?),
        })
    }

    /// The version of the credential.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Replaces the credential by another one of the same version, for calls that start from now on. Calls in flight keep
    /// their token.
    ///
    /// # Errors
    ///
    /// [`BuildError::Credential`]; the client then keeps its credential.
    pub fn rotate(&self, credential_id: String, credential_secret: SecretString) -> Result<(), BuildError> {
        let token_cache = token_cache(TokenEndpoint {
            url: self.token_url.clone(),
            issuer: self.version.issuer(),
            transport: Arc::clone(&self.transport),
            credential_id,
            credential_secret,
        })?;
        self.token_cache.replace(token_cache);
        Ok(())
    }

    async fn send(&self, request: &CatalogRequest, within: Duration) -> Result<CatalogResponse, Error> {
        let marketplace = request.locale().marketplace;
        let partner_tag = self
            .partner_tags
            .get(&marketplace)
            .ok_or(Error::Refused { refusal: Refusal::BadPartnerTag, request_id: None })?;
        if let Some(unsupported) = self.unsupported(request) {
            return Err(unsupported.into());
        }
        let body = request::body(request, partner_tag);
        let response = self.post(request, body, within).await?;
        response_body::decode(request, &response, SystemTime::now().into())
    }

    /// Sends the body with a token. `within` bounds both the fetch of a token and the call.
    async fn post(&self, request: &CatalogRequest, body: Vec<u8>, within: Duration) -> Result<HttpResponse, Error> {
        let exchange = async {
            let token_cache = self.token_cache.current();
            let token = token_cache.get().await?;
            let response = self.send_with(path(request), request.locale().marketplace, body, &token, within).await?;
            if response.status != StatusCode::UNAUTHORIZED {
                token_cache.on_accepted();
            } else if let Err(error) = response_body::decode(request, &response, SystemTime::now().into()) {
                return Err(token_cache.on_refused(&token, error));
            }
            Ok(response)
        };
        timeout(within, exchange).await.unwrap_or(Err(Error::TimedOut { within }))
    }

    async fn send_with(
        &self,
        path: &str,
        marketplace: Marketplace,
        body: Vec<u8>,
        token: &Token,
        within: Duration,
    ) -> Result<HttpResponse, Error> {
        let authorization = match self.version.issuer() {
            Issuer::Cognito => format!("Bearer {}, Version {}", token.expose(), self.version),
            Issuer::LoginWithAmazon => format!("Bearer {}", token.expose()),
        };
        let headers = vec![
            ("accept", "application/json".to_owned()),
            ("authorization", authorization),
            ("content-type", "application/json".to_owned()),
            ("x-marketplace", marketplace.name().to_owned()),
        ];
        self.transport.post(format!("{}{path}", self.base), headers, body, within).await
    }
}

fn token_cache(endpoint: TokenEndpoint) -> Result<Arc<TokenCache>, BuildError> {
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain(&endpoint.credential_id) && is_plain(endpoint.credential_secret.expose_secret()) {
        Ok(TokenCache::shared(endpoint))
    } else {
        Err(BuildError::Credential)
    }
}

fn path(request: &CatalogRequest) -> &'static str {
    match request {
        CatalogRequest::Items(_) => "/catalog/v1/getItems",
        CatalogRequest::Search(_) => "/catalog/v1/searchItems",
        CatalogRequest::Variations(_) => "/catalog/v1/getVariations",
        CatalogRequest::BrowseNodes(_) => "/catalog/v1/getBrowseNodes",
        CatalogRequest::Files(ListFiles { kind: FileKind::Feeds, .. }) => "/catalog/v1/listFeeds",
        CatalogRequest::Files(ListFiles { kind: FileKind::Reports, .. }) => "/reports/v1/listReports",
        CatalogRequest::FileLink(GetFileLink { kind: FileKind::Feeds, .. }) => "/catalog/v1/getFeed",
        CatalogRequest::FileLink(GetFileLink { kind: FileKind::Reports, .. }) => "/reports/v1/getReport",
    }
}

impl Upstream for CreatorsClient {
    fn protocol(&self) -> pb::Protocol {
        pb::Protocol::Creators
    }

    fn unsupported(&self, request: &CatalogRequest) -> Option<Unsupported> {
        match request {
            CatalogRequest::Search(search) => request::unsupported(search),
            CatalogRequest::Items(_)
            | CatalogRequest::Variations(_)
            | CatalogRequest::BrowseNodes(_)
            | CatalogRequest::Files(_)
            | CatalogRequest::FileLink(_) => None,
        }
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
        let check = async move {
            let response = self.transport.head(&format!("{}/", self.base), within).await?;
            self.token_cache.current().get().await?;
            Ok(ConnectionCheck { server_time: response.date(), has_token: true })
        };
        async move { timeout(within, check).await.unwrap_or(Err(Error::TimedOut { within })) }.boxed()
    }

    fn credentials_version(&self) -> u64 {
        self.token_cache.version()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("creators::Options")
            .field("version", &self.version)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CreatorsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatorsClient")
            .field("version", &self.version)
            .field("partner_tags", &self.partner_tags)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
