//! Tokens of the Creators API: however one ends, it is fetched once, and no request is lost.

use std::{collections::HashSet, time::Duration};

use amazon_sandbox::{FaultKind, InjectedFault, Sandbox};
use stockroom_proto::pb;
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{Protocol, TestGateway, TestOptions, failure, keywords, options, soon, within};

const AT_ONCE: usize = 50;

/// A search of its own, so that no two are answered by one call.
fn search(n: usize) -> pb::SearchProductsRequest {
    let query = pb::SearchQuery { min_saving_percent: Some(1 + n as i32), ..keywords("headphones") };
    pb::SearchProductsRequest { query: Some(query), page_size: 1, ..Default::default() }
}

fn many(gateway: &TestGateway) -> JoinSet<bool> {
    let mut searches = JoinSet::new();
    for n in 0..AT_ONCE {
        let mut client = gateway.search();
        searches.spawn(async move { client.search_products(within(15_000, search(n))).await.is_ok() });
    }
    searches
}

async fn none_is_lost(searches: JoinSet<bool>) {
    let answered = soon(searches.join_all()).await.into_iter().filter(|answered| *answered).count();
    assert_eq!(answered, AT_ONCE);
}

#[tokio::test]
async fn a_first_token_that_takes_long_is_asked_for_once() {
    let gateway = TestGateway::speaking(Protocol::Creators).await;
    let hold = gateway.sandbox.hold_tokens();
    let searches = many(&gateway);
    soon(gateway.sandbox.tokens_asked(1)).await;
    assert_eq!(gateway.calls(), 0, "nothing is asked without a token");
    hold.release();
    none_is_lost(searches).await;
    assert_eq!((gateway.sandbox.token_requests(), gateway.calls()), (1, AT_ONCE));
}

/// Replaces a token under fifty calls, some of which reach Amazon with the old one.
async fn a_token_is_replaced_once(end: impl FnOnce(&Sandbox)) {
    let gateway = TestGateway::speaking(Protocol::Creators).await;
    gateway.search().search_products(search(90)).await.unwrap();
    end(&gateway.sandbox);
    none_is_lost(many(&gateway)).await;
    assert_eq!(gateway.sandbox.token_requests(), 2);
    let account = gateway.status().await.accounts.remove(0);
    let (calls, spent) = (account.calls.unwrap(), account.day.unwrap().spent);
    assert_eq!((calls.answered, calls.failed), (AT_ONCE as i64 + 1, 0));
    assert!(calls.refused > 0);
    assert_eq!(spent as usize, gateway.calls(), "what arrived at Amazon is what was booked");
}

#[tokio::test]
async fn a_token_that_has_expired_is_replaced_once_and_each_call_with_it_is_counted() {
    a_token_is_replaced_once(Sandbox::expire_tokens).await;
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_once_and_each_call_with_it_is_counted() {
    a_token_is_replaced_once(Sandbox::revoke_tokens).await;
}

#[tokio::test]
async fn a_token_is_not_used_in_the_last_half_minute_of_its_life() {
    let short = |options: &mut TestOptions| options.sandbox.token_lifetime = Duration::from_secs(30);
    let gateway = TestGateway::speaking_with(Protocol::Creators, short).await;
    for n in 1..=3 {
        gateway.search().search_products(search(n)).await.unwrap();
        assert_eq!((gateway.sandbox.token_requests(), gateway.calls()), (n, n));
    }
}

#[tokio::test]
async fn each_account_has_a_token_of_its_own() {
    let gateway = TestGateway::speaking(Protocol::Creators).await;
    for marketplace in ["US", "CA", "DE", "UK", "JP", "AU"] {
        let options = options(marketplace);
        gateway.search().search_products(pb::SearchProductsRequest { options, ..search(0) }).await.unwrap();
    }
    assert_eq!((gateway.sandbox.token_requests(), gateway.calls()), (3, 6));
    let paths: HashSet<String> = gateway.sandbox.calls().into_iter().map(|call| call.path).collect();
    assert_eq!(paths, HashSet::from(["/catalog/v1/searchItems".to_owned()]));
}

#[tokio::test]
async fn a_failing_token_service_is_asked_once_and_its_error_is_returned() {
    let gateway = TestGateway::speaking(Protocol::Creators).await;
    gateway.sandbox.inject_for_tokens(InjectedFault::new(u32::MAX, FaultKind::Error("invalid_client")));
    for _ in 0..5 {
        let (code, reason, _) = failure(gateway.search().search_products(search(0)).await);
        assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "ACCOUNT_CREDENTIAL_REFUSED"));
    }
    assert_eq!((gateway.sandbox.token_requests(), gateway.calls()), (1, 0));
}
