//! What must never be logged, however closely the log is kept: keys, secrets, tokens of Amazon's and of callers, links.

use amazon_sandbox::{FaultKind, InjectedFault, examples};
use stockroom_proto::pb::{
    self, admin_service_client::AdminServiceClient, browse_service_client::BrowseServiceClient,
    product_service_client::ProductServiceClient, search_service_client::SearchServiceClient,
};
use tokio_stream::StreamExt;
use tonic::{Code, Request, transport::Channel};

use crate::{
    program::{ConfigFile, Program},
    support::{Protocol, get, keywords, options, sandbox, soon},
};

const CALLERS: &str = "\
[callers.operator]
token = \"bearer-of-the-operator\"
admin = true
[callers.web]
token = \"bearer-of-the-web\"
";

both_protocols!(
    nothing_secret_is_logged_of_a_gateway_in_front_of_the_built_in_sandbox,
    nothing_secret_is_logged_when_amazon_refuses_or_fails,
);

fn name(protocol: Protocol) -> &'static str {
    if protocol == Protocol::Creators { "creators" } else { "paapi5" }
}

/// A message from the bearer of a token.
fn from<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

fn from_operator<T>(message: T) -> Request<T> {
    from("bearer-of-the-operator", message)
}

fn nothing_secret_is_in(log: &str) {
    assert!(log.contains("GetProduct"), "calls are logged");
    let secrets = amazon_sandbox::credential_versions().map(|version| amazon_sandbox::credential(version).unwrap().1);
    let known = [
        amazon_sandbox::ACCESS_KEY,
        amazon_sandbox::SECRET_KEY,
        "wrong-secret-of-an-account",
        "bearer-of-the-operator",
        "bearer-of-the-web",
        "bearer-of-a-stranger",
        // How Amazon's access tokens begin, of either kind.
        "Atc|",
        "eyJ",
        // A link's own proof, and a request's.
        "signature=",
        "Signature=",
    ];
    for secret in secrets.chain(known.map(str::to_owned)) {
        let line =
            log.lines().find(|line| line.contains(&secret)).map(|line| line.chars().take(500).collect::<String>());
        assert_eq!(line, None, "{secret} is in the log");
    }
}

/// Calls of every kind, some of which cannot succeed. How they end is for other tests to judge.
async fn calls_of_every_kind(channel: Channel) {
    let mut search = SearchServiceClient::new(channel.clone());
    let query = Some(keywords("wireless headphones"));
    let page = pb::SearchProductsRequest { query: query.clone(), ..Default::default() };
    let _ = search.search_products(from_operator(page.clone())).await;
    let _ = search.search_products(from("bearer-of-the-web", pb::SearchProductsRequest::default())).await;
    let unknown = search.search_products(from("bearer-of-a-stranger", page)).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unauthenticated);
    let stream = pb::StreamSearchRequest { query, limit: 12, ..Default::default() };
    if let Ok(pages) = search.stream_search(from_operator(stream)).await {
        let _: Vec<_> = soon(pages.into_inner().collect()).await;
    }

    let mut products = ProductServiceClient::new(channel.clone());
    for asin in [examples::DEAL, examples::UNKNOWN, "no asin"] {
        let _ = products.get_product(from_operator(get(asin))).await;
    }
    let elsewhere = pb::GetProductRequest { options: options("JP"), ..get(examples::DEAL) };
    let _ = products.get_product(from("bearer-of-the-web", elsewhere)).await;
    let asins: Vec<String> = examples::HEADPHONES[..2].iter().map(|asin| (*asin).to_owned()).collect();
    let _ = products.get_products(from_operator(pb::GetProductsRequest { asins: asins.clone(), options: None })).await;
    let family = pb::GetVariationsRequest { asin: examples::VARIATION_CHILD.to_owned(), ..Default::default() };
    let _ = products.get_variations(from_operator(family)).await;
    let compare = pb::CompareProductsRequest { asins, options: None };
    if let Ok(rows) = products.compare_products(from_operator(compare)).await {
        let _: Vec<_> = soon(rows.into_inner().collect()).await;
    }

    let mut browse = BrowseServiceClient::new(channel.clone());
    let nodes = pb::GetBrowseNodesRequest { ids: vec![examples::ROOT_NODE.to_owned()], ..Default::default() };
    let _ = browse.get_browse_nodes(from_operator(nodes)).await;
    let _ = browse.list_trending(from_operator(pb::ListTrendingRequest::default())).await;
    let _ = browse.list_deals(from_operator(pb::ListDealsRequest::default())).await;

    let mut admin = AdminServiceClient::new(channel);
    let refused = admin.get_status(from("bearer-of-the-web", pb::GetStatusRequest {})).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    admin.get_status(from_operator(pb::GetStatusRequest {})).await.unwrap();
    if let Ok(feeds) = admin.list_feeds(from_operator(pb::ListFeedsRequest::default())).await {
        let name = feeds.into_inner().feeds[0].name.clone();
        let link = pb::GetFeedLinkRequest { name, ..Default::default() };
        let link = admin.get_feed_link(from_operator(link)).await.unwrap().into_inner();
        assert!(link.url.contains("signature="), "{}", link.url);
    }
    let everything = pb::purge_cache_request::Target::Everything(true);
    admin.purge_cache(from_operator(pb::PurgeCacheRequest { target: Some(everything) })).await.unwrap();
}

async fn nothing_secret_is_logged_of_a_gateway_in_front_of_the_built_in_sandbox(protocol: Protocol) {
    let config = ConfigFile::new(CALLERS);
    let program = Program::serve(&config, "trace", &["--sandbox", "--protocol", name(protocol)]).await;
    let channel = program.channel().await;
    let mut products = ProductServiceClient::new(channel.clone());
    products.get_product(from_operator(get(examples::HEADPHONES[0]))).await.expect("the sandbox answers");
    calls_of_every_kind(channel).await;
    nothing_secret_is_in(&program.stopped().await);
}

async fn nothing_secret_is_logged_when_amazon_refuses_or_fails(protocol: Protocol) {
    let sandbox = sandbox().await;
    let config = ConfigFile::new(&format!("{CALLERS}{}", account(protocol, &sandbox.url(), "right")));
    let program = Program::serve(&config, "trace", &[]).await;
    let channel = program.channel().await;
    let faults = [
        FaultKind::Error("InvalidPartnerTag"),
        FaultKind::Error("InternalFailure"),
        FaultKind::Reset,
        FaultKind::Truncated,
        FaultKind::Malformed,
        FaultKind::Status { status: 403, body: "<html>no</html>".to_owned() },
    ];
    faults.into_iter().for_each(|kind| sandbox.inject(InjectedFault::new(1, kind)));
    calls_of_every_kind(channel.clone()).await;
    sandbox.revoke_tokens();
    sandbox.inject_for_tokens(InjectedFault::new(1, FaultKind::Malformed));
    calls_of_every_kind(channel).await;
    let right = program.stopped().await;

    config.write(&format!("{CALLERS}{}", account(protocol, &sandbox.url(), "wrong")));
    let program = Program::serve(&config, "trace", &[]).await;
    calls_of_every_kind(program.channel().await).await;
    nothing_secret_is_in(&(right + &program.stopped().await));
}

/// An account in the US whose secret is right or wrong.
pub fn account(protocol: Protocol, endpoint: &str, secret: &str) -> String {
    let wrong = "wrong-secret-of-an-account".to_owned();
    let keys = if protocol == Protocol::Creators {
        let (id, right) = amazon_sandbox::credential("2.1").unwrap();
        let secret = if secret == "right" { right } else { wrong };
        format!(
            "protocol = \"creators\"\ncredential_id = \"{id}\"\ncredential_secret = \"{secret}\"\ncredential_version = \"2.1\""
        )
    } else {
        let secret = if secret == "right" { amazon_sandbox::SECRET_KEY.to_owned() } else { wrong };
        format!("protocol = \"paapi5\"\naccess_key = \"{}\"\nsecret_key = \"{secret}\"", amazon_sandbox::ACCESS_KEY)
    };
    format!(
        "[accounts.main]\n{keys}\nendpoint = \"{endpoint}\"\ncalls_per_second = 10\npartner_tags.US = \"sandbox-20\"\n"
    )
}
