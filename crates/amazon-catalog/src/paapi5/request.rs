//! The JSON body of a PA-API 5.0 request.

use serde_json::{Map, Value, json};

use super::resources;
use crate::{
    Asin, CatalogRequest, ITEMS_PER_PAGE, SearchItems,
    request_fields::{self, merge_stated},
};
use stockroom_proto::pb;

/// The body of a request. Exactly these bytes are signed and sent.
pub(super) fn body(request: &CatalogRequest, partner_tag: &str) -> Vec<u8> {
    let locale = request.locale();
    // Amazon answers in the marketplace's own language without being asked to.
    let language = (locale.language != locale.marketplace.language()).then(|| [locale.language.code()]);
    let common = json!({
        "PartnerTag": partner_tag,
        "PartnerType": "Associates",
        "Marketplace": locale.marketplace.name(),
        "LanguagesOfPreference": language,
        "Resources": resources::all(request.operation()),
    });
    let prices = json!({ "CurrencyOfPreference": locale.currency.code() });
    let body = match request {
        CatalogRequest::Items(items) => {
            let ids: Vec<_> = items.asins.iter().map(Asin::as_str).collect();
            merge_stated([common, prices, json!({ "ItemIds": ids, "ItemIdType": "ASIN" })])
        }
        CatalogRequest::Search(search) => merge_stated([common, prices, search_fields(search)]),
        CatalogRequest::Variations(family) => merge_stated([
            common,
            prices,
            json!({
                "ASIN": family.asin.as_str(),
                "VariationCount": ITEMS_PER_PAGE,
                "VariationPage": family.page,
            }),
        ]),
        // Nodes have no prices, and the operation has no parameter for a currency.
        CatalogRequest::BrowseNodes(nodes) => {
            let ids: Vec<_> = nodes.ids.iter().map(ToString::to_string).collect();
            merge_stated([common, json!({ "BrowseNodeIds": ids })])
        }
        // `Upstream::unsupported` refuses these before a body is made.
        CatalogRequest::Files(_) | CatalogRequest::FileLink(_) => Map::new(),
    };
    Value::Object(body).to_string().into_bytes()
}

fn search_fields(search: &SearchItems) -> Value {
    json!({
        "Keywords": search.keywords,
        "Title": search.title,
        "Author": search.author,
        "Brand": search.brand,
        "Actor": search.actor,
        "Artist": search.artist,
        "SearchIndex": search.search_index.id(),
        "BrowseNodeId": search.browse_node.map(|id| id.to_string()),
        "MinPrice": search.min_price_minor_units,
        "MaxPrice": search.max_price_minor_units,
        "MinReviewsRating": search.min_rating,
        "MinSavingPercent": search.min_saving_percent,
        "DeliveryFlags": request_fields::delivery_flags(&search.delivery_flags),
        "Condition": request_fields::condition(search.condition),
        "Availability": request_fields::availability(search.availability),
        "Merchant": merchant(search.merchant),
        "SortBy": request_fields::sort_by(search.sort),
        "ItemCount": ITEMS_PER_PAGE,
        "ItemPage": search.page,
    })
}

fn merchant(filter: pb::MerchantFilter) -> Option<&'static str> {
    match filter {
        pb::MerchantFilter::Unspecified => None,
        pb::MerchantFilter::Amazon => Some("Amazon"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        BrowseNodeId, GetBrowseNodes, GetItems, GetVariations,
        test_fixtures::{book_search, full_search, locale},
    };

    /// The body without its resources, which must be all of the operation's.
    fn asked(request: &CatalogRequest) -> Value {
        let mut body: Value = serde_json::from_slice(&body(request, "example-21")).unwrap();
        let resources = body.as_object_mut().and_then(|fields| fields.remove("Resources")).unwrap();
        assert_eq!(resources, json!(resources::all(request.operation())));
        body
    }

    #[test]
    fn a_search_states_all_that_is_asked_and_nothing_else() {
        let everything =
            SearchItems { condition: pb::Condition::Used, merchant: pb::MerchantFilter::Amazon, ..full_search() };
        let common = json!({
            "PartnerTag": "example-21", "PartnerType": "Associates", "Marketplace": "www.amazon.co.uk",
            "CurrencyOfPreference": "GBP",
            "SearchIndex": "Books", "ItemCount": 10, "ItemPage": 1,
        });
        assert_eq!(asked(&CatalogRequest::Search(Box::new(book_search()))), common);
        let full = json!({
            "Keywords": "tide \"clock\"", "Title": "almanac", "Author": "Ferro", "Brand": "Quillmere",
            "Actor": "Okoye", "Artist": "Tarn", "BrowseNodeId": "9000000003",
            "MinPrice": 1000, "MaxPrice": 3241, "MinReviewsRating": 4, "MinSavingPercent": 20,
            "DeliveryFlags": ["FreeShipping", "Prime"], "Condition": "Used", "Availability": "IncludeOutOfStock",
            "Merchant": "Amazon", "SortBy": "Price:LowToHigh", "ItemPage": 3,
        });
        let expected = Value::Object(merge_stated([common, full]));
        assert_eq!(asked(&CatalogRequest::Search(Box::new(everything))), expected);
    }

    #[test]
    fn a_language_is_asked_for_only_where_it_is_not_the_marketplace_s_own() {
        let own = locale("DE");
        let language = own.marketplace.find_language("en_GB").unwrap();
        let body = |locale| asked(&CatalogRequest::Search(Box::new(SearchItems::new(locale))));
        assert_eq!(body(own).get("LanguagesOfPreference"), None);
        assert_eq!(body(crate::Locale { language, ..own })["LanguagesOfPreference"], json!(["en_GB"]));
    }

    #[test]
    fn the_other_operations_ask_by_id() {
        let asin = Asin::parse("B0FAKEKTL3").unwrap();
        let items = CatalogRequest::Items(GetItems { locale: locale("JP"), asins: vec![asin] });
        let expected = json!({
            "PartnerTag": "example-21", "PartnerType": "Associates", "Marketplace": "www.amazon.co.jp",
            "CurrencyOfPreference": "JPY",
            "ItemIds": ["B0FAKEKTL3"], "ItemIdType": "ASIN",
        });
        assert_eq!(asked(&items), expected);

        let family = CatalogRequest::Variations(GetVariations { locale: locale("US"), asin, page: 12 });
        let expected = json!({
            "PartnerTag": "example-21", "PartnerType": "Associates", "Marketplace": "www.amazon.com",
            "CurrencyOfPreference": "USD",
            "ASIN": "B0FAKEKTL3", "VariationCount": 10, "VariationPage": 12,
        });
        assert_eq!(asked(&family), expected);

        let ids = vec![BrowseNodeId::parse("9000000002").unwrap()];
        let nodes = CatalogRequest::BrowseNodes(GetBrowseNodes { locale: locale("US"), ids });
        let expected = json!({
            "PartnerTag": "example-21", "PartnerType": "Associates", "Marketplace": "www.amazon.com",
            "BrowseNodeIds": ["9000000002"],
        });
        assert_eq!(asked(&nodes), expected);
    }
}
