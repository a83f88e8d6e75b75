//! A client for Amazon's two product APIs: the Product Advertising API 5.0 (PA-API) and the Creators API.
//!
//! Both APIs sit behind one trait, [`Upstream`]: the caller builds a [`CatalogRequest`], and gets a [`CatalogResponse`]
//! whose products are the messages of [`pb`], whichever API answered. Amazon's JSON never leaves this crate.
//!
//! # Example
//!
//! ```no_run
//! # #[cfg(feature = "creators")]
//! # async fn search() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{collections::HashMap, time::Duration};
//!
//! use amazon_catalog::{
//!     CatalogRequest, CatalogResponse, Locale, Marketplace, SearchItems, TransportOptions, Upstream, creators,
//! };
//!
//! let us = Marketplace::parse("US").ok_or("no such marketplace")?;
//! let client = creators::CreatorsClient::new(creators::Options {
//!     credential_id: "your-credential-id".to_owned(),
//!     credential_secret: std::env::var("AMAZON_CREDENTIAL_SECRET")?.into(),
//!     version: creators::Version::parse("3.1")?,
//!     partner_tags: HashMap::from([(us, "example-20".to_owned())]),
//!     token_endpoint: None,
//!     transport: TransportOptions::default(),
//! })?;
//!
//! let search = SearchItems { keywords: Some("desk lamp".to_owned()), ..SearchItems::new(Locale::of(us)) };
//! let response = client.call(&CatalogRequest::Search(Box::new(search)), Duration::from_secs(5)).await?;
//! if let CatalogResponse::Search(page) = response {
//!     for product in page.places.into_iter().flatten() {
//!         println!("{} {}", product.asin, product.info.unwrap_or_default().title);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # One call, one attempt
//!
//! [`Upstream::call`] sends one HTTP request. It does not retry, queue, pace or cache: Amazon counts every attempt against
//! the account, so the caller decides about each of them.
//!
//! # Reading
//!
//! Amazon leaves out what it does not know and sometimes sends a value of an unexpected type. Every field is read on its
//! own: a value that cannot be read is absent, and the rest of the response is unaffected. Absent is never zero or false.
//!
//! # Features
//!
//! `paapi5` and `creators` select the APIs; both are on by default. Without either, the crate has the vocabulary only:
//! requests, responses, errors, marketplaces.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;

pub use stockroom_proto::pb;

pub use self::{
    asin::{Asin, NotAnAsin},
    browse_node_id::{BrowseNodeId, NotABrowseNodeId},
    error::{BuildError, Error, Refusal},
    files::{FileKind, FileLink, GetFileLink, ListFiles},
    marketplace::{Currency, Language, Locale, Marketplace, SearchIndex},
    request::{
        CatalogRequest, GetBrowseNodes, GetItems, GetVariations, IDS_PER_CALL, ITEMS_PER_PAGE, Operation, SearchItems,
    },
    response::{BrowseNodes, CatalogResponse, Items, Missing, SearchPage, VariationsPage},
    sent::SentNotice,
    snapshot::Snapshot,
    transport::TransportOptions,
    unsupported::{SearchFilter, Unsupported},
};

mod asin;
mod browse_node_id;
#[cfg(feature = "creators")]
pub mod creators;
mod error;
mod files;
#[cfg(all(feature = "paapi5", feature = "creators"))]
#[doc(hidden)]
pub mod fuzzing;
mod marketplace;
pub mod money;
#[cfg(feature = "paapi5")]
pub mod paapi5;
pub mod rating;
mod request;
mod response;
mod sent;
mod snapshot;
mod transport;
mod unsupported;

#[cfg(any(feature = "paapi5", feature = "creators"))]
mod dates;
#[cfg(any(feature = "paapi5", feature = "creators"))]
mod error_body;
#[cfg(any(feature = "paapi5", feature = "creators"))]
mod http_response;
#[cfg(any(feature = "paapi5", feature = "creators"))]
mod json;
#[cfg(any(feature = "paapi5", feature = "creators"))]
mod json_text;
#[cfg(any(feature = "paapi5", feature = "creators"))]
mod request_fields;
#[cfg(any(feature = "paapi5", feature = "creators"))]
mod response_body;
#[cfg(any(feature = "paapi5", feature = "creators"))]
mod rotating;
#[cfg(any(feature = "paapi5", feature = "creators"))]
mod schema;

#[cfg(all(test, any(feature = "paapi5", feature = "creators")))]
#[cfg_attr(not(all(feature = "paapi5", feature = "creators")), allow(dead_code, reason = "some serve one API only"))]
mod test_fixtures;

/// One of Amazon's product APIs, with one account's credentials.
///
/// Object-safe: a gateway holds `Arc<dyn Upstream>` and does not know which API is behind it.
pub trait Upstream: fmt::Debug + Send + Sync {
    /// Names the API, for display. To learn what the API can do, call [`Upstream::unsupported`].
    fn protocol(&self) -> pb::Protocol;

    /// Names what the API has no way to express in this request; `None` where the API can be asked all of it.
    ///
    /// Costs nothing and needs no network. [`Upstream::call`] refuses the same requests with [`Error::Rejected`] before it
    /// sends anything: dropping a filter would answer another request.
    fn unsupported(&self, request: &CatalogRequest) -> Option<Unsupported> {
        let _ = request;
        None
    }

    /// Sends the request once and waits at most `within` for the whole response, the fetch of a bearer token included.
    ///
    /// # Errors
    ///
    /// [`Error`] distinguishes what the caller has to do: wait ([`Error::Throttled`]), try again ([`Error::Failed`],
    /// [`Error::TimedOut`], [`Error::Unreachable`], [`Error::TokenExpired`], [`Error::Malformed`]), change the account
    /// ([`Error::Refused`]) or change the request ([`Error::Rejected`]). That nothing was found is not an error.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the connection. Amazon may have counted the call all the same. A fetch of a bearer token
    /// goes on, because other calls wait for it.
    fn call<'a>(
        &'a self,
        request: &'a CatalogRequest,
        within: Duration,
    ) -> BoxFuture<'a, Result<CatalogResponse, Error>>;

    /// The same, and marks `sent` when the request is being written. What is never marked has not left this process.
    ///
    /// An API that does not know the moment marks it at once.
    fn call_with_notice<'a>(
        &'a self,
        request: &'a CatalogRequest,
        within: Duration,
        sent: &'a SentNotice,
    ) -> BoxFuture<'a, Result<CatalogResponse, Error>> {
        sent.mark();
        self.call(request, within)
    }

    /// Checks without a call that the API can be reached, and that the token service of an API with bearer tokens grants
    /// one. Whether Amazon accepts the account shows only in a call.
    ///
    /// # Errors
    ///
    /// As those of [`Upstream::call`]. An implementation that cannot check anything succeeds.
    fn check_connection(&self, within: Duration) -> BoxFuture<'_, Result<ConnectionCheck, Error>> {
        let _ = within;
        Box::pin(std::future::ready(Ok(ConnectionCheck::default())))
    }

    /// A number that changes whenever the credentials do, and never has an earlier value again.
    fn credentials_version(&self) -> u64 {
        0
    }
}

/// What [`Upstream::check_connection`] found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCheck {
    /// The time by Amazon's clock, to the second; `None` where Amazon did not state it.
    pub server_time: Option<SystemTime>,
    /// Whether Amazon granted a bearer token. PA-API has none.
    pub has_token: bool,
}

/// The README's example compiles.
#[cfg(all(doctest, feature = "paapi5"))]
#[doc = include_str!("../README.md")]
struct Readme;
