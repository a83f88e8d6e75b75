//! Starts the real parts: a sandbox, a gateway over it, and clients of the gateway.

use std::{fmt::Debug, net::SocketAddr, time::Duration};

use amazon_catalog::{Marketplace, creators::Version};
use amazon_sandbox::{FaultKind, InjectedFault, RecordedCall, Sandbox};
use stockroom::{
    catalog::Catalog,
    config::{
        AccountConfig, AdminConfig, CacheConfig, CallerConfig, Config, Credentials, HttpUrl, LogConfig, ServerConfig,
        WebConfig,
    },
    gateway,
    metrics::Metrics,
    server,
    telemetry::{TraceExport, Tracer, start_tracing},
};
use stockroom_proto::pb;
use stockroom_proto::pb::{
    admin_service_client::AdminServiceClient, browse_service_client::BrowseServiceClient,
    product_service_client::ProductServiceClient, search_service_client::SearchServiceClient,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tonic::{Code, Status, transport::Channel};
use tonic_types::{ErrorDetails, StatusExt};

pub use stockroom_proto::pb::Protocol;

/// Nothing that a test waits for takes this long, unless it is broken.
const BROKEN: Duration = Duration::from_secs(20);

/// A gateway with its sandbox. Both stop when it is dropped.
pub struct TestGateway {
    pub sandbox: Sandbox,
    /// The catalog that the server serves.
    pub catalog: Catalog,
    pub address: SocketAddr,
    channel: Channel,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<Result<(), server::Error>>,
    _export: Option<TraceExport>,
}

/// What a test changes.
pub struct TestOptions {
    pub sandbox: amazon_sandbox::Options,
    pub config: Config,
    /// Injected before the first call.
    pub faults: Vec<InjectedFault>,
    /// What the kernel takes of an answer that its client does not read, in bytes.
    pub send_buffer: Option<u32>,
}

impl TestGateway {
    /// Starts with an account that speaks PA-API, for tests in which the protocol does not matter.
    pub async fn start() -> Self {
        Self::speaking(Protocol::Paapi5).await
    }

    /// Starts with what the test changes.
    pub async fn with(change: impl FnOnce(&mut TestOptions)) -> Self {
        Self::speaking_with(Protocol::Paapi5, change).await
    }

    /// Starts with accounts that speak the protocol.
    pub async fn speaking(protocol: Protocol) -> Self {
        Self::speaking_with(protocol, |_| {}).await
    }

    /// Starts with accounts that speak the protocol, and what the test changes. The accounts are fast, so that no
    /// test waits for their pace.
    pub async fn speaking_with(protocol: Protocol, change: impl FnOnce(&mut TestOptions)) -> Self {
        let sandbox = amazon_sandbox::Options { calls_per_second: 1000.0, ..Default::default() };
        let config = Config { accounts: accounts(protocol), ..config() };
        let mut options = TestOptions { sandbox, config, faults: Vec::new(), send_buffer: None };
        change(&mut options);
        let sandbox = Sandbox::start(local().await, options.sandbox).await.unwrap();
        options.faults.into_iter().for_each(|fault| sandbox.inject(fault));
        for account in &mut options.config.accounts {
            account.endpoint.get_or_insert_with(|| HttpUrl::parse(&sandbox.url()).unwrap());
        }
        let traces = options.config.traces.as_ref().map(|traces| start_tracing(traces, |_| {}).unwrap());
        let (tracer, export) = traces.map_or_else(Default::default, |(tracer, export)| (tracer, Some(export)));
        let (catalog, _) = gateway::rotatable(&options.config, tracer).unwrap();
        let listener = match options.send_buffer {
            Some(bytes) => with_send_buffer(bytes),
            None => local().await,
        };
        let gateway = Self::serve(sandbox, options.config, catalog, listener, tracer).await;
        Self { _export: export, ..gateway }
    }

    /// Starts with a catalog of the test's own in place of that of the configuration.
    pub async fn over(catalog: Catalog) -> Self {
        Self::serve(sandbox().await, config(), catalog, local().await, Tracer::default()).await
    }

    async fn serve(sandbox: Sandbox, config: Config, catalog: Catalog, listener: TcpListener, tracer: Tracer) -> Self {
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let has_tls = config.tls.is_some();
        let server = server::Server::new(&config, address, catalog.clone(), Metrics::new(), tracer).await.unwrap();
        let server = tokio::spawn(server.run(listener, async {
            let _ = stopped.await;
        }));
        let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
        // A test of TLS has a client of its own.
        let channel = if has_tls { endpoint.connect_lazy() } else { endpoint.connect().await.unwrap() };
        Self { sandbox, catalog, address, channel, stop: Some(stop), server, _export: None }
    }

    /// Asks the gateway to stop and does not wait for it.
    pub fn shut_down(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
    }

    /// Waits for the gateway to have stopped.
    pub async fn stopped(self) {
        soon(self.server).await.unwrap().unwrap();
    }

    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub fn search(&self) -> SearchServiceClient<Channel> {
        SearchServiceClient::new(self.channel())
    }

    pub fn products(&self) -> ProductServiceClient<Channel> {
        ProductServiceClient::new(self.channel())
    }

    pub fn browse(&self) -> BrowseServiceClient<Channel> {
        BrowseServiceClient::new(self.channel())
    }

    pub fn admin(&self) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.channel())
    }

    pub async fn status(&self) -> pb::GetStatusResponse {
        self.admin().get_status(pb::GetStatusRequest {}).await.unwrap().into_inner()
    }

    pub async fn purge_everything(&self) {
        let target = Some(pb::purge_cache_request::Target::Everything(true));
        self.admin().purge_cache(pb::PurgeCacheRequest { target }).await.unwrap();
    }

    /// Waits until the queue of the first account has so many entries.
    pub async fn queued(&self, entries: u32) {
        while self.status().await.accounts[0].queue.as_ref().unwrap().length < entries as _ {}
    }

    /// The calls that the sandbox has counted.
    pub fn calls(&self) -> usize {
        self.sandbox.calls().len()
    }
}

/// One account for the whole world, with the default cache.
pub fn config() -> Config {
    Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        default_marketplace: market("US"),
        accounts: vec![account("test")],
        callers: Vec::new(),
        cache: CacheConfig::default(),
        server: ServerConfig::default(),
        tls: None,
        log: LogConfig::default(),
        web: WebConfig::default(),
        admin: AdminConfig { listen: None, required: false },
        traces: None,
        redis: None,
        replicas: 1,
        replica_index: None,
        sandbox: true,
    }
}

/// The accounts that serve the whole world with a protocol. The first, `test`, serves the default marketplace.
pub fn accounts(protocol: Protocol) -> Vec<AccountConfig> {
    let creators = |name: &str, version: &str| {
        let (credential_id, secret) = amazon_sandbox::credential(version).unwrap();
        let version = Version::parse(version).unwrap();
        let credentials =
            Credentials::Creators { credential_id, credential_secret: secret.into(), version, token_endpoint: None };
        let mut account = AccountConfig { credentials, ..account(name) };
        account.partner_tags.retain(|(marketplace, _)| marketplace.region_group() == version.region_group());
        account
    };
    match protocol {
        Protocol::Creators => vec![creators("test", "3.1"), creators("test-eu", "2.2"), creators("test-fe", "3.3")],
        _ => vec![account("test")],
    }
}

/// An account that speaks PA-API in the whole world.
pub fn account(name: &str) -> AccountConfig {
    AccountConfig {
        name: name.to_owned(),
        credentials: Credentials::Paapi5 {
            access_key: amazon_sandbox::ACCESS_KEY.to_owned(),
            secret_key: amazon_sandbox::SECRET_KEY.into(),
        },
        partner_tags: Marketplace::all()
            .map(|marketplace| (marketplace, amazon_sandbox::partner_tag(marketplace)))
            .collect(),
        calls_per_second: 1000.0,
        calls_per_day: 8640,
        endpoint: None,
        ca_file: None,
        proxy: None,
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(5),
        max_body_bytes: 4 << 20,
        queue_capacity: 1000,
        content_notice_entities: Vec::new(),
    }
}

pub fn caller(name: &str, admin: bool, calls_per_day: Option<u32>) -> CallerConfig {
    let token = Some(format!("token-of-{name}").into());
    let (name, identities) = (name.to_owned(), Vec::new());
    CallerConfig { name, token, previous_token: None, identities, admin, calls_per_day, weight: 1.0 }
}

pub fn market(code: &str) -> Marketplace {
    Marketplace::parse(code).unwrap()
}

pub fn options(marketplace: &str) -> Option<pb::ReadOptions> {
    Some(pb::ReadOptions { marketplace: marketplace.to_owned(), ..Default::default() })
}

pub fn keywords(words: &str) -> pb::SearchQuery {
    pb::SearchQuery { keywords: words.to_owned(), ..Default::default() }
}

pub fn money(units: i64) -> Option<pb::Money> {
    Some(pb::Money { units, ..Default::default() })
}

pub fn search(query: pb::SearchQuery) -> pb::SearchProductsRequest {
    pb::SearchProductsRequest { query: Some(query), ..Default::default() }
}

pub fn get(asin: &str) -> pb::GetProductRequest {
    pb::GetProductRequest { asin: asin.to_owned(), options: None }
}

/// A fault of every call.
pub fn always(kind: FaultKind) -> InjectedFault {
    InjectedFault::new(u32::MAX, kind)
}

/// A fault of the next call.
pub fn once(kind: FaultKind) -> InjectedFault {
    InjectedFault::new(1, kind)
}

/// A request with the token of a caller that [`caller`] has made.
pub fn as_caller<T>(name: &str, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer token-of-{name}").parse().unwrap());
    request
}

/// A request that can wait.
pub fn bulk<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("x-stockroom-priority", "bulk".parse().unwrap());
    request
}

/// A request with a deadline in so many milliseconds.
pub fn within<T>(millis: u64, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(Duration::from_millis(millis));
    request
}

pub fn product(entry: &pb::ProductEntry) -> &pb::Product {
    entry.product.as_ref().unwrap()
}

pub fn title(entry: &pb::ProductEntry) -> &str {
    &product(entry).info.as_ref().unwrap().title
}

pub fn price(entry: &pb::ProductEntry) -> Option<f64> {
    let offer = product(entry).offers.as_ref()?.listings.first()?;
    offer.price.as_ref().map(|price| price.units as f64 + f64::from(price.nanos) / 1e9)
}

pub fn stars(entry: &pb::ProductEntry) -> Option<f64> {
    product(entry).reviews.as_ref()?.star_rating
}

/// Whether the stars pass where they are stated. The Creators API, as documented, states none of any product.
pub fn stars_pass(protocol: Protocol, entry: &pb::ProductEntry, passes: impl Fn(f64) -> bool) -> bool {
    match protocol {
        Protocol::Creators => stars(entry).is_none(),
        _ => stars(entry).is_some_and(passes),
    }
}

/// A field of what Amazon was asked, by its name in PA-API; the Creators API begins the same names with a small letter.
pub fn asked(call: &RecordedCall, protocol: Protocol, field: &str) -> serde_json::Value {
    let mut name = field.to_owned();
    if protocol == Protocol::Creators {
        name[..1].make_ascii_lowercase();
    }
    call.body[name].clone()
}

/// The error's code, reason and details; every error has them, and none is too large for the header list of a client.
pub fn failure<T: Debug>(result: Result<T, Status>) -> (Code, String, ErrorDetails) {
    let status = result.unwrap_err();
    assert!(status.details().len() <= 4096, "{} bytes of details", status.details().len());
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no reason: {status:?}"));
    assert_eq!(info.domain, "stockroom");
    assert!(!details.request_info().unwrap().request_id.is_empty());
    assert!(!status.message().is_empty());
    (status.code(), info.reason.clone(), details)
}

/// Waits for a future that ends soon, unless something is broken.
pub async fn soon<F: Future>(future: F) -> F::Output {
    timeout(BROKEN, future).await.expect("this should have come by now")
}

/// A sandbox on a free port.
pub async fn sandbox() -> Sandbox {
    Sandbox::start(local().await, Default::default()).await.unwrap()
}

/// A free port whose connections have this send buffer.
fn with_send_buffer(bytes: u32) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(bytes).unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    socket.listen(128).unwrap()
}

pub async fn local() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}
