//! Variation families, a page of ten children at a time.

use super::{
    Catalog, CostCounter, Error, ReadContext,
    cached::{Arguments, Loaded, Request},
};
use crate::{cache::Namespace, dispatch::RequestContext, served};
use amazon_catalog::{Asin, CatalogRequest, CatalogResponse, GetVariations, IDS_PER_CALL};
use stockroom_proto::pb;

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
pub(super) struct KeptPage {
    #[prost(string, repeated, tag = "1")]
    pub(super) asins: Vec<String>,
    #[prost(message, optional, tag = "2")]
    summary: Option<pb::VariationSummary>,
    #[prost(uint32, tag = "3")]
    page_count: u32,
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
        let number = u32::try_from(from / IDS_PER_CALL + 1).unwrap_or(u32::MAX);
        let asked = GetVariations { locale: read.locale, asin, page: number };
        let catalog = self.clone();
        let load = move |asked: Vec<GetVariations>, terms| catalog.clone().load_family(asked, terms);
        let mut answers = self.cached::<_, KeptPage, _, _>(read, vec![asked], load).await;
        let cached = answers.pop().ok_or(Error::Undecodable)?.1?;
        cost.answer(&cached.freshness);
        let Some(kept) = cached.value else {
            cost.call(cached.response.map(|response| response.call));
            return Ok(family);
        };
        cost.call(cached.response.as_ref().map(|response| response.call));
        let known = self.products_of(read, cached.response.as_ref(), &kept.asins).await;
        let on_page = known.len();
        for known in known.into_iter().skip(from % IDS_PER_CALL).take(wanted) {
            cost.call(known.call);
            if let Some(found) = known.into_listed()? {
                cost.answer(&found.freshness);
                family.children.push(found.entry(read.parts));
            }
        }
        let place = from + wanted.min(on_page.saturating_sub(from % IDS_PER_CALL));
        let ends_at = if number >= kept.page_count { from - from % IDS_PER_CALL + on_page } else { usize::MAX };
        family.next = (place < ends_at).then_some(place);
        family.parent_asin = kept.parent_asin;
        family.summary = kept.summary.unwrap_or_default();
        Ok(family)
    }

    async fn load_family(self, asked: Vec<GetVariations>, terms: RequestContext) -> Loaded<GetVariations, KeptPage> {
        let request = asked.into_iter().next().ok_or(Error::Undecodable)?;
        let response = self.dispatch.ask(CatalogRequest::Variations(request.clone()), terms).await?;
        let CatalogResponse::Variations(page) = &*response.answer else { return Err(Error::Undecodable) };
        self.keep_products(request.locale, &response);
        let kept = page.as_ref().map(|page| KeptPage {
            asins: page.products.iter().map(|product| product.asin.clone()).collect(),
            summary: Some(page.summary.clone()),
            page_count: page.page_count,
            parent_asin: page.products.iter().find_map(parent).unwrap_or_default(),
        });
        Ok((vec![(request, kept)], response))
    }
}

fn parent(product: &pb::Product) -> Option<String> {
    (!product.parent_asin.is_empty()).then(|| product.parent_asin.clone())
}

impl Request for GetVariations {
    const NAMESPACE: Namespace = Namespace::Variations;

    fn arguments(&self) -> Arguments {
        Arguments::default().with("asin", Some(self.asin)).with("page", Some(self.page))
    }
}
