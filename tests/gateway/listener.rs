//! The port: health, reflection, request ids, overload, and a drain that ends.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use amazon_sandbox::examples;
use hyper_util::rt::TokioIo;
use stockroom_proto::pb::{self, product_service_client::ProductServiceClient};
use tokio::net::TcpStream;
use tokio_stream::StreamExt;
use tonic::{
    Code, Request,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::{TestGateway, failure, get, soon};

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[tokio::test]
async fn health_knows_every_service_by_name() {
    let gateway = TestGateway::start().await;
    let mut health = HealthClient::new(gateway.channel());
    let services = ["SearchService", "ProductService", "BrowseService", "AdminService"];
    let names = services.map(|name| format!("stockroom.v1.{name}"));
    for name in names.iter().map(String::as_str).chain(["", "liveness", "readiness"]) {
        let status = health.check(about(name)).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{name}");
    }
    assert_eq!(health.check(about("nobody")).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn both_versions_of_reflection_list_every_service() {
    let gateway = TestGateway::start().await;
    let expected = HashSet::from([
        "stockroom.v1.SearchService",
        "stockroom.v1.ProductService",
        "stockroom.v1.BrowseService",
        "stockroom.v1.AdminService",
        "grpc.health.v1.Health",
    ]);
    let mut new = v1::server_reflection_client::ServerReflectionClient::new(gateway.channel());
    let list = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let ask = v1::ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let mut answers = new.server_reflection_info(tokio_stream::once(ask)).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let v1::server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else {
        panic!("{answer:?}")
    };
    assert!(expected.is_subset(&list.service.iter().map(|service| service.name.as_str()).collect()));

    let mut old = v1alpha::server_reflection_client::ServerReflectionClient::new(gateway.channel());
    let list = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let ask = v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let mut answers = old.server_reflection_info(tokio_stream::once(ask)).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let v1alpha::server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else { panic!() };
    assert!(expected.is_subset(&list.service.iter().map(|service| service.name.as_str()).collect()));
}

#[tokio::test]
async fn a_request_id_is_accepted_or_generated_and_returned() {
    let gateway = TestGateway::start().await;
    let mut bad = Request::new(pb::GetProductRequest::default());
    bad.metadata_mut().insert("x-request-id", "id-of-mine-1".parse().unwrap());
    let status = gateway.products().get_product(bad).await.unwrap_err();
    assert_eq!(status.metadata().get("x-request-id").unwrap(), "id-of-mine-1");
    let (_, _, details) = failure(Err::<(), _>(status));
    assert_eq!(details.request_info().unwrap().request_id, "id-of-mine-1");

    let compare = pb::CompareProductsRequest {
        asins: examples::HEADPHONES[..2].iter().map(|asin| (*asin).to_owned()).collect(),
        options: None,
    };
    let mut stream = gateway.products().compare_products(compare).await.unwrap().into_inner();
    while stream.message().await.unwrap().is_some() {}
    let trailers = stream.trailers().await.unwrap().unwrap();
    assert_eq!(trailers.get("x-request-id").unwrap().len(), 36);
}

#[tokio::test]
async fn too_many_calls_at_once_are_unavailable_and_health_still_answers() {
    let gateway = TestGateway::with(|options| options.config.server.max_concurrent_calls = 1).await;
    let hold = gateway.sandbox.hold();
    let mut products = gateway.products();
    let first = tokio::spawn(async move { products.get_product(get(examples::DEAL)).await });
    gateway.sandbox.arrived(1).await;
    let (code, reason, details) = failure(gateway.products().get_product(get(examples::DEAL)).await);
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "OVERLOADED"));
    assert!(details.retry_info().is_some());
    HealthClient::new(gateway.channel()).check(about("")).await.unwrap();
    hold.release();
    soon(first).await.unwrap().unwrap();
}

/// A channel to the gateway that counts the connections it has made.
fn counted_channel(stage: &TestGateway) -> (Channel, Arc<AtomicUsize>) {
    let (made, address) = (Arc::new(AtomicUsize::new(0)), stage.address);
    let counter = Arc::clone(&made);
    let connector = tower::service_fn(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move { TcpStream::connect(address).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    (endpoint.connect_with_connector_lazy(connector), made)
}

#[tokio::test]
async fn a_connection_of_its_age_is_replaced_and_loses_none_of_a_hundred_calls_in_progress() {
    let age = Duration::from_millis(300);
    let stage = TestGateway::with(|options| options.config.server.max_connection_age = age).await;
    let hold = stage.sandbox.hold();
    let (channel, made) = counted_channel(&stage);
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let mut products = ProductServiceClient::new(channel.clone());
            tokio::spawn(async move { products.get_product(get(examples::DEAL)).await })
        })
        .collect();
    stage.sandbox.arrived(1).await;
    // The client opens the second connection once it has read that the first is about to end.
    let mut health = HealthClient::new(channel);
    soon(async {
        while made.load(Ordering::SeqCst) < 2 {
            // A call that the end of the connection overtakes says nothing about those in progress.
            let _ = health.check(about("")).await;
        }
    })
    .await;
    hold.release();
    for call in calls {
        soon(call).await.unwrap().expect("a call in progress is finished");
    }
    soon(health.check(about(""))).await.unwrap();
}

#[tokio::test]
async fn a_connection_without_calls_is_closed_after_its_idle_time_in_the_words_of_http_2() {
    let idle = Duration::from_millis(200);
    let stage = TestGateway::with(|options| options.config.server.max_connection_idle = idle).await;
    let stream = TcpStream::connect(stage.address).await.unwrap();
    let (_send, connection) = h2::client::handshake(stream).await.unwrap();
    soon(connection).await.expect("a GOAWAY without an error comes before the end");
}

#[tokio::test]
async fn a_drain_finishes_calls_in_progress_and_does_not_wait_for_health_watches() {
    let mut gateway = TestGateway::start().await;
    let mut watch = HealthClient::new(gateway.channel()).watch(about("")).await.unwrap().into_inner();
    assert_eq!(soon(watch.next()).await.unwrap().unwrap().status(), ServingStatus::Serving);
    let hold = gateway.sandbox.hold();
    let mut products = gateway.products();
    let under_way = tokio::spawn(async move { products.get_product(get(examples::DEAL)).await });
    gateway.sandbox.arrived(1).await;

    gateway.shut_down();
    assert_eq!(soon(watch.next()).await.unwrap().unwrap().status(), ServingStatus::NotServing);
    hold.release();
    soon(under_way).await.unwrap().expect("a call under way is finished");
    gateway.stopped().await;
}

#[tokio::test]
async fn a_drain_ends_at_its_limit_even_if_calls_hang() {
    let mut gateway = TestGateway::with(|options| options.config.server.drain = Duration::from_millis(300)).await;
    let _hold = gateway.sandbox.hold();
    let mut products = gateway.products();
    let hangs = tokio::spawn(async move { products.get_product(get(examples::DEAL)).await });
    gateway.sandbox.arrived(1).await;
    gateway.shut_down();
    gateway.stopped().await;
    assert!(soon(hangs).await.unwrap().is_err());
}
