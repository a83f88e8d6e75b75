//! gRPC-Web, Connect and plain JSON on the port of gRPC, over HTTP/1.1 and HTTP/2.

use std::time::Duration;

use amazon_sandbox::examples;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bytes::{Buf, Bytes};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use serde_json::{Value, json};
use stockroom::config::{CertificateFile, ClientAuth, KeyFile, TlsConfig};
use stockroom_proto::pb;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    bad_input::framed,
    certificates::Authority,
    support::{TestGateway, caller, get, keywords, search, soon},
};

const GET_PRODUCT: &str = "/stockroom.v1.ProductService/GetProduct";
const COMPARE: &str = "/stockroom.v1.ProductService/CompareProducts";
const SEARCH: &str = "/stockroom.v1.SearchService/SearchProducts";
const STREAM_SEARCH: &str = "/stockroom.v1.SearchService/StreamSearch";
const JSON: (&str, &str) = ("content-type", "application/json");
const STREAM_JSON: (&str, &str) = ("content-type", "application/connect+json");
const ORIGIN: &str = "https://shop.example";

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The flags and contents of the envelopes or frames of the body.
    fn envelopes(&self) -> Vec<(u8, Bytes)> {
        envelopes(self.body.clone())
    }

    /// The reason of Connect's error, whose details are checked.
    fn reason(&self) -> String {
        reason(&self.json())
    }
}

fn envelopes(mut body: Bytes) -> Vec<(u8, Bytes)> {
    let mut envelopes = Vec::new();
    while body.has_remaining() {
        let (flag, length) = (body.get_u8(), body.get_u32());
        envelopes.push((flag, body.split_to(length as usize)));
    }
    envelopes
}

fn reason(error: &Value) -> String {
    let details = error["details"].as_array().unwrap();
    let info = details.iter().find(|detail| detail["type"] == "google.rpc.ErrorInfo").unwrap();
    let value = STANDARD_NO_PAD.decode(info["value"].as_str().unwrap()).unwrap();
    let decoded = tonic_types::pb::ErrorInfo::decode(&*value).unwrap();
    assert_eq!((&*decoded.domain, &info["debug"]["reason"]), ("stockroom", &json!(decoded.reason)));
    assert!(details.iter().any(|detail| detail["type"] == "google.rpc.RequestInfo"));
    decoded.reason
}

#[derive(Clone, Copy, Debug)]
enum Version {
    Http1,
    Http2,
}

const BOTH: [Version; 2] = [Version::Http1, Version::Http2];

async fn send(gateway: &TestGateway, version: Version, mut request: Request<Full<Bytes>>) -> Answer {
    let stream = TokioIo::new(TcpStream::connect(gateway.address).await.unwrap());
    let path = request.uri().path().to_owned();
    let response = match version {
        Version::Http1 => {
            let (mut client, connection) = conn::http1::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            request.headers_mut().insert("host", "stockroom".parse().unwrap());
            soon(client.send_request(request)).await
        }
        Version::Http2 => {
            let (mut client, connection) = conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            tokio::spawn(connection);
            *request.uri_mut() = format!("http://stockroom{path}").parse().unwrap();
            soon(client.send_request(request)).await
        }
    };
    let (head, body) = response.unwrap().into_parts();
    let body = soon(body.collect()).await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

fn request(method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).unwrap()
}

async fn post(
    gateway: &TestGateway,
    version: Version,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    send(gateway, version, request(Method::POST, path, headers, body)).await
}

async fn post_json(gateway: &TestGateway, path: &str, body: Value) -> Answer {
    post(gateway, Version::Http1, path, &[JSON], body.to_string()).await
}

fn asin(asin: &str) -> String {
    json!({ "asin": asin }).to_string()
}

fn envelope(message: &Value) -> Vec<u8> {
    framed(message.to_string().as_bytes()).to_vec()
}

#[tokio::test]
async fn a_product_is_answered_in_json_and_in_binary_over_both_versions() {
    let gateway = TestGateway::start().await;
    let product = examples::HEADPHONES[0];
    let native = gateway.products().get_product(get(product)).await.unwrap().into_inner();
    let title = &native.entry.as_ref().unwrap().product.as_ref().unwrap().info.as_ref().unwrap().title;
    for version in BOTH {
        let answer = post(&gateway, version, GET_PRODUCT, &[JSON], asin(product)).await;
        assert_eq!(answer.status, StatusCode::OK, "{version:?}");
        let entry = &answer.json()["entry"];
        assert_eq!((&entry["product"]["asin"], &entry["product"]["info"]["title"]), (&json!(product), &json!(title)));
        assert_eq!(entry["freshness"]["source"], "SOURCE_MEMORY");
        assert_eq!(answer.header("x-request-id").len(), 36);
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());

        let binary = [("content-type", "application/proto"), ("x-request-id", "mine")];
        let answer = post(&gateway, version, GET_PRODUCT, &binary, get(product).encode_to_vec()).await;
        assert_eq!((answer.header("content-type"), answer.header("x-request-id")), ("application/proto", "mine"));
        let decoded = pb::GetProductResponse::decode(answer.body).unwrap();
        assert_eq!(decoded.entry.unwrap().product, native.entry.as_ref().unwrap().product);
    }
    assert_eq!(gateway.calls(), 1, "each answer but the first came from memory");
}

#[tokio::test]
async fn one_connection_of_http_1_carries_several_calls() {
    let gateway = TestGateway::start().await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let body = asin(examples::DEAL);
    let length = body.len();
    let head = format!("POST {GET_PRODUCT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
    // Two at once, then a last one.
    let call = format!("{head}content-length: {length}\r\n\r\n{body}");
    let last = format!("{head}connection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(format!("{call}{call}{last}").as_bytes()).await.unwrap();
    let mut answers = String::new();
    soon(stream.read_to_string(&mut answers)).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert_eq!(answers.matches(r#"{"entry":{"product":{"asin":"#).count(), 3, "{answers}");
}

#[tokio::test]
async fn an_error_has_connect_s_form_with_reason_details_and_retry_after() {
    let gateway = TestGateway::with(|options| options.config.accounts[0].calls_per_day = 1).await;
    let malformed = post_json(&gateway, GET_PRODUCT, json!({ "asin": "not an ASIN" })).await;
    assert_eq!((malformed.status, &*malformed.reason()), (StatusCode::BAD_REQUEST, "INVALID_REQUEST"));
    let error = malformed.json();
    assert_eq!(error["code"], "invalid_argument");
    let details = error["details"].as_array().unwrap();
    let fields = details.iter().find(|detail| detail["type"] == "google.rpc.BadRequest").unwrap();
    assert_eq!(fields["debug"]["fieldViolations"][0]["field"], "asin");
    assert!(!malformed.header("x-request-id").is_empty());

    let misspelled = post_json(&gateway, SEARCH, json!({ "query": { "keyword": "lamp" } })).await;
    assert_eq!((misspelled.status, &*misspelled.reason()), (StatusCode::BAD_REQUEST, "MALFORMED_MESSAGE"));
    assert!(misspelled.json()["message"].as_str().unwrap().contains("query: unrecognized field name"));

    let missing = post_json(&gateway, GET_PRODUCT, json!({ "asin": examples::UNKNOWN })).await;
    assert_eq!((missing.status, &*missing.reason()), (StatusCode::NOT_FOUND, "PRODUCT_NOT_FOUND"));

    let spent = post_json(&gateway, GET_PRODUCT, json!({ "asin": examples::DEAL })).await;
    assert_eq!((spent.status, &*spent.reason()), (StatusCode::TOO_MANY_REQUESTS, "DAY_BUDGET_SPENT"));
    assert_eq!(spent.json()["code"], "resource_exhausted");
    let seconds: u64 = spent.header("retry-after").parse().unwrap();
    assert!((80_000..=86_400).contains(&seconds), "{seconds}");

    for path in ["/stockroom.v1.ProductService/Nothing", "/nothing", "/grpc.reflection.v1.ServerReflection/None"] {
        let unknown = post_json(&gateway, path, json!({})).await;
        assert_eq!(
            (unknown.status, &unknown.json()["code"]),
            (StatusCode::NOT_FOUND, &json!("unimplemented")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn callers_send_their_token_and_no_message_is_read_without_it() {
    let gateway = TestGateway::with(|options| options.config.callers = vec![caller("web", false, None)]).await;
    for version in BOTH {
        let refused = post(&gateway, version, GET_PRODUCT, &[JSON], "no JSON at all").await;
        assert_eq!((refused.status, &*refused.reason()), (StatusCode::UNAUTHORIZED, "CALLER_UNKNOWN"));
        assert_eq!(refused.header("www-authenticate"), "Bearer");
        let token = [JSON, ("authorization", "Bearer token-of-web")];
        let answer = post(&gateway, version, GET_PRODUCT, &token, asin(examples::DEAL)).await;
        assert_eq!(answer.status, StatusCode::OK);
        let admin = post(&gateway, version, "/stockroom.v1.AdminService/GetStatus", &token, "{}").await;
        assert_eq!((admin.status, &*admin.reason()), (StatusCode::FORBIDDEN, "NOT_AN_ADMIN"));
    }
}

#[tokio::test]
async fn a_stream_comes_in_envelopes_and_ends_with_its_status() {
    let gateway = TestGateway::start().await;
    let asins = [examples::HEADPHONES[0], examples::HEADPHONES[1], examples::UNKNOWN];
    for version in BOTH {
        let answer = post(&gateway, version, COMPARE, &[STREAM_JSON], envelope(&json!({ "asins": asins }))).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/connect+json"));
        let envelopes = answer.envelopes();
        let flags: Vec<u8> = envelopes.iter().map(|(flag, _)| *flag).collect();
        assert_eq!(flags, [0, 0, 0, 0, 2], "{version:?}");
        let messages: Vec<Value> = envelopes.iter().map(|(_, text)| serde_json::from_slice(text).unwrap()).collect();
        let rows = messages.iter().filter(|message| message["row"]["asin"].is_string()).count();
        assert_eq!((rows, messages[3]["summary"]["comparedAsins"].as_array().unwrap().len()), (2, 2));
        assert!(messages[4]["error"].is_null() && messages[4]["metadata"]["x-request-id"][0].is_string());

        let binary = [("content-type", "application/connect+proto")];
        let request = pb::CompareProductsRequest { asins: asins.map(str::to_owned).into(), options: None };
        let answer = post(&gateway, version, COMPARE, &binary, framed(&request.encode_to_vec())).await;
        let mut envelopes = answer.envelopes();
        assert_eq!(envelopes.pop().unwrap().0, 2);
        let decoded = envelopes.into_iter().map(|(_, message)| pb::CompareProductsResponse::decode(message).unwrap());
        assert_eq!(decoded.filter(|message| message.event.is_some()).count(), 4);
    }

    let refused = post(&gateway, Version::Http1, COMPARE, &[STREAM_JSON], envelope(&json!({ "asins": [] }))).await;
    let [(2, end)] = &refused.envelopes()[..] else { panic!("{}", refused.text()) };
    let end: Value = serde_json::from_slice(end).unwrap();
    assert_eq!((refused.status, &end["error"]["code"]), (StatusCode::OK, &json!("invalid_argument")));
    assert_eq!(reason(&end["error"]), "INVALID_REQUEST");
}

#[tokio::test]
async fn a_stream_ends_at_connect_s_timeout_with_what_it_had() {
    let gateway = TestGateway::start().await;
    gateway.products().get_product(get(examples::DEAL)).await.unwrap();
    let _hold = gateway.sandbox.hold();
    let asins = json!({ "asins": [examples::DEAL, examples::HEADPHONES[0]] });
    let headers = [STREAM_JSON, ("connect-timeout-ms", "400")];
    let answer = post(&gateway, Version::Http2, COMPARE, &headers, envelope(&asins)).await;
    let envelopes = answer.envelopes();
    let messages: Vec<Value> = envelopes.iter().map(|(_, text)| serde_json::from_slice(text).unwrap()).collect();
    assert_eq!(messages[0]["row"]["asin"], examples::DEAL);
    assert_eq!(messages[1]["missing"]["absence"]["errorReason"], "ERROR_REASON_DEADLINE_EXCEEDED", "{messages:?}");
    assert_eq!(envelopes.last().unwrap().0, 2);
}

#[tokio::test]
async fn connect_s_timeout_is_the_deadline() {
    let gateway = TestGateway::start().await;
    let _hold = gateway.sandbox.hold();
    let headers = [JSON, ("connect-timeout-ms", "300")];
    for version in BOTH {
        let late = post(&gateway, version, GET_PRODUCT, &headers, asin(examples::DEAL)).await;
        assert_eq!((late.status, &late.json()["code"]), (StatusCode::GATEWAY_TIMEOUT, &json!("deadline_exceeded")));
    }
}

#[tokio::test]
async fn grpc_web_is_answered_in_binary_and_in_text() {
    use base64::engine::general_purpose::STANDARD;
    let gateway = TestGateway::start().await;
    let found = search(keywords("wireless headphones"));
    for version in BOTH {
        let binary = [("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1")];
        let answer = post(&gateway, version, SEARCH, &binary, framed(&found.encode_to_vec())).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/grpc-web+proto"));
        let [(0, message), (0x80, trailers)] = &answer.envelopes()[..] else { panic!("{:?}", answer.body) };
        assert_eq!(pb::SearchProductsResponse::decode(message.clone()).unwrap().products.len(), 10);
        let trailers = std::str::from_utf8(trailers).unwrap();
        assert!(trailers.contains("grpc-status:0\r\n") && trailers.contains("x-request-id:"), "{trailers}");

        let text = [("content-type", "application/grpc-web-text; charset=utf-8")];
        let encoded = STANDARD.encode(framed(&found.encode_to_vec()));
        let answer = post(&gateway, version, SEARCH, &text, encoded).await;
        assert_eq!(answer.header("content-type"), "application/grpc-web-text+proto");
        // Each frame is encoded by itself, so padding may stand before the end.
        let decoded: Vec<u8> = answer.body.chunks(4).flat_map(|four| STANDARD.decode(four).unwrap()).collect();
        let frames = envelopes(decoded.into());
        assert_eq!(frames.iter().map(|(flag, _)| *flag).collect::<Vec<_>>(), [0, 0x80]);

        let refused = post(&gateway, version, GET_PRODUCT, &binary, framed(&get("x").encode_to_vec())).await;
        assert_eq!((refused.status, refused.header("grpc-status")), (StatusCode::OK, "3"));
        assert!(!refused.header("grpc-status-details-bin").is_empty());
        let unreadable = post(&gateway, version, GET_PRODUCT, &text, "*").await;
        assert_eq!(unreadable.header("grpc-status"), "3", "{:?}", unreadable.headers);
    }
}

#[tokio::test]
async fn requests_of_connect_may_be_compressed_and_are_bounded_when_they_are_not() {
    use flate2::{Compression, read::GzEncoder};
    use std::io::Read;
    let gateway = TestGateway::start().await;
    let gzip = |text: String| {
        let mut compressed = Vec::new();
        GzEncoder::new(text.as_bytes(), Compression::default()).read_to_end(&mut compressed).unwrap();
        compressed
    };
    let headers = [JSON, ("content-encoding", "gzip")];
    let answer = post(&gateway, Version::Http1, GET_PRODUCT, &headers, gzip(asin(examples::DEAL))).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let mut compressed = envelope(&json!({}));
    compressed.truncate(5);
    let message = gzip(json!({ "asins": examples::HEADPHONES }).to_string());
    compressed[0] = 1;
    compressed[4] = message.len() as u8;
    compressed.extend(message);
    let headers = [STREAM_JSON, ("connect-content-encoding", "gzip")];
    let answer = post(&gateway, Version::Http1, COMPARE, &headers, compressed).await;
    assert_eq!(answer.envelopes().len(), examples::HEADPHONES.len() + 2);

    let long = asin(&"x".repeat(300_000));
    for (encoding, body) in [("gzip", gzip(long.clone()).into()), ("identity", Bytes::from(long))] {
        let headers = [JSON, ("content-encoding", encoding)];
        let answer = post(&gateway, Version::Http2, GET_PRODUCT, &headers, body).await;
        assert_eq!(answer.reason(), "MESSAGE_TOO_LARGE", "{encoding}");
    }
    let unknown = post(&gateway, Version::Http1, GET_PRODUCT, &[JSON, ("content-encoding", "br")], "x").await;
    assert_eq!((unknown.status, &*unknown.reason()), (StatusCode::NOT_IMPLEMENTED, "UNSUPPORTED_ENCODING"));
    let broken = post(&gateway, Version::Http1, GET_PRODUCT, &[JSON, ("content-encoding", "gzip")], "x").await;
    assert_eq!((broken.status, &*broken.reason()), (StatusCode::BAD_REQUEST, "PROTOCOL_ERROR"));
}

#[tokio::test]
async fn what_is_no_call_is_refused_in_words_and_costs_nothing() {
    let gateway = TestGateway::start().await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let grpc = ("content-type", "application/grpc");
    for version in BOTH {
        let refused = |method, path, headers: Vec<(&'static str, &'static str)>| {
            let request = request(method, path, &headers, asin(examples::DEAL));
            let answer = send(&gateway, version, request);
            async move {
                let answer = answer.await;
                assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
                answer
            }
        };
        let answer = refused(Method::POST, GET_PRODUCT, vec![form]).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(answer.header("accept-post").contains("application/json"));
        for (path, other) in [(STREAM_SEARCH, JSON), (GET_PRODUCT, STREAM_JSON)] {
            let answer = refused(Method::POST, path, vec![other]).await;
            assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
            assert!(answer.text().starts_with("This method answers with"), "{}", answer.text());
        }
        for method in [Method::GET, Method::PUT, Method::OPTIONS] {
            let answer = refused(method, GET_PRODUCT, vec![JSON]).await;
            assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
        }
        let answer = refused(Method::POST, GET_PRODUCT, vec![JSON, ("origin", ORIGIN)]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "no page may call unless the operator allows it");
    }
    let answer = post(&gateway, Version::Http1, GET_PRODUCT, &[grpc], "").await;
    assert_eq!(answer.status, StatusCode::UPGRADE_REQUIRED);
    assert!(answer.text().contains("gRPC needs HTTP/2"));
    assert_eq!(gateway.calls(), 0);
}

#[tokio::test]
async fn pages_of_allowed_origins_may_call_and_others_may_not() {
    let gateway = TestGateway::with(|options| {
        options.config.web.allowed_origins = vec![ORIGIN.to_owned(), "http://localhost:5173".to_owned()];
    })
    .await;
    for version in BOTH {
        let preflight = |origin| {
            let headers = [
                ("origin", origin),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", "content-type,authorization,connect-protocol-version"),
            ];
            send(&gateway, version, request(Method::OPTIONS, GET_PRODUCT, &headers, ""))
        };
        let allowed = preflight(ORIGIN).await;
        assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (StatusCode::OK, ORIGIN));
        assert_eq!(allowed.header("access-control-allow-methods"), "POST");
        assert!(allowed.header("access-control-allow-headers").contains("authorization"));
        assert_eq!(preflight("https://evil.example").await.status, StatusCode::FORBIDDEN);

        for origin in [ORIGIN, "http://localhost:5173"] {
            let headers = [JSON, ("origin", origin)];
            let answer = post(&gateway, version, GET_PRODUCT, &headers, asin(examples::DEAL)).await;
            assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::OK, origin));
            let exposed = answer.header("access-control-expose-headers");
            assert!(exposed.contains("grpc-status-details-bin") && exposed.contains("x-request-id"), "{exposed}");
            assert!(
                answer
                    .headers
                    .get_all(header::VARY)
                    .iter()
                    .any(|vary| vary == "origin" || vary.as_bytes().starts_with(b"origin,"))
            );
        }
        let calls = gateway.calls();
        for origin in ["https://evil.example", "null", "https://shop.example.evil.example"] {
            let headers = [JSON, ("origin", origin)];
            let answer = post(&gateway, version, GET_PRODUCT, &headers, asin(examples::HEADPHONES[0])).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin}");
            assert!(answer.header("access-control-allow-origin").is_empty());
        }
        assert_eq!(gateway.calls(), calls);
    }
}

#[tokio::test]
async fn health_is_answered_in_json_and_its_watch_does_not_hold_up_the_drain() {
    let mut gateway = TestGateway::with(|options| {
        options.config.server.drain = Duration::from_secs(300);
        options.config.callers = vec![caller("web", false, None)];
    })
    .await;
    let check = post_json(&gateway, "/grpc.health.v1.Health/Check", json!({})).await;
    assert_eq!((check.status, check.json()), (StatusCode::OK, json!({ "status": "SERVING" })));
    let unknown = post_json(&gateway, "/grpc.health.v1.Health/Check", json!({ "service": "nobody" })).await;
    assert_eq!((unknown.status, &*unknown.reason()), (StatusCode::NOT_FOUND, "SERVICE_UNKNOWN"));

    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let body = String::from_utf8(envelope(&json!({}))).unwrap();
    let head = "POST /grpc.health.v1.Health/Watch HTTP/1.1\r\nhost: x\r\ncontent-type: application/connect+json\r\n";
    stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
    let mut read = String::new();
    while !read.contains(r#"{"status":"SERVING"}"#) {
        read.push_str(&next_piece(&mut stream).await);
    }
    gateway.shut_down();
    gateway.stopped().await;
    soon(stream.read_to_string(&mut read)).await.unwrap();
    assert!(read.contains(r#"{"status":"NOT_SERVING"}"#), "{read}");
}

async fn next_piece(stream: &mut TcpStream) -> String {
    let mut piece = [0; 4096];
    let length = soon(stream.read(&mut piece)).await.unwrap();
    assert!(length > 0, "the connection ended");
    String::from_utf8_lossy(&piece[..length]).into_owned()
}

#[tokio::test]
async fn a_drain_finishes_the_call_of_http_1_and_closes_idle_connections() {
    let mut gateway = TestGateway::with(|options| options.config.server.drain = Duration::from_secs(300)).await;
    let mut idle = TcpStream::connect(gateway.address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    next_piece(&mut idle).await;
    let mut unfinished = TcpStream::connect(gateway.address).await.unwrap();
    unfinished.write_all(b"POST / HTTP/1.1\r\nhost: x\r\nx-slow").await.unwrap();

    let hold = gateway.sandbox.hold();
    let address = gateway.address;
    let call = tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let body = asin(examples::DEAL);
        let head = format!("POST {GET_PRODUCT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
        stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    });
    gateway.sandbox.arrived(1).await;
    gateway.shut_down();
    let mut rest = Vec::new();
    soon(idle.read_to_end(&mut rest)).await.unwrap();
    hold.release();
    let answer = soon(call).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("connection: close"), "{answer}");
    gateway.stopped().await;
}

#[tokio::test]
async fn a_peer_of_http_1_that_does_not_read_holds_its_place_until_its_deadline_and_no_longer() {
    let gateway = TestGateway::with(|options| {
        options.config.server.max_concurrent_calls = 1;
        options.send_buffer = Some(4096);
    })
    .await;
    let body = String::from_utf8(envelope(&json!({ "query": { "keywords": "headphones" } }))).unwrap();
    // More than the buffers of both sockets and of the gateway take, and from now on in memory.
    let whole = post(&gateway, Version::Http1, STREAM_SEARCH, &[STREAM_JSON], body.clone()).await;
    assert!(whole.body.len() > 250_000, "{} bytes", whole.body.len());

    let head = format!("POST {STREAM_SEARCH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/connect+json\r\n");
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!("{head}connect-timeout-ms: 2000\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let call = || post_json(&gateway, "/stockroom.v1.BrowseService/ListCategories", json!({}));
    let mut overloaded = call().await;
    while overloaded.status == StatusCode::OK {
        overloaded = call().await;
    }
    assert_eq!((overloaded.status, &*overloaded.reason()), (StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED"));
    assert_eq!(overloaded.header("retry-after"), "1");
    soon(async { while call().await.status != StatusCode::OK {} }).await;
    let mut answer = Vec::new();
    // Cut off, perhaps with a reset.
    let _ = soon(stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("HTTP/1.1 200") && !answer.contains("x-request-id"), "{} bytes", answer.len());
}

#[tokio::test]
async fn http_1_is_spoken_over_tls_as_well() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let (certificate, key) = authority.server().write(folder.path(), "server");
    let gateway = TestGateway::with(|options| {
        let (certificate, key) = (CertificateFile::read(certificate).unwrap(), KeyFile::read(key).unwrap());
        options.config.tls = Some(TlsConfig::new(certificate, key, None, ClientAuth::Required).unwrap());
    })
    .await;
    let root = reqwest::Certificate::from_pem(authority.pem.as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]).http1_only().build().unwrap();
    let url = format!("https://localhost:{}{GET_PRODUCT}", gateway.address.port());
    let answer = client.post(url).header(JSON.0, JSON.1).body(asin(examples::DEAL)).send().await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, http::Version::HTTP_11));
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(answer["entry"]["product"]["asin"], examples::DEAL);
}
