//! Entry points for fuzz targets: what reads a caller's bytes, without a server around it. Not part of the API.

use amazon_catalog::{Asin, BrowseNodeId, Locale, Marketplace};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use prost::Message;
use stockroom_proto::pb;

use super::{
    compression, deadline,
    identity::{self, Peer},
    page_token, query, request, service_state,
    violations::Violations,
    web,
};
use crate::config::IdentityHeader;

/// A search, from the encoded request to what Amazon is asked, in the marketplace that the first byte selects.
pub fn search_request(data: &[u8]) {
    let Some((first, encoded)) = data.split_first() else { return };
    let marketplace = Marketplace::all().nth(usize::from(*first) % Marketplace::all().len());
    let (Some(marketplace), Ok(request)) = (marketplace, pb::SearchProductsRequest::decode(encoded)) else { return };
    let mut violations = Violations::default();
    let options = request.options.unwrap_or_default();
    let locale = service_state::locale(marketplace, &options, &mut violations);
    let age = options.max_age.and_then(|age| service_state::max_age(age, &mut violations));
    assert!(age.is_none_or(|age| age <= std::time::Duration::from_secs(24 * 3600)));
    let (plan, _) = query::parse(request.query, locale, |_| None, &mut violations);
    // What is valid has a normal form, and the form is stable.
    assert_eq!(plan.normal(), plan.normal());
    if let Err(error) = violations.into_result() {
        let status = error.status();
        assert!(status.details().len() < 8192, "{} bytes of details", status.details().len());
    }
}

/// Lists of ids.
pub fn ids_request(data: &[u8]) {
    if let Ok(request) = pb::GetProductsRequest::decode(data) {
        for asin in request.asins.iter().filter_map(|text| Asin::parse(text).ok()) {
            assert_eq!(Asin::parse(&asin.to_string()), Ok(asin));
        }
    }
    if let Ok(request) = pb::GetBrowseNodesRequest::decode(data) {
        for id in request.ids.iter().filter_map(|text| BrowseNodeId::parse(text).ok()) {
            assert_eq!(BrowseNodeId::parse(&id.to_string()), Ok(id));
        }
    }
    let _ = pb::PurgeCacheRequest::decode(data);
}

/// The frames of a request's body.
pub fn message_frame(data: &[u8]) {
    let _ = request::check_length(data);
}

/// A request in JSON, of the method that the first byte selects. What is accepted is JSON again.
pub fn json_request(data: &[u8]) {
    const METHODS: [&str; 4] = [
        "/stockroom.v1.SearchService/SearchProducts",
        "/stockroom.v1.ProductService/GetProducts",
        "/stockroom.v1.BrowseService/GetBrowseNodes",
        "/stockroom.v1.AdminService/PurgeCache",
    ];
    let Some((first, text)) = data.split_first() else { return };
    let method = METHODS.get(usize::from(*first) % METHODS.len()).and_then(|path| web::json::method(path));
    let input = method.expect("the contract has it").input();
    if let Ok(message) = web::json::decode(input.clone(), text) {
        let text = web::json::encode(input.clone(), &message).expect("what was decoded can be encoded");
        assert_eq!(web::json::decode(input, &text).ok(), Some(message));
    }
}

/// A page token. One that is accepted is the one that is issued for its place.
pub fn page_token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(place) = page_token::read("lamp", text, 100)
        && !text.is_empty()
    {
        assert!(place < 100);
        assert_eq!(page_token::write("lamp", place), text);
    }
}

/// The headers that the edge reads.
pub fn headers(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let mut headers = HeaderMap::new();
    for name in ["grpc-timeout", "grpc-encoding", "grpc-accept-encoding", "x-forwarded-client-cert"] {
        headers.insert(name, value.clone());
    }
    let bounds = crate::config::ServerConfig::default();
    assert!(deadline::allowed(deadline::asked(&headers), &bounds) <= bounds.max_deadline);
    let _ = compression::Encodings::from_headers(&headers);
    let sidecar = Peer { is_local: true, ..Peer::default() };
    assert!(identity::of_sidecar(IdentityHeader::Envoy, &headers, Some(&sidecar)).is_ok());
}

/// An encoded product, reduced to the parts that the first byte selects. A product that decodes still does afterwards.
pub fn product_mask(data: &[u8]) {
    let Some((first, encoded)) = data.split_first() else { return };
    let parts = (1..7).filter(|part| first & 1 << part != 0).filter_map(|part| pb::ProductPart::try_from(part).ok());
    let mask = crate::catalog::ProductMask::from_parts(parts);
    let whole = pb::Product::decode(encoded);
    let reduced = pb::Product::decode(mask.apply(Bytes::copy_from_slice(encoded)));
    if let Ok(whole) = whole {
        assert_eq!(reduced.map(|product| product.asin), Ok(whole.asin));
    }
}

/// Names that a search index is found by.
pub fn locale_names(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(marketplace) = Marketplace::parse(text) {
        let _ = Locale::of(marketplace);
    }
    for marketplace in Marketplace::all() {
        let _ = crate::catalog::category::find(marketplace, text);
    }
}
