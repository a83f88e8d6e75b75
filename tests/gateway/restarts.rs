//! A defect that ends what an account was doing: what callers, probes and operators see of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use amazon_catalog::{CatalogRequest, CatalogResponse, Items, Upstream};
use amazon_sandbox::examples;
use futures_util::{FutureExt, future::BoxFuture};
use stockroom::{
    admin,
    cache::Cache,
    catalog::{AnswerStore, Catalog},
    clock::Clock,
    config::CacheConfig,
    dispatch::{Dispatch, Options, Sharing},
    metrics::Metrics,
    server::Server,
};
use stockroom_proto::pb;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::support::{TestGateway, config, failure, get, market, options, soon};

/// Knows every product, and panics in the actor's own task while it is armed.
#[derive(Debug, Default)]
struct Defective(AtomicBool);

impl Upstream for Defective {
    fn protocol(&self) -> pb::Protocol {
        pb::Protocol::Paapi5
    }

    fn call<'a>(
        &'a self,
        request: &'a CatalogRequest,
        _: Duration,
    ) -> BoxFuture<'a, Result<CatalogResponse, amazon_catalog::Error>> {
        let CatalogRequest::Items(items) = request else { panic!("{request:?}") };
        let product = |asin: &amazon_catalog::Asin| pb::Product { asin: asin.to_string(), ..Default::default() };
        let products = items.asins.iter().map(product).collect();
        std::future::ready(Ok(CatalogResponse::Items(Items { products, ..Items::default() }))).boxed()
    }

    // The actor asks for it whenever somebody wants to wait.
    fn credentials_version(&self) -> u64 {
        assert!(!self.0.load(Ordering::SeqCst), "a defect that is met on the way");
        0
    }
}

/// A catalog over accounts, each with its name, its marketplace and its way to Amazon.
fn catalog(accounts: &[(&str, &str, &Arc<Defective>)]) -> Catalog {
    let cache = Arc::new(Cache::new(&CacheConfig::default()));
    let account = |(name, marketplace, amazon): &(&str, &str, &Arc<Defective>)| Options {
        name: (*name).to_owned(),
        marketplaces: vec![market(marketplace)],
        calls_per_second: 1000.0,
        calls_per_day: 8640,
        timeout: Duration::from_secs(5),
        queue_capacity: 1000,
        upstream: Arc::clone(*amazon) as Arc<dyn Upstream>,
        answers: Arc::new(AnswerStore::new(Arc::clone(&cache))),
        refresh_queue: cache.refresh_queue(),
        clock: Clock::System,
        sharing: Sharing::default(),
        tracer: <_>::default(),
    };
    Catalog::new(Arc::clone(&cache), Dispatch::start(accounts.iter().map(account).collect()))
}

async fn health(gateway: &TestGateway, service: &str) -> ServingStatus {
    let request = HealthCheckRequest { service: service.to_owned() };
    HealthClient::new(gateway.channel()).check(request).await.unwrap().into_inner().status()
}

/// Asks for what is not cached until the guard is dropped. While the defect is there, each request is a panic or a refusal,
/// so nearly all the time the account pauses.
fn keep_asking(gateway: &TestGateway) -> AbortOnDropHandle<()> {
    let mut products = gateway.products();
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            let _ = products.get_product(get(examples::HEADPHONES[0])).await;
        }
    }))
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    soon(async { while !is_so().await {} }).await;
}

#[tokio::test]
async fn health_and_status_show_an_account_that_restarts_and_a_refusal_says_when_it_is_back() {
    let amazon = Arc::new(Defective::default());
    let gateway = TestGateway::over(catalog(&[("main", "US", &amazon)])).await;
    let mut products = gateway.products();
    products.get_product(get(examples::DEAL)).await.unwrap();

    amazon.0.store(true, Ordering::SeqCst);
    let (code, reason, details) = failure(products.get_product(get(examples::HEADPHONES[0])).await);
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "UPSTREAM_PAUSED"));
    assert!(details.retry_info().unwrap().retry_delay.is_some_and(|delay| !delay.is_zero()));
    let asking = keep_asking(&gateway);
    let services = ["SearchService", "ProductService", "BrowseService"].map(|name| format!("stockroom.v1.{name}"));
    for service in services.iter().map(String::as_str).chain(["", "readiness"]) {
        until(async || health(&gateway, service).await == ServingStatus::NotServing).await;
    }
    for service in ["stockroom.v1.AdminService", "liveness"] {
        assert_eq!(health(&gateway, service).await, ServingStatus::Serving, "{service}");
    }
    until(async || gateway.status().await.accounts[0].paused_for.is_some()).await;
    products.get_product(get(examples::DEAL)).await.expect("a cached answer needs no account");

    amazon.0.store(false, Ordering::SeqCst);
    drop(asking);
    for service in services.iter().map(String::as_str).chain(["", "readiness"]) {
        until(async || health(&gateway, service).await == ServingStatus::Serving).await;
    }
    products.get_product(get(examples::HEADPHONES[1])).await.unwrap();
    let account = gateway.status().await.accounts.remove(0);
    assert!(account.restarts > 0 && account.paused_for.is_none(), "{account:?}");
    assert!(account.last_error.contains("a defect that is met on the way"), "{account:?}");
    assert!(account.day.unwrap().spent >= 2, "the count of the day survives");
}

#[tokio::test]
async fn readiness_names_an_account_that_restarts_and_ends_only_where_no_other_is_left() {
    let (one, other) = (Arc::new(Defective::default()), Arc::new(Defective::default()));
    let catalog = catalog(&[("one", "US", &one), ("other", "UK", &other)]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new(&config(), address, catalog.clone(), Metrics::new(), <_>::default()).await.unwrap();
    let admin_port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/readyz", admin_port.local_addr().unwrap());
    let _admin = AbortOnDropHandle::new(tokio::spawn(admin::run(admin_port, server.operations())));
    let _server = AbortOnDropHandle::new(tokio::spawn(server.run(listener, std::future::pending())));
    let readiness = async || {
        let answer = reqwest::get(&url).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let gateway = TestGateway::over(catalog).await;
    until(async || readiness().await == (200, "ready\n".to_owned())).await;

    one.0.store(true, Ordering::SeqCst);
    let _asking = keep_asking(&gateway);
    let reason = |name| format!("account {name}: restarting after a defect of the gateway\n");
    until(async || readiness().await == (200, format!("ready\n{}", reason("one")))).await;
    assert_eq!(health(&gateway, "readiness").await, ServingStatus::Serving);
    let elsewhere = pb::GetProductRequest { options: options("UK"), ..get(examples::DEAL) };
    gateway.products().get_product(elsewhere).await.expect("the other account goes on");

    other.0.store(true, Ordering::SeqCst);
    let mut products = gateway.products();
    until(async || {
        let elsewhere = pb::GetProductRequest { options: options("UK"), ..get(examples::HEADPHONES[0]) };
        let _ = products.get_product(elsewhere).await;
        readiness().await == (503, reason("one") + &reason("other"))
    })
    .await;
}
