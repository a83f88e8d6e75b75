//! ProductService.

use std::{collections::HashSet, pin::Pin};

use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::UnboundedReceiverStream};
use tonic::{Request, Response, Status};

use super::{
    context::CallContext,
    error::ErrorDescriptor,
    limits::{MAX_ASINS, MAX_COMPARED, MIN_COMPARED},
    outcomes::OutcomeSlots,
    page_token,
    service_state::ServiceState,
    violations::Violations,
};
use crate::{
    catalog::{CachedProduct, Comparison, CostCounter, Error, Lookup, Lookups, ReadContext, compare_row},
    served,
};
use amazon_catalog::{Asin, ITEMS_PER_PAGE};
use stockroom_proto::pb;

/// More children than any variation family has: a page token behind it is forged.
const MAX_VARIATIONS: usize = 10_000;

#[derive(Debug)]
pub(crate) struct ProductService(pub(crate) ServiceState);

type Rows = Pin<Box<dyn Stream<Item = Result<served::CompareProductsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl served::product_service_server::ProductService for ProductService {
    type CompareProductsStream = Rows;

    async fn get_product(
        &self,
        request: Request<pb::GetProductRequest>,
    ) -> Result<Response<served::GetProductResponse>, Status> {
        let context = CallContext::of(&request)?;
        let request = request.into_inner();
        let mut violations = Violations::default();
        let read = self.0.read_context(request.options, &context, &mut violations);
        let asin = violations.parsed("asin", Asin::parse(&request.asin));
        violations.into_result()?;

        if read.estimate {
            let cost = Some(self.0.catalog.estimate_products(&read, asin).await.total());
            return Ok(Response::new(served::GetProductResponse { entry: None, cost }));
        }
        context.stats.record_id_count(1);
        let mut lookups = self.0.catalog.products(&read, asin).await;
        let lookup = lookups.next().await.ok_or(Error::DeadlineExceeded)?;
        let mut cost = CostCounter::default();
        let outcome = counted(lookup, &mut cost);
        let cost = context.stats.record_cost(&cost);
        let found = outcome?;
        Ok(Response::new(served::GetProductResponse { entry: Some(found.entry(read.parts)), cost: Some(cost) }))
    }

    async fn get_products(
        &self,
        request: Request<pb::GetProductsRequest>,
    ) -> Result<Response<served::GetProductsResponse>, Status> {
        let context = CallContext::of(&request)?;
        let request = request.into_inner();
        let mut violations = Violations::default();
        let read = self.0.read_context(request.options, &context, &mut violations);
        if !(1..=MAX_ASINS).contains(&request.asins.len()) {
            violations.add("asins", format!("must be 1 to {MAX_ASINS}; there are {}", request.asins.len()));
        }
        violations.into_result()?;

        context.stats.record_id_count(request.asins.len());
        if read.estimate {
            let asins: Vec<Asin> = request.asins.iter().filter_map(|text| Asin::parse(text).ok()).collect();
            let cost = Some(self.0.catalog.estimate_products(&read, asins).await.total());
            return Ok(Response::new(served::GetProductsResponse { outcomes: Vec::new(), cost }));
        }
        let (mut outcomes, mut cost) = (OutcomeSlots::new(request.asins), CostCounter::default());
        let mut lookups = self.0.catalog.products(&read, outcomes.asins()).await;
        while let Some(lookup) = lookups.next().await {
            let asin = lookup.asin;
            let result = match counted(lookup, &mut cost) {
                Ok(found) => served::product_outcome::Result::Entry(found.entry(read.parts)),
                Err(error) => served::product_outcome::Result::Absence(ErrorDescriptor::from(&error).absence()),
            };
            outcomes.set(asin, result);
        }
        let cost = context.stats.record_cost(&cost);
        Ok(Response::new(served::GetProductsResponse { outcomes: outcomes.finish(), cost: Some(cost) }))
    }

    async fn get_variations(
        &self,
        request: Request<pb::GetVariationsRequest>,
    ) -> Result<Response<served::GetVariationsResponse>, Status> {
        let context = CallContext::of(&request)?;
        let request = request.into_inner();
        let mut violations = Violations::default();
        let read = self.0.read_context(request.options, &context, &mut violations);
        let asin = violations.parsed("asin", Asin::parse(&request.asin));
        let wanted = violations.count("page_size", request.page_size, ITEMS_PER_PAGE, ITEMS_PER_PAGE);
        let family = format!("{:?} {:?}", read.locale, asin);
        let from = violations
            .parsed("page_token", page_token::read(&family, &request.page_token, MAX_VARIATIONS))
            .unwrap_or(0);
        violations.into_result()?;
        // Without a violation there is an ASIN.
        let asin = asin.ok_or(Error::Undecodable)?;

        context.stats.record_id_count(1);
        if read.estimate {
            let cost = Some(self.0.catalog.estimate_variations(&read, asin, from).await.total());
            return Ok(Response::new(served::GetVariationsResponse { cost, ..Default::default() }));
        }
        let mut cost = CostCounter::default();
        let children = self.0.catalog.variations(&read, asin, from, wanted, &mut cost).await;
        context.stats.record_cost(&cost);
        let children = children?;
        let parent = Asin::parse(&children.parent_asin).ok().filter(|_| request.include_parent);
        let mut lookups = self.0.catalog.products(&read, parent).await;
        let parent = match lookups.next().await {
            // A family whose parent Amazon does not offer is a family all the same.
            Some(known) => counted(known, &mut cost).ok().map(|found| found.entry(read.parts)),
            None => None,
        };
        let cost = context.stats.record_cost(&cost);
        Ok(Response::new(served::GetVariationsResponse {
            parent_asin: children.parent_asin,
            parent,
            variations: children.children,
            summary: Some(children.summary),
            next_page_token: children.next.map(|place| page_token::write(&family, place)).unwrap_or_default(),
            cost: Some(cost),
        }))
    }

    async fn compare_products(&self, request: Request<pb::CompareProductsRequest>) -> Result<Response<Rows>, Status> {
        let context = CallContext::of(&request)?;
        let request = request.into_inner();
        let mut violations = Violations::default();
        let read = self.0.read_context(request.options, &context, &mut violations);
        let asins = compared(&request.asins, &mut violations);
        violations.into_result()?;

        if read.estimate {
            let cost = Some(self.0.catalog.estimate_products(&read, asins).await.total());
            let summary =
                served::compare_products_response::Event::Summary(pb::CompareSummary { cost, ..Default::default() });
            let message = served::CompareProductsResponse { event: Some(summary) };
            return Ok(Response::new(Box::pin(tokio_stream::once(Ok(message)))));
        }
        context.stats.record_id_count(asins.len());
        let lookups = self.0.catalog.products(&read, asins.iter().copied()).await;
        // Holds at most one message for each product and the summary.
        let (send, rows) = mpsc::unbounded_channel();
        // Ends with the last product, which the deadline bounds.
        tokio::spawn(compare(asins, lookups, read, context, send));
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(rows))))
    }
}

/// Sends each row as it becomes known, then the summary.
async fn compare(
    asins: Vec<Asin>,
    mut lookups: Lookups,
    read: ReadContext,
    context: CallContext,
    send: mpsc::UnboundedSender<Result<served::CompareProductsResponse, Status>>,
) {
    use served::compare_products_response::Event;
    let event = |event| Ok(served::CompareProductsResponse { event: Some(event) });
    let (mut comparison, mut cost) = (Comparison::of(asins), CostCounter::default());
    while let Some(known) = lookups.next().await {
        let asin = known.asin;
        let row = counted(known, &mut cost).and_then(|found| compare_row(asin, found, read.parts));
        let message = match row {
            Ok((row, product)) => {
                comparison.add(asin, product);
                Event::Row(row)
            }
            Err(error) => {
                let absence = Some(ErrorDescriptor::from(&error).absence());
                Event::Missing(pb::CompareMissing { asin: asin.to_string(), absence })
            }
        };
        if send.send(event(message)).is_err() {
            return;
        }
    }
    let summary = pb::CompareSummary { cost: Some(context.stats.record_cost(&cost)), ..comparison.summary() };
    // A client that has gone misses nothing.
    let _ = send.send(event(Event::Summary(summary)));
}

fn compared(texts: &[String], violations: &mut Violations) -> Vec<Asin> {
    if !(MIN_COMPARED..=MAX_COMPARED).contains(&texts.len()) {
        violations.add("asins", format!("must be {MIN_COMPARED} to {MAX_COMPARED}; there are {}", texts.len()));
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let mut asins = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        if let Some(asin) = violations.parsed(format!("asins[{n}]"), Asin::parse(text)) {
            if !seen.insert(asin) {
                violations.add(format!("asins[{n}]"), format!("{asin} is named twice"));
            }
            asins.push(asin);
        }
    }
    asins
}

fn counted(lookup: Lookup, cost: &mut CostCounter) -> Result<CachedProduct, Error> {
    cost.calls(&lookup.calls);
    let found = lookup.outcome?;
    cost.answer(&found.freshness);
    Ok(found)
}
