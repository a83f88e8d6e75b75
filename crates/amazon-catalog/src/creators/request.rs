//! The JSON body of a Creators API request.

use serde_json::{Map, Value, json};

use super::resources;
use crate::{
    Asin, CatalogRequest, FileKind, ITEMS_PER_PAGE, SearchFilter, SearchItems, Unsupported,
    request_fields::{self, merge_stated},
};
use stockroom_proto::pb;

/// The body of a request. The marketplace is not part of the body; it is sent in a header.
pub(super) fn body(request: &CatalogRequest, partner_tag: &str) -> Vec<u8> {
    let locale = request.locale();
    // Amazon answers in the marketplace's own language without being asked to.
    let language = (locale.language != locale.marketplace.language()).then(|| [locale.language.code()]);
    let common = json!({
        "partnerTag": partner_tag,
        "languagesOfPreference": language,
        "resources": resources::all(request.operation()),
    });
    let prices = json!({ "currencyOfPreference": locale.currency.code() });
    let body = match request {
        CatalogRequest::Items(items) => {
            let ids: Vec<_> = items.asins.iter().map(Asin::as_str).collect();
            merge_stated([common, prices, json!({ "itemIds": ids })])
        }
        CatalogRequest::Search(search) => merge_stated([common, prices, search_fields(search)]),
        CatalogRequest::Variations(family) => merge_stated([
            common,
            prices,
            json!({
                "asin": family.asin.as_str(),
                "variationCount": ITEMS_PER_PAGE,
                "variationPage": family.page,
            }),
        ]),
        // Nodes have no prices, and the operation has no parameter for a currency.
        CatalogRequest::BrowseNodes(nodes) => {
            let ids: Vec<_> = nodes.ids.iter().map(ToString::to_string).collect();
            merge_stated([common, json!({ "browseNodeIds": ids })])
        }
        CatalogRequest::Files(_) => Map::new(),
        CatalogRequest::FileLink(link) => {
            let (name, file_type) = match link.kind {
                FileKind::Feeds => ("feedName", "feedType"),
                FileKind::Reports => ("filename", "reportType"),
            };
            merge_stated([json!({ name: link.name, file_type: link.file_type })])
        }
    };
    Value::Object(body).to_string().into_bytes()
}

/// The filters of a search that the API lacks: it lists new items only, and has no filter for merchants.
pub(super) fn unsupported(search: &SearchItems) -> Option<Unsupported> {
    let condition = !matches!(search.condition, pb::Condition::Unspecified | pb::Condition::New);
    let merchant = search.merchant != pb::MerchantFilter::Unspecified;
    let filters = [(condition, SearchFilter::Condition), (merchant, SearchFilter::Merchant)];
    let filters: Vec<_> = filters.into_iter().filter_map(|(is_set, filter)| is_set.then_some(filter)).collect();
    (!filters.is_empty()).then_some(Unsupported::Filters(filters))
}

fn search_fields(search: &SearchItems) -> Value {
    json!({
        "keywords": search.keywords,
        "title": search.title,
        "author": search.author,
        "brand": search.brand,
        "actor": search.actor,
        "artist": search.artist,
        "searchIndex": search.search_index.id(),
        "browseNodeId": search.browse_node.map(|id| id.to_string()),
        "minPrice": search.min_price_minor_units,
        "maxPrice": search.max_price_minor_units,
        "minReviewsRating": search.min_rating,
        "minSavingPercent": search.min_saving_percent,
        "deliveryFlags": request_fields::delivery_flags(&search.delivery_flags),
        "condition": request_fields::condition(search.condition),
        "availability": request_fields::availability(search.availability),
        "sortBy": request_fields::sort_by(search.sort),
        // The SDK lets 100 through; the documentation says 10.
        "itemCount": ITEMS_PER_PAGE,
        "itemPage": search.page,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        BrowseNodeId, GetBrowseNodes, GetFileLink, GetItems, GetVariations,
        test_fixtures::{book_search, full_search, locale},
    };

    /// The body without its resources, which must be all of the operation's.
    fn asked(request: &CatalogRequest) -> Value {
        let mut body: Value = serde_json::from_slice(&body(request, "example-21")).unwrap();
        let resources = body.as_object_mut().and_then(|fields| fields.remove("resources")).unwrap();
        assert_eq!(resources, json!(resources::all(request.operation())));
        body
    }

    #[test]
    fn a_search_states_all_that_is_asked_and_nothing_else() {
        let common = json!({
            "partnerTag": "example-21", "currencyOfPreference": "GBP",
            "searchIndex": "Books", "itemCount": 10, "itemPage": 1,
        });
        assert_eq!(asked(&CatalogRequest::Search(Box::new(book_search()))), common);
        let full = json!({
            "keywords": "tide \"clock\"", "title": "almanac", "author": "Ferro", "brand": "Quillmere",
            "actor": "Okoye", "artist": "Tarn", "browseNodeId": "9000000003",
            "minPrice": 1000, "maxPrice": 3241, "minReviewsRating": 4, "minSavingPercent": 20,
            "deliveryFlags": ["FreeShipping", "Prime"], "condition": "New", "availability": "IncludeOutOfStock",
            "sortBy": "Price:LowToHigh", "itemPage": 3,
        });
        let expected = Value::Object(merge_stated([common, full]));
        assert_eq!(asked(&CatalogRequest::Search(Box::new(full_search()))), expected);
    }

    #[test]
    fn filters_that_the_api_lacks_are_named() {
        use SearchFilter::{Condition, Merchant};

        let condition = |condition| SearchItems { condition, ..book_search() };
        let merchant = pb::MerchantFilter::Amazon;
        let cases = [
            (book_search(), vec![]),
            (condition(pb::Condition::New), vec![]),
            (condition(pb::Condition::Used), vec![Condition]),
            (condition(pb::Condition::Refurbished), vec![Condition]),
            (condition(pb::Condition::Collectible), vec![Condition]),
            (SearchItems { merchant, ..book_search() }, vec![Merchant]),
            (SearchItems { merchant, ..condition(pb::Condition::Used) }, vec![Condition, Merchant]),
        ];
        for (search, filters) in cases {
            let expected = (!filters.is_empty()).then_some(Unsupported::Filters(filters));
            assert_eq!(unsupported(&search), expected, "{search:?}");
        }
    }

    #[test]
    fn a_language_is_asked_for_only_where_it_is_not_the_marketplace_s_own() {
        let own = locale("DE");
        let language = own.marketplace.find_language("en_GB").unwrap();
        let body = |locale| asked(&CatalogRequest::Search(Box::new(SearchItems::new(locale))));
        assert_eq!(body(own).get("languagesOfPreference"), None);
        assert_eq!(body(crate::Locale { language, ..own })["languagesOfPreference"], json!(["en_GB"]));
    }

    #[test]
    fn the_other_operations_ask_by_id() {
        let asin = Asin::parse("B0FAKEKTL3").unwrap();
        let items = CatalogRequest::Items(GetItems { locale: locale("JP"), asins: vec![asin] });
        let expected = json!({
            "partnerTag": "example-21", "currencyOfPreference": "JPY",
            "itemIds": ["B0FAKEKTL3"],
        });
        assert_eq!(asked(&items), expected);

        let family = CatalogRequest::Variations(GetVariations { locale: locale("US"), asin, page: 12 });
        let expected = json!({
            "partnerTag": "example-21", "currencyOfPreference": "USD",
            "asin": "B0FAKEKTL3", "variationCount": 10, "variationPage": 12,
        });
        assert_eq!(asked(&family), expected);

        let ids = vec![BrowseNodeId::parse("9000000002").unwrap()];
        let nodes = CatalogRequest::BrowseNodes(GetBrowseNodes { locale: locale("US"), ids });
        let expected = json!({
            "partnerTag": "example-21", "browseNodeIds": ["9000000002"],
        });
        assert_eq!(asked(&nodes), expected);
    }

    #[test]
    fn a_type_of_file_is_asked_for_only_where_it_is_known() {
        let body = |kind, file_type: Option<&str>| {
            let file_type = file_type.map(str::to_owned);
            let link = GetFileLink { marketplace: locale("US").marketplace, kind, name: "x".to_owned(), file_type };
            String::from_utf8(body(&CatalogRequest::FileLink(link), "example-20")).unwrap()
        };
        assert_eq!(body(FileKind::Feeds, Some("DEALS_FEEDS")), r#"{"feedName":"x","feedType":"DEALS_FEEDS"}"#);
        assert_eq!(body(FileKind::Reports, None), r#"{"filename":"x"}"#);
    }
}
