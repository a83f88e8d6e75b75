//! Walking a search: Amazon's pages of ten, seen as one list of at most a hundred.
//!
//! A place in that list is Amazon's own: page × 10 + index, before anything is filtered here and whatever could be read. A
//! next page begins where this one ended, whatever was dropped. A product that Amazon repeats is returned in its first place
//! only.
//!
//! # Searches that filter offers
//!
//! A search by condition or merchant returns products with the matching offers only. Such products are not *the* product of
//! their ASIN: they are cached inside their page, and neither read from nor written to the products' own entries.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use prost::Message;

use super::{
    CachedProduct, Catalog, CostCounter, Error, Lookup, ReadContext,
    answer_store::products_in_places,
    cached::{AnswerOrigin, Arguments, PageRequest},
    compare,
    paging::PageExtent,
};
use crate::{cache::Namespace, dispatch::Calls, served};
use amazon_catalog::{Asin, CatalogRequest, CatalogResponse, ITEMS_PER_PAGE, SearchItems};
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
    /// How many match, by Amazon's count; `None` where Amazon gave none.
    pub total_results: Option<i64>,
    /// Amazon's own page for the search.
    pub search_url: String,
    /// Ways to narrow it.
    pub facets: Vec<pb::Facet>,
    /// How many were dropped by the filter here.
    pub dropped: i32,
    /// Why it ends early, where it does.
    pub cut_short: Option<Error>,
}

/// A page of a search as it is cached.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CachedSearchPage {
    /// The ASINs in Amazon's places; empty where the item could not be read.
    #[prost(string, repeated, tag = "1")]
    pub(super) asins: Vec<String>,
    #[prost(int64, optional, tag = "2")]
    pub(super) total_results: Option<i64>,
    #[prost(string, tag = "3")]
    search_url: String,
    #[prost(message, repeated, tag = "4")]
    facets: Vec<pb::Facet>,
    /// The encoded products in the places of `asins`, where the search filters offers. Otherwise empty: the products are
    /// cached under their own ids.
    #[prost(bytes = "bytes", repeated, tag = "5")]
    products: Vec<Bytes>,
}

/// One of Amazon's pages with its products.
pub(super) struct ResolvedPage {
    /// The products in Amazon's places; `None` where the item could not be read.
    pub places: Vec<Option<Lookup>>,
    pub total_results: Option<i64>,
    pub extent: PageExtent,
    search_url: String,
    facets: Vec<pb::Facet>,
}

/// What is known of the pages before a place.
struct PagesBefore {
    /// The ASINs on them.
    seen: HashSet<Asin>,
    /// How many products match, as far as those pages say it.
    total_results: Option<i64>,
}

impl CachedSearchPage {
    /// Whether the products are cached inside the page.
    pub(super) fn embeds_products(&self) -> bool {
        !self.products.is_empty()
    }
}

impl ResolvedPage {
    /// Whether Amazon has a page after this one that it lets anybody see.
    pub(super) fn is_followed(&self) -> bool {
        let count = self.total_results.and_then(|count| usize::try_from(count).ok());
        self.extent.number * ITEMS_PER_PAGE < REACHABLE && self.extent.is_followed([count])
    }
}

impl SearchPlan {
    /// The search in normal form: equal for equal searches, whatever the page. Distinguishes page tokens of one search from
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
    /// be shown; the position of such a product would reveal its price.
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
        let PagesBefore { mut seen, total_results } = self.pages_before(read, plan, from).await;
        let mut slice = self.slice_of_page(read, plan, from, wanted, &mut seen, cost).await?;
        while let Some(next) = slice.next.filter(|_| slice.products.len() < wanted && slice.cut_short.is_none()) {
            match self.slice_of_page(read, plan, next, wanted - slice.products.len(), &mut seen, cost).await {
                Ok(more) => slice.append(more),
                Err(error) => {
                    slice.cut_short = Some(error);
                    break;
                }
            }
        }
        // An empty page after the last has no count.
        slice.total_results = slice.total_results.max(total_results);
        plan.priceless_last(&mut slice.products);
        Ok(slice)
    }

    /// Collects up to `wanted` results from a place on, out of the one page of Amazon's that the place is on. Products in
    /// `seen` are skipped, and those returned are added to it.
    pub async fn search_page(
        &self,
        read: &ReadContext,
        plan: &SearchPlan,
        from: usize,
        wanted: usize,
        seen: &mut HashSet<Asin>,
        cost: &mut CostCounter,
    ) -> Result<SearchSlice, Error> {
        let mut slice = self.slice_of_page(read, plan, from, wanted, seen, cost).await?;
        plan.priceless_last(&mut slice.products);
        Ok(slice)
    }

    async fn slice_of_page(
        &self,
        read: &ReadContext,
        plan: &SearchPlan,
        from: usize,
        wanted: usize,
        seen: &mut HashSet<Asin>,
        cost: &mut CostCounter,
    ) -> Result<SearchSlice, Error> {
        let mut slice = SearchSlice::default();
        let number = from / ITEMS_PER_PAGE + 1;
        let page = self.resolved_page(read, plan.page(number), cost).await?;
        let (is_followed, extent) = (page.is_followed(), page.extent);
        let mut next = None;
        for (index, known) in page.places.into_iter().enumerate() {
            let place = (number - 1) * ITEMS_PER_PAGE + index;
            let Some(known) = known.filter(|known| seen.insert(known.asin)) else { continue };
            if place < from {
                continue;
            }
            if slice.products.len() == wanted {
                next = Some(place);
                break;
            }
            let found = match known.into_listed() {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(error) if slice.products.is_empty() => return Err(error),
                Err(error) => {
                    slice.cut_short = Some(error);
                    next = Some(place);
                    break;
                }
            };
            if plan.min_rating.is_some() && !plan.passes(&found.product()?) {
                slice.dropped += 1;
                continue;
            }
            slice.products.push(found.entry(read.parts));
        }
        slice.next = next.or(is_followed.then_some(number * ITEMS_PER_PAGE));
        slice.total_results = page.total_results.map(|count| extent.at_least(count));
        slice.search_url = page.search_url;
        slice.facets = page.facets;
        Ok(slice)
    }

    /// What is known of Amazon's pages before the one that a place is on, as far as the cache has those pages.
    async fn pages_before(&self, read: &ReadContext, plan: &SearchPlan, from: usize) -> PagesBefore {
        let pages = (1..=from / ITEMS_PER_PAGE).map(|number| plan.page(number));
        let pages = self.cached_only(read, pages).await;
        let count = |(request, page): &(SearchItems, CachedSearchPage)| {
            let extent = PageExtent { number: usize::from(request.page), places: page.asins.len() };
            Some(extent.at_least(page.total_results?))
        };
        PagesBefore {
            total_results: pages.iter().filter_map(count).max(),
            seen: pages.iter().flat_map(|(_, page)| &page.asins).filter_map(|asin| Asin::parse(asin).ok()).collect(),
        }
    }

    /// One of Amazon's pages: from the cache, or asked for; its products likewise.
    pub(super) async fn resolved_page(
        &self,
        read: &ReadContext,
        search: SearchItems,
        cost: &mut CostCounter,
    ) -> Result<ResolvedPage, Error> {
        let number = usize::from(search.page);
        let mut answers = self.cached(read, vec![search], cost).await;
        let (_, answer) = answers.pop().ok_or(Error::Undecodable)?;
        let cached = answer?;
        let Some(kept) = cached.value else { return Ok(ResolvedPage::nothing(number)) };
        let places = match kept.embeds_products() {
            false => self.products_of(read, &cached.origin, &kept.asins).await,
            true => embedded(&kept, cached.freshness, &cached.origin.calls()),
        };
        for known in places.iter().flatten() {
            cost.calls(&known.calls);
            if let Ok(found) = &known.outcome {
                cost.answer(&found.freshness);
            }
        }
        Ok(ResolvedPage {
            extent: PageExtent { number, places: places.len() },
            places,
            total_results: kept.total_results,
            search_url: kept.search_url,
            facets: kept.facets,
        })
    }

    /// The products of a page in its places: those that came with it just now, or else those that are cached.
    pub(super) async fn products_of(
        &self,
        read: &ReadContext,
        origin: &AnswerOrigin,
        asins: &[String],
    ) -> Vec<Option<Lookup>> {
        match origin {
            AnswerOrigin::Cache => self.known_products(read, asins).await,
            AnswerOrigin::Fetched(fetched) => {
                let requirement = read.requirement();
                let lookup = |(asin, snapshot)| self.just_fetched(asin, snapshot, &requirement, fetched.calls.clone());
                let places = products_in_places(&fetched.answer, &fetched.stamp).into_iter();
                places.map(|place| place.map(lookup)).collect()
            }
            AnswerOrigin::Planned => asins.iter().map(|asin| Asin::parse(asin).ok().map(Lookup::planned)).collect(),
        }
    }

    /// The products of a page that was cached, in its places.
    async fn known_products(&self, read: &ReadContext, asins: &[String]) -> Vec<Option<Lookup>> {
        let places: Vec<Option<Asin>> = asins.iter().map(|asin| Asin::parse(asin).ok()).collect();
        let mut lookups = self.products(read, places.iter().flatten().copied()).await;
        let mut known = HashMap::new();
        while let Some(one) = lookups.next().await {
            known.insert(one.asin, one);
        }
        places.into_iter().map(|asin| known.get(&asin?).cloned()).collect()
    }
}

/// Whether a search returns products with some of their offers only.
pub(super) fn filters_offers(search: &SearchItems) -> bool {
    search.condition != pb::Condition::Unspecified || search.merchant != pb::MerchantFilter::Unspecified
}

/// The ASINs of a page in its places; empty for an item that could not be read.
pub(super) fn asins_in_places(places: &[Option<pb::Product>]) -> Vec<String> {
    places.iter().map(|place| place.as_ref().map(|product| product.asin.clone()).unwrap_or_default()).collect()
}

/// The products that are cached inside their page, as fresh as the page.
fn embedded(page: &CachedSearchPage, freshness: pb::Freshness, calls: &Calls) -> Vec<Option<Lookup>> {
    let lookup = |(asin, encoded): (&String, &Bytes)| {
        let outcome = Ok(CachedProduct { encoded: encoded.clone(), freshness });
        Some(Lookup { asin: Asin::parse(asin).ok()?, outcome, calls: calls.clone() })
    };
    page.asins.iter().zip(&page.products).map(lookup).collect()
}

impl ResolvedPage {
    /// The page of a search that matches nothing, or that ended before it.
    fn nothing(number: usize) -> Self {
        Self {
            places: Vec::new(),
            // Amazon's word for the first page; past it, the pages before have the count.
            total_results: (number == 1).then_some(0),
            extent: PageExtent { number, places: 0 },
            search_url: String::new(),
            facets: Vec::new(),
        }
    }
}

impl SearchSlice {
    fn append(&mut self, more: Self) {
        self.products.extend(more.products);
        self.total_results = self.total_results.max(more.total_results);
        self.next = more.next;
        self.dropped += more.dropped;
        self.cut_short = more.cut_short;
    }
}

impl PageRequest for SearchItems {
    type Page = CachedSearchPage;

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

    fn call(asked: &[Self]) -> Option<CatalogRequest> {
        asked.first().map(|search| CatalogRequest::Search(Box::new(search.clone())))
    }

    fn page(&self, response: &CatalogResponse) -> Result<Option<CachedSearchPage>, amazon_catalog::Error> {
        let CatalogResponse::Search(page) = response else { return Ok(None) };
        let encoded = |place: &Option<pb::Product>| place.as_ref().map(|product| product.encode_to_vec().into());
        // A count beside an empty list is Amazon's word, too.
        let says_something = !page.places.is_empty() || page.total_results.is_some_and(|count| count > 0);
        Ok(says_something.then(|| CachedSearchPage {
            asins: asins_in_places(&page.places),
            total_results: page.total_results,
            search_url: page.search_url.clone(),
            facets: page.facets.clone(),
            products: match filters_offers(self) {
                true => page.places.iter().map(|place| encoded(place).unwrap_or_default()).collect(),
                false => Vec::new(),
            },
        }))
    }

    fn is_plausible(&self, page: &CachedSearchPage) -> bool {
        let is_product = |(asin, product): (&String, &Bytes)| {
            product.is_empty() || pb::Product::decode(product.clone()).is_ok_and(|product| product.asin == *asin)
        };
        are_plausible(&page.asins)
            && page.total_results.is_none_or(|count| count >= 0)
            && (page.products.is_empty() || page.products.len() == page.asins.len())
            && page.asins.iter().zip(&page.products).all(is_product)
    }

    fn planned_page(&self) -> CachedSearchPage {
        let reachable = i64::try_from(REACHABLE).unwrap_or(i64::MAX);
        let first = usize::from(self.page).saturating_sub(1) * ITEMS_PER_PAGE;
        CachedSearchPage { asins: planned_asins(first), total_results: Some(reachable), ..CachedSearchPage::default() }
    }
}

/// Whether these can be the places of one page: no more than a page has, each an id or empty.
pub(super) fn are_plausible(asins: &[String]) -> bool {
    asins.len() <= ITEMS_PER_PAGE && asins.iter().all(|asin| asin.is_empty() || Asin::parse(asin).is_ok())
}

/// The products of a page that is not known, from a place on.
pub(super) fn planned_asins(first: usize) -> Vec<String> {
    (first..first + ITEMS_PER_PAGE).map(|place| format!("B{place:09}")).collect()
}
