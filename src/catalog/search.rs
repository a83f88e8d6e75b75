//! Walking a search: Amazon's pages of ten, seen as one list of at most a hundred.
//!
//! A place in that list is counted over Amazon's own results, before anything is filtered here, so that a next page begins
//! where this one ended whatever was dropped.

use prost::Message;

use super::{
    Catalog, CostCounter, Error, Lookup, ReadContext,
    cached::{Arguments, Loaded, Request},
    compare,
};
use crate::{
    cache::{Key, Namespace},
    dispatch::{RequestContext, Response},
    served,
};
use amazon_catalog::{Asin, CatalogRequest, CatalogResponse, IDS_PER_CALL, Locale, SearchItems, Snapshot};
use stockroom_proto::pb;

/// How far Amazon lets anybody look: ten pages of ten.
pub(super) const REACHABLE: usize = 100;

/// A search that is ready to be made.
#[derive(Clone, Debug)]
pub struct SearchPlan {
    /// What Amazon is asked, for its first page.
    pub first_page: SearchItems,
    /// The least rating that is to be filtered here, where it is finer than Amazon can filter.
    pub min_rating: Option<f64>,
}

/// A run of results.
#[derive(Clone, Debug, Default)]
pub struct SearchSlice {
    /// The products, in Amazon's order.
    pub products: Vec<served::ProductEntry>,
    /// Where the next slice begins; `None` at the end of the results.
    pub next: Option<usize>,
    /// How many match, by Amazon's count.
    pub total_results: i64,
    /// Amazon's own page for the search.
    pub search_url: String,
    /// Ways to narrow it.
    pub facets: Vec<pb::Facet>,
    /// How many were dropped by the filter here.
    pub dropped: i32,
    /// Why it ends early, where it does.
    pub cut_short: Option<Error>,
}

/// A page of a search as it is kept: the products themselves are kept as products.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct KeptPage {
    #[prost(string, repeated, tag = "1")]
    pub(super) asins: Vec<String>,
    #[prost(int64, tag = "2")]
    pub(super) total_results: i64,
    #[prost(string, tag = "3")]
    search_url: String,
    #[prost(message, repeated, tag = "4")]
    facets: Vec<pb::Facet>,
}

/// One of Amazon's pages with its products.
pub(super) struct ResolvedPage {
    pub known: Vec<Lookup>,
    pub total_results: i64,
    search_url: String,
    facets: Vec<pb::Facet>,
}

impl SearchPlan {
    /// The search in normal form: equal for equal searches, whatever the page. Tells page tokens of one search from
    /// those of another.
    pub fn normal(&self) -> String {
        let first = SearchItems { page: 1, ..self.first_page.clone() };
        let locale = first.locale;
        let rating = self.min_rating.map(|rating| rating.to_string()).unwrap_or_default();
        format!(
            "{} {} {} {} {rating}",
            locale.marketplace,
            locale.language,
            locale.currency,
            first.arguments().normal()
        )
    }

    pub(super) fn page(&self, number: usize) -> SearchItems {
        SearchItems { page: u8::try_from(number).unwrap_or(u8::MAX), ..self.first_page.clone() }
    }

    /// In an order by price, products without one come last. Amazon sorts by the prices it knows, also by one that may not
    /// be shown; where such a product stands would tell its price.
    fn priceless_last(&self, products: &mut [served::ProductEntry]) {
        use pb::SortOrder::{PriceHighToLow, PriceLowToHigh};
        if matches!(self.first_page.sort, PriceHighToLow | PriceLowToHigh) {
            // The sort is stable: all others stay in Amazon's order.
            products.sort_by_cached_key(|entry| {
                pb::Product::decode(entry.product.clone()).is_ok_and(|product| compare::price(&product).is_none())
            });
        }
    }

    fn passes(&self, product: &pb::Product) -> bool {
        let stars = product.reviews.as_ref().and_then(|reviews| reviews.star_rating);
        self.min_rating.is_none_or(|least| stars.is_some_and(|stars| stars >= least))
    }
}

impl Catalog {
    /// Collects up to `wanted` results from a place on. Fails only where it has nothing to show for the failure.
    pub async fn search(
        &self,
        read: &ReadContext,
        plan: &SearchPlan,
        from: usize,
        wanted: usize,
        cost: &mut CostCounter,
    ) -> Result<SearchSlice, Error> {
        let mut slice = self.slice_of_page(read, plan, from, wanted, cost).await?;
        while let Some(next) = slice.next.filter(|_| slice.products.len() < wanted && slice.cut_short.is_none()) {
            match self.slice_of_page(read, plan, next, wanted - slice.products.len(), cost).await {
                Ok(more) => slice.append(more),
                Err(error) => {
                    slice.cut_short = Some(error);
                    break;
                }
            }
        }
        plan.priceless_last(&mut slice.products);
        Ok(slice)
    }

    /// Collects up to `wanted` results from a place on, out of the one page of Amazon's that the place is on.
    pub async fn search_page(
        &self,
        read: &ReadContext,
        plan: &SearchPlan,
        from: usize,
        wanted: usize,
        cost: &mut CostCounter,
    ) -> Result<SearchSlice, Error> {
        let mut slice = self.slice_of_page(read, plan, from, wanted, cost).await?;
        plan.priceless_last(&mut slice.products);
        Ok(slice)
    }

    async fn slice_of_page(
        &self,
        read: &ReadContext,
        plan: &SearchPlan,
        from: usize,
        wanted: usize,
        cost: &mut CostCounter,
    ) -> Result<SearchSlice, Error> {
        let mut slice = SearchSlice::default();
        let page = self.resolved_page(read, plan.page(from / IDS_PER_CALL + 1), cost).await?;
        let reachable = usize::try_from(page.total_results).unwrap_or(0).min(REACHABLE);
        let empty = page.known.is_empty();
        let mut place = from;
        for known in page.known.into_iter().skip(from % IDS_PER_CALL) {
            if slice.products.len() == wanted {
                break;
            }
            let found = match known.into_listed() {
                Ok(Some(found)) => found,
                Ok(None) => {
                    place += 1;
                    continue;
                }
                Err(error) if slice.products.is_empty() => return Err(error),
                Err(error) => {
                    slice.cut_short = Some(error);
                    break;
                }
            };
            place += 1;
            if plan.min_rating.is_some() && !plan.passes(&found.product()?) {
                slice.dropped += 1;
                continue;
            }
            slice.products.push(found.entry(read.parts));
        }
        if slice.products.len() < wanted && slice.cut_short.is_none() {
            // Also past the results that a short page did not have.
            place = place.max((from / IDS_PER_CALL + 1) * IDS_PER_CALL);
        }
        slice.next = (place < reachable && !empty).then_some(place);
        slice.total_results = page.total_results;
        slice.search_url = page.search_url;
        slice.facets = page.facets;
        Ok(slice)
    }

    /// One of Amazon's pages: from the cache, or asked for; its products likewise.
    pub(super) async fn resolved_page(
        &self,
        read: &ReadContext,
        search: SearchItems,
        cost: &mut CostCounter,
    ) -> Result<ResolvedPage, Error> {
        let catalog = self.clone();
        let load = move |asked: Vec<SearchItems>, terms| catalog.clone().load_page(asked, terms);
        let mut answers = self.cached::<_, KeptPage, _, _>(read, vec![search], load).await;
        let (_, answer) = answers.pop().ok_or(Error::Undecodable)?;
        let cached = answer?;
        cost.answer(&cached.freshness);
        let kept = cached.value.unwrap_or_default();
        let known = self.products_of(read, cached.response.as_ref(), &kept.asins).await;
        cost.call(cached.response.map(|response| response.call));
        for known in &known {
            cost.call(known.call);
            if let Ok(found) = &known.outcome {
                cost.answer(&found.freshness);
            }
        }
        Ok(ResolvedPage { known, total_results: kept.total_results, search_url: kept.search_url, facets: kept.facets })
    }

    /// The products of a page, in its order: those that Amazon has just told with it, or else those that are kept.
    pub(super) async fn products_of(
        &self,
        read: &ReadContext,
        response: Option<&Response>,
        asins: &[String],
    ) -> Vec<Lookup> {
        let Some(response) = response else { return self.known_products(read, asins).await };
        let fetched = products(response).into_iter();
        fetched.map(|(asin, snapshot)| self.just_fetched(asin, snapshot, &read.requirement(), response.call)).collect()
    }

    /// The products of a page that was kept, in its order.
    async fn known_products(&self, read: &ReadContext, asins: &[String]) -> Vec<Lookup> {
        let order: Vec<Asin> = asins.iter().filter_map(|asin| Asin::parse(asin).ok()).collect();
        let mut lookups = self.products(read, order.iter().copied()).await;
        let mut known = Vec::new();
        while let Some(one) = lookups.next().await {
            known.push(one);
        }
        known.sort_by_key(|one| order.iter().position(|asin| *asin == one.asin));
        known
    }

    /// Keeps the products that came with a page, under their own ids.
    pub(super) fn keep_products(&self, locale: Locale, response: &Response) {
        for (asin, snapshot) in products(response) {
            self.cache.put(Key::Product(locale, asin), snapshot);
        }
    }

    async fn load_page(self, asked: Vec<SearchItems>, terms: RequestContext) -> Loaded<SearchItems, KeptPage> {
        let search = asked.into_iter().next().ok_or(Error::Undecodable)?;
        let response = self.dispatch.ask(CatalogRequest::Search(Box::new(search.clone())), terms).await?;
        let CatalogResponse::Search(page) = &*response.answer else { return Err(Error::Undecodable) };
        self.keep_products(search.locale, &response);
        let kept = (!page.products.is_empty()).then(|| KeptPage {
            asins: page.products.iter().map(|product| product.asin.clone()).collect(),
            total_results: page.total_results,
            search_url: page.search_url.clone(),
            facets: page.facets.clone(),
        });
        Ok((vec![(search, kept)], response))
    }
}

/// The products of an answer, as snapshots of it.
fn products(response: &Response) -> Vec<(Asin, Snapshot)> {
    let products = match &*response.answer {
        CatalogResponse::Search(page) => &page.products,
        CatalogResponse::Variations(Some(page)) => &page.products,
        CatalogResponse::Items(items) => &items.products,
        CatalogResponse::Variations(None)
        | CatalogResponse::BrowseNodes(_)
        | CatalogResponse::Files(_)
        | CatalogResponse::FileLink(_) => {
            return Vec::new();
        }
    };
    let snapshot = |product: &pb::Product| {
        let content = Ok(product.encode_to_vec().into());
        Some((Asin::parse(&product.asin).ok()?, Snapshot { content, ..response.stamp.clone() }))
    };
    products.iter().filter_map(snapshot).collect()
}

impl SearchSlice {
    fn append(&mut self, more: Self) {
        self.products.extend(more.products);
        self.next = more.next;
        self.dropped += more.dropped;
        self.cut_short = more.cut_short;
    }
}

impl Request for SearchItems {
    const NAMESPACE: Namespace = Namespace::Searches;

    fn arguments(&self) -> Arguments {
        // Amazon finds the same for any case and spacing of words.
        let words = |text: &Option<String>| text.as_ref().map(|text| text.to_lowercase());
        let flags: Vec<_> = self.delivery_flags.iter().map(|flag| flag.as_str_name()).collect();
        Arguments::default()
            .with("keywords", words(&self.keywords))
            .with("title", words(&self.title))
            .with("author", words(&self.author))
            .with("brand", words(&self.brand))
            .with("actor", words(&self.actor))
            .with("artist", words(&self.artist))
            .with("index", Some(self.search_index.id()))
            .with("node", self.browse_node)
            .with("min_price", self.min_price_minor_units)
            .with("max_price", self.max_price_minor_units)
            .with("rating", self.min_rating)
            .with("saving", self.min_saving_percent)
            .with("delivery", (!flags.is_empty()).then(|| flags.join(",")))
            .with("condition", Some(self.condition.as_str_name()))
            .with("availability", Some(self.availability.as_str_name()))
            .with("merchant", Some(self.merchant.as_str_name()))
            .with("sort", Some(self.sort.as_str_name()))
            .with("page", Some(self.page))
    }
}
