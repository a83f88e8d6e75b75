//! Builders that the tests of both APIs share. All products are invented.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use http::{HeaderMap, StatusCode};

use crate::{
    Asin, BrowseNodeId, CatalogRequest, GetBrowseNodes, GetItems, GetVariations, Locale, Marketplace, SearchItems,
    http_response::HttpResponse, pb,
};

/// The own language and currency of a marketplace, by its code.
pub(crate) fn locale(code: &str) -> Locale {
    Locale::of(Marketplace::parse(code).unwrap())
}

pub(crate) fn asin(text: &str) -> Asin {
    Asin::parse(text).unwrap()
}

/// A request for products in the United States.
pub(crate) fn items(asins: &[&str]) -> CatalogRequest {
    CatalogRequest::Items(GetItems { locale: locale("US"), asins: asins.iter().map(|text| asin(text)).collect() })
}

/// A search by keywords in the United States.
pub(crate) fn search() -> CatalogRequest {
    let keywords = Some("desk lamp".to_owned());
    CatalogRequest::Search(Box::new(SearchItems { keywords, ..SearchItems::new(locale("US")) }))
}

/// A search of the British books with every filter that both APIs have.
pub(crate) fn full_search() -> SearchItems {
    SearchItems {
        keywords: Some("tide \"clock\"".to_owned()),
        title: Some("almanac".to_owned()),
        author: Some("Ferro".to_owned()),
        brand: Some("Quillmere".to_owned()),
        actor: Some("Okoye".to_owned()),
        artist: Some("Tarn".to_owned()),
        browse_node: BrowseNodeId::parse("9000000003").ok(),
        min_price_minor_units: Some(1000),
        max_price_minor_units: Some(3241),
        min_rating: Some(4),
        min_saving_percent: Some(20),
        delivery_flags: vec![pb::DeliveryFlag::FreeShipping, pb::DeliveryFlag::Prime],
        condition: pb::Condition::New,
        availability: pb::AvailabilityFilter::IncludeOutOfStock,
        sort: pb::SortOrder::PriceLowToHigh,
        page: 3,
        ..book_search()
    }
}

/// A search of the British books without any filter.
pub(crate) fn book_search() -> SearchItems {
    let locale = locale("UK");
    SearchItems { search_index: locale.marketplace.search_index("Books").unwrap(), ..SearchItems::new(locale) }
}

/// A request for the first page of a variation family.
pub(crate) fn variations() -> CatalogRequest {
    CatalogRequest::Variations(GetVariations { locale: locale("US"), asin: asin("B0FAKESCF0"), page: 1 })
}

/// A request for two browse nodes.
pub(crate) fn browse_nodes() -> CatalogRequest {
    let ids = ["9000000002", "12"].map(|id| BrowseNodeId::parse(id).unwrap());
    CatalogRequest::BrowseNodes(GetBrowseNodes { locale: locale("US"), ids: ids.to_vec() })
}

/// A response without headers.
pub(crate) fn http_response(status: u16, body: impl AsRef<[u8]>) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap();
    HttpResponse { status, headers: HeaderMap::new(), body: Some(body.as_ref().to_vec()) }
}

pub(crate) fn s(text: &str) -> String {
    text.to_owned()
}

pub(crate) fn usd(units: i64, nanos: i32, display: &str) -> Option<pb::Money> {
    Some(pb::Money { currency_code: s("USD"), units, nanos, display: s(display) })
}

pub(crate) fn image(url: &str, height: i32, width: i32) -> Option<pb::Image> {
    Some(pb::Image { url: s(url), height, width })
}
