//! Amazon dying, hanging, cutting, babbling: an error within the deadline, and the next call works.

use amazon_sandbox::{FaultKind, InjectedFault, Sandbox, examples};
use stockroom_proto::pb;
use tokio::net::TcpListener;
use tonic::Code;

use crate::support::{Protocol, TestGateway, failure, soon, within};

both_protocols!(
    a_fault_that_passes_is_not_seen_at_all,
    a_connection_that_keeps_breaking_is_unavailable,
    a_hanging_amazon_costs_no_more_than_the_deadline_and_the_next_call_works,
    a_timeout_of_one_call_is_tried_again_within_the_deadline,
    an_amazon_killed_in_the_middle_of_a_call_is_an_error_and_its_return_is_noticed,
    a_call_that_has_left_is_kept_even_when_its_caller_hangs_up,
);

fn get(asin: &str) -> pb::GetProductRequest {
    pb::GetProductRequest { asin: asin.to_owned(), options: None }
}

fn once(kind: FaultKind) -> InjectedFault {
    InjectedFault { operation: None, times: 1, kind }
}

async fn a_fault_that_passes_is_not_seen_at_all(protocol: Protocol) {
    let stage = TestGateway::speaking(protocol).await;
    for kind in [FaultKind::Reset, FaultKind::Truncated, FaultKind::Error("InternalFailure")] {
        stage.sandbox.inject(once(kind.clone()));
        let everything = pb::purge_cache_request::Target::Everything(true);
        stage.admin().purge_cache(pb::PurgeCacheRequest { target: Some(everything) }).await.unwrap();
        let before = stage.calls();
        soon(stage.products().get_product(get(examples::DEAL))).await.unwrap();
        assert_eq!(stage.calls() - before, 2, "{kind:?}");
    }
}

async fn a_connection_that_keeps_breaking_is_unavailable(protocol: Protocol) {
    let stage = TestGateway::speaking(protocol).await;
    stage.sandbox.inject(InjectedFault { operation: None, times: 3, kind: FaultKind::Reset });
    let (code, reason, _) = failure(soon(stage.products().get_product(get(examples::DEAL))).await);
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "UPSTREAM_UNREACHABLE"));
    soon(stage.products().get_product(get(examples::DEAL))).await.expect("the next call works");
}

async fn a_hanging_amazon_costs_no_more_than_the_deadline_and_the_next_call_works(protocol: Protocol) {
    let stage = TestGateway::speaking(protocol).await;
    stage.sandbox.inject(once(FaultKind::Hang));
    let (code, reason, _) = failure(soon(stage.products().get_product(within(600, get(examples::DEAL)))).await);
    assert_eq!((code, reason.as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    soon(stage.products().get_product(get(examples::HEADPHONES[0]))).await.expect("another id is asked for at once");
}

async fn a_timeout_of_one_call_is_tried_again_within_the_deadline(protocol: Protocol) {
    let stage = TestGateway::speaking_with(protocol, |options| {
        options.config.accounts[0].timeout = std::time::Duration::from_millis(300)
    })
    .await;
    stage.sandbox.inject(once(FaultKind::Hang));
    soon(stage.products().get_product(get(examples::DEAL))).await.unwrap();
    assert_eq!(stage.calls(), 2);
}

async fn an_amazon_killed_in_the_middle_of_a_call_is_an_error_and_its_return_is_noticed(protocol: Protocol) {
    let mut stage = TestGateway::speaking(protocol).await;
    let port = stage.sandbox.url().rsplit(':').next().unwrap().to_owned();
    stage.products().get_product(get(examples::DEAL)).await.unwrap();

    let _hold = stage.sandbox.hold();
    let mut products = stage.products();
    let waiting = tokio::spawn(async move { products.get_product(get(examples::HEADPHONES[0])).await });
    stage.sandbox.arrived(2).await;
    let elsewhere = Sandbox::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), Default::default()).await.unwrap();
    std::mem::replace(&mut stage.sandbox, elsewhere).stop().await;
    let (code, reason, _) = failure(soon(waiting).await.unwrap());
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "UPSTREAM_UNREACHABLE"));
    stage.products().get_product(get(examples::DEAL)).await.expect("what is cached is told while Amazon is gone");

    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap();
    stage.sandbox = Sandbox::start(listener, Default::default()).await.unwrap();
    soon(stage.products().get_product(get(examples::HEADPHONES[0]))).await.expect("it is back");
}

async fn a_call_that_has_left_is_kept_even_when_its_caller_hangs_up(protocol: Protocol) {
    let stage = TestGateway::speaking(protocol).await;
    let hold = stage.sandbox.hold();
    let mut products = stage.products();
    let impatient = tokio::spawn(async move { products.get_product(get(examples::DEAL)).await });
    stage.sandbox.arrived(1).await;
    impatient.abort();
    assert!(impatient.await.unwrap_err().is_cancelled());
    hold.release();
    soon(stage.products().get_product(get(examples::DEAL))).await.unwrap();
    assert_eq!(stage.calls(), 1, "the one call served both");
}
