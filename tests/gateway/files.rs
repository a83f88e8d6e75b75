//! Feeds and reports: listed and linked in their turn, on the account's day, and only where the protocol has them.

use amazon_catalog::Operation;
use amazon_sandbox::{FaultKind, InjectedFault};
use stockroom_proto::pb;
use tonic::Code;

use crate::support::{Protocol, TestGateway, as_caller, caller, failure, once};

fn uk() -> String {
    "UK".to_owned()
}

#[tokio::test]
async fn feeds_and_reports_are_listed_and_linked_and_cost_a_call_each() {
    let gateway = TestGateway::speaking(Protocol::Creators).await;
    let mut admin = gateway.admin();
    let feeds = admin.list_feeds(pb::ListFeedsRequest { marketplace: uk() }).await.unwrap().into_inner();
    let reports = admin.list_reports(pb::ListReportsRequest { marketplace: uk() }).await.unwrap().into_inner();
    let (feed, report) = (feeds.feeds[0].clone(), reports.reports[0].clone());
    for file in [&feed, &report] {
        assert!(file.name.contains("-uk-") && file.size_bytes.is_some() && file.update_time.is_some(), "{file:?}");
    }
    let of_feed = pb::GetFeedLinkRequest { marketplace: uk(), name: feed.name.clone(), r#type: feed.r#type };
    let of_report = pb::GetReportLinkRequest { marketplace: uk(), name: report.name.clone(), ..Default::default() };
    let feed_link = admin.get_feed_link(of_feed).await.unwrap().into_inner();
    let report_link = admin.get_report_link(of_report).await.unwrap().into_inner();
    assert!(feed_link.url.starts_with(&format!("{}/files/{}?", gateway.sandbox.url(), feed.name)), "{}", feed_link.url);
    assert!(report_link.url.contains(&report.name), "{}", report_link.url);

    let costs = [feeds.cost, reports.cost, feed_link.cost, report_link.cost];
    assert_eq!(costs.map(|cost| cost.unwrap().amazon_calls), [1; 4]);
    let status = gateway.status().await;
    let account = status.accounts.iter().find(|account| account.name == "test-eu").unwrap();
    assert_eq!((account.protocol(), account.day.as_ref().unwrap().spent), (Protocol::Creators, 4));
    assert_eq!(account.breakers[0].operation, "Files");
    assert_eq!(gateway.calls(), 4, "what is behind a link is not fetched");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_not_found_and_one_without_a_name_is_not_asked_for() {
    let gateway = TestGateway::speaking(Protocol::Creators).await;
    let link = |name: &str| pb::GetFeedLinkRequest { name: name.to_owned(), ..Default::default() };
    let (code, reason, details) = failure(gateway.admin().get_feed_link(link("nothing.gz")).await);
    assert_eq!((code, reason.as_str()), (Code::NotFound, "FILE_NOT_FOUND"));
    assert_eq!(details.resource_info().unwrap().resource_name, "nothing.gz");
    for name in ["", "two\nlines"] {
        let (code, _, details) = failure(gateway.admin().get_feed_link(link(name)).await);
        assert_eq!(
            (code, details.bad_request().unwrap().field_violations[0].field.as_str()),
            (Code::InvalidArgument, "name")
        );
    }
    let nowhere = pb::ListReportsRequest { marketplace: "atlantis".to_owned() };
    let (_, _, details) = failure(gateway.admin().list_reports(nowhere).await);
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "marketplace");
    assert_eq!(gateway.calls(), 1);
}

#[tokio::test]
async fn files_wait_their_turn_are_tried_again_and_share_the_day() {
    let gateway =
        TestGateway::speaking_with(Protocol::Creators, |options| options.config.accounts[0].calls_per_day = 2).await;
    gateway.sandbox.inject(InjectedFault { operation: Some(Operation::Files), ..once(FaultKind::Reset) });
    let list = pb::ListFeedsRequest::default();
    let listed = gateway.admin().list_feeds(list.clone()).await.unwrap().into_inner();
    assert_eq!((listed.cost.unwrap().amazon_calls, gateway.calls()), (2, 2));
    let (code, reason, _) = failure(gateway.admin().list_feeds(list).await);
    assert_eq!((code, reason.as_str()), (Code::ResourceExhausted, "DAY_BUDGET_SPENT"));
}

#[tokio::test]
async fn an_account_that_speaks_pa_api_has_no_files_and_says_so() {
    let gateway = TestGateway::start().await;
    let (code, reason, _) = failure(gateway.admin().list_feeds(pb::ListFeedsRequest::default()).await);
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "PROTOCOL_HAS_NO_FILES"));
    let link = pb::GetReportLinkRequest { name: "x".to_owned(), ..Default::default() };
    let (code, reason, _) = failure(gateway.admin().get_report_link(link).await);
    assert_eq!((code, reason.as_str(), gateway.calls()), (Code::FailedPrecondition, "PROTOCOL_HAS_NO_FILES", 0));
}

#[tokio::test]
async fn only_admins_may_list_files() {
    let gateway = TestGateway::speaking_with(Protocol::Creators, |options| {
        options.config.callers = vec![caller("web", false, None)];
    })
    .await;
    let request = as_caller("web", pb::ListFeedsRequest::default());
    let (code, reason, _) = failure(gateway.admin().list_feeds(request).await);
    assert_eq!((code, reason.as_str(), gateway.calls()), (Code::PermissionDenied, "NOT_AN_ADMIN", 0));
}
