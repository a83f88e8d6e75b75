//! What becomes of tokens: shared, renewed, refused, and never shown.
//!
//! The clock is paused only while nothing is on its way, and moved: a paused clock would run ahead of the network.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::time;

use super::*;

const STALE: &str = r#"{"type": "UnauthorizedException", "reason": "InvalidToken"}"#;

async fn fake() -> Fake {
    Fake::start(|_| (200, NOTHING.to_owned())).await
}

fn client(fake: &Fake) -> CreatorsClient {
    CreatorsClient::new(options(&fake.base())).unwrap()
}

async fn ask(client: &CreatorsClient) -> Result<CatalogResponse, Error> {
    client.call(&get_items("UK"), PATIENCE).await
}

async fn pass(seconds: u64) {
    time::pause();
    time::advance(Duration::from_secs(seconds)).await;
    time::resume();
}

#[tokio::test]
async fn fifty_calls_at_once_cost_one_token() {
    let fake = fake().await;
    let client = client(&fake);
    let held = fake.hold_tokens();
    let calls = join_all((0..50).map(|_| ask(&client)));
    let release = async {
        fake.reach_tokens(1).await;
        drop(held);
    };
    let (answers, ()) = tokio::join!(calls, release);
    assert!(answers.into_iter().all(|answer| answer.unwrap() == empty()));
    assert_eq!((fake.tokens(), fake.calls()), (1, 50));
}

#[tokio::test]
async fn a_caller_that_hangs_up_or_runs_out_of_time_does_not_end_the_fetch() {
    let fake = fake().await;
    let client = client(&fake);
    let held = fake.hold_tokens();
    tokio::select! {
        answer = ask(&client) => panic!("{answer:?}"),
        () = fake.reach_tokens(1) => {}
    }
    let within = Duration::from_millis(1);
    let answer = client.call(&get_items("UK"), within).await;
    assert!(matches!(&answer, Err(Error::TimedOut { within: limit }) if *limit == within), "{answer:?}");
    drop(held);
    ask(&client).await.unwrap();
    assert_eq!((fake.tokens(), fake.calls()), (1, 1));
}

#[tokio::test]
async fn a_token_is_renewed_behind_the_calls_before_it_ends() {
    let fake = fake().await;
    let client = client(&fake);
    ask(&client).await.unwrap();
    pass(2870).await;
    ask(&client).await.unwrap();
    assert_eq!(fake.tokens(), 1, "four fifths of an hour are 2,880 seconds");

    pass(20).await;
    let held = fake.hold_tokens();
    ask(&client).await.unwrap();
    assert_eq!(fake.last_call().header("authorization"), "Bearer token-1", "the old one is still good");
    fake.reach_tokens(2).await;
    ask(&client).await.unwrap();
    assert_eq!(fake.tokens(), 2, "one renewal is enough");
    drop(held);
    let renewed = async {
        while fake.last_call().header("authorization") != "Bearer token-2" {
            ask(&client).await.unwrap();
        }
    };
    time::timeout(PATIENCE, renewed).await.unwrap();
    assert_eq!(fake.tokens(), 2);
}

#[tokio::test]
async fn a_token_that_has_all_but_ended_is_not_used() {
    let fake = fake().await;
    let client = client(&fake);
    ask(&client).await.unwrap();
    pass(3600 - 30).await;
    ask(&client).await.unwrap();
    assert_eq!(fake.last_call().header("authorization"), "Bearer token-2");
    assert_eq!((fake.tokens(), fake.calls()), (2, 2));
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_old_token_in_use() {
    let fake = fake().await;
    let client = client(&fake);
    ask(&client).await.unwrap();
    pass(3000).await;
    fake.answer_tokens_with(Some((503, "")));
    for _ in 0..20 {
        ask(&client).await.unwrap();
    }
    fake.reach_tokens(2).await;
    assert_eq!((fake.tokens(), fake.calls()), (2, 21));
    pass(600).await;
    assert!(matches!(ask(&client).await, Err(Error::Failed { status: 503, .. })));
    fake.answer_tokens_with(None);
    pass(60).await;
    ask(&client).await.unwrap();
}

/// The calls of a client that makes a call again where its token had expired.
async fn ask_again(client: &CreatorsClient) -> Result<CatalogResponse, Error> {
    match ask(client).await {
        Err(Error::TokenExpired { .. }) => ask(client).await,
        answer => answer,
    }
}

#[tokio::test]
async fn a_revoked_token_is_replaced_once_and_every_call_is_one_request() {
    let fake = Fake::start(|seen| match seen.header("authorization") {
        "Bearer token-1" => (401, STALE.to_owned()),
        _ => (200, NOTHING.to_owned()),
    })
    .await;
    let client = client(&fake);
    let held = fake.hold_calls();
    let calls = join_all((0..20).map(|_| ask(&client)));
    let release = async {
        fake.reach_calls(20).await;
        drop(held);
    };
    let (answers, ()) = tokio::join!(calls, release);
    assert!(answers.iter().all(|answer| matches!(answer, Err(Error::TokenExpired { .. }))), "{answers:?}");
    assert_eq!((fake.tokens(), fake.calls()), (1, 20));
    let answers = join_all((0..20).map(|_| ask(&client))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap() == empty()));
    assert_eq!((fake.tokens(), fake.calls()), (2, 40));
}

#[tokio::test]
async fn a_token_that_is_refused_even_when_new_is_not_tried_again_for_a_while() {
    let fake = Fake::start(|_| (401, STALE.to_owned())).await;
    let client = client(&fake);
    assert!(matches!(ask(&client).await, Err(Error::TokenExpired { .. })));
    for _ in 0..3 {
        let answer = ask(&client).await;
        assert!(matches!(&answer, Err(Error::Refused { refusal: Refusal::TokenRefused, .. })), "{answer:?}");
        assert_eq!((fake.tokens(), fake.calls()), (2, 2));
    }
    pass(5).await;
    assert!(matches!(ask(&client).await, Err(Error::Refused { .. })));
    assert_eq!((fake.tokens(), fake.calls()), (3, 3));
}

#[tokio::test]
async fn a_replacement_that_worked_may_expire_in_its_turn() {
    let revoked = Arc::new(AtomicUsize::new(1));
    let until = Arc::clone(&revoked);
    let fake = Fake::start(move |seen| {
        let token: usize = seen.header("authorization").trim_start_matches("Bearer token-").parse().unwrap();
        if token <= until.load(Ordering::Relaxed) { (401, STALE.to_owned()) } else { (200, NOTHING.to_owned()) }
    })
    .await;
    let client = client(&fake);
    for expired in 1..=3 {
        revoked.store(expired, Ordering::Relaxed);
        assert!(matches!(ask(&client).await, Err(Error::TokenExpired { .. })), "{expired}");
        assert_eq!(ask(&client).await.unwrap(), empty(), "{expired}");
    }
}

#[tokio::test]
async fn any_401_renews_the_token_once_whatever_it_says() {
    let cases = [
        (r#"{"type": "UnauthorizedException", "reason": "InvalidIssuer"}"#, Refusal::WrongRegion),
        (r#"{"type": "UnauthorizedException", "message": "Authentication token has expired."}"#, Refusal::Other),
        (r#"{"message": "The incoming token has expired"}"#, Refusal::Other),
        (r#"{"message": "Unauthorized"}"#, Refusal::Other),
        ("<html>", Refusal::Other),
    ];
    for (body, expected) in cases {
        let renewed = Fake::start(move |seen| match seen.header("authorization") {
            "Bearer token-1" => (401, body.to_owned()),
            _ => (200, NOTHING.to_owned()),
        })
        .await;
        assert_eq!(ask_again(&client(&renewed)).await.unwrap(), empty(), "{body}");
        assert_eq!((renewed.tokens(), renewed.calls()), (2, 2), "{body}");

        let refused = Fake::start(move |_| (401, body.to_owned())).await;
        let answer = ask_again(&client(&refused)).await;
        assert!(matches!(&answer, Err(Error::Refused { refusal, .. }) if *refusal == expected), "{body}: {answer:?}");
        assert_eq!((refused.tokens(), refused.calls()), (2, 2), "{body}");
    }
}

#[tokio::test]
async fn a_token_service_that_fails_is_not_asked_again_for_a_while() {
    let fake = fake().await;
    let client = client(&fake);
    fake.answer_tokens_with(Some((400, r#"{"error": "invalid_client"}"#)));
    let mut tokens = 0;
    for hold in [5, 10, 20, 40, 60, 60] {
        tokens += 1;
        for _ in 0..3 {
            let answer = ask(&client).await;
            assert!(matches!(&answer, Err(Error::Refused { refusal: Refusal::BadCredential, .. })), "{answer:?}");
        }
        pass(hold - 1).await;
        ask(&client).await.unwrap_err();
        assert_eq!((fake.tokens(), fake.calls()), (tokens, 0), "for {hold} seconds");
        pass(2).await;
    }
    fake.answer_tokens_with(None);
    ask(&client).await.unwrap();
}

#[tokio::test]
async fn a_wait_that_the_token_service_asks_for_is_kept() {
    let fake = fake().await;
    let client = client(&fake);
    fake.answer_tokens_with(Some((429, r#"{"error": "too_many_requests"}"#)));
    let is_throttled = |answer: Result<CatalogResponse, Error>| {
        let hundred_seconds = Some(Duration::from_secs(100));
        matches!(answer, Err(Error::Throttled { retry_after, .. }) if retry_after == hundred_seconds)
    };
    assert!(is_throttled(ask(&client).await));
    pass(98).await;
    assert!(is_throttled(ask(&client).await));
    assert_eq!(fake.tokens(), 1);
    pass(3).await;
    assert!(is_throttled(ask(&client).await));
    assert_eq!(fake.tokens(), 2);
}

#[tokio::test]
async fn each_failure_of_the_token_service_is_distinguished() {
    type IsExpected = fn(&Error) -> bool;
    let refused: IsExpected = |error| matches!(error, Error::Refused { refusal: Refusal::BadCredential, .. });
    let malformed: IsExpected = |error| matches!(error, Error::Malformed { .. });
    let cases: [(u16, &str, IsExpected); 12] = [
        (400, r#"{"error": "invalid_client"}"#, refused),
        (401, r#"{"error": "invalid_client", "error_description": "Client authentication failed"}"#, refused),
        (400, r#"{"error": "unauthorized_client"}"#, refused),
        (429, r#"{"error": "too_many_requests"}"#, |error| matches!(error, Error::Throttled { .. })),
        (500, "", |error| matches!(error, Error::Failed { status: 500, .. })),
        (503, "<html>", |error| matches!(error, Error::Failed { status: 503, .. })),
        (403, "<html>who are you</html>", malformed),
        (302, "", malformed),
        (200, "<html>", malformed),
        (200, r#"{"token_type": "bearer"}"#, malformed),
        (200, r#"{"access_token": "two words", "token_type": "bearer"}"#, malformed),
        (200, r#"{"access_token": "t", "token_type": "mac"}"#, malformed),
    ];
    for (status, body, is_expected) in cases {
        let fake = fake().await;
        fake.answer_tokens_with(Some((status, body)));
        let error = ask(&client(&fake)).await.unwrap_err();
        assert!(is_expected(&error), "{status} {body}: {error:?}");
        assert_eq!(fake.calls(), 0);
    }
    let unreachable = CreatorsClient::new(options("http://127.0.0.1:1")).unwrap();
    assert!(matches!(ask(&unreachable).await, Err(Error::Unreachable { .. })));
}

#[tokio::test]
async fn clients_of_one_credential_share_its_token() {
    let fake = fake().await;
    let (first, second) = (client(&fake), client(&fake));
    let other =
        CreatorsClient::new(Options { credential_id: "another-id".to_owned(), ..options(&fake.base()) }).unwrap();
    for client in [&first, &second, &other] {
        ask(client).await.unwrap();
    }
    assert_eq!((fake.tokens(), fake.calls()), (2, 3));
}

#[tokio::test]
async fn a_new_credential_is_taken_without_failing_the_calls_under_way() {
    let fake = fake().await;
    let client = client(&fake);
    let held = fake.hold_calls();
    let rotate = async {
        fake.reach_calls(1).await;
        client.rotate("new-id".to_owned(), "new-secret".into()).unwrap();
        drop(held);
    };
    let (answer, ()) = tokio::join!(ask(&client), rotate);
    assert_eq!(answer.unwrap(), empty());
    assert_eq!(fake.tokens(), 1);
    ask(&client).await.unwrap();
    assert_eq!(fake.last_call().header("authorization"), "Bearer token-2");
    assert!(fake.seen().iter().any(|seen| seen.body.contains("new-id") && seen.body.contains("new-secret")));

    assert!(matches!(client.rotate(String::new(), "x".into()), Err(BuildError::Credential)));
    ask(&client).await.unwrap();
    assert_eq!(fake.tokens(), 2, "a credential that cannot be one changes nothing");
}

#[tokio::test]
async fn each_rotation_has_a_version_of_its_own() {
    let client = client(&fake().await);
    let rotated = (0..100).map(|n| {
        client.rotate(format!("id-{}", n % 2), "secret".into()).unwrap();
        client.credentials_version()
    });
    let versions: std::collections::BTreeSet<u64> = rotated.collect();
    assert_eq!(versions.len(), 100);
}

#[tokio::test]
async fn after_a_token_went_with_the_old_credential_the_next_call_takes_one_of_the_new() {
    let fake = Fake::start(|seen| match seen.header("authorization") {
        "Bearer token-1" => (401, STALE.to_owned()),
        _ => (200, NOTHING.to_owned()),
    })
    .await;
    let client = client(&fake);
    let held = fake.hold_calls();
    let rotate = async {
        fake.reach_calls(1).await;
        client.rotate("new-id".to_owned(), "new-secret".into()).unwrap();
        drop(held);
    };
    let (answer, ()) = tokio::join!(ask(&client), rotate);
    assert!(matches!(answer, Err(Error::TokenExpired { .. })), "{answer:?}");
    assert_eq!(ask(&client).await.unwrap(), empty());
    let ids: Vec<_> =
        fake.seen().iter().filter(|seen| seen.body.contains("new-id")).map(|seen| seen.path.clone()).collect();
    assert_eq!(ids, ["/auth/o2/token"]);
}

#[tokio::test]
async fn no_secret_is_shown() {
    let answers = [(401, STALE), (500, "token-1"), (200, "token-1"), (403, "token-1"), (200, NOTHING)];
    let next = AtomicUsize::new(0);
    let fake = Fake::start(move |_| {
        let (status, body) = answers[next.fetch_add(1, Ordering::Relaxed) % answers.len()];
        (status, body.to_owned())
    })
    .await;
    let proxy_password = "hunter-of-proxies";
    let options = with_transport(&fake.base(), |transport| {
        transport.proxy = Some(format!("http://me:{proxy_password}@127.0.0.1:1"));
    });
    let mut shown = format!("{options:?}");
    shown += &format!("{:?}", CreatorsClient::new(options).unwrap());
    let client = client(&fake);
    for _ in 0..answers.len() {
        shown += &format!("{:?}", ask(&client).await.map_err(|error| format!("{error} {error:?}")));
    }
    shown += &format!("{client:?} {:?}", client.token_cache.current().get().await.unwrap());
    fake.answer_tokens_with(Some((400, &format!(r#"{{"error": "{SECRET}", "error_description": "{SECRET} {ID}"}}"#))));
    client.rotate("other-id".to_owned(), SECRET.into()).unwrap();
    let error = ask(&client).await.unwrap_err();
    shown += &format!("{error} {error:?}");
    for secret in [SECRET, ID, "other-id", "token-", proxy_password] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}
