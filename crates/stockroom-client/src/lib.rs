//! The Rust client: one typed method for each RPC, over the generated stubs.
//!
//! Every call has a deadline, and an error comes back decoded. The client retries nothing but a call that was never
//! sent, because the connection it was meant for had just been closed.

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

/// What a client may be told besides the address.
#[derive(Clone, Debug)]
pub struct Options {
    /// The bearer token of a gateway that knows its callers.
    pub token: Option<SecretString>,
    /// The name of the calling program, for the user agent.
    pub caller: String,
    /// How long each call may take.
    pub deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { token: None, caller: "stockroom-client".to_owned(), deadline: Duration::from_secs(10) }
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

/// Whether a service takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It takes calls.
    Serving,
    /// It takes none now.
    NotServing,
    /// The gateway has no such service, or does not tell.
    Unknown,
}

/// Defines a method that asks once and gets one answer.
macro_rules! unary {
    ($(#[$doc:meta])* $name:ident, $client:ident, $request:ident -> $response:ident) => {
        $(#[$doc])*
        pub async fn $name(&self, request: pb::$request) -> Result<pb::$response, Error> {
            let answer = self.call(request, |channel, request| async move {
                $client::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES).$name(request).await
            });
            answer.await.map(|(response, _)| response)
        }
    };
}

/// Defines a method that asks once and gets a stream of answers.
macro_rules! streaming {
    ($(#[$doc:meta])* $name:ident, $client:ident, $request:ident -> $response:ident) => {
        $(#[$doc])*
        pub async fn $name(&self, request: pb::$request) -> Result<Streaming<pb::$response>, Error> {
            let answer = self.call(request, |channel, request| async move {
                $client::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES).$name(request).await
            });
            answer.await.map(|(messages, call)| Streaming::new(messages, call.deadline(), call.id().to_owned()))
        }
    };
}

impl Client {
    /// Makes a client of the gateway at a URL, as `http://127.0.0.1:50051` or `https://stockroom.example`.
    ///
    /// Nothing is sent yet: the first call opens the connection, and one that was lost is opened again.
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
        /// A search whose pages come as they arrive.
        stream_search, SearchServiceClient, StreamSearchRequest -> StreamSearchResponse
    }
    unary! {
        /// One product; [`Code::NotFound`] where Amazon has none.
        get_product, ProductServiceClient, GetProductRequest -> GetProductResponse
    }
    unary! {
        /// Up to 100 products, one outcome for each ASIN.
        get_products, ProductServiceClient, GetProductsRequest -> GetProductsResponse
    }
    unary! {
        /// One page of the children of a variation family.
        get_variations, ProductServiceClient, GetVariationsRequest -> GetVariationsResponse
    }
    streaming! {
        /// Two to ten products side by side; the summary comes last.
        compare_products, ProductServiceClient, CompareProductsRequest -> CompareProductsResponse
    }
    unary! {
        /// Browse nodes with their children to a depth.
        get_browse_nodes, BrowseServiceClient, GetBrowseNodesRequest -> GetBrowseNodesResponse
    }
    unary! {
        /// The categories of a marketplace.
        list_categories, BrowseServiceClient, ListCategoriesRequest -> ListCategoriesResponse
    }
    unary! {
        /// What is popular in a category.
        list_trending, BrowseServiceClient, ListTrendingRequest -> ListTrendingResponse
    }
    unary! {
        /// What is reduced in a category.
        list_deals, BrowseServiceClient, ListDealsRequest -> ListDealsResponse
    }
    unary! {
        /// The feeds of a marketplace's account.
        list_feeds, AdminServiceClient, ListFeedsRequest -> ListFeedsResponse
    }
    unary! {
        /// A link to a feed, which is a secret.
        get_feed_link, AdminServiceClient, GetFeedLinkRequest -> GetFeedLinkResponse
    }
    unary! {
        /// The reports of a marketplace's account.
        list_reports, AdminServiceClient, ListReportsRequest -> ListReportsResponse
    }
    unary! {
        /// A link to a report, which is a secret.
        get_report_link, AdminServiceClient, GetReportLinkRequest -> GetReportLinkResponse
    }
    unary! {
        /// The marketplaces that the gateway serves.
        list_marketplaces, BrowseServiceClient, ListMarketplacesRequest -> ListMarketplacesResponse
    }
    unary! {
        /// How the gateway does.
        get_status, AdminServiceClient, GetStatusRequest -> GetStatusResponse
    }
    unary! {
        /// Drops something from the cache.
        purge_cache, AdminServiceClient, PurgeCacheRequest -> PurgeCacheResponse
    }
    unary! {
        /// Has the gateway read its configuration again.
        reload, AdminServiceClient, ReloadRequest -> ReloadResponse
    }

    /// Whether a service takes calls; the empty name stands for the whole gateway.
    pub async fn health(&self, service: &str) -> Result<Health, Error> {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer =
            self.call(request, |channel, request| async move { HealthClient::new(channel).check(request).await });
        match answer.await {
            Ok((response, _)) => Ok(match response.status() {
                ServingStatus::Serving => Health::Serving,
                ServingStatus::NotServing => Health::NotServing,
                ServingStatus::Unknown | ServingStatus::ServiceUnknown => Health::Unknown,
            }),
            Err(error) if error.code == Code::NotFound => Ok(Health::Unknown),
            Err(error) => Err(error),
        }
    }

    /// Makes one call, and makes it again where it was never sent.
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
        // Boxed: a call's future is some 20 KB, and its callers would carry it along.
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
