//! The client against real servers on real ports.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, service::InterceptorLayer, transport::Server};
use tonic_types::{ErrorDetails, StatusExt};

use super::*;

fn client(address: SocketAddr, token: Option<&str>) -> Client {
    let options = Options { token: token.map(Into::into), deadline: Duration::from_secs(5), ..Options::default() };
    Client::new(&format!("http://{address}"), options).unwrap()
}

/// A server of the health service that accepts calls with the token and a deadline only.
async fn gateway() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_, health) = tonic_health::server::health_reporter();
    let guard = InterceptorLayer::new(|request: Request<()>| {
        let metadata = request.metadata();
        let says = |key: &str, value: &str| metadata.get(key).is_some_and(|found| found == value);
        let id = metadata.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        if says("authorization", "Bearer open-sesame") && metadata.contains_key("grpc-timeout") {
            return Ok(request);
        }
        let details = ErrorDetails::with_error_info("UNKNOWN_CALLER", "stockroom", [("id".to_owned(), id)]);
        Err(Status::with_error_details(Code::Unauthenticated, "unknown token", details))
    });
    let server = Server::builder().layer(guard).add_service(health);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

#[tokio::test]
async fn a_call_carries_its_token_and_its_deadline() {
    let client = client(gateway().await, Some("open-sesame"));
    assert_eq!(client.health("").await, Ok(Health::Serving));
    assert_eq!(client.health("stockroom.v1.NoService").await, Ok(Health::Unknown));
}

#[tokio::test]
async fn an_error_comes_back_decoded_with_the_id_that_was_sent() {
    let error = client(gateway().await, None).health("").await.unwrap_err();
    assert_eq!((error.code, error.reason.as_str()), (Code::Unauthenticated, "UNKNOWN_CALLER"));
    assert_eq!(error.metadata.get("id"), Some(&error.request_id));
}

#[tokio::test]
async fn where_nothing_listens_the_error_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = client(address, None).get_status(pb::GetStatusRequest {}).await.unwrap_err();
    assert_eq!(error.code, Code::Unavailable);
    assert!(error.message.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_gateway_that_never_answers_exceeds_the_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options { deadline: Duration::from_millis(20), ..Options::default() };
    let client = Client::new(&format!("http://{}", silent.local_addr().unwrap()), options).unwrap();
    let error = client.get_status(pb::GetStatusRequest {}).await.unwrap_err();
    assert_eq!(error.code, Code::DeadlineExceeded, "{error}");
}

#[tokio::test]
async fn an_invalid_address_or_token_is_refused_before_any_call() {
    for url in ["", "nonsense", "ftp://host", "host:port", ":50051"] {
        assert!(matches!(Client::new(url, Options::default()), Err(ConnectError::Url { .. })), "{url}");
    }
    let options = Options { token: Some("one\ntwo".into()), ..Options::default() };
    assert!(matches!(Client::new("http://host", options), Err(ConnectError::Token)));
    for url in ["https://host", "127.0.0.1:50051", "[::1]:50051", "stockroom:50051"] {
        assert!(Client::new(url, Options::default()).is_ok(), "{url}");
    }
}
