//! SearchService.

use std::{collections::HashSet, pin::Pin};

use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status};

use super::{
    context::CallContext, error::ErrorDescriptor, limits::MAX_SEARCH_PRODUCTS, page_token, service_state::ServiceState,
    violations::Violations,
};
use crate::{
    catalog::{CostCounter, ReadContext, SearchPlan},
    served,
};
use stockroom_proto::pb;

const DEFAULT_PAGE: usize = 10;

#[derive(Debug)]
pub(crate) struct SearchService(pub(crate) ServiceState);

type Pages = Pin<Box<dyn Stream<Item = Result<served::StreamSearchResponse, Status>> + Send>>;

#[tonic::async_trait]
impl served::search_service_server::SearchService for SearchService {
    type StreamSearchStream = Pages;

    async fn search_products(
        &self,
        request: Request<pb::SearchProductsRequest>,
    ) -> Result<Response<served::SearchProductsResponse>, Status> {
        let context = CallContext::of(&request)?;
        let request = request.into_inner();
        let mut violations = Violations::default();
        let read = self.0.read_context(request.options, &context, &mut violations);
        let (plan, understood) = self.0.plan(request.query, &read, &mut violations);
        let wanted = violations.count("page_size", request.page_size, MAX_SEARCH_PRODUCTS, DEFAULT_PAGE);
        let search = plan.normal();
        let from = violations
            .parsed("page_token", page_token::read(&search, &request.page_token, MAX_SEARCH_PRODUCTS))
            .unwrap_or(0);
        violations.into_result()?;

        if read.estimate {
            let cost = Some(self.0.catalog.estimate_search(&read, &plan, from, wanted).await.total());
            let understood = Some(understood);
            return Ok(Response::new(served::SearchProductsResponse { understood, cost, ..Default::default() }));
        }
        let mut cost = CostCounter::default();
        let slice = self.0.catalog.search(&read, &plan, from, wanted, &mut cost).await;
        let (cost, slice) = (context.stats.record_cost(&cost), slice?);
        context.stats.record_id_count(slice.products.len());
        Ok(Response::new(served::SearchProductsResponse {
            products: slice.products,
            next_page_token: slice.next.map(|place| page_token::write(&search, place)).unwrap_or_default(),
            total_results: slice.total_results.unwrap_or_default(),
            total_results_unknown: slice.total_results.is_none(),
            search_url: slice.search_url,
            understood: Some(understood),
            facets: if request.include_facets { slice.facets } else { Vec::new() },
            dropped_count: slice.dropped,
            incomplete: slice.cut_short.as_ref().map(|error| ErrorDescriptor::from(error).incomplete()),
            cost: Some(cost),
        }))
    }

    async fn stream_search(&self, request: Request<pb::StreamSearchRequest>) -> Result<Response<Pages>, Status> {
        let context = CallContext::of(&request)?;
        let request = request.into_inner();
        let mut violations = Violations::default();
        let read = self.0.read_context(request.options, &context, &mut violations);
        let (plan, understood) = self.0.plan(request.query, &read, &mut violations);
        let limit = violations.count("limit", request.limit, MAX_SEARCH_PRODUCTS, MAX_SEARCH_PRODUCTS);
        violations.into_result()?;

        if read.estimate {
            let cost = Some(self.0.catalog.estimate_search(&read, &plan, 0, limit).await.total());
            let understood = Some(understood);
            let message = served::StreamSearchResponse { understood, cost, ..Default::default() };
            return Ok(Response::new(Box::pin(tokio_stream::once(Ok(message)))));
        }
        // One page ahead of the client: a client that stops read stops the calls.
        let (send, pages) = mpsc::channel(1);
        let walk = SearchStream { gateway: self.0.clone(), context, read, plan, limit };
        let facets = request.include_facets;
        // Ends with the stream: sending to a client that has gone fails.
        tokio::spawn(walk.run(understood, facets, send));
        Ok(Response::new(Box::pin(ReceiverStream::new(pages))))
    }
}

struct SearchStream {
    gateway: ServiceState,
    context: CallContext,
    read: ReadContext,
    plan: SearchPlan,
    limit: usize,
}

impl SearchStream {
    /// Sends page after page. Only the first failure of a stream that has sent nothing is an error; a later one is reported
    /// in a last message, so that nothing that was sent is lost.
    async fn run(
        self,
        understood: pb::UnderstoodQuery,
        facets: bool,
        send: mpsc::Sender<Result<served::StreamSearchResponse, Status>>,
    ) {
        let (mut next, mut sent, mut total) = (Some(0), 0, None);
        let mut seen = HashSet::new();
        let mut understood = Some(understood);
        let mut whole = CostCounter::default();
        while let Some(place) = next.filter(|_| sent < self.limit) {
            let (wanted, mut cost) = (self.limit - sent, CostCounter::default());
            let page =
                self.gateway.catalog.search_page(&self.read, &self.plan, place, wanted, &mut seen, &mut cost).await;
            whole.merge(&cost);
            self.context.stats.record_cost(&whole);
            let message = match page {
                Ok(page) => {
                    next = page.next.filter(|_| page.cut_short.is_none());
                    sent += page.products.len();
                    total = total.max(page.total_results);
                    self.context.stats.record_id_count(sent);
                    Ok(served::StreamSearchResponse {
                        products: page.products,
                        total_results: total.unwrap_or_default(),
                        total_results_unknown: total.is_none(),
                        facets: if facets && understood.is_some() { page.facets } else { Vec::new() },
                        understood: understood.take(),
                        dropped_count: page.dropped,
                        incomplete: page.cut_short.as_ref().map(|error| ErrorDescriptor::from(error).incomplete()),
                        cost: Some(cost.total()),
                    })
                }
                Err(error) => {
                    next = None;
                    match understood {
                        Some(_) => Err(error.into()),
                        None => Ok(served::StreamSearchResponse {
                            total_results: total.unwrap_or_default(),
                            total_results_unknown: total.is_none(),
                            incomplete: Some(ErrorDescriptor::from(&error).incomplete()),
                            cost: Some(cost.total()),
                            ..Default::default()
                        }),
                    }
                }
            };
            if send.send(message).await.is_err() {
                return;
            }
        }
    }
}
