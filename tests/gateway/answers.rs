//! Odd answers of Amazon's, over the wire: the sandbox answers oddly, and a real client asks a real gateway.
//!
//! Each test writes what the client got to stderr, one line a case, as a record.

use std::io::Write as _;

use amazon_catalog::Operation;
use amazon_sandbox::{ErrorForm, FaultKind, InjectedFault, ListedPage, OddAnswer, examples};
use stockroom::format;
use stockroom_proto::pb::{self, compare_products_response::Event, product_outcome::Result as Outcome};
use tokio_stream::StreamExt;
use tonic::Code;

use crate::support::{Protocol, TestGateway, failure, keywords, product, title};

both_protocols!(
    places_are_amazon_s_and_a_family_ends,
    a_count_that_is_missing_or_wrong_ends_no_list,
    a_product_on_two_pages_is_named_once,
    a_passing_fault_is_no_absence_and_is_not_kept,
    an_error_is_what_its_name_means_whatever_its_status_and_envelope,
    a_refused_token_is_renewed_once_whatever_the_words,
    an_empty_container_beside_errors_is_what_the_errors_say,
    a_bad_character_costs_that_character,
    an_amount_is_the_same_in_each_form,
    one_offer_stands_for_a_product_everywhere,
    a_rejected_id_costs_two_calls_where_it_is_named_and_is_remembered_where_it_is_not,
    a_saving_of_nothing_is_no_saving,
    a_search_that_filters_offers_does_not_change_the_product,
    what_the_contract_could_not_say_is_said,
    a_price_that_may_be_restricted_is_shown_nowhere,
);

/// Writes what a client got. Not by println!, which is shown for failing tests only.
fn record(case: u8, protocol: Protocol, text: impl AsRef<str>) {
    let api = if protocol == Protocol::Creators { "Creators" } else { "PA-API" };
    let mut stderr = std::io::stderr();
    writeln!(stderr, "case {case} | {api} | {}", text.as_ref()).unwrap();
}

fn times(times: u32, kind: FaultKind) -> InjectedFault {
    InjectedFault::new(times, kind)
}

fn odd(odd: OddAnswer) -> InjectedFault {
    times(u32::MAX, FaultKind::Odd(odd))
}

fn get(asin: &str) -> pb::GetProductRequest {
    pb::GetProductRequest { asin: asin.to_owned(), options: None }
}

fn search(words: &str) -> pb::SearchProductsRequest {
    pb::SearchProductsRequest { query: Some(keywords(words)), ..Default::default() }
}

fn family() -> pb::GetVariationsRequest {
    pb::GetVariationsRequest { asin: examples::VARIATION_PARENT.to_owned(), ..Default::default() }
}

/// A page of these places of the catalogue.
fn page(places: impl IntoIterator<Item = usize>, total: Option<i64>, page_count: Option<i64>) -> ListedPage {
    ListedPage { places: places.into_iter().map(Some).collect(), total, page_count, error: None }
}

async fn purge(stage: &TestGateway) {
    let everything = pb::purge_cache_request::Target::Everything(true);
    stage.admin().purge_cache(pb::PurgeCacheRequest { target: Some(everything) }).await.unwrap();
}

/// What each id came to: a product's title, or the reason for its absence.
async fn outcomes(stage: &TestGateway, asins: &[&str]) -> Vec<String> {
    let asins = asins.iter().map(|asin| (*asin).to_owned()).collect();
    let request = pb::GetProductsRequest { asins, options: None };
    let answer = stage.products().get_products(request).await.unwrap().into_inner();
    let text = |outcome: &pb::ProductOutcome| match outcome.result.as_ref().unwrap() {
        Outcome::Entry(_) => "product".to_owned(),
        Outcome::Absence(absence) => absence.reason().as_str_name().replacen("ABSENCE_REASON_", "", 1),
    };
    answer.outcomes.iter().map(text).collect()
}

/// The children on each page of a family, by walking its tokens. Fails where it does not end.
async fn walk_family(stage: &TestGateway, mut request: pb::GetVariationsRequest) -> Vec<usize> {
    let mut sizes = Vec::new();
    loop {
        let answer = stage.products().get_variations(request.clone()).await.unwrap().into_inner();
        sizes.push(answer.variations.len());
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            return sizes;
        }
        assert!(sizes.len() < 50, "a family without an end: {sizes:?}");
    }
}

/// The products on each page of a search, by walking its tokens, and its last answer.
async fn walk_search(
    stage: &TestGateway,
    mut request: pb::SearchProductsRequest,
) -> (Vec<usize>, pb::SearchProductsResponse) {
    let mut sizes = Vec::new();
    loop {
        let answer = stage.search().search_products(request.clone()).await.unwrap().into_inner();
        sizes.push(answer.products.len());
        request.page_token = answer.next_page_token.clone();
        if request.page_token.is_empty() {
            return (sizes, answer);
        }
        assert!(sizes.len() < 50, "a search without an end: {sizes:?}");
    }
}

async fn places_are_amazon_s_and_a_family_ends(protocol: Protocol) {
    let stage = TestGateway::speaking(protocol).await;
    let pages = vec![page(0..7, Some(30), Some(3)), page(10..20, Some(30), Some(3)), page(20..30, Some(30), Some(3))];
    stage.sandbox.inject(times(100, FaultKind::Pages(pages)));
    let sizes = walk_family(&stage, family()).await;
    record(
        1,
        protocol,
        format!("page 1 of 3 holds 7 children: pages of {sizes:?}, {} calls, and an end", stage.calls()),
    );
    assert_eq!((sizes, stage.calls()), (vec![7, 10, 10], 3));

    let stage = TestGateway::speaking(protocol).await;
    stage.sandbox.inject(odd(OddAnswer::UnreadableItems));
    let sizes = walk_family(&stage, family()).await;
    record(1, protocol, format!("every third child is null or has no ASIN: pages of {sizes:?} and an end"));
    assert_eq!((sizes, stage.calls()), (vec![7, 4], 2));
}

async fn a_count_that_is_missing_or_wrong_ends_no_list(protocol: Protocol) {
    let three = |total, pages| {
        vec![page(0..10, total, pages), page(10..20, total, pages), page(20..30, total, pages), page([], total, pages)]
    };
    for (total, page_size, expected) in
        [(None, 10, vec![10, 10, 10]), (None, 3, vec![3; 10]), (Some(8), 10, vec![10, 10, 10])]
    {
        let stage = TestGateway::speaking(protocol).await;
        stage.sandbox.inject(times(100, FaultKind::Pages(three(total, None))));
        let (mut sizes, last) = walk_search(&stage, pb::SearchProductsRequest { page_size, ..search("lamp") }).await;
        sizes.retain(|size| *size > 0);
        let count = if last.total_results_unknown { "unknown".to_owned() } else { last.total_results.to_string() };
        record(
            2,
            protocol,
            format!("count {total:?}, page_size {page_size}: {} products, total {count}", sizes.iter().sum::<usize>()),
        );
        assert_eq!(sizes, expected, "{total:?}");
        assert!(last.total_results_unknown == total.is_none() && last.total_results >= 0);
    }
    for (total, pages) in [(Some(23), None), (None, None), (Some(1), Some(1)), (None, Some(3))] {
        let stage = TestGateway::speaking(protocol).await;
        stage.sandbox.inject(times(100, FaultKind::Pages(three(total, pages))));
        let children = walk_family(&stage, family()).await.iter().sum::<usize>();
        record(2, protocol, format!("variationCount {total:?}, pageCount {pages:?}: {children} children"));
        assert_eq!(children, 30, "{total:?} {pages:?}");
    }
    let stage = TestGateway::speaking(protocol).await;
    stage.sandbox.inject(times(100, FaultKind::Pages(vec![page([], Some(146), None)])));
    let found = stage.search().search_products(search("lamp")).await.unwrap().into_inner();
    record(2, protocol, format!("an empty list of 146: {} products of {}", found.products.len(), found.total_results));
    assert_eq!((found.products.len(), found.total_results, found.total_results_unknown), (0, 146, false));

    let stage = TestGateway::speaking(protocol).await;
    stage.sandbox.inject(odd(OddAnswer::NoCounts));
    let deals = pb::ListDealsRequest { category: "headphones".to_owned(), ..Default::default() };
    let deals = stage.browse().list_deals(deals).await.unwrap().into_inner();
    record(2, protocol, format!("no count, ListDeals: {} products, {}", deals.products.len(), deals.basis));
    assert!(!deals.products.is_empty() && deals.basis.contains("those that Amazon listed"));
}

async fn a_product_on_two_pages_is_named_once(protocol: Protocol) {
    let stage = TestGateway::speaking(protocol).await;
    let pages = vec![page(0..10, Some(20), None), page((0..6).chain(10..14), Some(20), None)];
    stage.sandbox.inject(times(100, FaultKind::Pages(pages)));
    let everything = pb::ListDealsRequest { min_saving_percent: Some(1), limit: 50, ..Default::default() };
    let deals = stage.browse().list_deals(everything).await.unwrap().into_inner();
    let trending = pb::ListTrendingRequest { limit: 50, ..Default::default() };
    let trending = stage.browse().list_trending(trending).await.unwrap().into_inner();
    for (name, products) in [("ListDeals", &deals.products), ("ListTrending", &trending.products)] {
        let mut asins: Vec<&str> = products.iter().map(|entry| product(entry).asin.as_str()).collect();
        let listed = asins.len();
        asins.sort_unstable();
        asins.dedup();
        record(
            3,
            protocol,
            format!("six products on both pages, {name}: {listed} products, {} different", asins.len()),
        );
        assert!(!asins.is_empty() && listed == asins.len(), "{name}");
    }
    let whole = pb::SearchProductsRequest { page_size: 100, ..search("lamp") };
    let (by_tokens, _) = walk_search(&stage, pb::SearchProductsRequest { page_size: 4, ..search("lamp") }).await;
    let found = stage.search().search_products(whole).await.unwrap().into_inner();
    record(
        3,
        protocol,
        format!("SearchProducts: {} products, by tokens {}", found.products.len(), by_tokens.iter().sum::<usize>()),
    );
    assert_eq!((found.products.len(), by_tokens.iter().sum()), (14, 14));
}

async fn a_passing_fault_is_no_absence_and_is_not_kept(protocol: Protocol) {
    let (first, second) = (examples::DEAL, examples::HEADPHONES[0]);
    let cases = [
        (OddAnswer::FailedId, "UPSTREAM_FAILED"),
        (OddAnswer::ThrottledId, "THROTTLED"),
        (OddAnswer::SilentId, "UPSTREAM_FAILED"),
    ];
    for (kind, reason) in cases {
        let stage = TestGateway::speaking(protocol).await;
        stage.sandbox.inject(times(1, FaultKind::Odd(kind)));
        let before = outcomes(&stage, &[first, second]).await;
        let after = outcomes(&stage, &[first, second]).await;
        record(4, protocol, format!("{kind:?} of two ids: {before:?}, and asked again: {after:?}"));
        let mut sorted = before.clone();
        sorted.sort();
        assert_eq!((sorted, after), (vec![reason.to_owned(), "product".to_owned()], vec!["product".to_owned(); 2]));
    }
    for kind in [OddAnswer::FailedId, OddAnswer::EmptyList, OddAnswer::SilentId] {
        let stage = TestGateway::speaking(protocol).await;
        stage.sandbox.inject(times(3, FaultKind::Odd(kind)));
        let (code, reason, _) = failure(stage.products().get_product(get(first)).await);
        record(4, protocol, format!("{kind:?} of one id: {code:?} {reason}"));
        assert_eq!((code, reason.as_str()), (Code::Unavailable, "UPSTREAM_FAILED"), "{kind:?}");
        stage.sandbox.clear_faults();
        stage.products().get_product(get(first)).await.expect("the fault was not kept");
    }
    let stage = TestGateway::speaking(protocol).await;
    stage.sandbox.inject(odd(OddAnswer::FailedList));
    let (code, reason, _) = failure(stage.search().search_products(search("headphones")).await);
    record(4, protocol, format!("an empty list beside InternalFailure, SearchProducts: {code:?} {reason}"));
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "UPSTREAM_FAILED"));
    let (code, reason, _) = failure(stage.products().get_variations(family()).await);
    record(4, protocol, format!("an empty list beside InternalFailure, GetVariations: {code:?} {reason}"));
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "UPSTREAM_FAILED"));
    stage.sandbox.clear_faults();
    let found = stage.search().search_products(search("headphones")).await.unwrap().into_inner();
    assert_eq!(found.products.len(), 10, "the fault was not kept");
}

async fn an_error_is_what_its_name_means_whatever_its_status_and_envelope(protocol: Protocol) {
    use ErrorForm::{Code as CodeForm, Coral, Envelope, List, Message, Type};

    let throttled = (Code::Unavailable, "UPSTREAM_THROTTLED");
    let failed = (Code::Unavailable, "UPSTREAM_FAILED");
    let cases = [
        (5, 400, "ThrottlingException", Coral, throttled),
        (5, 200, "TooManyRequests", List, throttled),
        (5, 200, "ThrottleException", Type, throttled),
        (5, 503, "RequestThrottled", List, throttled),
        (5, 400, "Rate exceeded", Message, throttled),
        (5, 200, "ThrottlingException", Envelope, throttled),
        (5, 500, "SomethingNew", List, failed),
        (5, 400, "InternalFailure", CodeForm, failed),
        (5, 400, "SomethingNew", List, (Code::InvalidArgument, "UPSTREAM_REJECTED")),
        (6, 403, "AssociateNotEligible", List, (Code::FailedPrecondition, "ACCOUNT_NOT_ELIGIBLE")),
        (6, 400, "InvalidPartnerTag", List, (Code::FailedPrecondition, "PARTNER_TAG_REFUSED")),
        (6, 404, "ItemNotFound", List, (Code::NotFound, "PRODUCT_NOT_FOUND")),
        (6, 403, "AssociateNotEligible", CodeForm, (Code::FailedPrecondition, "ACCOUNT_NOT_ELIGIBLE")),
        (6, 404, "ItemNotFound", Type, (Code::NotFound, "PRODUCT_NOT_FOUND")),
    ];
    for (case, status, code, form, expected) in cases {
        let stage = TestGateway::speaking(protocol).await;
        stage.sandbox.inject(times(u32::MAX, FaultKind::ErrorForm { status, code: code.to_owned(), form }));
        let (got, reason, _) = failure(stage.products().get_product(get(examples::DEAL)).await);
        record(case, protocol, format!("{status} {code} ({form:?}): {got:?} {reason}"));
        assert_eq!((got, reason.as_str()), expected, "{status} {code} {form:?}");
        if expected == throttled {
            let report = stage.admin().get_status(pb::GetStatusRequest {}).await.unwrap().into_inner();
            let account = &report.accounts[0];
            assert!(account.current_calls_per_second < account.calls_per_second, "throttling slows the account down");
            let is_closed = |breaker: &pb::BreakerStatus| breaker.state() == pb::BreakerState::Closed;
            assert!(account.breakers.iter().all(is_closed), "{:?}", account.breakers);
        }
    }
}

async fn a_refused_token_is_renewed_once_whatever_the_words(protocol: Protocol) {
    let bodies = [
        ("UnauthorizedException", ErrorForm::Type),
        ("The incoming token has expired", ErrorForm::Message),
        ("Unauthorized", ErrorForm::Message),
    ];
    for (code, form) in bodies {
        let refusal = || FaultKind::ErrorForm { status: 401, code: code.to_owned(), form };
        let stage = TestGateway::speaking(protocol).await;
        stage.sandbox.inject(times(1, refusal()));
        let answer = stage.products().get_product(get(examples::DEAL)).await;
        let (calls, tokens) = (stage.calls(), stage.sandbox.token_requests());
        let text = answer.as_ref().map_or_else(|error| format!("{:?}", error.code()), |_| "product".to_owned());
        record(7, protocol, format!("401 {code} once: {text}, {calls} calls, {tokens} tokens"));
        if protocol == Protocol::Creators {
            assert_eq!((answer.is_ok(), calls, tokens), (true, 2, 2), "{code}");
            stage.sandbox.inject(times(2, refusal()));
            let (code, reason, _) = failure(stage.products().get_product(get(examples::HEADPHONES[0])).await);
            record(7, protocol, format!("401 twice: {code:?} {reason}, {} tokens", stage.sandbox.token_requests()));
            assert_eq!((code, stage.sandbox.token_requests()), (Code::FailedPrecondition, 3));
        } else {
            // There is no token to renew.
            let (code, ..) = failure(answer);
            assert_eq!((code, calls, tokens), (Code::FailedPrecondition, 1, 0));
        }
    }
}

async fn an_empty_container_beside_errors_is_what_the_errors_say(protocol: Protocol) {
    let stage = TestGateway::speaking(protocol).await;
    stage.sandbox.inject(times(1, FaultKind::Odd(OddAnswer::NullList)));
    let (code, reason, _) = failure(stage.products().get_product(get(examples::DEAL)).await);
    record(8, protocol, format!("items: null beside ItemNotAccessible: {code:?} {reason}"));
    assert_eq!((code, reason.as_str()), (Code::NotFound, "PRODUCT_NOT_ACCESSIBLE"));

    stage.sandbox.inject(odd(OddAnswer::NullList));
    let found = stage.search().search_products(search("lamp")).await.unwrap().into_inner();
    let children = stage.products().get_variations(family()).await.unwrap().into_inner();
    let ids = vec![examples::LEAF_NODE.to_owned()];
    let nodes = pb::GetBrowseNodesRequest { ids, ..Default::default() };
    let nodes = stage.browse().get_browse_nodes(nodes).await.unwrap().into_inner();
    record(
        8,
        protocol,
        format!(
            "items: null beside NoResults: search {} of {}, children {}; browseNodes: null: node {:?}",
            found.products.len(),
            found.total_results,
            children.variations.len(),
            nodes.outcomes[0].node.as_ref().map(|node| &node.id),
        ),
    );
    assert_eq!((found.products.len(), found.total_results, children.variations.len()), (0, 0, 0));
    assert!(nodes.outcomes[0].node.is_none() && nodes.incomplete.is_none());
}

async fn a_bad_character_costs_that_character(protocol: Protocol) {
    for kind in [OddAnswer::BadByte, OddAnswer::HalfPair] {
        let stage = TestGateway::speaking(protocol).await;
        stage.sandbox.inject(times(1, FaultKind::Odd(kind)));
        let found = stage.search().search_products(search("headphones")).await.unwrap().into_inner();
        let first = title(&found.products[0]).to_owned();
        record(9, protocol, format!("{kind:?}: {} products, the first is {first:?}", found.products.len()));
        assert_eq!(found.products.len(), 10);
        assert!(first.ends_with('\u{FFFD}') && first.matches('\u{FFFD}').count() == 1 && first.len() > 10);
    }
}

async fn an_amount_is_the_same_in_each_form(protocol: Protocol) {
    let stage = TestGateway::speaking(protocol).await;
    let offers = async || {
        purge(&stage).await;
        let entry = stage.products().get_product(get(examples::DEAL)).await.unwrap().into_inner().entry.unwrap();
        product(&entry).offers.clone().unwrap().listings
    };
    let right = offers().await;
    for kind in [OddAnswer::FineAmounts, OddAnswer::TextAmounts] {
        stage.sandbox.inject(times(1, FaultKind::Odd(kind)));
        let got = offers().await;
        record(10, protocol, format!("{kind:?}: {:?}", got[0].price.as_ref().map(|price| (price.units, price.nanos))));
        assert_eq!(got, right, "{kind:?}");
    }
}

/// What search, product and compare show as the price of a product.
async fn prices(stage: &TestGateway, asin: &str, words: &str) -> Vec<String> {
    let text = |entry: &pb::ProductEntry| format::price(format::best_offer(product(entry)));
    let found = stage.search().search_products(search(words)).await.unwrap().into_inner();
    let listed = found.products.iter().find(|entry| product(entry).asin == asin).map(text).unwrap();
    let alone = stage.products().get_product(get(asin)).await.unwrap().into_inner().entry.unwrap();
    let asins = vec![asin.to_owned(), examples::UNKNOWN.to_owned()];
    let compared = pb::CompareProductsRequest { asins, options: None };
    let events = stage.products().compare_products(compared).await.unwrap().into_inner();
    let events: Vec<Event> = events.map(|message| message.unwrap().event.unwrap()).collect().await;
    let row =
        events.into_iter().find_map(|event| if let Event::Row(row) = event { Some(row.price_text) } else { None });
    vec![listed, text(&alone), row.unwrap()]
}

async fn one_offer_stands_for_a_product_everywhere(protocol: Protocol) {
    let stage = TestGateway::speaking(protocol).await;
    let entry = stage.products().get_product(get(examples::USED_CHEAPER)).await.unwrap().into_inner().entry.unwrap();
    let words = title(&entry).to_owned();
    let new_price = |entry: &pb::ProductEntry| {
        let listings = &product(entry).offers.as_ref().unwrap().listings;
        let new = listings.iter().filter(|offer| offer.condition() == pb::Condition::New);
        new.map(|offer| format::price(Some(offer))).next().unwrap()
    };
    let expected = new_price(&entry);
    for kind in [None, Some(OddAnswer::NoWinner)] {
        purge(&stage).await;
        stage.sandbox.clear_faults();
        kind.into_iter().for_each(|kind| stage.sandbox.inject(odd(kind)));
        let shown = prices(&stage, examples::USED_CHEAPER, &words).await;
        record(11, protocol, format!("a cheaper used offer, {kind:?}: search, product and compare show {shown:?}"));
        assert_eq!(shown, vec![expected.clone(); 3], "{kind:?}");
    }
}

async fn a_rejected_id_costs_two_calls_where_it_is_named_and_is_remembered_where_it_is_not(protocol: Protocol) {
    let bad = "B0SBREJECT";
    for (is_named, most_calls) in [(true, 2), (false, 8)] {
        let stage = TestGateway::speaking(protocol).await;
        let found = stage.search().search_products(search("headphones")).await.unwrap().into_inner();
        let mut asins: Vec<&str> = found.products[..9].iter().map(|entry| product(entry).asin.as_str()).collect();
        asins.insert(3, bad);
        purge(&stage).await;
        let before = stage.calls();
        stage.sandbox.inject(times(u32::MAX, FaultKind::RejectedId { id: bad.to_owned(), is_named }));
        let got = outcomes(&stage, &asins).await;
        let calls = stage.calls() - before;
        let again = outcomes(&stage, &asins).await;
        let more = stage.calls() - before - calls;
        let products = got.iter().filter(|outcome| *outcome == "product").count();
        record(
            12,
            protocol,
            format!(
                "named {is_named}: {products} products, the tenth {}, {calls} calls; asked again {more} calls",
                got[3]
            ),
        );
        assert_eq!((products, got[3].as_str(), again == got, more), (9, "NOT_FOUND", true, 0));
        assert!(calls <= most_calls, "{calls}");
    }
}

async fn a_saving_of_nothing_is_no_saving(protocol: Protocol) {
    for kind in [OddAnswer::NoSaving, OddAnswer::NegativeSaving] {
        let stage = TestGateway::speaking(protocol).await;
        stage.sandbox.inject(odd(kind));
        let asins = vec![examples::DEAL.to_owned(), examples::HEADPHONES[0].to_owned()];
        let compared = pb::CompareProductsRequest { asins, options: None };
        let events = stage.products().compare_products(compared).await.unwrap().into_inner();
        let events: Vec<Event> = events.map(|message| message.unwrap().event.unwrap()).collect().await;
        let mut savings = Vec::new();
        for event in &events {
            match event {
                Event::Row(row) => savings.push(format::percent_off(row.saving_percent)),
                Event::Summary(summary) => {
                    let is_saving = |best: &pb::CompareBest| best.field() == pb::CompareField::BiggestSaving;
                    assert!(!summary.best.iter().any(is_saving), "{:?}", summary.best);
                }
                Event::Missing(missing) => panic!("{missing:?}"),
            }
        }
        record(13, protocol, format!("{kind:?}: savings shown as {savings:?}, no biggest saving"));
        assert_eq!(savings, ["", ""]);
    }
}

async fn a_search_that_filters_offers_does_not_change_the_product(protocol: Protocol) {
    let stage = TestGateway::speaking(protocol).await;
    // The Creators API can filter by new only.
    let condition = if protocol == Protocol::Creators { pb::Condition::New } else { pb::Condition::Used };
    let query = pb::SearchQuery { condition: condition.into(), ..keywords("headphones") };
    let filtered = pb::SearchProductsRequest { query: Some(query), ..Default::default() };
    let found = stage.search().search_products(filtered.clone()).await.unwrap().into_inner();
    let conditions = |entry: &pb::ProductEntry| -> Vec<pb::Condition> {
        product(entry).offers.iter().flat_map(|offers| &offers.listings).map(pb::Offer::condition).collect()
    };
    // A product that is offered in another condition, too.
    let mut changed = None;
    for entry in &found.products {
        let asin = &product(entry).asin;
        let whole = stage.products().get_product(get(asin)).await.unwrap().into_inner().entry.unwrap();
        if conditions(&whole) != conditions(entry) {
            changed = Some((asin.clone(), whole));
        }
    }
    let cached = stage.search().search_products(filtered).await.unwrap().into_inner();
    let is_filtered = |page: &pb::SearchProductsResponse| {
        page.products.iter().all(|entry| conditions(entry).iter().all(|other| *other == condition))
    };
    assert!(is_filtered(&found) && is_filtered(&cached), "the cached search has no other offers");
    assert_eq!(cached.products.len(), found.products.len());
    let (asin, whole) = changed.expect("some product is offered in two conditions");
    let text = format::price(format::best_offer(product(&whole)));
    record(
        14,
        protocol,
        format!("after a search of {condition:?} offers GetProduct {asin} shows {text}, of {:?}", conditions(&whole)),
    );
    assert!(conditions(&whole).contains(&pb::Condition::New) && !text.contains("Used"));
}

async fn what_the_contract_could_not_say_is_said(protocol: Protocol) {
    let stage = TestGateway::speaking(protocol).await;
    stage.sandbox.inject(times(1, FaultKind::Odd(OddAnswer::OtherAsin)));
    let entry = stage.products().get_product(get(examples::DEAL)).await.unwrap().into_inner().entry.unwrap();
    let (asin, requested) = (product(&entry).asin.clone(), product(&entry).requested_asin.clone());
    record(0, protocol, format!("answered under another ASIN: asin {asin}, requested_asin {requested}"));
    assert_eq!((asin.as_str(), requested.as_str()), ("B0SBOTHER0", examples::DEAL));

    stage.sandbox.inject(times(1, FaultKind::Odd(OddAnswer::OddCondition)));
    let entry = stage.products().get_product(get(examples::HEADPHONES[0])).await.unwrap().into_inner().entry.unwrap();
    let offer = format::best_offer(product(&entry)).unwrap().clone();
    record(0, protocol, format!("an unknown condition: {:?} {:?}", offer.condition(), offer.condition_text));
    assert_eq!((offer.condition(), offer.condition_text.as_str()), (pb::Condition::Unspecified, "Salvaged"));

    stage.sandbox.inject(InjectedFault { operation: Some(Operation::SearchItems), ..times(3, FaultKind::Malformed) });
    let (code, reason, _) = failure(stage.search().search_products(search("lamp")).await);
    record(0, protocol, format!("no JSON: {code:?} {reason}, {} tries", stage.calls() - 2));
    assert_eq!((code, reason.as_str(), stage.calls()), (Code::Unavailable, "UPSTREAM_FAILED", 5));
}

async fn a_price_that_may_be_restricted_is_shown_nowhere(protocol: Protocol) {
    let kinds = [OddAnswer::UnreadableRestriction, OddAnswer::FirstVersionRestriction, OddAnswer::EmptyListing];
    for kind in kinds {
        let stage = TestGateway::speaking(protocol).await;
        stage.sandbox.inject(odd(kind));
        let found = stage.search().search_products(search("headphones")).await.unwrap().into_inner();
        let shown: Vec<_> =
            found.products.iter().map(|entry| format::price(format::best_offer(product(entry)))).collect();
        let mut texts = shown.clone();
        texts.sort();
        texts.dedup();
        texts.truncate(2);
        record(0, protocol, format!("{kind:?}: prices shown as {texts:?}"));
        let is_withheld = shown.iter().all(|text| text == "See price in cart");
        match (kind, protocol) {
            (OddAnswer::UnreadableRestriction, _) | (OddAnswer::FirstVersionRestriction, Protocol::Paapi5) => {
                assert!(is_withheld, "{shown:?}");
            }
            // The first version of offers, which only PA-API has, has the listings.
            (OddAnswer::EmptyListing, Protocol::Paapi5) => assert!(shown.iter().all(|text| text.starts_with('$'))),
            (OddAnswer::EmptyListing, _) => assert!(shown.iter().all(|text| text == "No price")),
            _ => assert!(shown.iter().all(|text| text.starts_with('$'))),
        }
    }
}
