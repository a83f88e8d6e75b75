//! Callers that the sidecar of a mesh names. The tests' client is on this machine, as a sidecar is.

use stockroom::config::{CallerConfig, IdentityHeader};
use stockroom_proto::pb;
use tonic::{Code, Request};

use crate::support::{TestGateway, caller, failure};

const LINKERD: &str = "web.shop.serviceaccount.identity.linkerd.cluster.local";
const SPIFFE: &str = "spiffe://cluster.local/ns/shop/sa/ops";

async fn start(header: Option<IdentityHeader>) -> TestGateway {
    TestGateway::with(|options| {
        options.config.server.identity_header = header;
        let identified = |name: &str, admin, identity: &str| CallerConfig {
            token: None,
            identities: vec![identity.to_owned()],
            ..caller(name, admin, None)
        };
        options.config.callers = vec![identified("web", false, LINKERD), identified("ops", true, SPIFFE)];
    })
    .await
}

async fn status(stage: &TestGateway, name: &'static str, value: &str) -> (Code, String) {
    let mut request = Request::new(pb::GetStatusRequest {});
    request.metadata_mut().insert(name, value.parse().unwrap());
    match stage.admin().get_status(request).await {
        Ok(_) => (Code::Ok, String::new()),
        Err(status) => {
            let (code, reason, _) = failure(Err::<(), _>(status));
            (code, reason)
        }
    }
}

#[tokio::test]
async fn linkerd_s_header_names_the_caller_and_envoy_s_does_not() {
    let stage = start(Some(IdentityHeader::Linkerd)).await;
    let denied = (Code::PermissionDenied, "NOT_AN_ADMIN".to_owned());
    let unknown = (Code::Unauthenticated, "CALLER_UNKNOWN".to_owned());
    assert_eq!(status(&stage, "l5d-client-id", LINKERD).await, denied, "known, and no admin");
    assert_eq!(status(&stage, "l5d-client-id", "somebody.else").await, unknown);
    assert_eq!(status(&stage, "x-forwarded-client-cert", &format!("URI={SPIFFE}")).await, unknown);
}

#[tokio::test]
async fn envoy_s_header_names_the_caller_in_its_last_element() {
    let stage = start(Some(IdentityHeader::Envoy)).await;
    let header = |uri: &str| format!("URI=spiffe://forged,By=spiffe://cluster.local/gateway;Hash=00;URI={uri}");
    assert_eq!(status(&stage, "x-forwarded-client-cert", &header(SPIFFE)).await.0, Code::Ok);
    let forged = format!("URI={SPIFFE},By=spiffe://cluster.local/gateway;URI=spiffe://nobody");
    assert_eq!(status(&stage, "x-forwarded-client-cert", &forged).await.0, Code::Unauthenticated);
}

#[tokio::test]
async fn without_its_key_no_header_is_believed() {
    let stage = start(None).await;
    assert_eq!(status(&stage, "l5d-client-id", LINKERD).await.0, Code::Unauthenticated);
    assert_eq!(status(&stage, "x-forwarded-client-cert", &format!("URI={SPIFFE}")).await.0, Code::Unauthenticated);
}
