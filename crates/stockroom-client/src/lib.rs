//! The Rust client of the Stockroom gateway.
//!
#![doc = include_str!("../README.md")]

use std::{fmt, sync::Arc, time::Duration};

use secrecy::SecretString;
use tonic::{Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use self::{
    call::OutgoingCall,
    connect::Bearer,
    retry::Idempotency::{self, Idempotent, NotIdempotent},
};
pub use self::{
    connect::{ClientTls, ConnectError},
    error::{Error, FieldViolation},
    pages::SearchPages,
    stream::Streaming,
};
pub use stockroom_proto::pb;
use stockroom_proto::pb::{
    admin_service_client::AdminServiceClient, browse_service_client::BrowseServiceClient,
    product_service_client::ProductServiceClient, search_service_client::SearchServiceClient,
};
pub use tonic::Code;

mod call;
mod connect;
mod error;
mod pages;
mod retry;
mod stream;

#[cfg(test)]
mod tests;

/// The largest accepted message. A hundred products with all their parts are about 2 MiB.
const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// How a client connects and calls.
#[derive(Clone, Debug)]
pub struct Options {
    /// The bearer token of a caller that the gateway knows. Default: none.
    pub token: Option<SecretString>,
    /// The name of the calling program, for the user agent. Default: `stockroom-client`.
    pub caller: String,
    /// The deadline of each call, retries included; of a stream, for the whole stream. Default: 10 seconds.
    pub deadline: Duration,
    /// TLS. Default: the operating system's authorities for an `https` URL, no TLS otherwise.
    pub tls: Option<ClientTls>,
}

impl Default for Options {
    fn default() -> Self {
        Self { token: None, caller: "stockroom-client".to_owned(), deadline: Duration::from_secs(10), tls: None }
    }
}

/// A connection to a gateway. Cloning it is cheap and shares the connection.
#[derive(Clone)]
pub struct Client {
    url: Arc<str>,
    channel: Channel,
    bearer: Option<Bearer>,
    deadline: Duration,
}

/// The health of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The service accepts calls.
    Serving,
    /// The service accepts no calls now.
    NotServing,
    /// The gateway has no such service, or does not report its health.
    Unknown,
}

/// Defines a method with one response.
macro_rules! unary {
    ($(#[$doc:meta])* $idempotency:ident $name:ident, $client:ident, $request:ident -> $response:ident) => {
        $(#[$doc])*
        pub async fn $name(&self, request: pb::$request) -> Result<pb::$response, Error> {
            let response = self.call(request, $idempotency, |channel, request| async move {
                $client::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES).$name(request).await
            });
            response.await.map(|(response, _)| response)
        }
    };
}

/// Defines a method with a stream of responses.
macro_rules! streaming {
    ($(#[$doc:meta])* $idempotency:ident $name:ident, $client:ident, $request:ident -> $response:ident) => {
        $(#[$doc])*
        pub async fn $name(&self, request: pb::$request) -> Result<Streaming<pb::$response>, Error> {
            let response = self.call(request, $idempotency, |channel, request| async move {
                $client::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES).$name(request).await
            });
            response.await.map(|(messages, call)| Streaming::new(messages, call.deadline(), call.id().to_owned()))
        }
    };
}

impl Client {
    /// Makes a client of the gateway at `host:port` or at a URL, as `http://127.0.0.1:50051` or `https://stockroom.example`.
    ///
    /// Sends nothing: the first call opens the connection, and a later one reopens it after a failure.
    ///
    /// # Errors
    ///
    /// The address or the token is malformed, or TLS cannot be set up.
    pub fn new(address: &str, options: Options) -> Result<Self, ConnectError> {
        let url = connect::url(address, options.tls.is_some());
        let channel = connect::channel(&url, &options.caller, options.tls.as_ref())?;
        let bearer = options.token.as_ref().map(connect::bearer).transpose()?;
        Ok(Self { url: url.into(), channel, bearer, deadline: options.deadline })
    }

    unary! {
        /// One page of a search.
        Idempotent search_products, SearchServiceClient, SearchProductsRequest -> SearchProductsResponse
    }
    streaming! {
        /// A search whose pages are sent as Amazon returns them.
        Idempotent stream_search, SearchServiceClient, StreamSearchRequest -> StreamSearchResponse
    }
    unary! {
        /// One product; [`Code::NotFound`] where Amazon has no such product.
        Idempotent get_product, ProductServiceClient, GetProductRequest -> GetProductResponse
    }
    unary! {
        /// Up to 100 products, one outcome for each ASIN.
        Idempotent get_products, ProductServiceClient, GetProductsRequest -> GetProductsResponse
    }
    unary! {
        /// One page of the children of a variation family.
        Idempotent get_variations, ProductServiceClient, GetVariationsRequest -> GetVariationsResponse
    }
    streaming! {
        /// Two to ten products side by side; the summary comes last.
        Idempotent compare_products, ProductServiceClient, CompareProductsRequest -> CompareProductsResponse
    }
    unary! {
        /// Browse nodes with their children to a depth.
        Idempotent get_browse_nodes, BrowseServiceClient, GetBrowseNodesRequest -> GetBrowseNodesResponse
    }
    unary! {
        /// The categories of a marketplace.
        Idempotent list_categories, BrowseServiceClient, ListCategoriesRequest -> ListCategoriesResponse
    }
    unary! {
        /// The best rated and most reviewed products of a category.
        Idempotent list_trending, BrowseServiceClient, ListTrendingRequest -> ListTrendingResponse
    }
    unary! {
        /// The discounted products of a category.
        Idempotent list_deals, BrowseServiceClient, ListDealsRequest -> ListDealsResponse
    }
    unary! {
        /// The feeds of a marketplace's account.
        NotIdempotent list_feeds, AdminServiceClient, ListFeedsRequest -> ListFeedsResponse
    }
    unary! {
        /// A link to a feed, which is a secret.
        NotIdempotent get_feed_link, AdminServiceClient, GetFeedLinkRequest -> GetFeedLinkResponse
    }
    unary! {
        /// The reports of a marketplace's account.
        NotIdempotent list_reports, AdminServiceClient, ListReportsRequest -> ListReportsResponse
    }
    unary! {
        /// A link to a report, which is a secret.
        NotIdempotent get_report_link, AdminServiceClient, GetReportLinkRequest -> GetReportLinkResponse
    }
    unary! {
        /// The marketplaces that the gateway serves.
        Idempotent list_marketplaces, BrowseServiceClient, ListMarketplacesRequest -> ListMarketplacesResponse
    }
    unary! {
        /// The state of the gateway: budgets, queues, caches.
        NotIdempotent get_status, AdminServiceClient, GetStatusRequest -> GetStatusResponse
    }
    unary! {
        /// Removes entries from the cache.
        NotIdempotent purge_cache, AdminServiceClient, PurgeCacheRequest -> PurgeCacheResponse
    }
    unary! {
        /// Reloads the configuration of the gateway.
        NotIdempotent reload, AdminServiceClient, ReloadRequest -> ReloadResponse
    }

    /// The pages of a search, until the last one.
    pub fn search_pages(&self, request: pb::SearchProductsRequest) -> SearchPages<'_> {
        SearchPages::new(self, request)
    }

    /// The channel below the methods, for the generated stubs. Calls through it have no token, deadline or retry.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The health of a service; the empty name stands for the whole gateway.
    pub async fn health(&self, service: &str) -> Result<Health, Error> {
        let request = HealthCheckRequest { service: service.to_owned() };
        let send = |channel, request| async move { HealthClient::new(channel).check(request).await };
        match self.call(request, NotIdempotent, send).await {
            Ok((response, _)) => Ok(match response.status() {
                ServingStatus::Serving => Health::Serving,
                ServingStatus::NotServing => Health::NotServing,
                ServingStatus::Unknown | ServingStatus::ServiceUnknown => Health::Unknown,
            }),
            Err(error) if error.code == Code::NotFound => Ok(Health::Unknown),
            Err(error) => Err(error),
        }
    }

    /// Makes one call, with as many attempts as the retry policy and the deadline allow.
    async fn call<Q, A, F>(
        &self,
        request: Q,
        idempotency: Idempotency,
        send: impl Fn(Channel, tonic::Request<Q>) -> F,
    ) -> Result<(A, OutgoingCall<'_>), Error>
    where
        Q: Clone,
        F: Future<Output = Result<tonic::Response<A>, Status>>,
    {
        let call = OutgoingCall::new(self.bearer.as_ref(), self.deadline);
        let mut attempt = 1;
        loop {
            // Boxed: the future of a call has about 20 KB, which every caller's future would contain.
            let sent = Box::pin(send(self.channel.clone(), call.request(request.clone())));
            let status = match call.deadline().bound(sent).await {
                Ok(response) => return Ok((response.into_inner(), call)),
                Err(status) => status,
            };
            match retry::pause_before_retry(&status, attempt, idempotency) {
                Some(pause) if call.deadline().allows(pause) => tokio::time::sleep(pause).await,
                _ => {
                    let mut error = Error::decode(&status, call.id()).at(&self.url);
                    if retry::was_never_sent(&status) {
                        error.code = Code::Unavailable;
                    }
                    return Err(error);
                }
            }
            attempt += 1;
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
