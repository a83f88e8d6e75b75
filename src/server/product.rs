//! ProductService.

use std::{
    collections::{HashMap, HashSet},
    pin::Pin,
};

use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::UnboundedReceiverStream};
use tonic::{Code, Request, Response, Status};

use super::{context::CallContext, page_token, service_state::ServiceState, status, violations::Violations};
use crate::{
    catalog::{Comparison, CostCounter, Error, Lookup, ReadContext, compare_row},
    served,
};
use amazon_catalog::{Asin, IDS_PER_CALL};
use stockroom_proto::pb;

const MAX_ASINS: usize = 100;
const MIN_COMPARED: usize = 2;
const MAX_COMPARED: usize = 10;

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
        let asin = violations.take("asin", Asin::parse(&request.asin));
        violations.check()?;

        if read.estimate {
            let cost = Some(self.0.catalog.estimate_products(&read, asin).await.cost());
            return Ok(Response::new(served::GetProductResponse { entry: None, cost }));
        }
        context.stats.ids(1);
        let mut lookups = self.0.catalog.products(&read, asin).await;
        let known = lookups.recv().await.ok_or_else(|| status::of(&Error::DeadlineExceeded))?;
        let mut cost_counter = CostCounter::default();
        let outcome = counted(&known, &mut cost_counter);
        context.stats.cost(cost_counter.cost());
        let found = outcome.map_err(|error| status::of(&error))?;
        Ok(Response::new(served::GetProductResponse {
            entry: Some(found.entry(read.parts)),
            cost: Some(cost_counter.cost()),
        }))
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
        violations.check()?;

        context.stats.ids(request.asins.len());
        let parsed: Vec<_> = request.asins.iter().map(|text| Asin::parse(text)).collect();
        if read.estimate {
            let asins = parsed.into_iter().filter_map(Result::ok);
            let cost = Some(self.0.catalog.estimate_products(&read, asins).await.cost());
            return Ok(Response::new(served::GetProductsResponse { outcomes: Vec::new(), cost }));
        }
        let mut lookups =
            self.0.catalog.products(&read, parsed.iter().filter_map(|asin| asin.as_ref().ok().copied())).await;
        let (mut cost_counter, mut results) = (CostCounter::default(), HashMap::new());
        while let Some(known) = lookups.recv().await {
            let result = match counted(&known, &mut cost_counter) {
                Ok(found) => served::product_outcome::Result::Entry(found.entry(read.parts)),
                Err(error) => served::product_outcome::Result::Absence(status::absence(&error)),
            };
            results.insert(known.asin, result);
        }
        let outcome = |(text, asin): (String, Result<Asin, _>)| {
            let result = match asin {
                Ok(asin) => results.get(&asin).cloned(),
                Err(fault) => Some(served::product_outcome::Result::Absence(invalid(&fault))),
            };
            served::ProductOutcome { asin: text, result }
        };
        let outcomes = request.asins.into_iter().zip(parsed).map(outcome).collect();
        context.stats.cost(cost_counter.cost());
        Ok(Response::new(served::GetProductsResponse { outcomes, cost: Some(cost_counter.cost()) }))
    }

    async fn get_variations(
        &self,
        request: Request<pb::GetVariationsRequest>,
    ) -> Result<Response<served::GetVariationsResponse>, Status> {
        let context = CallContext::of(&request)?;
        let request = request.into_inner();
        let mut violations = Violations::default();
        let read = self.0.read_context(request.options, &context, &mut violations);
        let asin = violations.take("asin", Asin::parse(&request.asin));
        let wanted = violations.count("page_size", request.page_size, IDS_PER_CALL, IDS_PER_CALL);
        let family = format!("{:?} {:?}", read.locale, asin);
        let from = violations.take("page_token", page_token::read(&family, &request.page_token)).unwrap_or(0);
        violations.check()?;
        let Some(asin) = asin else { return Err(status::plain(Code::InvalidArgument, "INVALID_REQUEST", "no asin")) };

        context.stats.ids(1);
        if read.estimate {
            let cost = Some(self.0.catalog.estimate_variations(&read, asin, from).await.cost());
            return Ok(Response::new(served::GetVariationsResponse { cost, ..Default::default() }));
        }
        let fail = |error: Error| status::of(&error);
        let mut children = self.0.catalog.variations(&read, asin, from, wanted).await.map_err(fail)?;
        let parent = Asin::parse(&children.parent_asin).ok().filter(|_| request.include_parent);
        let mut lookups = self.0.catalog.products(&read, parent).await;
        let parent = match lookups.recv().await {
            // A family whose parent Amazon does not offer is a family all the same.
            Some(known) => counted(&known, &mut children.cost_counter).ok().map(|found| found.entry(read.parts)),
            None => None,
        };
        let cost = children.cost_counter.cost();
        context.stats.cost(cost);
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
        violations.check()?;

        if read.estimate {
            let cost = Some(self.0.catalog.estimate_products(&read, asins).await.cost());
            let summary =
                served::compare_products_response::Event::Summary(pb::CompareSummary { cost, ..Default::default() });
            let message = served::CompareProductsResponse { event: Some(summary) };
            return Ok(Response::new(Box::pin(tokio_stream::once(Ok(message)))));
        }
        context.stats.ids(asins.len());
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
    mut lookups: mpsc::UnboundedReceiver<Lookup>,
    read: ReadContext,
    context: CallContext,
    send: mpsc::UnboundedSender<Result<served::CompareProductsResponse, Status>>,
) {
    use served::compare_products_response::Event;
    let event = |event| Ok(served::CompareProductsResponse { event: Some(event) });
    let (mut comparison, mut cost_counter) = (Comparison::of(asins), CostCounter::default());
    while let Some(known) = lookups.recv().await {
        let row = counted(&known, &mut cost_counter).and_then(|found| compare_row(known.asin, &found, read.parts));
        let message = match row {
            Ok((row, product)) => {
                comparison.add(known.asin, product);
                Event::Row(row)
            }
            Err(error) => {
                let absence = Some(status::absence(&error));
                Event::Missing(pb::CompareMissing { asin: known.asin.to_string(), absence })
            }
        };
        if send.send(event(message)).is_err() {
            return;
        }
    }
    context.stats.cost(cost_counter.cost());
    let summary = pb::CompareSummary { cost: Some(cost_counter.cost()), ..comparison.summary() };
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
        if let Some(asin) = violations.take(format!("asins[{n}]"), Asin::parse(text)) {
            if !seen.insert(asin) {
                violations.add(format!("asins[{n}]"), format!("{asin} is named twice"));
            }
            asins.push(asin);
        }
    }
    asins
}

fn counted(known: &Lookup, cost_counter: &mut CostCounter) -> Result<crate::catalog::CachedProduct, Error> {
    cost_counter.calls(&known.calls);
    let found = known.outcome.clone()?;
    cost_counter.answer(&found.freshness);
    Ok(found)
}

fn invalid(fault: &impl ToString) -> pb::Absence {
    pb::Absence { reason: pb::AbsenceReason::Invalid.into(), message: fault.to_string(), retry_after: None }
}
