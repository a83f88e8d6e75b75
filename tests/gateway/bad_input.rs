//! What a client should not send, over the wire: each gets its error, and the server keeps serving.

use amazon_sandbox::examples;
use bytes::{BufMut, Bytes, BytesMut};
use http::Request;
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use stockroom_proto::pb;
use tokio::net::TcpStream;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{TestGateway, failure, get, keywords, options, search, soon};

/// Sends bytes as they are, and reads how the call ended.
pub async fn raw(gateway: &TestGateway, path: &str, body: Bytes, headers: &[(&str, &str)]) -> Status {
    let stream = TokioIo::new(TcpStream::connect(gateway.address).await.unwrap());
    let (mut send, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut request = Request::post(format!("http://{}{path}", gateway.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = soon(send.send_request(request.body(Full::new(body)).unwrap())).await.unwrap();
    let head = response.headers().clone();
    // Clients in C take a status in headers for one only where the headers end the stream.
    assert!(!head.contains_key("grpc-status") || response.body().is_end_stream(), "data may follow {head:?}");
    let body = soon(response.into_body().collect()).await.unwrap();
    connection.abort();
    Status::from_header_map(body.trailers().unwrap_or(&head)).or_else(|| Status::from_header_map(&head)).unwrap()
}

pub fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    frame.freeze()
}

async fn still_serves(gateway: &TestGateway) {
    let get = get(examples::DEAL);
    soon(gateway.products().get_product(get)).await.expect("the server keeps serving");
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_caller_s_fault() {
    let gateway = TestGateway::start().await;
    let get = "/stockroom.v1.ProductService/GetProduct";
    let two = [framed(b""), framed(b"")].concat();
    let cases: [(&str, Bytes, Code, &str); 8] = [
        ("two messages", two.into(), Code::InvalidArgument, "PROTOCOL_ERROR"),
        ("half a message", Bytes::from_static(b"\0\0\0\0\x09abc"), Code::InvalidArgument, "PROTOCOL_ERROR"),
        ("not UTF-8", framed(b"\x0a\x03\xff\xfe\xfd"), Code::InvalidArgument, "MALFORMED_MESSAGE"),
        ("a number where a text belongs", framed(b"\x08\x07"), Code::InvalidArgument, "MALFORMED_MESSAGE"),
        ("cut short", framed(b"\x0a\x7f"), Code::InvalidArgument, "MALFORMED_MESSAGE"),
        ("an empty message", framed(b""), Code::InvalidArgument, "INVALID_REQUEST"),
        ("a huge message", framed(&vec![b'A'; 300_000]), Code::OutOfRange, "MESSAGE_TOO_LARGE"),
        ("an unknown flag", Bytes::from_static(b"\x07\x00\x00\x00\x00"), Code::InvalidArgument, "PROTOCOL_ERROR"),
    ];
    for (what, body, code, reason) in cases {
        let status = raw(&gateway, get, body, &[]).await;
        let info = status.get_error_details().error_info().unwrap().clone();
        assert_eq!((status.code(), info.reason.as_str()), (code, reason), "{what}: {status:?}");
        still_serves(&gateway).await;
    }
    let status = raw(&gateway, "/stockroom.v1.ProductService/Nothing", framed(b""), &[]).await;
    assert_eq!(status.code(), Code::Unimplemented);
    let status = raw(&gateway, "/no.such.Service/At/All", framed(b""), &[]).await;
    assert_eq!(status.code(), Code::Unimplemented);
    let status = raw(&gateway, "/grpc.health.v1.Health/Check", framed(b"\x0a\x04none"), &[]).await;
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn an_expired_deadline_is_deadline_exceeded() {
    let gateway = TestGateway::start().await;
    let get = framed(&prost::Message::encode_to_vec(&get(examples::DEAL)));
    let _hold = gateway.sandbox.hold();
    for timeout in ["1n", "0m", "200m"] {
        let path = "/stockroom.v1.ProductService/GetProduct";
        let status = raw(&gateway, path, get.clone(), &[("grpc-timeout", timeout)]).await;
        assert_eq!(status.code(), Code::DeadlineExceeded, "{timeout}: {status:?}");
    }
}

#[tokio::test]
async fn a_stream_ends_at_its_deadline_too() {
    let gateway = TestGateway::start().await;
    let asins = vec![examples::DEAL.to_owned(), examples::FREE.to_owned()];
    let request = framed(&prost::Message::encode_to_vec(&pb::CompareProductsRequest { asins, options: None }));
    let _hold = gateway.sandbox.hold();
    let path = "/stockroom.v1.ProductService/CompareProducts";
    let status = raw(&gateway, path, request, &[("grpc-timeout", "300m")]).await;
    assert!([Code::Ok, Code::DeadlineExceeded].contains(&status.code()), "{status:?}");
    still_serves_after_release(&gateway).await;
}

async fn still_serves_after_release(gateway: &TestGateway) {
    let categories = pb::ListCategoriesRequest::default();
    soon(gateway.browse().list_categories(categories)).await.expect("the server keeps serving");
}

#[tokio::test]
async fn lists_and_sizes_over_a_limit_are_refused_and_never_cut() {
    let gateway = TestGateway::start().await;
    let asins = |count: usize| (0..count).map(|n| format!("B{n:09}")).collect::<Vec<_>>();
    let fields = |result: Result<_, Status>| {
        let (code, _, details) = failure(result);
        assert_eq!(code, Code::InvalidArgument);
        let violations = details.bad_request().unwrap().field_violations.clone();
        violations.into_iter().map(|violation| violation.field).collect::<Vec<_>>()
    };
    for count in [0, 101, 10_000] {
        let request = pb::GetProductsRequest { asins: asins(count), options: None };
        assert_eq!(fields(gateway.products().get_products(request).await.map(|_| ())), ["asins"], "{count}");
    }
    for count in [0, 1, 11] {
        let request = pb::CompareProductsRequest { asins: asins(count), options: None };
        assert_eq!(fields(gateway.products().compare_products(request).await.map(|_| ())), ["asins"], "{count}");
    }
    let twice = pb::CompareProductsRequest { asins: vec!["B000000001".into(), "b000000001".into()], options: None };
    assert_eq!(fields(gateway.products().compare_products(twice).await.map(|_| ())), ["asins[1]"]);
    let bad = pb::CompareProductsRequest { asins: vec!["B000000001".into(), "no".into()], options: None };
    assert_eq!(fields(gateway.products().compare_products(bad).await.map(|_| ())), ["asins[1]"]);
    for page_size in [-1, 101, i32::MIN, i32::MAX] {
        let query = Some(keywords("lamp"));
        let request = pb::SearchProductsRequest { query, page_size, ..Default::default() };
        assert_eq!(fields(gateway.search().search_products(request).await.map(|_| ())), ["page_size"]);
    }
    let empty = pb::SearchProductsRequest::default();
    assert_eq!(fields(gateway.search().search_products(empty).await.map(|_| ())), ["query"]);
    let depth = pb::GetBrowseNodesRequest { ids: vec!["1".into(), "0".into(), "1".into()], depth: 4, options: None };
    assert_eq!(fields(gateway.browse().get_browse_nodes(depth).await.map(|_| ())), ["ids[1]", "ids[2]", "depth"]);
    let nothing = pb::PurgeCacheRequest { target: None };
    assert_eq!(fields(gateway.admin().purge_cache(nothing).await.map(|_| ())), ["target"]);
    let category = pb::ListDealsRequest { category: "toyz".into(), limit: 51, ..Default::default() };
    assert_eq!(fields(gateway.browse().list_deals(category).await.map(|_| ())), ["category", "limit"]);
    assert_eq!(gateway.calls(), 0);
    still_serves(&gateway).await;
}

#[tokio::test]
async fn a_page_token_of_another_search_is_refused() {
    let gateway = TestGateway::start().await;
    let first = search(keywords("lamp"));
    let token = gateway.search().search_products(first.clone()).await.unwrap().into_inner().next_page_token;
    let foreign = [
        pb::SearchProductsRequest { query: Some(keywords("kettle")), page_token: token.clone(), ..first.clone() },
        pb::SearchProductsRequest { options: options("UK"), page_token: token.clone(), ..first.clone() },
        pb::SearchProductsRequest { page_token: format!("{token}x"), ..first.clone() },
    ];
    for request in foreign {
        let (code, _, details) = failure(gateway.search().search_products(request).await);
        let field = &details.bad_request().unwrap().field_violations[0].field;
        assert_eq!((code, field.as_str()), (Code::InvalidArgument, "page_token"));
    }
    let next = pb::SearchProductsRequest { page_token: token, ..first };
    gateway.search().search_products(next).await.unwrap();
}

#[tokio::test]
async fn a_marketplace_that_is_not_served_is_refused_with_those_that_are() {
    let gateway = TestGateway::with(|options| {
        let served = |name: &str| (crate::support::market(name), "sandbox-20".to_owned());
        options.config.accounts[0].partner_tags = vec![served("US"), served("CA")];
    })
    .await;
    for (name, reason_of) in [("DE", "MARKETPLACE_NOT_SERVED"), ("atlantis", "INVALID_REQUEST")] {
        let request = pb::GetProductRequest { asin: examples::DEAL.to_owned(), options: options(name) };
        let (code, reason, details) = failure(gateway.products().get_product(request).await);
        assert_eq!((code, reason.as_str()), (Code::InvalidArgument, reason_of));
        let violation = &details.bad_request().unwrap().field_violations[0];
        assert!(violation.field == "options.marketplace" && violation.description.contains("US, CA"), "{violation:?}");
    }
}

#[tokio::test]
async fn one_invalid_field_is_reported_once_and_nothing_else_is() {
    let gateway = TestGateway::start().await;
    let query = |query| pb::SearchProductsRequest { query: Some(query), ..Default::default() };
    let german = pb::ReadOptions { language: "de_DE".into(), currency: "EUR".into(), ..options("atlantis").unwrap() };
    let cases = [
        (query(pb::SearchQuery { category: "nope".into(), ..Default::default() }), "query.category"),
        (query(keywords(&"x".repeat(1001))), "query.keywords"),
        (query(pb::SearchQuery { browse_node_id: "-3".into(), ..Default::default() }), "query.browse_node_id"),
        (query(pb::SearchQuery { delivery_flags: vec![99], ..keywords("lamp") }), "query.delivery_flags[0]"),
        (pb::SearchProductsRequest { options: Some(german), ..query(keywords("lamp")) }, "options.marketplace"),
    ];
    for (request, field) in cases {
        let (_, reason, details) = failure(gateway.search().search_products(request).await);
        let fields: Vec<_> =
            details.bad_request().unwrap().field_violations.iter().map(|one| one.field.as_str()).collect();
        assert_eq!((reason.as_str(), fields), ("INVALID_REQUEST", vec![field]));
    }
    assert_eq!(gateway.calls(), 0);
}
