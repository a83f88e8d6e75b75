//! Calls over real connections, to a listener that grants tokens and returns scripted answers.

use self::fake::Fake;
use super::*;
use crate::{Asin, GetItems, Items, Locale, Missing};

mod fake;
mod tokens;

const PATIENCE: Duration = Duration::from_secs(30);
const ID: &str = "dummy-client-id";
const SECRET: &str = "not/a+real=secret";
const NOTHING: &str = r#"{"errors": [{"code": "NoResults", "message": "None."}]}"#;

fn options(endpoint: &str) -> Options {
    Options {
        credential_id: ID.to_owned(),
        credential_secret: SECRET.into(),
        version: Version::parse("3.2").unwrap(),
        partner_tags: HashMap::from([(uk(), "example-21".to_owned())]),
        token_endpoint: None,
        transport: TransportOptions {
            endpoint: Some(endpoint.to_owned()),
            connect_timeout: PATIENCE,
            max_body_bytes: 2000,
            ..TransportOptions::default()
        },
    }
}

fn with_transport(endpoint: &str, change: impl FnOnce(&mut TransportOptions)) -> Options {
    let mut options = options(endpoint);
    change(&mut options.transport);
    options
}

fn uk() -> Marketplace {
    Marketplace::parse("UK").unwrap()
}

fn get_items(marketplace: &str) -> CatalogRequest {
    let locale = Locale::of(Marketplace::parse(marketplace).unwrap());
    CatalogRequest::Items(GetItems { locale, asins: vec![Asin::parse("B0FAKEKTL3").unwrap()] })
}

fn empty() -> CatalogResponse {
    let missing = vec![(Asin::parse("B0FAKEKTL3").unwrap(), Missing::NotFound)];
    CatalogResponse::Items(Items { missing, ..Items::default() })
}

#[tokio::test]
async fn a_token_is_asked_for_and_shown_as_amazon_s_own_sdk_does_it() {
    let form = "application/x-www-form-urlencoded";
    let cases = [
        (
            "2.2",
            "/oauth2/token",
            form,
            "grant_type=client_credentials&client_id=dummy-client-id&client_secret=not%2Fa%2Breal%3Dsecret\
             &scope=creatorsapi%2Fdefault",
            "Bearer token-1, Version 2.2",
        ),
        (
            "3.2",
            "/auth/o2/token",
            "application/json",
            r#"{"grant_type":"client_credentials","client_id":"dummy-client-id","client_secret":"not/a+real=secret","scope":"creatorsapi::default"}"#,
            "Bearer token-1",
        ),
    ];
    for (version, path, content_type, body, authorization) in cases {
        let fake = Fake::start(|_| (200, NOTHING.to_owned())).await;
        let version = Version::parse(version).unwrap();
        let client = CreatorsClient::new(Options { version, ..options(&fake.base()) }).unwrap();
        assert_eq!(client.call(&get_items("UK"), PATIENCE).await.unwrap(), empty());

        let [token, call] = fake.seen().try_into().unwrap();
        assert_eq!((token.path.as_str(), token.header("content-type")), (path, content_type));
        assert_eq!((token.body.as_str(), token.header("authorization")), (body, ""));
        assert_eq!(call.path, "/catalog/v1/getItems");
        assert_eq!(call.header("authorization"), authorization);
        assert_eq!(call.header("x-marketplace"), "www.amazon.co.uk");
        assert_eq!((call.header("content-type"), call.header("accept")), ("application/json", "application/json"));
        assert!(call.body.contains(r#""partnerTag":"example-21""#) && !call.body.contains(SECRET), "{}", call.body);
    }
}

#[tokio::test]
async fn the_token_service_and_the_proxy_may_stand_elsewhere() {
    let api = Fake::start(|_| (200, NOTHING.to_owned())).await;
    let tokens = Fake::start(|_| (500, String::new())).await;
    let token_endpoint = Some(format!("{}/auth/o2/token", tokens.base()));
    let client = CreatorsClient::new(Options { token_endpoint, ..options(&api.base()) }).unwrap();
    client.call(&get_items("UK"), PATIENCE).await.unwrap();
    assert_eq!((tokens.tokens(), api.tokens(), api.calls()), (1, 0, 1));

    let proxy = Fake::start(|_| (200, NOTHING.to_owned())).await;
    let client =
        CreatorsClient::new(with_transport("http://amazon.invalid", |transport| transport.proxy = Some(proxy.base())))
            .unwrap();
    client.call(&get_items("UK"), PATIENCE).await.unwrap();
    assert_eq!((proxy.tokens(), proxy.calls()), (1, 1));
}

#[tokio::test]
async fn feeds_and_reports_are_listed_and_linked() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        "/catalog/v1/listFeeds" => (200, r#"{"feeds": [{"feedName": "a"}]}"#.to_owned()),
        "/reports/v1/listReports" => (200, r#"{"reports": [{"filename": "b"}]}"#.to_owned()),
        _ => (200, format!(r#"{{"url": "https://files.example{}"}}"#, seen.path)),
    })
    .await;
    let client = CreatorsClient::new(options(&fake.base())).unwrap();
    let cases = [
        (FileKind::Feeds, "a", "/catalog/v1/getFeed", r#"{"feedName":"a"}"#),
        (FileKind::Reports, "b", "/reports/v1/getReport", r#"{"filename":"b"}"#),
    ];
    for (kind, name, path, body) in cases {
        let list = CatalogRequest::Files(ListFiles { marketplace: uk(), kind });
        let listed = vec![pb::AccountFile { name: name.to_owned(), ..Default::default() }];
        assert_eq!(client.call(&list, PATIENCE).await.unwrap(), CatalogResponse::Files(listed));
        assert_eq!(fake.last_call().body, "{}");
        let link = GetFileLink { marketplace: uk(), kind, name: name.to_owned(), file_type: None };
        let answer = client.call(&CatalogRequest::FileLink(link), PATIENCE).await.unwrap();
        let CatalogResponse::FileLink(Some(link)) = answer else { panic!("{answer:?}") };
        assert_eq!(link.expose(), format!("https://files.example{path}"));
        assert_eq!(
            (fake.last_call().body.as_str(), fake.last_call().header("x-marketplace")),
            (body, "www.amazon.co.uk")
        );
    }
    assert_eq!(fake.tokens(), 1);
}

#[tokio::test]
async fn what_cannot_be_asked_costs_no_call() {
    let fake = Fake::start(|_| (200, NOTHING.to_owned())).await;
    let client = CreatorsClient::new(options(&fake.base())).unwrap();
    let answer = client.call(&get_items("DE"), PATIENCE).await;
    assert!(matches!(&answer, Err(Error::Refused { refusal: Refusal::BadPartnerTag, .. })), "{answer:?}");
    assert_eq!(fake.seen().len(), 0);
}

#[test]
fn options_that_cannot_work_are_refused() {
    let fault = |change: fn(&mut Options)| {
        let mut options = options("http://127.0.0.1:1");
        change(&mut options);
        CreatorsClient::new(options).map(|_| ()).unwrap_err()
    };
    for id in ["", "two\nlines", "zwölf"] {
        let options = Options { credential_id: id.to_owned(), ..options("http://127.0.0.1:1") };
        assert!(matches!(CreatorsClient::new(options), Err(BuildError::Credential)), "{id}");
    }
    assert!(matches!(fault(|options| options.credential_secret = "".into()), BuildError::Credential));
    assert!(matches!(
        fault(|options| options.transport.endpoint = Some("amazon.invalid".to_owned())),
        BuildError::Endpoint
    ));
    assert!(matches!(fault(|options| options.token_endpoint = Some("x".to_owned())), BuildError::Endpoint));

    let error = fault(|options| options.version = Version::parse("v2.1").unwrap());
    let expected = "a credential of version 2.1 is for the marketplaces of NA, and www.amazon.co.uk is one of EU";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_credential_serves_the_marketplaces_of_its_group_and_no_other() {
    for (versions, group) in [(["2.1", "3.1"], "NA"), (["2.2", "3.2"], "EU"), (["2.3", "3.3"], "FE")] {
        for version in versions.map(|text| Version::parse(text).unwrap()) {
            for marketplace in Marketplace::all() {
                let partner_tags = HashMap::from([(marketplace, "example-21".to_owned())]);
                let built = CreatorsClient::new(Options { version, partner_tags, ..options("http://127.0.0.1:1") });
                assert_eq!(built.is_ok(), marketplace.region_group() == group, "{version} {marketplace}");
            }
        }
    }
}
