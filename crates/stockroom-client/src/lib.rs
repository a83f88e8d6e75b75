#![doc = include_str!("../README.md")]

use std::{fmt, sync::Arc, time::Duration};

use secrecy::SecretString;
use tonic::{Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use self::{call::Call, connect::Bearer};
pub use self::{
    connect::ConnectError,
    error::{Error, FieldViolation},
    stream::Streaming,
};
use stockroom_proto::pb::{
    self, admin_service_client::AdminServiceClient, browse_service_client::BrowseServiceClient,
    product_service_client::ProductServiceClient, search_service_client::SearchServiceClient,
};
pub use tonic::Code;

mod call;
mod connect;
mod error;
mod stream;

#[cfg(test)]
mod tests;

/// The largest message that is read: a hundred products with all their parts are about 2 MiB.
const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// The options of a client besides the address.
#[derive(Clone, Debug)]
pub struct Options {
    /// The bearer token, for a gateway with configured callers.
    pub token: Option<SecretString>,
    /// The name of the calling program, for the user agent.
    pub caller: String,
    /// The deadline of each call, counted from its start. 10 seconds by default.
    pub deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { token: None, caller: "stockroom-client".to_owned(), deadline: Duration::from_secs(10) }
    }
}

/// A client of one gateway. Clones are cheap and share the connection.
///
/// Dropping the future of a call cancels the call.
#[derive(Clone)]
pub struct Client {
    url: Arc<str>,
    channel: Channel,
    bearer: Option<Bearer>,
    deadline: Duration,
}

/// Whether a service is serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The service is serving.
    Serving,
    /// The service is not serving.
    NotServing,
    /// The gateway has no such service, or does not report its health.
    Unknown,
}

/// Defines the method of a unary RPC.
macro_rules! unary {
    ($(#[$doc:meta])* $name:ident, $client:ident, $request:ident -> $response:ident) => {
        $(#[$doc])*
        pub async fn $name(&self, request: pb::$request) -> Result<pb::$response, Error> {
            let outcome = self.call(request, |channel, request| async move {
                $client::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES).$name(request).await
            });
            outcome.await.map(|(response, _)| response)
        }
    };
}

/// Defines the method of a server-streaming RPC.
macro_rules! streaming {
    ($(#[$doc:meta])* $name:ident, $client:ident, $request:ident -> $response:ident) => {
        $(#[$doc])*
        pub async fn $name(&self, request: pb::$request) -> Result<Streaming<pb::$response>, Error> {
            let outcome = self.call(request, |channel, request| async move {
                $client::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES).$name(request).await
            });
            outcome.await.map(|(messages, call)| Streaming::new(messages, call.deadline(), call.id().to_owned()))
        }
    };
}

impl Client {
    /// Builds a client for the gateway at an address: `host:port`, `http://host:port` or `https://host`.
    ///
    /// The first call opens the connection. A lost connection is opened again by the next call.
    ///
    /// # Errors
    ///
    /// The address, the token or the TLS configuration is invalid. No connection is needed to find out.
    pub fn new(url: &str, options: Options) -> Result<Self, ConnectError> {
        let channel = connect::channel(url, &options.caller)?;
        let bearer = options.token.as_ref().map(connect::bearer).transpose()?;
        Ok(Self { url: url.into(), channel, bearer, deadline: options.deadline })
    }

    unary! {
        /// One page of a search.
        search_products, SearchServiceClient, SearchProductsRequest -> SearchProductsResponse
    }
    streaming! {
        /// A search; the pages arrive one by one.
        stream_search, SearchServiceClient, StreamSearchRequest -> StreamSearchResponse
    }
    unary! {
        /// One product; [`Code::NotFound`] where Amazon has none.
        get_product, ProductServiceClient, GetProductRequest -> GetProductResponse
    }
    unary! {
        /// Up to 100 products, with one outcome for each ASIN.
        get_products, ProductServiceClient, GetProductsRequest -> GetProductsResponse
    }
    unary! {
        /// One page of the children of a variation family.
        get_variations, ProductServiceClient, GetVariationsRequest -> GetVariationsResponse
    }
    streaming! {
        /// A comparison of two to ten products; the summary is the last message.
        compare_products, ProductServiceClient, CompareProductsRequest -> CompareProductsResponse
    }
    unary! {
        /// Browse nodes with their children, to a given depth.
        get_browse_nodes, BrowseServiceClient, GetBrowseNodesRequest -> GetBrowseNodesResponse
    }
    unary! {
        /// The categories of a marketplace.
        list_categories, BrowseServiceClient, ListCategoriesRequest -> ListCategoriesResponse
    }
    unary! {
        /// The best rated and most reviewed products of a category.
        list_trending, BrowseServiceClient, ListTrendingRequest -> ListTrendingResponse
    }
    unary! {
        /// The discounted products of a category.
        list_deals, BrowseServiceClient, ListDealsRequest -> ListDealsResponse
    }
    unary! {
        /// The feeds of a marketplace's account.
        list_feeds, AdminServiceClient, ListFeedsRequest -> ListFeedsResponse
    }
    unary! {
        /// A link to a feed. The link is a secret: whoever has it can download the feed.
        get_feed_link, AdminServiceClient, GetFeedLinkRequest -> GetFeedLinkResponse
    }
    unary! {
        /// The reports of a marketplace's account.
        list_reports, AdminServiceClient, ListReportsRequest -> ListReportsResponse
    }
    unary! {
        /// A link to a report. The link is a secret: whoever has it can download the report.
        get_report_link, AdminServiceClient, GetReportLinkRequest -> GetReportLinkResponse
    }
    unary! {
        /// The marketplaces that the gateway serves.
        list_marketplaces, BrowseServiceClient, ListMarketplacesRequest -> ListMarketplacesResponse
    }
    unary! {
        /// The state of the gateway: accounts, queue, cache.
        get_status, AdminServiceClient, GetStatusRequest -> GetStatusResponse
    }
    unary! {
        /// Removes entries from the cache.
        purge_cache, AdminServiceClient, PurgeCacheRequest -> PurgeCacheResponse
    }

    /// Checks whether a service is serving. The empty name stands for the whole gateway.
    pub async fn health(&self, service: &str) -> Result<Health, Error> {
        let request = HealthCheckRequest { service: service.to_owned() };
        let outcome =
            self.call(request, |channel, request| async move { HealthClient::new(channel).check(request).await });
        match outcome.await {
            Ok((response, _)) => Ok(match response.status() {
                ServingStatus::Serving => Health::Serving,
                ServingStatus::NotServing => Health::NotServing,
                ServingStatus::Unknown | ServingStatus::ServiceUnknown => Health::Unknown,
            }),
            Err(error) if error.code == Code::NotFound => Ok(Health::Unknown),
            Err(error) => Err(error),
        }
    }

    /// Makes one call. Repeats a call that was never sent.
    async fn call<Q, A, F>(
        &self,
        request: Q,
        send: impl Fn(Channel, tonic::Request<Q>) -> F,
    ) -> Result<(A, Call<'_>), Error>
    where
        Q: Clone,
        F: Future<Output = Result<tonic::Response<A>, Status>>,
    {
        let call = Call::new(self.bearer.as_ref(), self.deadline);
        // Boxed, because the future of a call takes about 20 KB of its caller's future.
        let mut outcome = call.within(Box::pin(send(self.channel.clone(), call.request(request.clone())))).await;
        if outcome.as_ref().is_err_and(call::was_never_sent) {
            outcome = call.within(Box::pin(send(self.channel.clone(), call.request(request)))).await;
        }
        match outcome {
            Ok(response) => Ok((response.into_inner(), call)),
            Err(status) => Err(Error::decode(&status, call.id()).at(&self.url)),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
