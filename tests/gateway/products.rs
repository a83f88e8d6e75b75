//! Products by their ids: outcomes, parts, freshness, families.

use std::time::Duration;

use amazon_sandbox::examples;
use stockroom_proto::pb::{self, product_outcome::Result as Outcome};

use crate::support::{Protocol, TestGateway, failure, get, keywords, options, product};

both_protocols!(
    twenty_five_ids_have_twenty_five_outcomes_in_order_for_three_calls,
    a_product_has_its_parts_and_only_those_that_are_named,
    odd_products_are_returned_as_they_are,
    locales_never_answer_for_one_another,
    max_age_limits_the_age_of_an_answer,
    a_family_is_paged_with_its_dimensions,
);

fn reason(outcome: &pb::ProductOutcome) -> Option<pb::AbsenceReason> {
    match outcome.result.as_ref().unwrap() {
        Outcome::Entry(_) => None,
        Outcome::Absence(absence) => Some(absence.reason()),
    }
}

async fn twenty_five_ids_have_twenty_five_outcomes_in_order_for_three_calls(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let page = pb::SearchProductsRequest { query: Some(keywords("lamp")), page_size: 21, ..Default::default() };
    let found = gateway.search().search_products(page).await.unwrap().into_inner();
    let mut asins: Vec<String> = found.products.iter().map(|entry| product(entry).asin.clone()).collect();
    assert_eq!(asins.len(), 21);
    asins.insert(3, "not-an-asin".to_owned());
    asins.insert(9, examples::UNKNOWN.to_owned());
    asins.insert(14, String::new());
    asins.insert(20, examples::NOT_ACCESSIBLE.to_owned());
    gateway.purge_everything().await;

    let before = gateway.calls();
    let request = pb::GetProductsRequest { asins: asins.clone(), options: None };
    let answer = gateway.products().get_products(request.clone()).await.unwrap().into_inner();
    assert_eq!(
        answer.outcomes.iter().map(|outcome| &outcome.asin).collect::<Vec<_>>(),
        asins.iter().collect::<Vec<_>>()
    );
    for (n, outcome) in answer.outcomes.iter().enumerate() {
        let expected = match n {
            3 | 14 => Some(pb::AbsenceReason::Invalid),
            9 => Some(pb::AbsenceReason::NotFound),
            20 => Some(pb::AbsenceReason::NotAccessible),
            _ => None,
        };
        assert_eq!(reason(outcome), expected, "{n}: {outcome:?}");
    }
    assert_eq!((gateway.calls() - before, answer.cost.unwrap().amazon_calls), (3, 3));

    let again = gateway.products().get_products(request).await.unwrap().into_inner();
    assert_eq!((gateway.calls() - before, again.cost.unwrap().amazon_calls), (3, 0), "absence is remembered too");
}

async fn a_product_has_its_parts_and_only_those_that_are_named(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let whole = gateway.products().get_product(get(examples::HEADPHONES[0])).await.unwrap().into_inner().entry.unwrap();
    let of = product(&whole);
    assert!(of.info.is_some() && of.images.is_some() && of.offers.is_some());
    assert!(of.categories.is_some() && of.detail_page_url.contains("tag=sandbox-20"));
    let in_words = of.reviews.as_ref().map(|reviews| reviews.in_words.as_str());
    match protocol {
        Protocol::Creators => assert_eq!(in_words, None, "the Creators API tells no reviews"),
        _ => assert!(in_words.unwrap().contains("credibility")),
    }
    let freshness = whole.freshness.unwrap();
    assert_eq!((freshness.source(), freshness.protocol()), (pb::Source::Amazon, protocol));

    let parts = vec![pb::ProductPart::Info.into(), pb::ProductPart::Reviews.into()];
    let named = pb::ReadOptions { parts, ..Default::default() };
    let request = pb::GetProductRequest { options: Some(named), ..get(examples::HEADPHONES[0]) };
    let trimmed = gateway.products().get_product(request).await.unwrap().into_inner().entry.unwrap();
    let expected = pb::Product { images: None, offers: None, categories: None, variation: None, ..of.clone() };
    assert_eq!(product(&trimmed), &expected);
    assert_eq!(trimmed.freshness.unwrap().source(), pb::Source::Memory);
    assert_eq!(gateway.calls(), 1);
}

async fn odd_products_are_returned_as_they_are(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let fetch = async |asin: &str| {
        let answer = gateway.products().get_product(get(asin)).await.unwrap();
        answer.into_inner().entry.unwrap().product.unwrap()
    };
    let offer = |of: &pb::Product| of.offers.as_ref().and_then(|offers| offers.listings.first()).cloned();

    let free = offer(&fetch(examples::FREE).await).unwrap().price.unwrap();
    assert_eq!((free.units, free.nanos), (0, 0), "nothing is a price");
    assert_eq!(offer(&fetch(examples::NO_PRICE).await).and_then(|offer| offer.price), None);
    let withheld = offer(&fetch(examples::MAP_RESTRICTED).await).unwrap();
    assert!(withheld.price_withheld && withheld.price.is_none() && withheld.saving.is_none());
    let unrated = fetch(examples::UNRATED).await.reviews.unwrap_or_default();
    assert_eq!((unrated.star_rating, unrated.count), (None, None));
    let book = fetch(examples::BOOK).await.info.unwrap();
    let published = book.publication_date.unwrap();
    assert_eq!((published.text.as_str(), published.year, published.month), ("1997T", 1997, 0));
    assert_eq!(book.contributors.len(), 2);
    assert_eq!(fetch(examples::MANY_FEATURES).await.info.unwrap().features.len(), 40);
    assert!(!fetch(examples::UNICODE).await.info.unwrap().title.is_ascii());
    let used = fetch(examples::USED_CHEAPER).await.offers.unwrap();
    assert_eq!(used.listings[0].is_buy_box_winner, Some(true));
    assert!(used.listings.iter().any(|offer| offer.condition() == pb::Condition::Used));
    let deal = offer(&fetch(examples::DEAL).await).unwrap();
    assert!(deal.deal.is_some() && deal.saving.unwrap().percent == Some(40));
}

async fn locales_never_answer_for_one_another(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let mut currencies = Vec::new();
    for marketplace in ["US", "UK", "DE", "IN", "JP"] {
        let request = pb::GetProductRequest { options: options(marketplace), ..get(examples::HEADPHONES[0]) };
        let entry = gateway.products().get_product(request).await.unwrap().into_inner().entry.unwrap();
        let price = product(&entry).offers.as_ref().unwrap().listings[0].price.clone().unwrap();
        currencies.push(price.currency_code);
    }
    assert_eq!((currencies, gateway.calls()), (["USD", "GBP", "EUR", "INR", "JPY"].map(String::from).to_vec(), 5));
}

async fn max_age_limits_the_age_of_an_answer(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let with = |options: pb::ReadOptions| pb::GetProductRequest { options: Some(options), ..get(examples::DEAL) };
    let only_cached = pb::ReadOptions { cache_only: true, ..Default::default() };
    let (code, reason, _) = failure(gateway.products().get_product(with(only_cached.clone())).await);
    assert_eq!((code, reason.as_str(), gateway.calls()), (tonic::Code::NotFound, "NOT_CACHED", 0));

    gateway.products().get_product(get(examples::DEAL)).await.unwrap();
    let cached = gateway.products().get_product(with(only_cached)).await.unwrap().into_inner();
    assert_eq!((cached.cost.unwrap().from_memory, gateway.calls()), (1, 1));

    let age = |age: Duration| pb::ReadOptions { max_age: Some(age.try_into().unwrap()), ..Default::default() };
    gateway.products().get_product(with(age(Duration::from_secs(3600)))).await.unwrap();
    assert_eq!(gateway.calls(), 1);
    gateway.products().get_product(with(age(Duration::ZERO))).await.unwrap();
    assert_eq!(gateway.calls(), 2, "zero asks Amazon");
}

async fn a_family_is_paged_with_its_dimensions(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let mut request = pb::GetVariationsRequest {
        asin: examples::VARIATION_CHILD.to_owned(),
        include_parent: true,
        ..Default::default()
    };
    let first = gateway.products().get_variations(request.clone()).await.unwrap().into_inner();
    assert_eq!(first.parent_asin, examples::VARIATION_PARENT);
    let summary = first.summary.unwrap();
    assert_eq!((summary.variation_count, summary.dimensions.len(), first.variations.len()), (15, 2, 10));
    assert!(
        summary.lowest_price.is_some()
            && !product(&first.variations[0]).variation.as_ref().unwrap().attributes.is_empty()
    );
    request.page_token = first.next_page_token;
    request.include_parent = false;
    let second = gateway.products().get_variations(request.clone()).await.unwrap().into_inner();
    assert_eq!((second.variations.len(), second.next_page_token.as_str()), (5, ""));
    let calls = gateway.calls();
    gateway.products().get_variations(request).await.unwrap();
    gateway.products().get_product(get(examples::VARIATION_CHILD)).await.unwrap();
    assert_eq!(gateway.calls(), calls, "children are products like any other");

    let alone = pb::GetVariationsRequest { asin: examples::UNRATED.to_owned(), ..Default::default() };
    let alone = gateway.products().get_variations(alone).await.unwrap().into_inner();
    assert_eq!((alone.variations.len(), alone.parent_asin.as_str()), (0, ""));
}

#[tokio::test]
async fn an_estimate_tells_the_cost_and_costs_nothing() {
    let gateway = TestGateway::start().await;
    let estimate = || Some(pb::ReadOptions { estimate: true, ..Default::default() });
    let asins: Vec<String> = (0..25).map(|n| format!("B0ESTIM{n:03}")).collect();
    let many = pb::GetProductsRequest { asins, options: estimate() };
    let many = gateway.products().get_products(many).await.unwrap().into_inner();
    assert_eq!((many.outcomes.len(), many.cost.unwrap().amazon_calls), (0, 3));

    let mut search = pb::SearchProductsRequest {
        query: Some(keywords("headphones")),
        page_size: 35,
        options: estimate(),
        ..Default::default()
    };
    let told = gateway.search().search_products(search.clone()).await.unwrap().into_inner();
    assert_eq!((told.products.len(), told.cost.unwrap().amazon_calls, gateway.calls()), (0, 4, 0));
    search.options = None;
    search.page_size = 20;
    gateway.search().search_products(search.clone()).await.unwrap();
    search.options = estimate();
    search.page_size = 35;
    let told = gateway.search().search_products(search).await.unwrap().into_inner();
    assert_eq!((told.cost.unwrap().amazon_calls, gateway.calls()), (2, 2), "half of it is there by now");
}

/// Estimates a request, makes it, and asserts that it cost what the sandbox counted and no more than was estimated.
macro_rules! costs_no_more_than_its_estimate {
    ($service:ident . $method:ident, $request:expr) => {{
        let gateway = TestGateway::start().await;
        let request = $request;
        let mut estimated = request.clone();
        estimated.options.get_or_insert_default().estimate = true;
        let estimate = gateway.$service().$method(estimated).await.unwrap().into_inner().cost.unwrap().amazon_calls;
        assert_eq!(gateway.calls(), 0);
        let cost = gateway.$service().$method(request.clone()).await.unwrap().into_inner().cost.unwrap().amazon_calls;
        assert_eq!(cost as usize, gateway.calls(), "{request:?}");
        assert!(cost <= estimate, "{cost} calls, {estimate} estimated: {request:?}");
    }};
}

#[tokio::test]
async fn no_request_costs_more_than_its_estimate() {
    for (page_size, min_rating) in [(1, None), (10, None), (10, Some(4.7)), (35, Some(4.9)), (50, Some(4.2))] {
        let query = pb::SearchQuery { min_rating, ..keywords("headphones") };
        let request = pb::SearchProductsRequest { query: Some(query), page_size, ..Default::default() };
        costs_no_more_than_its_estimate!(search.search_products, request);
    }
    for count in [1, 10, 25, 100] {
        let asins = (0..count).map(|n| format!("B0ESTIM{n:03}")).collect();
        costs_no_more_than_its_estimate!(products.get_products, pb::GetProductsRequest { asins, options: None });
    }
    let family = pb::GetVariationsRequest { asin: examples::VARIATION_PARENT.to_owned(), ..Default::default() };
    costs_no_more_than_its_estimate!(products.get_variations, family);
    for depth in 0..=3 {
        let ids = vec![examples::ROOT_NODE.to_owned()];
        let request = pb::GetBrowseNodesRequest { ids, depth, options: None };
        costs_no_more_than_its_estimate!(browse.get_browse_nodes, request);
    }
    for limit in [1, 10, 50] {
        let trending = pb::ListTrendingRequest { category: "electronics".to_owned(), limit, ..Default::default() };
        costs_no_more_than_its_estimate!(browse.list_trending, trending);
        let deals = pb::ListDealsRequest { category: "electronics".to_owned(), limit, ..Default::default() };
        costs_no_more_than_its_estimate!(browse.list_deals, deals);
    }
}
