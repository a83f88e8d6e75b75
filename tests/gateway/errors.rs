//! The errors of calls through a real client: code, reason, details, and what they cost.

use std::time::Duration;

use amazon_sandbox::{FaultKind, InjectedFault, examples};
use stockroom_proto::pb::{self, product_outcome::Result as Outcome};
use tonic::Code;

use crate::support::{
    Protocol, TestGateway, always, as_caller, caller, failure, get, keywords, product, search, soon, within,
};

both_protocols!(
    every_fault_of_a_request_is_named_at_once_and_no_call_is_spent,
    a_single_product_that_amazon_does_not_give_is_not_found,
    a_spent_day_is_resource_exhausted_and_cached_products_are_still_returned,
    a_caller_s_spent_share_is_resource_exhausted_for_that_caller,
    a_wait_that_outlasts_the_deadline_is_unavailable_at_once_with_the_wait,
    a_full_queue_is_unavailable,
    an_operation_that_keeps_failing_is_paused_and_unavailable,
    each_refusal_of_the_account_is_a_failed_precondition_that_says_what_to_do,
    throttling_that_outlasts_the_tries_is_unavailable_and_one_that_does_not_is_unseen,
    a_response_without_json_is_unavailable_and_one_of_another_shape_is_internal,
    in_a_list_the_error_of_one_product_is_the_outcome_of_that_product,
    callers_are_identified_by_their_tokens_and_only_admins_use_the_admin_service,
);

async fn every_fault_of_a_request_is_named_at_once_and_no_call_is_spent(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let query = pb::SearchQuery {
        category: "hedphones".to_owned(),
        browse_node_id: "-3".to_owned(),
        min_price: Some(pb::Money { units: 5, nanos: 1, ..Default::default() }),
        max_price: Some(pb::Money { currency_code: "EUR".to_owned(), units: 5, ..Default::default() }),
        min_rating: Some(7.0),
        min_saving_percent: Some(100),
        delivery_flags: vec![0, 99],
        sort: 42,
        ..keywords(&"x".repeat(1001))
    };
    let options = pb::ReadOptions {
        marketplace: "US".to_owned(),
        language: "xx_XX".to_owned(),
        currency: "ZZZ".to_owned(),
        max_age: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
        parts: vec![77],
        ..Default::default()
    };
    let request = pb::SearchProductsRequest {
        query: Some(query),
        page_size: -1,
        page_token: "not a token".to_owned(),
        options: Some(options),
        include_facets: false,
    };
    let (code, reason, details) = failure(gateway.search().search_products(request).await);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "INVALID_REQUEST"));
    let violations = &details.bad_request().unwrap().field_violations;
    let mut fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "options.currency",
            "options.language",
            "options.max_age",
            "options.parts[0]",
            "page_size",
            "page_token",
            "query.browse_node_id",
            "query.category",
            "query.delivery_flags[0]",
            "query.delivery_flags[1]",
            "query.keywords",
            "query.max_price.currency_code",
            "query.min_price",
            "query.min_rating",
            "query.min_saving_percent",
            "query.sort",
        ]
    );
    let category = violations.iter().find(|violation| violation.field == "query.category").unwrap();
    assert!(category.description.contains("headphones"), "{}", category.description);
    assert_eq!(gateway.calls(), 0);
}

async fn a_single_product_that_amazon_does_not_give_is_not_found(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    // Where none of the ids is found, the Creators API answers with one error for all; otherwise it gives the reason for each.
    let not_accessible = match protocol {
        Protocol::Creators => "PRODUCT_NOT_FOUND",
        _ => "PRODUCT_NOT_ACCESSIBLE",
    };
    let cases = [(examples::UNKNOWN, "PRODUCT_NOT_FOUND"), (examples::NOT_ACCESSIBLE, not_accessible)];
    for (asin, expected) in cases {
        let (code, reason, details) = failure(gateway.products().get_product(get(asin)).await);
        assert_eq!((code, reason.as_str()), (Code::NotFound, expected));
        let resource = details.resource_info().unwrap();
        assert_eq!((resource.resource_type.as_str(), resource.resource_name.as_str()), ("stockroom.v1.Product", asin));
    }
}

async fn a_spent_day_is_resource_exhausted_and_cached_products_are_still_returned(protocol: Protocol) {
    let gateway = TestGateway::speaking_with(protocol, |options| options.config.accounts[0].calls_per_day = 1).await;
    gateway.products().get_product(get(examples::HEADPHONES[0])).await.unwrap();
    let (code, reason, details) = failure(gateway.products().get_product(get(examples::DEAL)).await);
    assert_eq!((code, reason.as_str()), (Code::ResourceExhausted, "DAY_BUDGET_SPENT"));
    assert_eq!(details.quota_failure().unwrap().violations[0].subject, "account:test");
    let resets = details.retry_info().unwrap().retry_delay.unwrap();
    assert!((Duration::from_secs(23 * 3600)..=Duration::from_secs(24 * 3600)).contains(&resets));
    gateway.products().get_product(get(examples::HEADPHONES[0])).await.unwrap();
}

async fn a_caller_s_spent_share_is_resource_exhausted_for_that_caller(protocol: Protocol) {
    let gateway = TestGateway::speaking_with(protocol, |options| {
        options.config.callers = vec![caller("batch", false, Some(1)), caller("web", false, None)];
    })
    .await;
    gateway.products().get_product(as_caller("batch", get(examples::HEADPHONES[0]))).await.unwrap();
    let refused = gateway.products().get_product(as_caller("batch", get(examples::DEAL))).await;
    let (code, reason, details) = failure(refused);
    assert_eq!((code, reason.as_str()), (Code::ResourceExhausted, "CALLER_SHARE_SPENT"));
    assert_eq!(details.quota_failure().unwrap().violations[0].subject, "caller:batch");
    gateway.products().get_product(as_caller("web", get(examples::DEAL))).await.unwrap();
}

async fn a_wait_that_outlasts_the_deadline_is_unavailable_at_once_with_the_wait(protocol: Protocol) {
    let gateway =
        TestGateway::speaking_with(protocol, |options| options.config.accounts[0].calls_per_second = 0.05).await;
    gateway.products().get_product(get(examples::HEADPHONES[0])).await.unwrap();
    let refused = soon(gateway.products().get_product(within(10_000, get(examples::DEAL)))).await;
    let (code, reason, details) = failure(refused);
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "WAIT_EXCEEDS_DEADLINE"));
    let wait = details.retry_info().unwrap().retry_delay.unwrap();
    // Twenty seconds for its turn, and what a call takes.
    assert!(wait > Duration::from_secs(10) && wait <= Duration::from_millis(21_500), "{wait:?}");
}

async fn a_full_queue_is_unavailable(protocol: Protocol) {
    let gateway = TestGateway::speaking_with(protocol, |options| {
        options.config.accounts[0].queue_capacity = 10;
        options.config.accounts[0].calls_per_second = 0.05;
    })
    .await;
    gateway.products().get_product(get(examples::HEADPHONES[0])).await.unwrap();
    let asins = (0..12).map(|n| format!("B0QUEUE{n:03}")).collect();
    let request = within(60_000, pb::GetProductsRequest { asins, options: None });
    let mut products = gateway.products();
    let waiting = tokio::spawn(async move { products.get_products(request).await });
    soon(gateway.queued(10)).await;
    let refused = gateway.products().get_product(within(60_000, get(examples::DEAL))).await;
    let (code, reason, details) = failure(refused);
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "QUEUE_FULL"));
    assert!(details.retry_info().unwrap().retry_delay.is_some());
    waiting.abort();
}

async fn an_operation_that_keeps_failing_is_paused_and_unavailable(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    gateway.sandbox.inject(always(FaultKind::Status { status: 503, body: "<html>busy</html>".to_owned() }));
    let (code, reason, details) = failure(gateway.products().get_product(get(examples::DEAL)).await);
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "UPSTREAM_FAILED"));
    assert!(details.retry_info().is_some());
    assert_eq!(gateway.calls(), 3, "two more tries and no more");
    failure(gateway.products().get_product(get(examples::DEAL)).await);
    let (code, reason, details) = failure(gateway.products().get_product(get(examples::DEAL)).await);
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "UPSTREAM_PAUSED"));
    assert!(details.retry_info().unwrap().retry_delay.unwrap() > Duration::from_secs(25));
    assert_eq!(gateway.calls(), 5, "a paused operation is not called");

    let search = search(keywords("lamp"));
    gateway.sandbox.clear_faults();
    gateway.search().search_products(search).await.expect("other operations go on");
}

async fn each_refusal_of_the_account_is_a_failed_precondition_that_says_what_to_do(protocol: Protocol) {
    let paapi5 = [
        ("AssociateNotEligible", "ACCOUNT_NOT_ELIGIBLE", "qualifying sales"),
        ("Retired", "UPSTREAM_API_RETIRED", "Creators API"),
        ("RetiredFlat", "UPSTREAM_API_RETIRED", "Creators API"),
        ("UnrecognizedClient", "ACCOUNT_KEY_UNKNOWN", "access_key"),
        ("InvalidSignature", "ACCOUNT_SIGNATURE_REFUSED", "secret_key"),
        ("RequestExpired", "CLOCK_SKEW", "clock"),
        ("AccessDenied", "ACCOUNT_NOT_ENABLED", "register"),
        ("AccessDeniedAwsUsers", "ACCOUNT_KEY_IS_AWS_KEY", "AWS"),
        ("InvalidAssociate", "ACCOUNT_NOT_ASSOCIATE", "primary"),
        ("InvalidPartnerTag", "PARTNER_TAG_REFUSED", "partner tag"),
    ];
    let creators = [
        ("AssociateNotEligible", "ACCOUNT_NOT_ELIGIBLE", "qualifying sales"),
        ("AuthorizationFailed", "ACCOUNT_NOT_ENABLED", "register"),
        ("InvalidAssociate", "PARTNER_TAG_REFUSED", "partner tag"),
        ("InvalidPartnerTag", "PARTNER_TAG_REFUSED", "partner tag"),
        ("InvalidIssuer", "ACCOUNT_WRONG_REGION", "credential"),
        ("InvalidClient", "ACCOUNT_CREDENTIAL_REFUSED", "credential"),
        ("UnsupportedClient", "ACCOUNT_CREDENTIAL_REFUSED", "credential"),
        ("MissingClaim", "ACCOUNT_TOKEN_REFUSED", "version"),
    ];
    let cases = if protocol == Protocol::Creators { creators.as_slice() } else { paapi5.as_slice() };
    for &(code, expected, next) in cases {
        let gateway = TestGateway::speaking(protocol).await;
        gateway.sandbox.inject(always(FaultKind::Error(code)));
        let result = gateway.products().get_product(get(examples::DEAL)).await;
        let message = result.as_ref().unwrap_err().message().to_owned();
        let (status, reason, details) = failure(result);
        assert_eq!((status, reason.as_str()), (Code::FailedPrecondition, expected), "{code}");
        assert!(message.contains(next), "{code}: {message}");
        let facts = &details.error_info().unwrap().metadata;
        assert!(facts.contains_key("amazon_request_id") && facts.contains_key("what_next"), "{facts:?}");
        assert!(![amazon_sandbox::ACCESS_KEY, "sandbox-credential"].iter().any(|id| message.contains(id)), "{message}");
    }
}

async fn throttling_that_outlasts_the_tries_is_unavailable_and_one_that_does_not_is_unseen(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    gateway.sandbox.inject(InjectedFault::new(2, FaultKind::Error("TooManyRequests")));
    gateway.products().get_product(get(examples::HEADPHONES[0])).await.unwrap();
    assert_eq!(gateway.calls(), 3);
    gateway.sandbox.inject(always(FaultKind::RetryAfter(Duration::from_secs(40))));
    let (code, reason, details) = failure(gateway.products().get_product(get(examples::DEAL)).await);
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "UPSTREAM_THROTTLED"));
    assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_secs(40)));
}

async fn a_response_without_json_is_unavailable_and_one_of_another_shape_is_internal(protocol: Protocol) {
    let cases = [
        (FaultKind::Malformed, Code::Unavailable, "UPSTREAM_FAILED"),
        (FaultKind::WrongShape, Code::Internal, "UPSTREAM_MALFORMED"),
    ];
    for (kind, expected_code, expected_reason) in cases {
        let gateway = TestGateway::speaking(protocol).await;
        gateway.sandbox.inject(always(kind.clone()));
        let (code, reason, details) = failure(gateway.products().get_product(get(examples::DEAL)).await);
        assert_eq!((code, reason.as_str()), (expected_code, expected_reason), "{kind:?}");
        assert!(details.error_info().unwrap().metadata.contains_key("amazon_request_id"));
    }
}

async fn in_a_list_the_error_of_one_product_is_the_outcome_of_that_product(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    gateway.sandbox.inject(always(FaultKind::Error("AssociateNotEligible")));
    let asins = vec![examples::DEAL.to_owned(), "?".to_owned()];
    let answer =
        gateway.products().get_products(pb::GetProductsRequest { asins, options: None }).await.unwrap().into_inner();
    let reasons: Vec<_> = answer
        .outcomes
        .iter()
        .map(|outcome| match outcome.result.as_ref().unwrap() {
            Outcome::Entry(_) => None,
            Outcome::Absence(absence) => Some(absence.reason()),
        })
        .collect();
    assert_eq!(reasons, [Some(pb::AbsenceReason::UpstreamFailed), Some(pb::AbsenceReason::Invalid)]);
}

async fn callers_are_identified_by_their_tokens_and_only_admins_use_the_admin_service(protocol: Protocol) {
    let gateway = TestGateway::speaking_with(protocol, |options| {
        options.config.callers = vec![caller("web", false, None), caller("operator", true, None)];
    })
    .await;
    let (code, reason, _) = failure(gateway.products().get_product(get(examples::DEAL)).await);
    assert_eq!((code, reason.as_str()), (Code::Unauthenticated, "CALLER_UNKNOWN"));
    let (code, ..) = failure(gateway.products().get_product(as_caller("nobody", get(examples::DEAL))).await);
    assert_eq!(code, Code::Unauthenticated);
    gateway.products().get_product(as_caller("web", get(examples::DEAL))).await.unwrap();

    let (code, reason, _) = failure(gateway.admin().get_status(as_caller("web", pb::GetStatusRequest {})).await);
    assert_eq!((code, reason.as_str()), (Code::PermissionDenied, "NOT_AN_ADMIN"));
    gateway.admin().get_status(as_caller("operator", pb::GetStatusRequest {})).await.unwrap();
    assert_eq!(gateway.calls(), 1);
}

#[tokio::test]
async fn a_ranked_list_of_which_one_product_cannot_be_fetched_is_incomplete() {
    let gateway = TestGateway::start().await;
    let trending = pb::ListTrendingRequest { category: "headphones".to_owned(), ..Default::default() };
    let whole = gateway.browse().list_trending(trending.clone()).await.unwrap().into_inner();
    let asins = vec![product(whole.products.last().unwrap()).asin.clone()];
    let one = pb::purge_cache_request::Target::Products(pb::PurgeProducts { marketplace: String::new(), asins });
    gateway.admin().purge_cache(pb::PurgeCacheRequest { target: Some(one) }).await.unwrap();
    gateway.sandbox.inject(always(FaultKind::Error("AssociateNotEligible")));
    let answer = gateway.browse().list_trending(trending).await.unwrap().into_inner();
    assert!(!answer.products.is_empty());
    assert_eq!(answer.incomplete.unwrap().error_reason(), pb::ErrorReason::AccountNotEligible);
}

#[tokio::test]
async fn a_cached_list_does_not_hide_that_its_products_cannot_be_fetched() {
    let gateway = TestGateway::start().await;
    let search = search(keywords("lamp"));
    let family = pb::GetVariationsRequest { asin: examples::VARIATION_PARENT.to_owned(), ..Default::default() };
    let trending = pb::ListTrendingRequest { category: "headphones".to_owned(), ..Default::default() };
    gateway.search().search_products(search.clone()).await.unwrap();
    gateway.products().get_variations(family.clone()).await.unwrap();
    gateway.browse().list_trending(trending.clone()).await.unwrap();

    let products = pb::purge_cache_request::Target::Namespace(pb::CacheNamespace::Products.into());
    gateway.admin().purge_cache(pb::PurgeCacheRequest { target: Some(products) }).await.unwrap();
    gateway.sandbox.inject(always(FaultKind::Error("AssociateNotEligible")));
    let refused = (Code::FailedPrecondition, "ACCOUNT_NOT_ELIGIBLE".to_owned());
    let seen = |(code, reason, _): (Code, String, _)| (code, reason);
    assert_eq!(seen(failure(gateway.search().search_products(search).await)), refused);
    assert_eq!(seen(failure(gateway.products().get_variations(family).await)), refused);
    assert_eq!(seen(failure(gateway.browse().list_trending(trending).await)), refused);
}
