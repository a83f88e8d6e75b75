//! BrowseService.

use std::collections::HashSet;

use tonic::{Request, Response, Status};

use super::{
    context::Context,
    faults::Faults,
    gateway::{Gateway, Served},
    status,
};
use crate::{
    cache::STAMP_AFTER,
    catalog::{Parts, Plan, Reading, category},
    served,
};
use amazon_catalog::{BrowseNodeId, IDS_PER_CALL, SearchIndex};
use stockroom_proto::pb;

const MOST_PICKS: usize = 50;
const DEFAULT_PICKS: usize = 10;
const DEFAULT_SAVING: i32 = 10;
const MOST_DEPTH: i32 = 3;
/// The disclosure that Amazon's Operating Agreement asks for (section 5).
const DISCLOSURE: &str = "As an Amazon Associate I earn from qualifying purchases.";
/// The disclaimer that the Program Policies ask for beside prices (IP License).
const PRICE_DISCLAIMER: &str = "Product prices and availability are accurate as of the date/time indicated and are subject \
    to change. Any price and availability information displayed on {site} at the time of purchase will apply to the \
    purchase of this product.";
/// The notice that the Program Policies ask for (IP License).
const CONTENT_NOTICE: &str = "CERTAIN CONTENT THAT APPEARS ON THIS SITE COMES FROM {entity}. THIS CONTENT IS PROVIDED 'AS IS' \
    AND IS SUBJECT TO CHANGE OR REMOVAL AT ANY TIME.";

#[derive(Debug)]
pub(crate) struct BrowseService(pub(crate) Gateway);

#[tonic::async_trait]
impl served::browse_service_server::BrowseService for BrowseService {
    async fn get_browse_nodes(
        &self,
        request: Request<pb::GetBrowseNodesRequest>,
    ) -> Result<Response<pb::GetBrowseNodesResponse>, Status> {
        let context = Context::of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::default();
        let mut reading = self.0.reading(request.options, &context, &mut faults);
        // Nodes have no offers, so they age slowly.
        reading.parts = Parts::of([pb::ProductPart::Categories]);
        if !(1..=IDS_PER_CALL).contains(&request.ids.len()) {
            faults.add("ids", format!("must be 1 to {IDS_PER_CALL}; there are {}", request.ids.len()));
        }
        let mut ids = Vec::new();
        let mut seen = HashSet::new();
        for (n, text) in request.ids.iter().enumerate().take(IDS_PER_CALL) {
            let field = format!("ids[{n}]");
            if let Some(id) = faults.take(field.clone(), BrowseNodeId::parse(text)) {
                if !seen.insert(id) {
                    faults.add(field, format!("{id} is named twice"));
                }
                ids.push(id);
            }
        }
        if !(0..=MOST_DEPTH).contains(&request.depth) {
            faults.add("depth", format!("must be between 0 and {MOST_DEPTH}; it is {}", request.depth));
        }
        faults.check()?;

        if reading.estimate {
            let cost = Some(self.0.catalog.estimate_nodes(&reading, &ids).await.cost());
            return Ok(Response::new(pb::GetBrowseNodesResponse { cost, ..Default::default() }));
        }
        let depth = usize::try_from(request.depth).unwrap_or(0);
        let walk = self.0.catalog.browse(&reading, &ids, depth).await.map_err(|error| status::of(&error))?;
        let cost = walk.tally.cost();
        context.notes.ids(ids.len());
        context.notes.cost(cost);
        Ok(Response::new(pb::GetBrowseNodesResponse {
            outcomes: walk.outcomes,
            unexpanded_ids: walk.unexpanded,
            incomplete: walk.cut_short.as_ref().map(status::incomplete),
            cost: Some(cost),
        }))
    }

    async fn list_categories(
        &self,
        request: Request<pb::ListCategoriesRequest>,
    ) -> Result<Response<pb::ListCategoriesResponse>, Status> {
        let mut faults = Faults::default();
        let marketplace = self.0.marketplace("marketplace", &request.get_ref().marketplace, &mut faults);
        faults.check()?;
        let categories = category::list(marketplace).map(|category| pb::Category {
            name: category.name,
            search_index: category.index.id().to_owned(),
            search_index_name: category.index.display_name().to_owned(),
        });
        let index = |index: &SearchIndex| pb::SearchIndex {
            id: index.id().to_owned(),
            display_name: index.display_name().to_owned(),
        };
        Ok(Response::new(pb::ListCategoriesResponse {
            marketplace: marketplace.name().to_owned(),
            categories: categories.collect(),
            search_indices: marketplace.search_indices().iter().map(index).collect(),
        }))
    }

    async fn list_trending(
        &self,
        request: Request<pb::ListTrendingRequest>,
    ) -> Result<Response<served::ListTrendingResponse>, Status> {
        let context = Context::of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::default();
        let reading = self.0.reading(request.options, &context, &mut faults);
        let query = pb::SearchQuery {
            category: request.category,
            min_rating: Some(4.0),
            sort: pb::SortOrder::AverageReview.into(),
            ..Default::default()
        };
        let (plan, _) = self.0.plan(Some(query), &reading, &mut faults);
        let limit = faults.count("limit", request.limit, MOST_PICKS, DEFAULT_PICKS);
        faults.renamed("query.", "").check()?;

        let Listed { products, basis, search_index, incomplete, cost } =
            self.listed(Picking::Trending, &context, &reading, &plan, limit).await?;
        Ok(Response::new(served::ListTrendingResponse { products, basis, search_index, incomplete, cost }))
    }

    async fn list_deals(
        &self,
        request: Request<pb::ListDealsRequest>,
    ) -> Result<Response<served::ListDealsResponse>, Status> {
        let context = Context::of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::default();
        let reading = self.0.reading(request.options, &context, &mut faults);
        let prime = request.prime_only.then_some(pb::DeliveryFlag::Prime.into());
        let query = pb::SearchQuery {
            category: request.category,
            max_price: request.max_price,
            delivery_flags: prime.into_iter().collect(),
            min_saving_percent: Some(request.min_saving_percent.unwrap_or(DEFAULT_SAVING)),
            ..Default::default()
        };
        let (plan, _) = self.0.plan(Some(query), &reading, &mut faults);
        let limit = faults.count("limit", request.limit, MOST_PICKS, DEFAULT_PICKS);
        faults.renamed("query.", "").check()?;

        let Listed { products, basis, search_index, incomplete, cost } =
            self.listed(Picking::Deals, &context, &reading, &plan, limit).await?;
        Ok(Response::new(served::ListDealsResponse { products, basis, search_index, incomplete, cost }))
    }

    async fn list_marketplaces(
        &self,
        _: Request<pb::ListMarketplacesRequest>,
    ) -> Result<Response<pb::ListMarketplacesResponse>, Status> {
        let marketplaces = self.0.served().iter().map(marketplace).collect();
        Ok(Response::new(pb::ListMarketplacesResponse { marketplaces }))
    }
}

/// What is picked out of a category.
#[derive(Clone, Copy)]
enum Picking {
    Trending,
    Deals,
}

/// A list of picks, as both answers hold it.
#[derive(Default)]
struct Listed {
    products: Vec<served::ProductEntry>,
    basis: String,
    search_index: String,
    incomplete: Option<pb::Incomplete>,
    cost: Option<pb::Cost>,
}

impl BrowseService {
    async fn listed(
        &self,
        picking: Picking,
        context: &Context,
        reading: &Reading,
        plan: &Plan,
        limit: usize,
    ) -> Result<Listed, Status> {
        let catalog = &self.0.catalog;
        if reading.estimate {
            let cost = Some(catalog.estimate_picks(reading, plan, limit).await.cost());
            return Ok(Listed { cost, ..Listed::default() });
        }
        let picks = match picking {
            Picking::Trending => catalog.trending(reading, plan, limit).await,
            Picking::Deals => catalog.deals(reading, plan, limit).await,
        };
        let picks = picks.map_err(|error| status::of(&error))?;
        let cost = picks.tally.cost();
        context.notes.ids(picks.products.len());
        context.notes.cost(cost);
        Ok(Listed {
            products: picks.products,
            basis: picks.basis,
            search_index: plan.first_page.search_index.id().to_owned(),
            incomplete: picks.cut_short.as_ref().map(status::incomplete),
            cost: Some(cost),
        })
    }
}

fn marketplace(served: &Served) -> pb::Marketplace {
    let of = served.marketplace;
    let mut domain = of.domain().to_owned();
    if let Some(first) = domain.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let content_notice = served.content_notice_entity.as_ref();
    pb::Marketplace {
        name: of.name().to_owned(),
        code: of.code().to_owned(),
        country: of.country().to_owned(),
        currency: of.currency().code().to_owned(),
        supported_currencies: of.currencies().iter().map(|currency| currency.code().to_owned()).collect(),
        language: of.language().code().to_owned(),
        supported_languages: of.languages().iter().map(|language| language.code().to_owned()).collect(),
        protocol: served.protocol.into(),
        account: served.account.clone(),
        notices: Some(pb::Notices {
            disclosure: DISCLOSURE.to_owned(),
            price_disclaimer: PRICE_DISCLAIMER.replace("{site}", &domain),
            content_notice: content_notice.map(|entity| CONTENT_NOTICE.replace("{entity}", entity)).unwrap_or_default(),
            price_stamp_after: STAMP_AFTER.try_into().ok(),
        }),
    }
}
