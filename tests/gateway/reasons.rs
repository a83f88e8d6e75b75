//! Every reason of the contract reaches a client.

use std::{sync::Arc, time::Duration};

use amazon_catalog::{Asin, CatalogRequest, CatalogResponse, Error, Locale, Snapshot, Unsupported, Upstream};
use amazon_sandbox::{FaultKind, examples};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use stockroom::{
    cache::{Cache, Key},
    catalog::{AnswerStore, Catalog},
    clock::Clock,
    config::RedisConfig,
    dispatch::{self, Dispatch},
};
use stockroom_proto::pb::{
    self, ErrorReason as R, compare_products_response::Event, product_service_client::ProductServiceClient,
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    bad_input::{framed, raw},
    program::{ConfigFile, Program},
    secrecy,
    support::{
        Protocol, TestGateway, TestOptions, always, as_caller, bulk, caller, failure, get, keywords, market, options,
        sandbox, search, soon, within,
    },
};

const GET_PRODUCT: &str = "/stockroom.v1.ProductService/GetProduct";

#[tokio::test]
async fn each_reason_of_the_contract_is_the_reason_that_a_client_receives() {
    let reasons = (1..).map_while(|number| R::try_from(number).ok());
    for reason in reasons {
        assert_eq!(reach(reason).await, name(reason));
    }
}

/// The name of a reason as errors carry it.
fn name(reason: R) -> &'static str {
    reason.as_str_name().strip_prefix("ERROR_REASON_").unwrap()
}

/// Makes a client receive the reason, and returns the one that it received. Without a wildcard: a new reason does not compile
/// until somebody knows how it is reached.
async fn reach(reason: R) -> String {
    match reason {
        R::Unspecified => unreachable!("no error has it"),
        R::InvalidRequest => of_product("no ASIN", |_| {}).await,
        R::MarketplaceNotServed => {
            let only_us = |options: &mut TestOptions| {
                options.config.accounts[0].partner_tags.retain(|(marketplace, _)| *marketplace == market("US"));
            };
            let gateway = TestGateway::with(only_us).await;
            let request = pb::GetProductRequest { options: options("JP"), ..get(examples::DEAL) };
            reason_of(gateway.products().get_product(request).await)
        }
        R::MalformedMessage => of_bytes(GET_PRODUCT, framed(b"\x08\x07"), &[]).await,
        R::UpstreamRejected => of_fault(Protocol::Paapi5, FaultKind::Error("InvalidParameterValue")).await,

        R::ProductNotFound => of_product(examples::UNKNOWN, |_| {}).await,
        R::ProductNotAccessible => of_product(examples::NOT_ACCESSIBLE, |_| {}).await,
        R::FileNotFound => {
            let gateway = TestGateway::speaking(Protocol::Creators).await;
            let link = pb::GetFeedLinkRequest { name: "nothing.gz".to_owned(), ..Default::default() };
            reason_of(gateway.admin().get_feed_link(link).await)
        }
        R::NotCached => {
            let options = pb::ReadOptions { cache_only: true, ..Default::default() };
            let request = pb::GetProductRequest { options: Some(options), ..get(examples::DEAL) };
            reason_of(TestGateway::start().await.products().get_product(request).await)
        }
        R::ServiceUnknown => {
            let request = HealthCheckRequest { service: "none".to_owned() };
            let gateway = TestGateway::start().await;
            reason_of(HealthClient::new(gateway.channel()).check(request).await)
        }

        R::DayBudgetSpent => of_second_product(|options| options.config.accounts[0].calls_per_day = 1).await,
        R::CallerShareSpent => {
            let one_call = |options: &mut TestOptions| options.config.callers = vec![caller("web", false, Some(1))];
            let gateway = TestGateway::with(one_call).await;
            gateway.products().get_product(as_caller("web", get(examples::FREE))).await.unwrap();
            reason_of(gateway.products().get_product(as_caller("web", get(examples::DEAL))).await)
        }
        R::KeptForOthers => {
            let gateway = TestGateway::with(|options| options.config.accounts[0].calls_per_day = 5).await;
            for asin in &examples::HEADPHONES[..4] {
                gateway.products().get_product(get(asin)).await.unwrap();
            }
            reason_of(gateway.products().get_product(bulk(get(examples::DEAL))).await)
        }

        R::WaitExceedsDeadline => of_second_product(|options| options.config.accounts[0].calls_per_second = 0.05).await,
        R::QueueFull => {
            let one_place = |options: &mut TestOptions| {
                options.config.accounts[0].queue_capacity = 1;
                options.config.accounts[0].calls_per_second = 0.05;
            };
            let gateway = TestGateway::with(one_place).await;
            gateway.products().get_product(get(examples::FREE)).await.unwrap();
            let two = examples::HEADPHONES[..2].iter().map(|asin| (*asin).to_owned()).collect();
            let request = within(60_000, pb::GetProductsRequest { asins: two, options: None });
            let mut products = gateway.products();
            let waiting = tokio::spawn(async move { products.get_products(request).await });
            soon(gateway.queued(1)).await;
            let reason = reason_of(gateway.products().get_product(within(60_000, get(examples::DEAL))).await);
            waiting.abort();
            reason
        }
        R::Overloaded => {
            let gateway = TestGateway::start().await;
            let mut health = HealthClient::new(gateway.channel());
            let mut watches = Vec::new();
            loop {
                match soon(health.watch(HealthCheckRequest::default())).await {
                    Ok(watch) => watches.push(watch),
                    Err(refused) => return reason_of(Err::<(), _>(refused)),
                }
            }
        }
        R::UpstreamPaused => {
            let gateway = TestGateway::start().await;
            gateway.sandbox.inject(always(unavailable()));
            for _ in 0..2 {
                failure(gateway.products().get_product(get(examples::DEAL)).await);
            }
            reason_of(gateway.products().get_product(get(examples::DEAL)).await)
        }
        R::UpstreamThrottled => of_fault(Protocol::Paapi5, FaultKind::RetryAfter(Duration::from_secs(40))).await,
        R::UpstreamFailed => of_fault(Protocol::Paapi5, unavailable()).await,
        R::UpstreamTimedOut => {
            of_product(examples::DEAL, |options| {
                options.config.accounts[0].timeout = Duration::from_millis(100);
                options.faults.push(always(FaultKind::Hang));
            })
            .await
        }
        R::UpstreamUnreachable => of_fault(Protocol::Paapi5, FaultKind::Reset).await,
        R::Stopping => {
            let gateway = TestGateway::start().await;
            gateway.catalog.stop().await;
            reason_of(gateway.products().get_product(get(examples::DEAL)).await)
        }
        R::PurgeNotShared => {
            // A Redis that nobody serves: the port was free a moment ago.
            let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
            let redis = RedisConfig::at(&format!("redis://127.0.0.1:{port}")).unwrap();
            let gateway = TestGateway::with(|options| options.config.redis = Some(redis)).await;
            let everything = pb::purge_cache_request::Target::Everything(true);
            let purge = pb::PurgeCacheRequest { target: Some(everything) };
            reason_of(gateway.admin().purge_cache(purge).await)
        }

        R::DeadlineExceeded => {
            // The gateway's own deadline: that of the client would end the call on both sides at once.
            let short = |options: &mut TestOptions| options.config.server.default_deadline = Duration::from_millis(200);
            let gateway = TestGateway::with(short).await;
            let _hold = gateway.sandbox.hold();
            reason_of(soon(gateway.products().get_product(get(examples::DEAL))).await)
        }

        R::AccountNotEligible => of_fault(Protocol::Paapi5, FaultKind::Error("AssociateNotEligible")).await,
        R::AccountKeyUnknown => of_fault(Protocol::Paapi5, FaultKind::Error("UnrecognizedClient")).await,
        R::AccountKeyIsAwsKey => of_fault(Protocol::Paapi5, FaultKind::Error("AccessDeniedAwsUsers")).await,
        R::AccountSignatureRefused => of_fault(Protocol::Paapi5, FaultKind::Error("InvalidSignature")).await,
        R::AccountNotEnabled => of_fault(Protocol::Paapi5, FaultKind::Error("AccessDenied")).await,
        R::AccountNotAssociate => of_fault(Protocol::Paapi5, FaultKind::Error("InvalidAssociate")).await,
        R::AccountWrongRegion => of_fault(Protocol::Creators, FaultKind::Error("InvalidIssuer")).await,
        R::AccountCredentialRefused => of_fault(Protocol::Creators, FaultKind::Error("InvalidClient")).await,
        R::AccountTokenRefused => of_fault(Protocol::Creators, FaultKind::Error("MissingClaim")).await,
        R::AccountRefused => {
            let nameless = FaultKind::Status { status: 403, body: "<html>no</html>".to_owned() };
            of_fault(Protocol::Paapi5, nameless).await
        }
        R::PartnerTagRefused => of_fault(Protocol::Paapi5, FaultKind::Error("InvalidPartnerTag")).await,
        R::ClockSkew => of_fault(Protocol::Paapi5, FaultKind::Error("RequestExpired")).await,
        R::UpstreamApiRetired => of_fault(Protocol::Paapi5, FaultKind::Error("Retired")).await,
        R::ProtocolHasNoFiles => {
            let gateway = TestGateway::speaking(Protocol::Paapi5).await;
            reason_of(gateway.admin().list_feeds(pb::ListFeedsRequest::default()).await)
        }

        R::CallerUnknown | R::NotAnAdmin => {
            let web = |options: &mut TestOptions| options.config.callers = vec![caller("web", false, None)];
            let gateway = TestGateway::with(web).await;
            let name = if reason == R::NotAnAdmin { "web" } else { "a stranger" };
            reason_of(gateway.admin().get_status(as_caller(name, pb::GetStatusRequest {})).await)
        }

        R::UpstreamMalformed => of_fault(Protocol::Paapi5, FaultKind::WrongShape).await,
        R::Undecodable => {
            // As a replica of another version could have written it.
            let (catalog, cache) = catalog_over(Arc::new(DefectiveUpstream));
            let asins: Vec<String> = examples::HEADPHONES[..2].iter().map(|asin| (*asin).to_owned()).collect();
            for asin in &asins {
                let content = Ok(Bytes::from_static(b"\xff\xff no message"));
                let snapshot = Snapshot { fetched_at: cache.now(), protocol: Protocol::Paapi5, content };
                cache.put(Key::Product(Locale::of(market("US")), Asin::parse(asin).unwrap()), snapshot);
            }
            let gateway = TestGateway::over(catalog).await;
            let request = pb::CompareProductsRequest { asins, options: None };
            let mut rows = gateway.products().compare_products(request).await.unwrap().into_inner();
            let Some(Event::Missing(missing)) = soon(rows.message()).await.unwrap().unwrap().event else {
                panic!("a product that cannot be decoded is missing")
            };
            name(missing.absence.unwrap().error_reason()).to_owned()
        }
        R::Panic => {
            let gateway = TestGateway::over(catalog_over(Arc::new(DefectiveUpstream)).0).await;
            let search = search(keywords("lamp"));
            reason_of(gateway.search().search_products(search).await)
        }

        R::UnknownMethod => of_bytes("/stockroom.v1.ProductService/Nothing", framed(b""), &[]).await,
        R::UnsupportedEncoding => {
            let compressed = Bytes::from_static(b"\x01\x00\x00\x00\x01x");
            of_bytes(GET_PRODUCT, compressed, &[("grpc-encoding", "deflate")]).await
        }
        R::MessageTooLarge => of_product(&"x".repeat(300_000), |_| {}).await,
        R::ProtocolError => of_bytes(GET_PRODUCT, Bytes::from_static(b"\x07\x00\x00\x00\x00"), &[]).await,
        R::ClientGone => client_gone().await,
    }
}

/// The reason of a call that must fail.
fn reason_of<T: std::fmt::Debug>(result: Result<T, tonic::Status>) -> String {
    failure(result).1
}

async fn of_product(asin: &str, change: impl FnOnce(&mut TestOptions)) -> String {
    let gateway = TestGateway::with(change).await;
    reason_of(soon(gateway.products().get_product(get(asin))).await)
}

async fn of_second_product(change: impl FnOnce(&mut TestOptions)) -> String {
    let gateway = TestGateway::with(change).await;
    gateway.products().get_product(get(examples::FREE)).await.unwrap();
    reason_of(soon(gateway.products().get_product(get(examples::DEAL))).await)
}

async fn of_fault(protocol: Protocol, kind: FaultKind) -> String {
    let gateway = TestGateway::speaking(protocol).await;
    gateway.sandbox.inject(always(kind));
    reason_of(soon(gateway.products().get_product(get(examples::DEAL))).await)
}

async fn of_bytes(path: &str, body: Bytes, headers: &[(&str, &str)]) -> String {
    let status = raw(&TestGateway::start().await, path, body, headers).await;
    status.get_error_details().error_info().unwrap().reason.clone()
}

fn unavailable() -> FaultKind {
    FaultKind::Status { status: 503, body: "<html>busy</html>".to_owned() }
}

/// The client that has gone receives nothing, so its reason is in the log only.
async fn client_gone() -> String {
    let sandbox = sandbox().await;
    let hold = sandbox.hold();
    let config = ConfigFile::new(&secrecy::account(Protocol::Paapi5, &sandbox.url(), "right"));
    let mut program = Program::serve(&config, "info", &[]).await;
    let mut products = ProductServiceClient::new(program.channel().await);
    let call = tokio::spawn(async move { products.get_product(get(examples::DEAL)).await });
    soon(sandbox.arrived(1)).await;
    call.abort();
    program.logged("call ended").await;
    hold.release();
    let log = program.stopped().await;
    let mut lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let ended = lines.find(|line| line["message"] == "call ended").unwrap();
    ended["reason"].as_str().unwrap_or_else(|| panic!("{ended}")).to_owned()
}

/// A catalog with one account of a defective API, and its cache.
fn catalog_over(upstream: Arc<dyn Upstream>) -> (Catalog, Arc<Cache>) {
    let cache = Arc::new(Cache::new(&Default::default()));
    let account = dispatch::Options {
        name: "test".to_owned(),
        marketplaces: vec![market("US")],
        calls_per_second: 1000.0,
        calls_per_day: 8640,
        timeout: Duration::from_secs(5),
        queue_capacity: 1000,
        upstream,
        answers: Arc::new(AnswerStore::new(Arc::clone(&cache))),
        refresh_queue: cache.refresh_queue(),
        clock: Clock::System,
        sharing: dispatch::Sharing::default(),
        tracer: <_>::default(),
    };
    (Catalog::new(Arc::clone(&cache), Dispatch::start(vec![account])), cache)
}

/// An API with a defect: it panics when it is asked what it supports, which handlers do.
#[derive(Debug)]
struct DefectiveUpstream;

impl Upstream for DefectiveUpstream {
    fn protocol(&self) -> Protocol {
        Protocol::Paapi5
    }

    fn unsupported(&self, _: &CatalogRequest) -> Option<Unsupported> {
        panic!("a defect")
    }

    fn call<'a>(&'a self, _: &'a CatalogRequest, within: Duration) -> BoxFuture<'a, Result<CatalogResponse, Error>> {
        Box::pin(async move { Err(Error::TimedOut { within }) })
    }
}

/// An API with a defect that ends the account's actor: it panics when it is asked for its name, as with each answer.
#[derive(Debug)]
struct NamelessUpstream;

impl Upstream for NamelessUpstream {
    fn protocol(&self) -> Protocol {
        panic!("a defect")
    }

    fn call<'a>(&'a self, _: &'a CatalogRequest, within: Duration) -> BoxFuture<'a, Result<CatalogResponse, Error>> {
        Box::pin(async move { Err(Error::TimedOut { within }) })
    }
}

#[tokio::test]
async fn a_defect_of_an_account_is_a_pause_with_a_time_for_all_who_wait_for_it() {
    let gateway = TestGateway::over(catalog_over(Arc::new(NamelessUpstream)).0).await;
    let is_a_pause = |(code, reason, details): (tonic::Code, String, ErrorDetails)| {
        let delay = details.retry_info().and_then(|info| info.retry_delay);
        assert_eq!((code, reason.as_str()), (tonic::Code::Unavailable, "UPSTREAM_PAUSED"));
        assert!(delay.is_some_and(|delay| !delay.is_zero()), "{delay:?}");
    };
    is_a_pause(failure(soon(gateway.products().get_product(get(examples::DEAL))).await));
    is_a_pause(failure(soon(gateway.search().search_products(search(keywords("lamp")))).await));
    let asins = vec![examples::DEAL.to_owned(), examples::FREE.to_owned()];
    let request = pb::GetProductsRequest { asins, options: None };
    for outcome in soon(gateway.products().get_products(request)).await.unwrap().into_inner().outcomes {
        let Some(pb::product_outcome::Result::Absence(absence)) = outcome.result else { panic!("{outcome:?}") };
        assert_eq!(absence.error_reason(), R::UpstreamPaused);
        assert!(absence.retry_after.is_some());
    }
}
