//! Variation families, a page of ten children at a time.
//!
//! A place in a family is Amazon's own: page × 10 + index, whatever could be read. A child that Amazon repeats is returned in
//! its first place only, as far as the pages before are cached. A page that brings nothing new ends the list.

use std::collections::HashSet;

use super::{
    Catalog, CostCounter, Error, ReadContext,
    cached::{Arguments, PageRequest},
    paging::PageExtent,
    search::{are_plausible, asins_in_places, planned_asins},
};
use crate::{cache::Namespace, served};
use amazon_catalog::{Asin, CatalogRequest, CatalogResponse, GetVariations, ITEMS_PER_PAGE};
use stockroom_proto::pb;

/// The most pages of a family that are walked: a thousand children. Amazon names no limit.
const MAX_PAGES: usize = 100;

/// A run of children of a family.
#[derive(Clone, Debug, Default)]
pub struct VariationPage {
    /// The parent, where Amazon named it.
    pub parent_asin: String,
    /// The children.
    pub children: Vec<served::ProductEntry>,
    /// The family as a whole.
    pub summary: pb::VariationSummary,
    /// Where the next run begins; `None` at the end.
    pub next: Option<usize>,
}

/// A page of a family as it is kept: the children themselves are kept as products.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CachedVariationsPage {
    /// The ASINs in Amazon's places; empty where the item could not be read.
    #[prost(string, repeated, tag = "1")]
    pub(super) asins: Vec<String>,
    #[prost(message, optional, tag = "2")]
    summary: Option<pb::VariationSummary>,
    #[prost(uint32, optional, tag = "3")]
    page_count: Option<u32>,
    #[prost(string, tag = "4")]
    parent_asin: String,
}

impl Catalog {
    /// Up to `wanted` children from a place on, out of one page of Amazon's. An item without variations has no family,
    /// which is an empty answer.
    pub async fn variations(
        &self,
        read: &ReadContext,
        asin: Asin,
        from: usize,
        wanted: usize,
        cost: &mut CostCounter,
    ) -> Result<VariationPage, Error> {
        let mut family = VariationPage::default();
        let number = u32::try_from(from / ITEMS_PER_PAGE + 1).unwrap_or(u32::MAX);
        let request = GetVariations { locale: read.locale, asin, page: number };
        let mut answers = self.cached(read, vec![request.clone()], cost).await;
        let cached = answers.pop().ok_or(Error::Undecodable)?.1?;
        let Some(kept) = cached.value else { return Ok(family) };
        let places = self.products_of(read, &cached.origin, &kept.asins).await;
        let page = usize::try_from(number).unwrap_or(usize::MAX);
        let extent = PageExtent { number: page, places: places.len() };
        let before = (1..number).map(|number| GetVariations { page: number, ..request.clone() });
        let before = self.cached_only(read, before).await;
        let mut seen: HashSet<Asin> =
            before.iter().flat_map(|(_, page)| &page.asins).filter_map(|asin| Asin::parse(asin).ok()).collect();
        let (mut next, mut is_new) = (None, false);
        for (index, known) in places.into_iter().enumerate() {
            let place = (page - 1) * ITEMS_PER_PAGE + index;
            let Some(known) = known.filter(|known| seen.insert(known.asin)) else { continue };
            is_new = true;
            if place < from {
                continue;
            }
            if family.children.len() == wanted {
                next = Some(place);
                break;
            }
            cost.calls(&known.calls);
            if let Some(found) = known.into_listed()? {
                cost.answer(&found.freshness);
                family.children.push(found.entry(read.parts));
            }
        }
        let by_pages = kept.page_count.and_then(|pages| usize::try_from(pages).ok()?.checked_mul(ITEMS_PER_PAGE));
        let summary = kept.summary.unwrap_or_default();
        let by_children = usize::try_from(summary.variation_count).ok().filter(|_| !summary.variation_count_unknown);
        let is_followed = is_new && page < MAX_PAGES && extent.is_followed([by_pages, by_children]);
        family.next = next.or(is_followed.then_some(page * ITEMS_PER_PAGE));
        family.parent_asin = kept.parent_asin;
        family.summary = summary;
        if !family.summary.variation_count_unknown {
            let count = extent.at_least(family.summary.variation_count.into());
            family.summary.variation_count = count.try_into().unwrap_or(i32::MAX);
        }
        Ok(family)
    }
}

fn parent(product: &pb::Product) -> Option<String> {
    (!product.parent_asin.is_empty()).then(|| product.parent_asin.clone())
}

impl PageRequest for GetVariations {
    type Page = CachedVariationsPage;

    const NAMESPACE: Namespace = Namespace::Variations;

    fn arguments(&self) -> Arguments {
        Arguments::default().with("asin", Some(self.asin)).with("page", Some(self.page))
    }

    fn call(asked: &[Self]) -> Option<CatalogRequest> {
        asked.first().cloned().map(CatalogRequest::Variations)
    }

    fn page(&self, response: &CatalogResponse) -> Result<Option<CachedVariationsPage>, amazon_catalog::Error> {
        let CatalogResponse::Variations(Some(page)) = response else { return Ok(None) };
        Ok(Some(CachedVariationsPage {
            asins: asins_in_places(&page.places),
            summary: Some(page.summary.clone()),
            page_count: page.page_count,
            parent_asin: page.places.iter().flatten().find_map(parent).unwrap_or_default(),
        }))
    }

    fn is_plausible(&self, page: &CachedVariationsPage) -> bool {
        are_plausible(&page.asins)
    }

    fn planned_page(&self) -> CachedVariationsPage {
        let first = usize::try_from(self.page).unwrap_or_default().saturating_sub(1) * ITEMS_PER_PAGE;
        CachedVariationsPage { asins: planned_asins(first), ..CachedVariationsPage::default() }
    }
}
