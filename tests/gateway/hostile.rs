//! Peers that misbehave: each fails alone, and calls of others are served.

use std::time::Duration;

use amazon_sandbox::examples;
use bytes::Bytes;
use http::{Request, StatusCode};
use prost::Message;
use stockroom::config::{CertificateFile, ClientAuth, KeyFile, TlsConfig};
use stockroom_client::{Client, ClientTls, Options};
use stockroom_proto::pb;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    bad_input,
    certificates::Authority,
    support::{TestGateway, TestOptions, caller, failure, get, keywords, search, soon, within},
};

const CATEGORIES: &str = "/stockroom.v1.BrowseService/ListCategories";

/// An HTTP/2 connection that this test drives itself, with a window for each response.
async fn http2(gateway: &TestGateway, window: u32) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (send, connection) = h2::client::Builder::new().initial_window_size(window).handshake(stream).await.unwrap();
    tokio::spawn(connection);
    send.ready().await.unwrap()
}

fn post(path: &str, content_type: &str, timeout: &str) -> Request<()> {
    let request = Request::post(format!("http://stockroom{path}")).header("content-type", content_type);
    request.header("te", "trailers").header("grpc-timeout", timeout).body(()).unwrap()
}

fn framed(message: &impl Message) -> Bytes {
    bad_input::framed(&message.encode_to_vec())
}

async fn categories(gateway: &TestGateway) -> Result<(), Code> {
    let request = within(10_000, pb::ListCategoriesRequest::default());
    gateway.browse().list_categories(request).await.map(drop).map_err(|status| status.code())
}

fn max_calls(calls: usize) -> impl FnOnce(&mut TestOptions) {
    move |options| options.config.server.max_concurrent_calls = calls
}

#[tokio::test]
async fn open_streams_take_no_permit_of_calls_and_have_a_limit_of_their_own() {
    let gateway = TestGateway::with(max_calls(1)).await;
    let mut health = HealthClient::new(gateway.channel());
    let mut watches = Vec::new();
    for _ in 0..8 {
        let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        watch.message().await.unwrap();
        watches.push(watch);
    }
    categories(&gateway).await.expect("the one permit is free");
    let (code, reason, _) = failure(health.watch(HealthCheckRequest::default()).await);
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "OVERLOADED"), "the ninth of one connection");
    health.check(HealthCheckRequest::default()).await.expect("a probe needs no permit");
}

#[tokio::test]
async fn a_peer_that_does_not_read_holds_its_permit_until_its_deadline_and_no_longer() {
    let gateway = TestGateway::with(max_calls(1)).await;
    let mut peer = http2(&gateway, 0).await;
    let (response, mut body) = peer.send_request(post(CATEGORIES, "application/grpc", "2S"), false).unwrap();
    body.send_data(framed(&pb::ListCategoriesRequest::default()), true).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(categories(&gateway).await, Err(Code::Unavailable), "its permit is taken");
    let reset = soon(async { response.into_body().data().await }).await.unwrap().unwrap_err();
    assert!(reset.is_reset(), "{reset}");
    categories(&gateway).await.expect("the permit is free again");
}

#[tokio::test]
async fn a_request_that_is_written_slowly_takes_no_permit() {
    let gateway = TestGateway::with(max_calls(1)).await;
    let mut peer = http2(&gateway, 65_535).await;
    let mut bodies = Vec::new();
    for half in [&b""[..], b"\0\0\0", b"\0\0\0\0\x09abc"] {
        let (response, mut body) = peer.send_request(post(CATEGORIES, "application/grpc", "9S"), false).unwrap();
        body.send_data(Bytes::from_static(half), false).unwrap();
        bodies.push((response, body));
    }
    for _ in 0..3 {
        categories(&gateway).await.expect("the one permit is free");
    }
}

#[tokio::test]
async fn a_caller_without_a_token_takes_no_permit() {
    let gateway = TestGateway::with(|options| {
        options.config.server.max_concurrent_calls = 1;
        options.config.callers = vec![caller("web", false, None)];
    })
    .await;
    let mut peer = http2(&gateway, 0).await;
    let (response, _body) = peer.send_request(post(CATEGORIES, "application/grpc", "9S"), false).unwrap();
    let response = soon(response).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], (Code::Unauthenticated as i32).to_string().as_str());
}

#[tokio::test]
async fn silent_connections_exclude_nobody_and_do_not_delay_the_shutdown() {
    let mut gateway = TestGateway::with(|options| {
        options.config.server.max_connections = 4;
        options.config.server.drain = Duration::from_secs(300);
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..12 {
        silent.push(TcpStream::connect(gateway.address).await.unwrap());
    }
    let mut peer = soon(http2(&gateway, 65_535)).await;
    let (response, _) = peer.send_request(post("/none", "application/grpc", "9S"), true).unwrap();
    assert_eq!(soon(response).await.unwrap().status(), StatusCode::OK);
    soon(categories(&gateway)).await.expect("a used connection is not closed for a silent one");
    let mut byte = [0];
    assert_eq!(soon(silent[0].read(&mut byte)).await.unwrap_or(0), 0, "the oldest silent one was closed");
    gateway.shut_down();
    gateway.stopped().await;
}

#[tokio::test]
async fn handshakes_that_do_not_go_on_keep_nobody_out() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let (certificate, key) = authority.server().write(folder.path(), "server");
    let gateway = TestGateway::with(|options| {
        let (certificate, key) = (CertificateFile::read(certificate).unwrap(), KeyFile::read(key).unwrap());
        options.config.tls = Some(TlsConfig::new(certificate, key, None, ClientAuth::Required).unwrap());
        options.config.server.max_connections = 2;
    })
    .await;
    let mut peers = Vec::new();
    // Nothing; the head of a record; a record that is no handshake; HTTP/2 without TLS.
    for begin in [&b""[..], b"\x16\x03\x01\x02", b"\x17\x03\x03\x00\x01x", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut peer = TcpStream::connect(gateway.address).await.unwrap();
        peer.write_all(begin).await.unwrap();
        peers.push(peer);
    }
    let tls = ClientTls { ca_pem: Some(authority.pem.clone()), ..ClientTls::default() };
    let address = format!("https://localhost:{}", gateway.address.port());
    let client = Client::new(&address, Options { tls: Some(tls), ..Options::default() }).unwrap();
    client.list_categories(pb::ListCategoriesRequest::default()).await.expect("a peer that goes on is served");
}

#[tokio::test]
async fn a_request_that_is_no_call_is_refused_with_an_http_status_and_costs_nothing() {
    let gateway = TestGateway::start().await;
    let path = "/stockroom.v1.SearchService/SearchProducts";
    let message = framed(&search(keywords("lamp")));
    let mut peer = http2(&gateway, 65_535).await;
    for other in ["text/plain", "application/grpc+json", "application/xml"] {
        let (response, mut body) = peer.send_request(post(path, other, "9S"), false).unwrap();
        body.send_data(message.clone(), true).unwrap();
        assert_eq!(soon(response).await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{other}");
    }
    let get = Request::get("http://stockroom/healthz").body(()).unwrap();
    let response = soon(peer.send_request(get, true).unwrap().0).await.unwrap();
    assert_eq!(
        (response.status(), &response.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap())
    );
    assert_eq!(gateway.calls(), 0);
}

#[tokio::test]
async fn a_wait_beyond_the_client_s_deadline_forbids_the_retry_that_would_hide_the_reason() {
    let gateway = TestGateway::with(|options| options.config.accounts[0].calls_per_second = 0.05).await;
    gateway.products().get_product(get(examples::HEADPHONES[0])).await.unwrap();
    let refused = gateway.products().get_product(within(5_000, get(examples::DEAL))).await;
    let pushback = refused.as_ref().unwrap_err().metadata().get("grpc-retry-pushback-ms").cloned();
    let (_, reason, details) = failure(refused);
    assert_eq!(reason, "WAIT_EXCEEDS_DEADLINE");
    assert_eq!(pushback.unwrap(), "-1");
    assert!(details.retry_info().unwrap().retry_delay.unwrap() > Duration::from_secs(5));
}

#[tokio::test]
async fn a_wait_beyond_the_gateway_s_bound_may_be_retried_within_the_client_s_deadline() {
    let gateway = TestGateway::with(|options| {
        options.config.accounts[0].calls_per_second = 0.05;
        options.config.server.max_deadline = Duration::from_secs(5);
    })
    .await;
    gateway.products().get_product(get(examples::HEADPHONES[0])).await.unwrap();
    let refused = gateway.products().get_product(within(3_600_000, get(examples::DEAL))).await;
    let pushback = refused.as_ref().unwrap_err().metadata().get("grpc-retry-pushback-ms").cloned();
    assert_eq!(failure(refused).1, "WAIT_EXCEEDS_DEADLINE");
    let pushback_ms: u64 = pushback.unwrap().to_str().unwrap().parse().unwrap();
    assert!(pushback_ms > 5_000, "{pushback_ms}");
}

#[tokio::test]
async fn the_headers_of_any_error_stay_below_8_kib() {
    let gateway = TestGateway::start().await;
    let long = "é".repeat(900);
    let query = pb::SearchQuery { category: long.clone(), browse_node_id: long.clone(), ..keywords("lamp") };
    let options = pb::ReadOptions { language: long.clone(), currency: long.clone(), ..Default::default() };
    let flags = pb::SearchQuery { delivery_flags: (1000..1100).collect(), ..query };
    let request = pb::SearchProductsRequest { query: Some(flags), options: Some(options), ..Default::default() };
    let mut peer = http2(&gateway, 65_535).await;
    let path = "/stockroom.v1.SearchService/SearchProducts";
    let (response, mut body) = peer.send_request(post(path, "application/grpc", "9S"), false).unwrap();
    body.send_data(framed(&request), true).unwrap();
    let response = soon(response).await.unwrap();
    let fields = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 32);
    let bytes = fields.sum::<usize>() + ":status".len() + 3 + 32;
    assert!(response.headers().contains_key("grpc-status-details-bin"));
    assert!(bytes < 8192, "{bytes}");
}

#[tokio::test]
async fn a_forged_page_token_behind_the_last_page_is_refused_for_nothing() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let gateway = TestGateway::start().await;
    let first = search(keywords("lamp"));
    let token = gateway.search().search_products(first.clone()).await.unwrap().into_inner().next_page_token;
    let calls = gateway.calls();
    let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    let length = bytes.len();
    for place in [100_u32, 4_000_000_000] {
        bytes[length - 4..].copy_from_slice(&place.to_be_bytes());
        let forged = pb::SearchProductsRequest { page_token: URL_SAFE_NO_PAD.encode(&bytes), ..first.clone() };
        let (code, _, details) = failure(gateway.search().search_products(forged).await);
        assert_eq!(code, Code::InvalidArgument);
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "page_token");
    }
    assert_eq!(gateway.calls(), calls);
}

#[tokio::test]
async fn a_compressed_request_is_read_and_answered_in_its_encoding_and_no_other_answer_is_compressed() {
    use tonic::codec::CompressionEncoding::{Gzip, Zstd};
    let gateway = TestGateway::start().await;
    for encoding in [Gzip, Zstd] {
        let mut products = gateway.products().send_compressed(encoding).accept_compressed(encoding);
        let asins = examples::HEADPHONES.iter().map(|asin| (*asin).to_owned()).collect();
        let answer = products.get_products(pb::GetProductsRequest { asins, options: None }).await.unwrap();
        let sent = answer.metadata().get("grpc-encoding").expect("the answer is compressed").to_str().unwrap();
        assert_eq!(format!("{encoding:?}").to_lowercase(), sent);
        assert!(!answer.into_inner().outcomes.is_empty());
    }
    let mut plain = gateway.browse().accept_compressed(Gzip);
    let answer = plain.list_categories(pb::ListCategoriesRequest::default()).await.unwrap();
    assert!(answer.metadata().get("grpc-encoding").is_none());
}
