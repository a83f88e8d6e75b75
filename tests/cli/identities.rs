//! A header that names the caller, sent from this machine and from elsewhere.

use std::net::{IpAddr, UdpSocket};

use stockroom_proto::pb::{self, search_service_client::SearchServiceClient};
use tonic::{Code, Request, transport::Endpoint};

use crate::{
    admin_port::{get, sample},
    certificates::file,
    support::Gateway,
};

const CALLER: &str = "web.shop.serviceaccount.identity.linkerd.cluster.local";

/// An address of this machine that is not a loopback address. A connection from it to a loopback address is, to the
/// gateway, one from elsewhere. The socket sends nothing.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("198.51.100.1:9").expect("this machine has an address that is not a loopback address");
    socket.local_addr().unwrap().ip()
}

/// The code of a search over a connection from an address, with Linkerd's header.
async fn search_from(gateway: &Gateway, source: Option<IpAddr>) -> Code {
    let endpoint = Endpoint::from_shared(gateway.url.clone()).unwrap().local_address(source);
    let mut client = SearchServiceClient::new(endpoint.connect().await.unwrap());
    let query = Some(pb::SearchQuery { keywords: "lamp".to_owned(), ..Default::default() });
    let mut request = Request::new(pb::SearchProductsRequest { query, ..Default::default() });
    request.metadata_mut().insert("l5d-client-id", CALLER.parse().unwrap());
    client.search_products(request).await.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[tokio::test]
async fn a_header_that_names_the_caller_is_refused_from_elsewhere_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let toml = format!(
        "server.identity_header = \"l5d-client-id\"\n[callers.web]\nidentities = [\"{CALLER}\"]\n\
         [callers.ops]\ntoken = \"sesame\"\nadmin = true\n"
    );
    let config = file(folder.path(), "gateway.toml", &toml);
    let gateway = Gateway::with(&["--sandbox", "--config", config.to_str().unwrap()], &[]);
    let refused = || sample(&get(&gateway, "/metrics"), "stockroom_identity_headers_refused_total");
    assert_eq!(search_from(&gateway, None).await, Code::Ok, "from loopback, as a sidecar");
    assert_eq!(refused(), 0.0);
    for count in [1.0, 2.0] {
        assert_eq!(search_from(&gateway, Some(own_address())).await, Code::Unauthenticated);
        assert_eq!(refused(), count);
    }
    let calls =
        sample(&get(&gateway, "/metrics"), "stockroom_amazon_calls_total{account=\"sandbox\",outcome=\"answered\"}");
    assert_eq!(calls, 1.0, "a refused call costs nothing");
}
