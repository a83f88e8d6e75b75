//! Amazon fails, hangs, breaks connections and sends nonsense: each call ends with an error within its deadline, and the next
//! call works.

use amazon_sandbox::{FaultKind, InjectedFault, Sandbox, examples};
use tokio::net::TcpListener;
use tonic::Code;

use crate::support::{Protocol, TestGateway, failure, get, once, soon, within};

both_protocols!(
    a_single_fault_is_retried_and_not_visible,
    a_connection_that_keeps_breaking_is_unavailable,
    a_hanging_amazon_costs_no_more_than_the_deadline_and_the_next_call_works,
    a_timeout_of_one_call_is_tried_again_within_the_deadline,
    a_call_during_which_amazon_dies_fails_and_calls_work_once_it_is_back,
    the_answer_to_a_call_that_was_sent_is_cached_even_if_its_caller_has_gone,
);

async fn a_single_fault_is_retried_and_not_visible(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    for kind in [FaultKind::Reset, FaultKind::Truncated, FaultKind::Error("InternalFailure")] {
        gateway.sandbox.inject(once(kind.clone()));
        gateway.purge_everything().await;
        let before = gateway.calls();
        soon(gateway.products().get_product(get(examples::DEAL))).await.unwrap();
        assert_eq!(gateway.calls() - before, 2, "{kind:?}");
    }
}

async fn a_connection_that_keeps_breaking_is_unavailable(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    gateway.sandbox.inject(InjectedFault::new(3, FaultKind::Reset));
    let (code, reason, _) = failure(soon(gateway.products().get_product(get(examples::DEAL))).await);
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "UPSTREAM_UNREACHABLE"));
    soon(gateway.products().get_product(get(examples::DEAL))).await.expect("the next call works");
}

async fn a_hanging_amazon_costs_no_more_than_the_deadline_and_the_next_call_works(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    gateway.sandbox.inject(once(FaultKind::Hang));
    let (code, reason, _) = failure(soon(gateway.products().get_product(within(600, get(examples::DEAL)))).await);
    assert_eq!((code, reason.as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    soon(gateway.products().get_product(get(examples::HEADPHONES[0]))).await.expect("another id is asked for at once");
}

async fn a_timeout_of_one_call_is_tried_again_within_the_deadline(protocol: Protocol) {
    let gateway = TestGateway::speaking_with(protocol, |options| {
        options.config.accounts[0].timeout = std::time::Duration::from_millis(300)
    })
    .await;
    gateway.sandbox.inject(once(FaultKind::Hang));
    soon(gateway.products().get_product(get(examples::DEAL))).await.unwrap();
    assert_eq!(gateway.calls(), 2);
}

async fn a_call_during_which_amazon_dies_fails_and_calls_work_once_it_is_back(protocol: Protocol) {
    let mut gateway = TestGateway::speaking(protocol).await;
    let port = gateway.sandbox.url().rsplit(':').next().unwrap().to_owned();
    gateway.products().get_product(get(examples::DEAL)).await.unwrap();

    let _hold = gateway.sandbox.hold();
    let mut products = gateway.products();
    let waiting = tokio::spawn(async move { products.get_product(get(examples::HEADPHONES[0])).await });
    gateway.sandbox.arrived(2).await;
    let elsewhere = Sandbox::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), Default::default()).await.unwrap();
    std::mem::replace(&mut gateway.sandbox, elsewhere).stop().await;
    let (code, reason, _) = failure(soon(waiting).await.unwrap());
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "UPSTREAM_UNREACHABLE"));
    gateway
        .products()
        .get_product(get(examples::DEAL))
        .await
        .expect("cached products are returned while Amazon is down");

    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap();
    gateway.sandbox = Sandbox::start(listener, Default::default()).await.unwrap();
    soon(gateway.products().get_product(get(examples::HEADPHONES[0]))).await.expect("it is back");
}

async fn the_answer_to_a_call_that_was_sent_is_cached_even_if_its_caller_has_gone(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let hold = gateway.sandbox.hold();
    let mut products = gateway.products();
    let impatient = tokio::spawn(async move { products.get_product(get(examples::DEAL)).await });
    gateway.sandbox.arrived(1).await;
    impatient.abort();
    assert!(impatient.await.unwrap_err().is_cancelled());
    hold.release();
    soon(gateway.products().get_product(get(examples::DEAL))).await.unwrap();
    assert_eq!(gateway.calls(), 1, "the one call served both");
}
