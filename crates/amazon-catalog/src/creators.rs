//! The Creators API: bearer tokens, one host for all marketplaces.
//!
//! A question is one HTTP request, but for one case: where Amazon says that the token is no longer good (401 with
//! `TokenExpired` or `InvalidToken`), the request is sent once more with a new one. It is the only retry outside
//! `dispatch`, which books one call for it; Amazon counts two. Nothing is redirected or remembered here, and the
//! environment's proxy settings are not read.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::{FutureExt, future::BoxFuture};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use self::{
    grant::Source,
    token::{Token, Tokens},
    version::Issuer,
};
use crate::{
    BuildError, CatalogRequest, CatalogResponse, Error, FileKind, GetFileLink, ListFiles, Marketplace, Refusal,
    Upstream,
    reply::Reply,
    transport::{self, Transport},
};
use stockroom_proto::pb;

pub use self::{
    request::unaskable,
    version::{NotAVersion, Version},
};

mod answer;
mod failure;
mod grant;
mod request;
mod resources;
mod token;
mod version;

/// One host for all marketplaces (Amazon's SDK 1.3.0, `configuration.py`).
const BASE: &str = "https://creatorsapi.amazon";

/// What a [`Client`] needs to know.
pub struct Options {
    /// The credential's id.
    pub credential_id: String,
    /// The credential's secret.
    pub credential_secret: SecretString,
    /// The credential's version; its region group is that of all the marketplaces.
    pub version: Version,
    /// The partner tag of each marketplace that the account serves.
    pub partner_tags: HashMap<Marketplace, String>,
    /// Another address to send calls to, as `http://127.0.0.1:8080`.
    pub endpoint: Option<String>,
    /// The address to ask for tokens, path and all. `None`: Amazon's own, or, where there is an endpoint, below that:
    /// `/oauth2/token` for versions 2.x, `/auth/o2/token` for 3.x.
    pub token_endpoint: Option<String>,
    /// Certificate authorities, as PEM, to trust beside the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// A proxy for calls and tokens alike, as `http://proxy.internal:3128`. `None`: none, whatever the environment says.
    pub proxy: Option<String>,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// The largest answer that is read.
    pub max_body_bytes: usize,
}

/// One account's way to the API. Connections are kept and shared between calls; a token is shared by all clients of this
/// process that have the same credential.
pub struct Client {
    version: Version,
    partner_tags: HashMap<Marketplace, String>,
    base: String,
    token_url: String,
    transport: Arc<Transport>,
    tokens: Mutex<Arc<Tokens>>,
}

impl Client {
    /// Opens no connection and asks for no token yet.
    pub fn new(options: Options) -> Result<Self, BuildError> {
        let version = options.version;
        if let Some(marketplace) = options.partner_tags.keys().find(|m| m.region_group() != version.region_group()) {
            return Err(BuildError::RegionGroup { version, marketplace: *marketplace });
        }
        let endpoint = options.endpoint.as_deref().map(transport::base).transpose()?;
        let token_url = match (&options.token_endpoint, &endpoint) {
            (Some(url), _) => transport::base(url)?,
            (None, Some(base)) => format!("{base}{}", version.issuer().path()),
            (None, None) => version.token_url().to_owned(),
        };
        let transport = Arc::new(Transport::new(&transport::Options {
            ca_pem: options.ca_pem.as_deref(),
            proxy: options.proxy.as_deref(),
            connect_timeout: options.connect_timeout,
            max_body_bytes: options.max_body_bytes,
        })?);
        let source = Source {
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
            tokens: Mutex::new(tokens(source)?),
        })
    }

    /// The version of its credential.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Takes another credential of the same version for calls that begin from now on. Those under way keep their token.
    pub fn rotate(&self, credential_id: String, credential_secret: SecretString) -> Result<(), BuildError> {
        let tokens = tokens(Source {
            url: self.token_url.clone(),
            issuer: self.version.issuer(),
            transport: Arc::clone(&self.transport),
            credential_id,
            credential_secret,
        })?;
        *self.tokens.lock().unwrap_or_else(PoisonError::into_inner) = tokens;
        Ok(())
    }

    async fn ask(&self, question: &CatalogRequest, within: Duration) -> Result<CatalogResponse, Error> {
        let marketplace = question.locale().marketplace;
        let partner_tag = self
            .partner_tags
            .get(&marketplace)
            .ok_or(Error::Refused { refusal: Refusal::BadPartnerTag, request_id: None })?;
        let body = request::body(question, partner_tag)?;
        let reply = self.post(path(question), marketplace, body, within).await?;
        answer::read(question, &reply, SystemTime::now().into())
    }

    /// Sends the body with a token, and with a new one where Amazon does not take it; `within` bounds it all.
    async fn post(
        &self,
        path: &str,
        marketplace: Marketplace,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Reply, Error> {
        let exchange = async {
            let token = self.tokens().get().await?;
            let reply = self.send(path, marketplace, body.clone(), &token, within).await?;
            if !failure::is_stale_token(&reply) {
                return Ok(reply);
            }
            // The credential may have been rotated since; then its successor gives the new token.
            let tokens = self.tokens();
            let token = tokens.renew(&token).await?;
            let reply = self.send(path, marketplace, body, &token, within).await?;
            if failure::is_stale_token(&reply) {
                tokens.give_up(&token, &failure::error(&reply, SystemTime::now().into()));
            }
            Ok(reply)
        };
        timeout(within, exchange).await.unwrap_or(Err(Error::TimedOut { within }))
    }

    async fn send(
        &self,
        path: &str,
        marketplace: Marketplace,
        body: Vec<u8>,
        token: &Token,
        within: Duration,
    ) -> Result<Reply, Error> {
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

    fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.tokens.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn tokens(source: Source) -> Result<Arc<Tokens>, BuildError> {
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain(&source.credential_id) && is_plain(source.credential_secret.expose_secret()) {
        Ok(Tokens::of(source))
    } else {
        Err(BuildError::Credential)
    }
}

fn path(question: &CatalogRequest) -> &'static str {
    match question {
        CatalogRequest::Items(_) => "/catalog/v1/getItems",
        CatalogRequest::Search(_) => "/catalog/v1/searchItems",
        CatalogRequest::Variations(_) => "/catalog/v1/getVariations",
        CatalogRequest::BrowseNodes(_) => "/catalog/v1/getBrowseNodes",
        CatalogRequest::Files(ListFiles { shelf: FileKind::Feeds, .. }) => "/catalog/v1/listFeeds",
        CatalogRequest::Files(ListFiles { shelf: FileKind::Reports, .. }) => "/reports/v1/listReports",
        CatalogRequest::FileLink(GetFileLink { shelf: FileKind::Feeds, .. }) => "/catalog/v1/getFeed",
        CatalogRequest::FileLink(GetFileLink { shelf: FileKind::Reports, .. }) => "/reports/v1/getReport",
    }
}

impl Upstream for Client {
    fn protocol(&self) -> pb::Protocol {
        pb::Protocol::Creators
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
        // Beside the credential, an endpoint and a proxy may carry passwords.
        f.debug_struct("creators::Options").field("version", &self.version).finish_non_exhaustive()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("creators::Client")
            .field("version", &self.version)
            .field("partner_tags", &self.partner_tags)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
