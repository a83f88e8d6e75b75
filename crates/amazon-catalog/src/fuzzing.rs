//! Entry points for fuzz targets: what reads Amazon's bytes, without a network. Not part of the API.

use http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER};
use time::OffsetDateTime;

use crate::{
    Asin, BrowseNodeId, CatalogRequest, CatalogResponse, FileKind, GetBrowseNodes, GetFileLink, GetItems,
    GetVariations, ITEMS_PER_PAGE, ListFiles, Locale, Marketplace, SearchItems, http_response::HttpResponse,
    response_body,
};

/// A response to the operation, with the status that the first byte selects.
///
/// # Panics
///
/// Where an answer has more products than a page of Amazon's.
pub fn response(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    let Some(request) = request(first & 7) else { return };
    let status = if first & 8 == 0 { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(body.get(..16).unwrap_or(body)) {
        headers.insert(RETRY_AFTER, value);
    }
    let response = HttpResponse { status, headers, body: Some(body.to_vec()) };
    let now = OffsetDateTime::UNIX_EPOCH;
    let _ = response.retry_after(now);
    let Ok(answer) = response_body::decode(&request, &response, now) else { return };
    let count = match &answer {
        CatalogResponse::Items(items) => items.products.len(),
        CatalogResponse::Search(page) => page.places.len(),
        CatalogResponse::Variations(page) => page.as_ref().map_or(0, |page| page.places.len()),
        CatalogResponse::BrowseNodes(_) | CatalogResponse::Files(_) | CatalogResponse::FileLink(_) => 0,
    };
    assert!(count <= ITEMS_PER_PAGE, "{count} products in one answer");
}

fn request(operation: u8) -> Option<CatalogRequest> {
    let marketplace = Marketplace::parse("US")?;
    let locale = Locale::of(marketplace);
    let asin = Asin::parse("B000000001").ok()?;
    Some(match operation {
        0 => CatalogRequest::Items(GetItems { locale, asins: vec![asin, Asin::parse("B000000002").ok()?] }),
        1 => CatalogRequest::Search(Box::new(SearchItems::new(locale))),
        2 => CatalogRequest::Variations(GetVariations { locale, asin, page: 1 }),
        3 => CatalogRequest::BrowseNodes(GetBrowseNodes { locale, ids: vec![BrowseNodeId::parse("1000").ok()?] }),
        4 => CatalogRequest::Files(ListFiles { marketplace, kind: FileKind::Feeds }),
        _ => CatalogRequest::FileLink(GetFileLink {
            marketplace,
            kind: FileKind::Reports,
            name: "a".to_owned(),
            file_type: None,
        }),
    })
}
