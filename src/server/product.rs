//! ProductService.

use std::{
    collections::{HashMap, HashSet},
    pin::Pin,
};

use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::UnboundedReceiverStream};
use tonic::{Code, Request, Response, Status};

use super::{context::Context, faults::Faults, gateway::Gateway, page_token, status};
use crate::{
    catalog::{Comparison, Error, Known, Reading, Tally, compare_row},
    served,
};
use amazon_catalog::{Asin, IDS_PER_CALL};
use stockroom_proto::pb;

const MOST_ASINS: usize = 100;
const FEWEST_COMPARED: usize = 2;
const MOST_COMPARED: usize = 10;

#[derive(Debug)]
pub(crate) struct ProductService(pub(crate) Gateway);

type Rows = Pin<Box<dyn Stream<Item = Result<served::CompareProductsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl served::product_service_server::ProductService for ProductService {
    type CompareProductsStream = Rows;

    async fn get_product(
        &self,
        request: Request<pb::GetProductRequest>,
    ) -> Result<Response<served::GetProductResponse>, Status> {
        let context = Context::of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::default();
        let reading = self.0.reading(request.options, &context, &mut faults);
        let asin = faults.take("asin", Asin::parse(&request.asin));
        faults.check()?;

        if reading.estimate {
            let cost = Some(self.0.catalog.estimate_products(&reading, asin).await.cost());
            return Ok(Response::new(served::GetProductResponse { entry: None, cost }));
        }
        context.notes.ids(1);
        let mut telling = self.0.catalog.products(&reading, asin).await;
        let known = telling.recv().await.ok_or_else(|| status::of(&Error::DeadlineExceeded))?;
        let mut tally = Tally::default();
        let outcome = counted(&known, &mut tally);
        context.notes.cost(tally.cost());
        let found = outcome.map_err(|error| status::of(&error))?;
        Ok(Response::new(served::GetProductResponse {
            entry: Some(found.entry(reading.parts)),
            cost: Some(tally.cost()),
        }))
    }

    async fn get_products(
        &self,
        request: Request<pb::GetProductsRequest>,
    ) -> Result<Response<served::GetProductsResponse>, Status> {
        let context = Context::of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::default();
        let reading = self.0.reading(request.options, &context, &mut faults);
        if !(1..=MOST_ASINS).contains(&request.asins.len()) {
            faults.add("asins", format!("must be 1 to {MOST_ASINS}; there are {}", request.asins.len()));
        }
        faults.check()?;

        context.notes.ids(request.asins.len());
        let parsed: Vec<_> = request.asins.iter().map(|text| Asin::parse(text)).collect();
        if reading.estimate {
            let asins = parsed.into_iter().filter_map(Result::ok);
            let cost = Some(self.0.catalog.estimate_products(&reading, asins).await.cost());
            return Ok(Response::new(served::GetProductsResponse { outcomes: Vec::new(), cost }));
        }
        let mut telling =
            self.0.catalog.products(&reading, parsed.iter().filter_map(|asin| asin.as_ref().ok().copied())).await;
        let (mut tally, mut results) = (Tally::default(), HashMap::new());
        while let Some(known) = telling.recv().await {
            let result = match counted(&known, &mut tally) {
                Ok(found) => served::product_outcome::Result::Entry(found.entry(reading.parts)),
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
        context.notes.cost(tally.cost());
        Ok(Response::new(served::GetProductsResponse { outcomes, cost: Some(tally.cost()) }))
    }

    async fn get_variations(
        &self,
        request: Request<pb::GetVariationsRequest>,
    ) -> Result<Response<served::GetVariationsResponse>, Status> {
        let context = Context::of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::default();
        let reading = self.0.reading(request.options, &context, &mut faults);
        let asin = faults.take("asin", Asin::parse(&request.asin));
        let wanted = faults.count("page_size", request.page_size, IDS_PER_CALL, IDS_PER_CALL);
        let family = format!("{:?} {:?}", reading.locale, asin);
        let from = faults.take("page_token", page_token::read(&family, &request.page_token)).unwrap_or(0);
        faults.check()?;
        let Some(asin) = asin else { return Err(status::plain(Code::InvalidArgument, "INVALID_REQUEST", "no asin")) };

        context.notes.ids(1);
        if reading.estimate {
            let cost = Some(self.0.catalog.estimate_variations(&reading, asin, from).await.cost());
            return Ok(Response::new(served::GetVariationsResponse { cost, ..Default::default() }));
        }
        let fail = |error: Error| status::of(&error);
        let mut children = self.0.catalog.variations(&reading, asin, from, wanted).await.map_err(fail)?;
        let parent = Asin::parse(&children.parent_asin).ok().filter(|_| request.include_parent);
        let mut telling = self.0.catalog.products(&reading, parent).await;
        let parent = match telling.recv().await {
            // A family whose parent Amazon does not offer is a family all the same.
            Some(known) => counted(&known, &mut children.tally).ok().map(|found| found.entry(reading.parts)),
            None => None,
        };
        let cost = children.tally.cost();
        context.notes.cost(cost);
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
        let context = Context::of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::default();
        let reading = self.0.reading(request.options, &context, &mut faults);
        let asins = compared(&request.asins, &mut faults);
        faults.check()?;

        if reading.estimate {
            let cost = Some(self.0.catalog.estimate_products(&reading, asins).await.cost());
            let summary =
                served::compare_products_response::Event::Summary(pb::CompareSummary { cost, ..Default::default() });
            let told = served::CompareProductsResponse { event: Some(summary) };
            return Ok(Response::new(Box::pin(tokio_stream::once(Ok(told)))));
        }
        context.notes.ids(asins.len());
        let telling = self.0.catalog.products(&reading, asins.iter().copied()).await;
        // Holds at most one message for each product and the summary.
        let (send, rows) = mpsc::unbounded_channel();
        // Ends with the last product, which the deadline bounds.
        tokio::spawn(compare(asins, telling, reading, context, send));
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(rows))))
    }
}

/// Sends each row as it becomes known, then the summary.
async fn compare(
    asins: Vec<Asin>,
    mut telling: mpsc::UnboundedReceiver<Known>,
    reading: Reading,
    context: Context,
    send: mpsc::UnboundedSender<Result<served::CompareProductsResponse, Status>>,
) {
    use served::compare_products_response::Event;
    let event = |event| Ok(served::CompareProductsResponse { event: Some(event) });
    let (mut comparison, mut tally) = (Comparison::of(asins), Tally::default());
    while let Some(known) = telling.recv().await {
        let row = counted(&known, &mut tally).and_then(|found| compare_row(known.asin, &found, reading.parts));
        let told = match row {
            Ok((row, product)) => {
                comparison.add(known.asin, product);
                Event::Row(row)
            }
            Err(error) => {
                let absence = Some(status::absence(&error));
                Event::Missing(pb::CompareMissing { asin: known.asin.to_string(), absence })
            }
        };
        if send.send(event(told)).is_err() {
            return;
        }
    }
    context.notes.cost(tally.cost());
    let summary = pb::CompareSummary { cost: Some(tally.cost()), ..comparison.summary() };
    // A client that has gone misses nothing.
    let _ = send.send(event(Event::Summary(summary)));
}

fn compared(texts: &[String], faults: &mut Faults) -> Vec<Asin> {
    if !(FEWEST_COMPARED..=MOST_COMPARED).contains(&texts.len()) {
        faults.add("asins", format!("must be {FEWEST_COMPARED} to {MOST_COMPARED}; there are {}", texts.len()));
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let mut asins = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        if let Some(asin) = faults.take(format!("asins[{n}]"), Asin::parse(text)) {
            if !seen.insert(asin) {
                faults.add(format!("asins[{n}]"), format!("{asin} is named twice"));
            }
            asins.push(asin);
        }
    }
    asins
}

fn counted(known: &Known, tally: &mut Tally) -> Result<crate::catalog::Found, Error> {
    tally.call(known.call);
    let found = known.outcome.clone()?;
    tally.answer(&found.freshness);
    Ok(found)
}

fn invalid(fault: &impl ToString) -> pb::Absence {
    pb::Absence { reason: pb::AbsenceReason::Invalid.into(), message: fault.to_string(), retry_after: None }
}
