//! Calls over real connections, to a listener that returns scripted answers.

use std::sync::Arc;

use rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{Asin, GetItems, Items, Locale, Missing};

const PATIENCE: Duration = Duration::from_secs(30);
const NOTHING: &str = r#"{"Errors": [{"Code": "NoResults", "Message": "None."}]}"#;
const SECRET: &str = "not-a-real-secret-key";

fn options(endpoint: &str) -> Options {
    Options {
        access_key: "DUMMYACCESSKEY000001".to_owned(),
        secret_key: SECRET.into(),
        partner_tags: HashMap::from([(Marketplace::parse("UK").unwrap(), "example-21".to_owned())]),
        transport: TransportOptions {
            endpoint: Some(endpoint.to_owned()),
            connect_timeout: PATIENCE,
            max_body_bytes: 1000,
            ..TransportOptions::default()
        },
    }
}

fn empty() -> CatalogResponse {
    let missing = vec![(Asin::parse("B0FAKEKTL3").unwrap(), Missing::NotFound)];
    CatalogResponse::Items(Items { missing, ..Items::default() })
}

fn with_transport(endpoint: &str, change: impl FnOnce(&mut TransportOptions)) -> Options {
    let mut options = options(endpoint);
    change(&mut options.transport);
    options
}

fn get_items(marketplace: &str) -> CatalogRequest {
    let locale = Locale::of(Marketplace::parse(marketplace).unwrap());
    CatalogRequest::Items(GetItems { locale, asins: vec![Asin::parse("B0FAKEKTL3").unwrap()] })
}

/// What becomes of one call to a server that gives `answer` to a whole request, and then closes; with the request it saw.
async fn call(answer: &[u8], within: Duration) -> (Result<CatalogResponse, Error>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Paapi5Client::new(options(&format!("http://{}", listener.local_addr().unwrap()))).unwrap();
    let request = get_items("UK");
    tokio::join!(client.call(&request, within), async {
        let (mut connection, _) = listener.accept().await.unwrap();
        let request = read_request(&mut connection).await;
        connection.write_all(answer).await.unwrap();
        request
    })
}

async fn read_request(connection: &mut (impl AsyncRead + Unpin)) -> String {
    let mut seen = Vec::new();
    loop {
        connection.read_buf(&mut seen).await.unwrap();
        let text = String::from_utf8_lossy(&seen);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= length.parse().unwrap() {
            return text.into_owned();
        }
    }
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nx-amzn-requestid: id-1\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn a_call_is_one_signed_request_to_the_marketplace_s_host() {
    let (answer, request) = call(&ok(NOTHING), PATIENCE).await;
    assert_eq!(answer.unwrap(), empty());

    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let header =
        |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default();
    assert!(head.starts_with("POST /paapi5/getitems HTTP/1.1\r\n"), "{head}");
    assert_eq!(header("host"), "webservices.amazon.co.uk");
    assert_eq!(header("content-encoding"), "amz-1.0");
    assert_eq!(header("content-type"), "application/json; charset=utf-8");
    assert_eq!(header("x-amz-target"), "com.amazon.paapi5.v1.ProductAdvertisingAPIv1.GetItems");
    let authorization = header("authorization");
    let signed = "SignedHeaders=content-encoding;content-type;host;x-amz-date;x-amz-target, ";
    assert!(authorization.contains("/eu-west-1/ProductAdvertisingAPI/aws4_request, "), "{authorization}");
    assert!(authorization.contains(signed), "{authorization}");
    assert_eq!(head.matches("host: ").count(), 1);
    assert!(body.contains(r#""PartnerTag":"example-21""#), "{body}");
    assert!(!request.contains(SECRET));
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_does_not_end_is_an_error() {
    let long = format!("HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n{}", " ".repeat(2000));
    let (answer, _) = call(long.as_bytes(), PATIENCE).await;
    assert!(matches!(&answer, Err(Error::Malformed { .. })), "longer than allowed: {answer:?}");

    for cut in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"ItemsResult\":"] {
        let (answer, _) = call(cut.as_bytes(), PATIENCE).await;
        assert!(matches!(&answer, Err(Error::Unreachable { .. })), "{cut}: {answer:?}");
    }

    let redirect = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let (answer, _) = call(redirect, PATIENCE).await;
    assert!(matches!(&answer, Err(Error::Malformed { .. })), "not followed: {answer:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Paapi5Client::new(options(&format!("http://{}", listener.local_addr().unwrap()))).unwrap();
    let within = Duration::from_millis(50);
    let answer = client.call(&get_items("UK"), within).await;
    assert!(matches!(&answer, Err(Error::TimedOut { within: limit }) if *limit == within), "{answer:?}");
}

#[tokio::test]
async fn a_connection_that_is_never_made_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connect_timeout = Duration::from_millis(50);
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let client =
        Paapi5Client::new(with_transport(&endpoint, |transport| transport.connect_timeout = connect_timeout)).unwrap();
    let answer = client.call(&get_items("UK"), PATIENCE).await;
    assert!(matches!(&answer, Err(Error::TimedOut { within }) if *within == connect_timeout), "{answer:?}");
}

#[tokio::test]
async fn a_certificate_authority_of_one_s_own_is_trusted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let tls = ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], PrivatePkcs8KeyDer::from(signing_key.serialize_der()).into())
        .unwrap();

    let client =
        Paapi5Client::new(with_transport(&endpoint, |transport| transport.ca_pem = Some(cert.pem().into_bytes())))
            .unwrap();
    let request = get_items("UK");
    let (answer, ()) = tokio::join!(client.call(&request, PATIENCE), async {
        let (connection, _) = listener.accept().await.unwrap();
        let mut connection = TlsAcceptor::from(Arc::new(tls)).accept(connection).await.unwrap();
        read_request(&mut connection).await;
        connection.write_all(&ok(NOTHING)).await.unwrap();
    });
    assert_eq!(answer.unwrap(), empty());
}

#[tokio::test]
async fn a_proxy_is_used_where_one_is_given() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Some(format!("http://{}", proxy.local_addr().unwrap()));
    let client =
        Paapi5Client::new(with_transport("http://amazon.invalid", |transport| transport.proxy = address)).unwrap();
    let request = get_items("UK");
    let (answer, request) = tokio::join!(client.call(&request, PATIENCE), async {
        let (mut connection, _) = proxy.accept().await.unwrap();
        let request = read_request(&mut connection).await;
        connection.write_all(&ok(NOTHING)).await.unwrap();
        request
    });
    assert_eq!(answer.unwrap(), empty());
    assert!(request.starts_with("POST http://amazon.invalid/paapi5/getitems HTTP/1.1\r\n"), "{request}");
}

#[tokio::test]
async fn what_cannot_be_reached_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let plain = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        connection.write_all(b"this is not TLS").await.unwrap();
    });
    let answer =
        Paapi5Client::new(options(&format!("https://{address}"))).unwrap().call(&get_items("UK"), PATIENCE).await;
    assert!(matches!(&answer, Err(Error::Unreachable { .. })), "no TLS: {answer:?}");
    plain.await.unwrap();

    let answer =
        Paapi5Client::new(options(&format!("http://{address}"))).unwrap().call(&get_items("UK"), PATIENCE).await;
    assert!(matches!(&answer, Err(Error::Unreachable { .. })), "refused: {answer:?}");
}

#[tokio::test]
async fn a_marketplace_without_a_partner_tag_is_refused_without_a_call() {
    let client = Paapi5Client::new(options("http://127.0.0.1:1")).unwrap();
    let answer = client.call(&get_items("DE"), PATIENCE).await;
    assert!(matches!(&answer, Err(Error::Refused { refusal: Refusal::BadPartnerTag, .. })), "{answer:?}");
}

#[test]
fn options_that_cannot_work_are_refused() {
    let fault = |change: fn(&mut Options)| {
        let mut options = options("http://127.0.0.1:1");
        change(&mut options);
        Paapi5Client::new(options).map(|_| ()).unwrap_err()
    };
    for endpoint in ["", "webservices.amazon.com", "ftp://127.0.0.1"] {
        let mut options = options("http://127.0.0.1:1");
        options.transport.endpoint = Some(endpoint.to_owned());
        assert!(matches!(Paapi5Client::new(options), Err(BuildError::Endpoint)), "{endpoint}");
    }
    assert!(matches!(fault(|options| options.access_key = "two\nlines".to_owned()), BuildError::AccessKey));
    assert!(matches!(fault(|options| options.transport.proxy = Some("http://".to_owned())), BuildError::Proxy));
    assert!(matches!(fault(|options| options.transport.ca_pem = Some(Vec::new())), BuildError::CertificateAuthority));
}

#[test]
fn no_key_or_password_is_shown() {
    let options = with_transport("http://127.0.0.1:1", |transport| {
        transport.proxy = Some(format!("http://me:{SECRET}@127.0.0.1:1"));
    });
    let mut shown = format!("{options:?}");
    shown += &format!("{:?}", Paapi5Client::new(options).unwrap());
    assert!(!shown.contains(SECRET) && !shown.contains("DUMMYACCESSKEY000001"), "{shown}");
}
