//! What the sandbox's shop answers.

use amazon_catalog::{
    Marketplace,
    Operation::{GetBrowseNodes, GetItems, GetVariations, SearchItems},
};
use amazon_sandbox::examples;
use serde_json::{Value, json};

use crate::client::{Client, generous_sandbox};

/// The item with this id, with these resources.
async fn item(client: &Client, asin: &str, resources: &[&str]) -> Value {
    let body = client.ok(GetItems, json!({ "ItemIds": [asin], "Resources": resources })).await;
    body["ItemsResult"]["Items"][0].clone()
}

fn asins(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| item["ASIN"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn only_what_was_asked_for_is_answered() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let asin = examples::HEADPHONES[0];
    let body = client.ok(GetItems, json!({ "ItemIds": [asin] })).await;
    let title = "Marlowe Q20 Wireless Over-Ear Headphones with Active Noise Cancelling, 40-Hour Battery, Midnight Blue";
    let expected = json!([{
        "ASIN": asin,
        "DetailPageURL": format!("https://www.amazon.com/dp/{asin}?tag=sandbox-20&linkCode=ogi&th=1&psc=1"),
        "ItemInfo": { "Title": { "DisplayValue": title, "Label": "Title", "Locale": "en_US" } },
    }]);
    assert_eq!(body["ItemsResult"]["Items"], expected);

    let item = item(&client, asin, &["BrowseNodeInfo.BrowseNodes.Ancestor", "Images.Primary.Small"]).await;
    let node = &item["BrowseNodeInfo"]["BrowseNodes"][0];
    assert_eq!((&node["Id"], &node["IsRoot"]), (&json!(examples::LEAF_NODE), &json!(false)));
    assert_eq!(node["Ancestor"]["Ancestor"]["Id"], examples::ROOT_NODE);
    assert!(item["Images"]["Primary"]["Small"].is_object() && item["Images"]["Primary"]["Large"].is_null());
    assert!(item["ItemInfo"].is_null() && item["OffersV2"].is_null());
}

#[tokio::test]
async fn ids_that_name_nothing_are_listed_beside_what_was_found() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let ids = [examples::DEAL, examples::NOT_ACCESSIBLE, examples::UNKNOWN, "not an asin", examples::BOOK];
    let body = client.ok(GetItems, json!({ "ItemIds": ids })).await;
    let mut found = asins(&body["ItemsResult"]["Items"]);
    found.sort_unstable();
    assert_eq!(found, [examples::BOOK, examples::DEAL]);
    let expected = json!([
        {
            "__type": "com.amazon.paapi5#ErrorData",
            "Code": "ItemNotAccessible",
            "Message": "The ItemId B0SBHIDDEN is not accessible through the Product Advertising API.",
        },
        {
            "__type": "com.amazon.paapi5#ErrorData",
            "Code": "InvalidParameterValue",
            "Message": "The ItemId B0SBNOBODY provided in the request is invalid.",
        },
        {
            "__type": "com.amazon.paapi5#ErrorData",
            "Code": "InvalidParameterValue",
            "Message": "The ItemId not an asin provided in the request is invalid.",
        },
    ]);
    assert_eq!(body["Errors"], expected);
    let nothing = client.ok(GetItems, json!({ "ItemIds": [examples::UNKNOWN] })).await;
    assert!(nothing["Errors"].is_array() && nothing.get("ItemsResult").is_none());
}

#[tokio::test]
async fn offers_are_as_the_examples_say() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let resources = [
        "OffersV2.Listings.Price",
        "OffersV2.Listings.Availability",
        "OffersV2.Listings.DealDetails",
        "OffersV2.Listings.IsBuyBoxWinner",
        "OffersV2.Listings.Condition",
    ];
    let listings = async |asin| item(&client, asin, &resources).await["OffersV2"]["Listings"].clone();

    assert!(listings(examples::NO_PRICE).await.is_null());
    let out_of_stock = listings(examples::OUT_OF_STOCK).await;
    assert_eq!(out_of_stock[0]["Availability"]["Type"], "OUT_OF_STOCK");
    assert!(out_of_stock[0].get("Price").is_none());
    assert_eq!(listings(examples::FREE).await[0]["Price"]["Money"]["DisplayAmount"], "$0.00");
    let restricted = listings(examples::MAP_RESTRICTED).await;
    assert_eq!((&restricted[0]["ViolatesMAP"], restricted[0]["Price"].is_object()), (&json!(true), true));
    let used = listings(examples::USED_CHEAPER).await;
    assert_eq!((&used[0]["Condition"]["Value"], &used[0]["IsBuyBoxWinner"]), (&json!("Used"), &json!(false)));
    assert!(used[0]["Price"]["Money"]["Amount"].as_f64() < used[1]["Price"]["Money"]["Amount"].as_f64());

    let deal = listings(examples::DEAL).await;
    let price = &deal[0]["Price"];
    assert_eq!(price["Money"], json!({ "Amount": 59.99, "Currency": "USD", "DisplayAmount": "$59.99" }));
    assert_eq!(price["Savings"]["Percentage"], 40);
    assert_eq!(price["SavingBasis"]["SavingBasisType"], "LIST_PRICE");
    let now = time::OffsetDateTime::now_utc().date().to_string();
    let times = &deal[0]["DealDetails"];
    assert!(times["StartTime"].as_str().unwrap() < now.as_str() && times["EndTime"].as_str().unwrap() > now.as_str());
}

#[tokio::test]
async fn offers_of_the_first_form_state_delivery_and_summaries() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let resources = [
        "Offers.Listings.Price",
        "Offers.Listings.DeliveryInfo.IsPrimeEligible",
        "Offers.Summaries.LowestPrice",
        "Offers.Summaries.OfferCount",
    ];
    let offers = item(&client, examples::USED_CHEAPER, &resources).await["Offers"].clone();
    assert_eq!(offers["Listings"].as_array().unwrap().len(), 1, "OfferCount is 1 unless asked");
    assert_eq!(offers["Listings"][0]["DeliveryInfo"], json!({ "IsPrimeEligible": true }));
    assert_eq!(offers["Listings"][0]["Price"]["DisplayAmount"], "$299.99");
    assert_eq!(offers["Summaries"][1]["Condition"]["Value"], "Used");
    assert_eq!(offers["Summaries"][1]["LowestPrice"]["DisplayAmount"], "$204.99");
    assert_eq!(offers["Summaries"][1]["OfferCount"], 1);
}

#[tokio::test]
async fn what_is_known_of_books_odd_products_and_odd_scripts_is_returned() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let book =
        item(&client, examples::BOOK, &["ItemInfo.ContentInfo", "ItemInfo.ByLineInfo", "ItemInfo.ExternalIds"]).await;
    let info = &book["ItemInfo"];
    assert_eq!(info["ContentInfo"]["PublicationDate"]["DisplayValue"], "1997T");
    assert_eq!(info["ByLineInfo"]["Contributors"][0]["Name"], "Ferro, Ilse");
    assert_eq!(info["ByLineInfo"]["Contributors"][1]["RoleType"], "illustrator");
    assert_eq!(info["ExternalIds"]["ISBNs"]["DisplayValues"][0], examples::BOOK);
    let features = item(&client, examples::MANY_FEATURES, &["ItemInfo.Features"]).await;
    assert_eq!(features["ItemInfo"]["Features"]["DisplayValues"].as_array().unwrap().len(), 40);
    let unrated = item(&client, examples::UNRATED, &["CustomerReviews.Count", "CustomerReviews.StarRating"]).await;
    assert!(unrated.get("CustomerReviews").is_none());
    let title = item(&client, examples::UNICODE, &[]).await["ItemInfo"]["Title"]["DisplayValue"].clone();
    assert!(title.as_str().unwrap().contains("京都") && title.as_str().unwrap().contains("שלום"));
}

#[tokio::test]
async fn a_search_for_well_rated_wireless_headphones_under_150_dollars_reads_like_a_shop() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let fields = json!({
        "Keywords": "wireless headphones", "SearchIndex": "Electronics", "MaxPrice": 15_000, "MinReviewsRating": 4,
        "Resources": ["OffersV2.Listings.Price", "CustomerReviews.StarRating", "SearchRefinements"],
    });
    let result = client.ok(SearchItems, fields).await["SearchResult"].clone();
    let found = asins(&result["Items"]);
    assert!(examples::HEADPHONES.iter().all(|asin| found.contains(asin)), "{found:?}");
    assert!(result["TotalResultCount"].as_u64().unwrap() >= 20);
    for item in result["Items"].as_array().unwrap() {
        let listings = item["OffersV2"]["Listings"].as_array().unwrap();
        assert!(listings.iter().any(|listing| listing["Price"]["Money"]["Amount"].as_f64().unwrap() <= 150.0));
        assert!(item["CustomerReviews"]["StarRating"]["Value"].as_f64().unwrap() >= 4.0);
        assert!(item["DetailPageURL"].as_str().unwrap().contains("linkCode=osi"));
    }
    let url = "https://www.amazon.com/s/?field-keywords=wireless+headphones&search-alias=electronics&tag=sandbox-20&linkCode=osi";
    assert_eq!(result["SearchURL"], url);
    let refinements = &result["SearchRefinements"];
    assert_eq!(refinements["SearchIndex"]["Bins"][0]["Id"], "Electronics");
    assert_eq!(refinements["BrowseNode"]["Id"], "BrowseNodeId");
    assert!(refinements["OtherRefinements"][0]["Bins"].as_array().unwrap().len() > 3);
}

#[tokio::test]
async fn pages_follow_each_other_up_to_the_tenth() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let mut seen = Vec::new();
    for page in 1..=10 {
        let fields = json!({ "SearchIndex": "Electronics", "ItemPage": page, "SortBy": "Price:LowToHigh" });
        let body = client.ok(SearchItems, fields).await;
        seen.extend(asins(&body["SearchResult"]["Items"]).into_iter().map(str::to_owned));
    }
    assert_eq!(seen.len(), 100);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 100, "no product stands on two pages");
}

#[tokio::test]
async fn a_search_without_results_succeeds_and_says_so() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    for fields in [json!({ "Keywords": "xyzzy" }), json!({ "Keywords": "marlowe q20", "ItemPage": 10 })] {
        let body = client.ok(SearchItems, fields).await;
        assert_eq!(body["Errors"][0]["Code"], "NoResults");
        assert_eq!(body["Errors"][0]["Message"], "No results found for your request.");
        assert!(body.get("SearchResult").is_none());
    }
}

#[tokio::test]
async fn toys_and_groceries_are_found_under_each_marketplace_s_own_name() {
    let sandbox = generous_sandbox().await;
    for marketplace in Marketplace::all() {
        let client = Client::of(&sandbox, marketplace.code());
        for index in ["Electronics", "ToysAndGames", "Toys", "GroceryAndGourmetFood", "Grocery", "Garden", "Fashion"] {
            if marketplace.search_index(index).is_some() {
                let body = client.ok(SearchItems, json!({ "SearchIndex": index })).await;
                assert_eq!(asins(&body["SearchResult"]["Items"]).len(), 10, "{index} in {marketplace}");
            }
        }
    }
}

#[tokio::test]
async fn language_and_currency_follow_the_preference_where_the_marketplace_has_them() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let ask = async |language: &str, currency: &str| {
        let fields = json!({
            "ItemIds": [examples::DEAL], "Resources": ["ItemInfo.Title", "OffersV2.Listings.Price"],
            "LanguagesOfPreference": [language], "CurrencyOfPreference": currency,
        });
        client.ok(GetItems, fields).await["ItemsResult"]["Items"][0].clone()
    };
    let spanish = ask("es_US", "EUR").await;
    assert_eq!(spanish["ItemInfo"]["Title"]["Locale"], "es_US");
    assert!(spanish["DetailPageURL"].as_str().unwrap().ends_with("&linkCode=ogi&language=es_US&th=1&psc=1"));
    assert_eq!(spanish["OffersV2"]["Listings"][0]["Price"]["Money"]["Currency"], "EUR");
    let fallen_back = ask("fr_FR", "SEK").await;
    assert_eq!(fallen_back["ItemInfo"]["Title"]["Locale"], "en_US");
    assert_eq!(fallen_back["OffersV2"]["Listings"][0]["Price"]["Money"]["Currency"], "USD");
}

#[tokio::test]
async fn a_family_is_listed_in_pages_of_ten_from_parent_or_child() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let resources = ["ParentASIN", "VariationSummary.Price.HighestPrice", "VariationSummary.VariationDimension"];
    for (asin, page, items) in [(examples::VARIATION_PARENT, 1, 10), (examples::VARIATION_CHILD, 2, 5)] {
        let fields = json!({ "ASIN": asin, "VariationPage": page, "Resources": resources });
        let result = client.ok(GetVariations, fields).await["VariationsResult"].clone();
        assert_eq!(asins(&result["Items"]).len(), items);
        assert_eq!(result["Items"][0]["ParentASIN"], examples::VARIATION_PARENT);
        assert_eq!(result["Items"][0]["VariationAttributes"][1]["Name"], "size_name");
        let summary = &result["VariationSummary"];
        assert_eq!((&summary["PageCount"], &summary["VariationCount"]), (&json!(2), &json!(15)));
        assert_eq!(
            summary["Price"],
            json!({ "HighestPrice": { "Amount": 43.99, "Currency": "USD", "DisplayAmount": "$43.99" } })
        );
        assert_eq!(summary["VariationDimensions"][0]["Values"].as_array().unwrap().len(), 5);
    }
    for (asin, code) in [(examples::DEAL, "NoResults"), (examples::UNKNOWN, "InvalidParameterValue")] {
        let body = client.ok(GetVariations, json!({ "ASIN": asin })).await;
        assert_eq!(body["Errors"][0]["Code"], code);
    }
}

#[tokio::test]
async fn browse_nodes_state_their_ancestors_and_children_when_asked() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "JP");
    let ids = json!([examples::ROOT_NODE, examples::LEAF_NODE, "12"]);
    let resources = json!(["BrowseNodes.Ancestor", "BrowseNodes.Children"]);
    let body = client.ok(GetBrowseNodes, json!({ "BrowseNodeIds": ids, "Resources": resources })).await;
    let nodes = &body["BrowseNodesResult"]["BrowseNodes"];
    assert_eq!((&nodes[0]["DisplayName"], &nodes[0]["IsRoot"]), (&json!("Electronics"), &json!(true)));
    assert_eq!(nodes[0]["Children"][0]["DisplayName"], "Headphones");
    assert_eq!(nodes[1]["Ancestor"]["Ancestor"]["Id"], examples::ROOT_NODE);
    assert_eq!(body["Errors"][0]["Message"], "The BrowseNodeId 12 provided in the request is invalid.");
    let plain = client.ok(GetBrowseNodes, json!({ "BrowseNodeIds": [examples::LEAF_NODE] })).await;
    let node = &plain["BrowseNodesResult"]["BrowseNodes"][0];
    assert!(node.get("Ancestor").is_none() && node["ContextFreeName"] == "Over-Ear Headphones");
}

/// Everything that can be asked of an item and is ever answered.
const RESOURCES: &[&str] = &[
    "BrowseNodeInfo.BrowseNodes.Ancestor",
    "BrowseNodeInfo.BrowseNodes.SalesRank",
    "BrowseNodeInfo.WebsiteSalesRank",
    "CustomerReviews.Count",
    "CustomerReviews.StarRating",
    "Images.Primary.Small",
    "Images.Primary.Medium",
    "Images.Primary.Large",
    "Images.Variants.Large",
    "ItemInfo.ByLineInfo",
    "ItemInfo.ContentInfo",
    "ItemInfo.ContentRating",
    "ItemInfo.Classifications",
    "ItemInfo.ExternalIds",
    "ItemInfo.Features",
    "ItemInfo.ManufactureInfo",
    "ItemInfo.ProductInfo",
    "ItemInfo.TechnicalInfo",
    "ItemInfo.Title",
    "ItemInfo.TradeInInfo",
    "OffersV2.Listings.Availability",
    "OffersV2.Listings.Condition",
    "OffersV2.Listings.DealDetails",
    "OffersV2.Listings.IsBuyBoxWinner",
    "OffersV2.Listings.LoyaltyPoints",
    "OffersV2.Listings.MerchantInfo",
    "OffersV2.Listings.Price",
    "OffersV2.Listings.Type",
    "ParentASIN",
    "Offers.Listings.Availability.Message",
    "Offers.Listings.Condition.ConditionNote",
    "Offers.Listings.Condition.SubCondition",
    "Offers.Listings.DeliveryInfo.IsAmazonFulfilled",
    "Offers.Listings.DeliveryInfo.IsFreeShippingEligible",
    "Offers.Listings.LoyaltyPoints.Points",
    "Offers.Listings.MerchantInfo",
    "Offers.Listings.Price",
    "Offers.Listings.ProgramEligibility.IsPrimeExclusive",
    "Offers.Listings.SavingBasis",
    "Offers.Summaries.HighestPrice",
    "Offers.Summaries.LowestPrice",
];

/// Fields deep in the answers that products of some kind must have.
const FIELDS: &[&str] = &[
    "BrowseNodeInfo.WebsiteSalesRank.SalesRank",
    "ItemInfo.ByLineInfo.Contributors.Role",
    "ItemInfo.ContentInfo.Edition.DisplayValue",
    "ItemInfo.ContentInfo.PagesCount.DisplayValue",
    "ItemInfo.ContentRating.AudienceRating.DisplayValue",
    "ItemInfo.ExternalIds.EANs.DisplayValues",
    "ItemInfo.ExternalIds.UPCs.DisplayValues",
    "ItemInfo.ManufactureInfo.Model.DisplayValue",
    "ItemInfo.ProductInfo.Color.DisplayValue",
    "ItemInfo.ProductInfo.ItemDimensions.Weight.Unit",
    "ItemInfo.ProductInfo.Size.DisplayValue",
    "ItemInfo.TechnicalInfo.EnergyEfficiencyClass.DisplayValue",
    "ItemInfo.TechnicalInfo.Formats.DisplayValues",
    "ItemInfo.TradeInInfo.Price.Amount",
    "OffersV2.Listings.DealDetails.EarlyAccessDurationInMilliseconds",
    "OffersV2.Listings.DealDetails.EndTime",
    "OffersV2.Listings.DealDetails.PercentClaimed",
    "OffersV2.Listings.LoyaltyPoints.Points",
    "OffersV2.Listings.Price.PricePerUnit.DisplayAmount",
    "OffersV2.Listings.Price.SavingBasis.SavingBasisTypeLabel",
    "OffersV2.Listings.Type",
    "Offers.Listings.MerchantInfo.FeedbackRating",
    "Offers.Listings.Price.Savings.Percentage",
    "Offers.Listings.SavingBasis.PriceType",
    "Offers.Summaries.HighestPrice.DisplayAmount",
];

/// The paths of all values within `value`; lists are left out.
fn paths(value: &Value, path: &str, known: &mut std::collections::BTreeSet<String>) {
    known.insert(path.trim_start_matches('.').to_owned());
    for (key, value) in value.as_object().into_iter().flatten() {
        paths(value, &format!("{path}.{key}"), known);
    }
    for value in value.as_array().into_iter().flatten() {
        paths(value, path, known);
    }
}

#[tokio::test]
async fn every_resource_is_answered_for_some_product() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "JP");
    let mut known = std::collections::BTreeSet::new();
    for index in ["Electronics", "Books", "MoviesAndTV", "GroceryAndGourmetFood", "HomeAndKitchen"] {
        for page in 1..=10 {
            let fields = json!({ "SearchIndex": index, "ItemPage": page, "Resources": RESOURCES });
            paths(&client.ok(SearchItems, fields).await["SearchResult"]["Items"], "", &mut known);
        }
    }
    let missing: Vec<_> = RESOURCES.iter().chain(FIELDS).filter(|path| !known.contains(**path)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
