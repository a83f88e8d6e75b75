//! BrowseService.

use std::collections::HashSet;

use tonic::{Request, Response, Status};

use super::{
    context::CallContext,
    error::ErrorDescriptor,
    limits::{MAX_BROWSE_NODES, MAX_DEPTH, MAX_RANKED},
    query,
    service_state::{Served, ServiceState},
    violations::Violations,
};
use crate::{
    cache::STAMP_AFTER,
    catalog::{CostCounter, DealFilter, Error, ProductMask, ReadContext, SearchPlan, category},
    served,
};
use amazon_catalog::{BrowseNodeId, SearchIndex};
use stockroom_proto::pb;

const DEFAULT_RANKED: usize = 10;
const DEFAULT_SAVING: i32 = 10;
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
pub(crate) struct BrowseService(pub(crate) ServiceState);

#[tonic::async_trait]
impl served::browse_service_server::BrowseService for BrowseService {
    async fn get_browse_nodes(
        &self,
        request: Request<pb::GetBrowseNodesRequest>,
    ) -> Result<Response<pb::GetBrowseNodesResponse>, Status> {
        let context = CallContext::of(&request)?;
        let request = request.into_inner();
        let mut violations = Violations::default();
        let mut read = self.0.read_context(request.options, &context, &mut violations);
        // NodeMap have no offers, so they age slowly.
        read.parts = ProductMask::from_parts([pb::ProductPart::Categories]);
        if !(1..=MAX_BROWSE_NODES).contains(&request.ids.len()) {
            violations.add("ids", format!("must be 1 to {MAX_BROWSE_NODES}; there are {}", request.ids.len()));
        }
        let mut ids = Vec::new();
        let mut seen = HashSet::new();
        for (n, text) in request.ids.iter().enumerate().take(MAX_BROWSE_NODES) {
            let field = format!("ids[{n}]");
            if let Some(id) = violations.parsed(field.clone(), BrowseNodeId::parse(text)) {
                if !seen.insert(id) {
                    violations.add(field, format!("{id} is named twice"));
                }
                ids.push(id);
            }
        }
        if !(0..=MAX_DEPTH).contains(&request.depth) {
            violations.add("depth", format!("must be between 0 and {MAX_DEPTH}; it is {}", request.depth));
        }
        violations.into_result()?;

        let depth = usize::try_from(request.depth).unwrap_or(0);
        if read.estimate {
            let cost = Some(self.0.catalog.estimate_nodes(&read, &ids, depth).await.total());
            return Ok(Response::new(pb::GetBrowseNodesResponse { cost, ..Default::default() }));
        }
        context.stats.record_id_count(ids.len());
        let mut cost = CostCounter::default();
        let walk = self.0.catalog.browse(&read, &ids, depth, &mut cost).await;
        let (cost, walk) = (context.stats.record_cost(&cost), walk?);
        Ok(Response::new(pb::GetBrowseNodesResponse {
            outcomes: walk.outcomes,
            unexpanded_ids: walk.unexpanded,
            incomplete: walk.cut_short.as_ref().map(|error| ErrorDescriptor::from(error).incomplete()),
            cost: Some(cost),
        }))
    }

    async fn list_categories(
        &self,
        request: Request<pb::ListCategoriesRequest>,
    ) -> Result<Response<pb::ListCategoriesResponse>, Status> {
        let mut violations = Violations::default();
        let marketplace = self.0.marketplace("marketplace", &request.get_ref().marketplace, &mut violations);
        violations.into_result()?;
        let marketplace = marketplace.ok_or(Error::Undecodable)?;
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
        let context = CallContext::of(&request)?;
        let request = request.into_inner();
        let mut violations = Violations::default();
        let read = self.0.read_context(request.options, &context, &mut violations);
        let category = query::category("category", &request.category, read.locale, &mut violations);
        let limit = violations.count("limit", request.limit, MAX_RANKED, DEFAULT_RANKED);
        violations.into_result()?;
        let plan = SearchPlan::of_trending(read.locale, category.ok_or(Error::Undecodable)?);

        let RankedResponse { products, basis, search_index, incomplete, cost } =
            self.listed(RankingKind::Trending, &context, &read, &plan, limit).await?;
        Ok(Response::new(served::ListTrendingResponse { products, basis, search_index, incomplete, cost }))
    }

    async fn list_deals(
        &self,
        request: Request<pb::ListDealsRequest>,
    ) -> Result<Response<served::ListDealsResponse>, Status> {
        let context = CallContext::of(&request)?;
        let request = request.into_inner();
        let mut violations = Violations::default();
        let read = self.0.read_context(request.options, &context, &mut violations);
        let category = query::category("category", &request.category, read.locale, &mut violations);
        let max_price = query::price("max_price", request.max_price.as_ref(), read.locale, &mut violations);
        let percent = request.min_saving_percent.unwrap_or(DEFAULT_SAVING);
        let min_saving_percent = query::saving("min_saving_percent", percent, &mut violations);
        let limit = violations.count("limit", request.limit, MAX_RANKED, DEFAULT_RANKED);
        violations.into_result()?;
        let deals = DealFilter {
            max_price_minor_units: max_price,
            min_saving_percent: min_saving_percent.ok_or(Error::Undecodable)?,
            prime_only: request.prime_only,
        };
        let plan = SearchPlan::of_deals(read.locale, category.ok_or(Error::Undecodable)?, deals);

        let RankedResponse { products, basis, search_index, incomplete, cost } =
            self.listed(RankingKind::Deals, &context, &read, &plan, limit).await?;
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
enum RankingKind {
    Trending,
    Deals,
}

/// A list of ranking, as both answers hold it.
#[derive(Default)]
struct RankedResponse {
    products: Vec<served::ProductEntry>,
    basis: String,
    search_index: String,
    incomplete: Option<pb::Incomplete>,
    cost: Option<pb::Cost>,
}

impl BrowseService {
    async fn listed(
        &self,
        picking: RankingKind,
        context: &CallContext,
        read: &ReadContext,
        plan: &SearchPlan,
        limit: usize,
    ) -> Result<RankedResponse, Status> {
        let catalog = &self.0.catalog;
        if read.estimate {
            let cost = Some(catalog.estimate_ranking(read, plan, limit).await.total());
            return Ok(RankedResponse { cost, ..RankedResponse::default() });
        }
        let mut cost = CostCounter::default();
        let ranking = match picking {
            RankingKind::Trending => catalog.trending(read, plan, limit, &mut cost).await,
            RankingKind::Deals => catalog.deals(read, plan, limit, &mut cost).await,
        };
        let (cost, ranking) = (context.stats.record_cost(&cost), ranking?);
        context.stats.record_id_count(ranking.products.len());
        Ok(RankedResponse {
            products: ranking.products,
            basis: ranking.basis,
            search_index: plan.first_page.search_index.id().to_owned(),
            incomplete: ranking.cut_short.as_ref().map(|error| ErrorDescriptor::from(error).incomplete()),
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
