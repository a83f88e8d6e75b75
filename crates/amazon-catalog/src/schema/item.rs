//! An item, which becomes a `pb::Product`.

use crate::{
    Asin, ITEMS_PER_PAGE, Marketplace,
    json::{json_struct, unless_empty},
    schema::{
        browse_nodes::BrowseNodeInfo, images::Images, info::ItemInfo, offers_v1::OffersV1, offers_v2::OffersV2,
        product_offers::product_offers, reviews::CustomerReviews,
    },
};
use stockroom_proto::pb;

json_struct! {
    struct Item {
        asin: String,
        detail_page_url: String,
        parent_asin: String,
        /// Amazon's relevance score in a search. Amazon does not document it.
        score: Option<f64>,
        variation_attributes: Vec<VariationAttribute>,
        browse_node_info: BrowseNodeInfo,
        customer_reviews: Option<CustomerReviews>,
        images: Images,
        item_info: ItemInfo,
        /// Amazon's name of the first version of offers. PA-API 5.0 alone has it.
        offers: Option<OffersV1>,
        offers_v2: Option<OffersV2>,
    }
}

json_struct! {
    struct VariationAttribute {
        name: String,
        value: String,
    }
}

impl Item {
    /// The product. `None` for an item without a valid ASIN: answers are matched to requests and cached by it.
    ///
    /// Offers and reviews that Amazon states without content stay stated, so that they differ from those that it does not
    /// state.
    pub(crate) fn product(self, marketplace: Marketplace) -> Option<pb::Product> {
        Some(pb::Product {
            asin: Asin::parse(&self.asin).ok()?.to_string(),
            requested_asin: String::new(),
            marketplace: marketplace.name().to_owned(),
            detail_page_url: self.detail_page_url,
            // Spelled as the ASINs that it is compared with.
            parent_asin: Asin::parse(&self.parent_asin).map_or(self.parent_asin, |asin| asin.to_string()),
            score: self.score,
            info: unless_empty(self.item_info.into()),
            images: unless_empty(self.images.into()),
            offers: product_offers(self.offers, self.offers_v2),
            reviews: self.customer_reviews.map(Into::into),
            categories: unless_empty(self.browse_node_info.into()),
            variation: unless_empty(variation(self.variation_attributes)),
        })
    }
}

/// The products of one page of a list, one for each of Amazon's places, at most [`ITEMS_PER_PAGE`]. A place whose item cannot
/// be read, or has no valid ASIN, is `None`. The whole is `None` where there are places and none of them can be read: such a
/// page does not say that nothing was found. An empty list does.
pub(crate) fn places(items: Vec<Option<Item>>, marketplace: Marketplace) -> Option<Vec<Option<pb::Product>>> {
    let products = items.into_iter().take(ITEMS_PER_PAGE).map(|item| item?.product(marketplace));
    let places: Vec<_> = products.collect();
    (places.is_empty() || places.iter().any(Option::is_some)).then_some(places)
}

fn variation(attributes: Vec<VariationAttribute>) -> pb::ProductVariation {
    let attributes =
        attributes.into_iter().map(|VariationAttribute { name, value }| pb::VariationAttribute { name, value });
    pb::ProductVariation { attributes: attributes.collect() }
}
