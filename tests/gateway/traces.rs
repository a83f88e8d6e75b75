//! Traces, from a caller's header to spans in a collector: a real receiver of OTLP over gRPC.

use std::collections::HashMap;

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind},
};
use prost::Message;
use stockroom::config::{HttpUrl, TracesConfig};
use tokio::sync::mpsc;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::{
    bad_input::framed,
    support::{TestGateway, keywords, local, search, soon},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SEARCH: &str = "/stockroom.v1.SearchService/SearchProducts";

/// A collector of traces.
struct Collector {
    address: String,
    spans: mpsc::UnboundedReceiver<Span>,
}

struct Receiver(mpsc::UnboundedSender<Span>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        // The test may have seen enough.
        scopes.flat_map(|scope| scope.spans).for_each(|span| drop(self.0.send(span)));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start() -> Self {
        let listener = local().await;
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (sender, spans) = mpsc::unbounded_channel();
        let service = TraceServiceServer::new(Receiver(sender));
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)));
        Self { address, spans }
    }

    /// A gateway that exports to it, and begins traces with this probability.
    async fn gateway(&self, ratio: f64) -> TestGateway {
        let endpoint = HttpUrl::parse(&self.address).unwrap();
        TestGateway::with(|options| options.config.traces = Some(TracesConfig { endpoint, ca_file: None, ratio })).await
    }

    async fn next(&mut self) -> Span {
        soon(self.spans.recv()).await.unwrap()
    }
}

/// A header of a caller whose span has this number.
fn traceparent(span: u64, flags: &str) -> String {
    format!("00-{TRACE}-{span:016x}-{flags}")
}

fn traced<T>(message: T, traceparent: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
    request
}

fn attributes(span: &Span) -> HashMap<&str, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(flag) => flag.to_string(),
        other => panic!("{other:?}"),
    };
    let value = |attribute: &KeyValue| text(attribute.value.as_ref().unwrap().value.as_ref().unwrap());
    span.attributes.iter().map(|attribute| (attribute.key.as_str(), value(attribute))).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn the_trace_of_a_caller_goes_on_to_amazon_whatever_the_protocol() {
    let mut collector = Collector::start().await;
    let gateway = collector.gateway(0.0).await;
    let message = search(keywords("lamp"));
    gateway.search().search_products(traced(message.clone(), &traceparent(1, "01"))).await.unwrap();
    let post = |content_type: &'static str, body: Vec<u8>, span: u64| {
        let request = reqwest::Client::new().post(format!("http://{}{SEARCH}", gateway.address)).body(body);
        request.header("content-type", content_type).header("traceparent", traceparent(span, "01")).send()
    };
    let web = post("application/grpc-web+proto", framed(&message.encode_to_vec()).to_vec(), 2).await.unwrap();
    assert!(web.status().is_success());
    let connect = post("application/json", br#"{"query":{"keywords":"lamp"}}"#.to_vec(), 3).await.unwrap();
    assert!(connect.status().is_success());

    let amazon = collector.next().await;
    let calls = [collector.next().await, collector.next().await, collector.next().await];
    for (span, call) in (1_u64..).zip(&calls) {
        assert_eq!(hexadecimal(&call.trace_id), TRACE);
        assert_eq!(call.parent_span_id, span.to_be_bytes());
        assert_eq!((call.name.as_str(), call.kind()), (&SEARCH[1..], SpanKind::Server));
        assert!(call.start_time_unix_nano < call.end_time_unix_nano);
        let said = attributes(call);
        let (calls, tier) = if span == 1 { ("1", "amazon") } else { ("0", "memory") };
        assert_eq!((&*said["stockroom.amazon_calls"], &*said["stockroom.cache_tier"]), (calls, tier), "{said:?}");
        assert_eq!((&*said["rpc.method"], &*said["rpc.grpc.status_code"]), ("SearchProducts", "0"));
        assert_eq!(said["stockroom.request_id"].len(), 36);
    }
    assert_eq!((amazon.name.as_str(), amazon.kind()), ("SearchItems", SpanKind::Client));
    assert_eq!((hexadecimal(&amazon.trace_id), &amazon.parent_span_id), (TRACE.to_owned(), &calls[0].span_id));
    let said = attributes(&amazon);
    assert_eq!((&*said["stockroom.account"], &*said["stockroom.attempt"]), ("test", "1"));
}

#[tokio::test]
async fn the_span_of_a_call_to_amazon_links_to_all_who_wait_for_it() {
    let mut collector = Collector::start().await;
    let gateway = collector.gateway(0.0).await;
    let hold = gateway.sandbox.hold();
    let ask = |span| {
        let mut client = gateway.search();
        let request = traced(search(keywords("lamp")), &traceparent(span, "01"));
        tokio::spawn(async move { client.search_products(request).await.map(drop) })
    };
    let mut calls = Vec::new();
    for waiting in 0..3 {
        calls.push(ask(waiting + 1));
        while gateway.status().await.accounts[0].calls.unwrap().coalesced < waiting as i64 || gateway.calls() < 1 {}
    }
    hold.release();
    for call in calls {
        soon(call).await.unwrap().unwrap();
    }
    let amazon = collector.next().await;
    let mut calls = [collector.next().await, collector.next().await, collector.next().await];
    calls.sort_by(|a, b| a.parent_span_id.cmp(&b.parent_span_id));
    assert_eq!(amazon.parent_span_id, calls[0].span_id, "below the first of them");
    let linked: Vec<_> = amazon.links.iter().map(|link| (&link.trace_id, &link.span_id)).collect();
    let waited: Vec<_> = calls.iter().map(|call| (&call.trace_id, &call.span_id)).collect();
    assert_eq!(linked, waited);
}

#[tokio::test]
async fn a_call_that_fails_says_why_in_its_span() {
    let mut collector = Collector::start().await;
    let gateway = collector.gateway(0.0).await;
    let refused = traced(search(keywords("")), &traceparent(1, "01"));
    assert!(gateway.search().search_products(refused).await.is_err());
    let span = collector.next().await;
    let said = attributes(&span);
    assert_eq!((&*said["error.type"], &*said["rpc.grpc.status_code"]), ("INVALID_REQUEST", "3"), "{said:?}");
    assert_eq!(span.status.unwrap_or_default().code, 0, "the caller's own doing is no failure of the server");
}

#[tokio::test]
async fn a_caller_decides_for_its_trace_and_the_ratio_for_calls_without_one() {
    let mut collector = Collector::start().await;
    let gateway = collector.gateway(1.0).await;
    gateway.search().search_products(traced(search(keywords("lamp")), &traceparent(1, "00"))).await.unwrap();
    gateway.search().search_products(search(keywords("chair"))).await.unwrap();
    let (amazon, call) = (collector.next().await, collector.next().await);
    assert_eq!((amazon.kind(), call.kind()), (SpanKind::Client, SpanKind::Server));
    assert_ne!(hexadecimal(&call.trace_id), TRACE, "the first call was not to be traced");
    assert!(call.parent_span_id.is_empty() && amazon.trace_id == call.trace_id);

    let gateway = collector.gateway(0.0).await;
    gateway.search().search_products(search(keywords("desk"))).await.unwrap();
    gateway.search().search_products(traced(search(keywords("desk")), &traceparent(7, "01"))).await.unwrap();
    assert_eq!(collector.next().await.parent_span_id, 7_u64.to_be_bytes(), "the only one");
}

#[tokio::test]
async fn a_refresh_that_nobody_waits_for_begins_a_trace_of_its_own() {
    let mut collector = Collector::start().await;
    let endpoint = HttpUrl::parse(&collector.address).unwrap();
    let gateway = TestGateway::with(|options| {
        options.config.traces = Some(TracesConfig { endpoint, ca_file: None, ratio: 1.0 });
        options.config.cache.catalog_fresh = std::time::Duration::from_millis(1);
        options.config.cache.offers_fresh = std::time::Duration::from_millis(1);
    })
    .await;
    gateway.search().search_products(search(keywords("lamp"))).await.unwrap();
    let first = collector.next().await;
    while gateway.calls() < 2 {
        gateway.search().search_products(search(keywords("lamp"))).await.unwrap();
    }
    let refresh = loop {
        let span = collector.next().await;
        if span.kind() == SpanKind::Client {
            break span;
        }
    };
    assert!(refresh.parent_span_id.is_empty() && refresh.links.is_empty());
    assert_ne!(refresh.trace_id, first.trace_id);
}
