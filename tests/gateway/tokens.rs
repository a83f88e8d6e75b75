//! Tokens of the Creators API: whatever becomes of one, a call for it is made once, and no request is lost.

use std::{collections::HashSet, time::Duration};

use amazon_sandbox::{FaultKind, InjectedFault, Sandbox};
use stockroom_proto::pb;
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{Protocol, TestGateway, failure, keywords, soon, within};

const AT_ONCE: usize = 50;

/// A search of its own, so that no two are answered by one call.
fn search(n: usize) -> pb::SearchProductsRequest {
    let query = pb::SearchQuery { min_saving_percent: Some(1 + n as i32), ..keywords("headphones") };
    pb::SearchProductsRequest { query: Some(query), page_size: 1, ..Default::default() }
}

fn many(stage: &TestGateway) -> JoinSet<bool> {
    let mut searches = JoinSet::new();
    for n in 0..AT_ONCE {
        let mut client = stage.search();
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
    let stage = TestGateway::speaking(Protocol::Creators).await;
    let hold = stage.sandbox.hold_tokens();
    let searches = many(&stage);
    soon(stage.sandbox.tokens_asked(1)).await;
    assert_eq!(stage.calls(), 0, "nothing is asked without a token");
    hold.release();
    none_is_lost(searches).await;
    assert_eq!((stage.sandbox.token_requests(), stage.calls()), (1, AT_ONCE));
}

async fn a_token_is_replaced_once(end: impl FnOnce(&Sandbox)) {
    let stage = TestGateway::speaking(Protocol::Creators).await;
    stage.search().search_products(search(90)).await.unwrap();
    end(&stage.sandbox);
    none_is_lost(many(&stage)).await;
    assert_eq!(stage.sandbox.token_requests(), 2);
    let status = stage.admin().get_status(pb::GetStatusRequest {}).await.unwrap().into_inner();
    let calls = status.accounts[0].calls.unwrap();
    assert_eq!((calls.answered, calls.failed + calls.refused), (AT_ONCE as i64 + 1, 0));
}

#[tokio::test]
async fn a_token_that_has_expired_is_replaced_once() {
    a_token_is_replaced_once(Sandbox::expire_tokens).await;
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_once() {
    a_token_is_replaced_once(Sandbox::revoke_tokens).await;
}

#[tokio::test]
async fn a_token_is_not_used_in_the_last_half_minute_of_its_life() {
    let short = |options: &mut crate::support::TestOptions| options.sandbox.token_lifetime = Duration::from_secs(30);
    let stage = TestGateway::speaking_with(Protocol::Creators, short).await;
    for n in 1..=3 {
        stage.search().search_products(search(n)).await.unwrap();
        assert_eq!((stage.sandbox.token_requests(), stage.calls()), (n, n));
    }
}

#[tokio::test]
async fn each_account_has_a_token_of_its_own() {
    let stage = TestGateway::speaking(Protocol::Creators).await;
    for marketplace in ["US", "CA", "DE", "UK", "JP", "AU"] {
        let options = crate::support::options(marketplace);
        stage.search().search_products(pb::SearchProductsRequest { options, ..search(0) }).await.unwrap();
    }
    assert_eq!((stage.sandbox.token_requests(), stage.calls()), (3, 6));
    let paths: HashSet<String> = stage.sandbox.calls().into_iter().map(|call| call.path).collect();
    assert_eq!(paths, HashSet::from(["/catalog/v1/searchItems".to_owned()]));
}

#[tokio::test]
async fn a_token_service_in_trouble_is_asked_once_and_the_trouble_is_told() {
    let stage = TestGateway::speaking(Protocol::Creators).await;
    stage.sandbox.inject_for_tokens(InjectedFault::new(u32::MAX, FaultKind::Error("invalid_client")));
    for _ in 0..5 {
        let (code, reason, _) = failure(stage.search().search_products(search(0)).await);
        assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "ACCOUNT_CREDENTIAL_REFUSED"));
    }
    assert_eq!((stage.sandbox.token_requests(), stage.calls()), (1, 0));
}
