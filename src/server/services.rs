//! The methods of this gateway's services: the request's message is decoded, a handler called, its answer encoded.
//!
//! # Why an own table
//!
//! tonic's generated servers do the same for any codec, and a codec writes into one buffer. Here an answer keeps its cached
//! products by reference (`framed_message`), and the edge has the whole request's message already, so nothing has to be
//! streamed to a handler. The traits of the handlers are tonic's, and health and reflection are served by tonic.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, HeaderValue, header};
use prost::Message;
use stockroom_proto::pb::ErrorReason;
use tonic::{Request, Response, Status};

use super::{
    admin::AdminService,
    browse::BrowseService,
    compression::{self, Encoding, Encodings},
    context::CallContext,
    error::ErrorDescriptor,
    framed_message::{Encode, FramedMessage},
    product::ProductService,
    request,
    search::SearchService,
    service_state::ServiceState,
    tracked_body::Content,
};
use crate::served::{
    admin_service_server::AdminService as _, browse_service_server::BrowseService as _,
    product_service_server::ProductService as _, search_service_server::SearchService as _,
};

/// The four services.
#[derive(Debug)]
pub(crate) struct Services {
    search: SearchService,
    product: ProductService,
    browse: BrowseService,
    admin: AdminService,
}

/// A request whose message has arrived.
#[derive(Debug)]
pub(crate) struct Call {
    /// In its frame.
    pub(crate) message: Bytes,
    pub(crate) encodings: Encodings,
    pub(crate) context: CallContext,
}

impl Services {
    pub(crate) fn new(state: &ServiceState) -> Self {
        Self {
            search: SearchService(state.clone()),
            product: ProductService(state.clone()),
            browse: BrowseService(state.clone()),
            admin: AdminService(state.clone()),
        }
    }

    /// Calls the method of a path.
    pub(crate) async fn call(&self, path: &str, call: Call) -> Result<http::Response<Content>, Status> {
        let Self { search, product, browse, admin } = self;
        match path {
            "/stockroom.v1.ProductService/GetProduct" => unary(call, |it| product.get_product(it)).await,
            "/stockroom.v1.ProductService/GetProducts" => unary(call, |it| product.get_products(it)).await,
            "/stockroom.v1.ProductService/GetVariations" => unary(call, |it| product.get_variations(it)).await,
            "/stockroom.v1.ProductService/CompareProducts" => streaming(call, |it| product.compare_products(it)).await,
            "/stockroom.v1.SearchService/SearchProducts" => unary(call, |it| search.search_products(it)).await,
            "/stockroom.v1.SearchService/StreamSearch" => streaming(call, |it| search.stream_search(it)).await,
            "/stockroom.v1.BrowseService/GetBrowseNodes" => unary(call, |it| browse.get_browse_nodes(it)).await,
            "/stockroom.v1.BrowseService/ListCategories" => unary(call, |it| browse.list_categories(it)).await,
            "/stockroom.v1.BrowseService/ListTrending" => unary(call, |it| browse.list_trending(it)).await,
            "/stockroom.v1.BrowseService/ListDeals" => unary(call, |it| browse.list_deals(it)).await,
            "/stockroom.v1.BrowseService/ListMarketplaces" => unary(call, |it| browse.list_marketplaces(it)).await,
            "/stockroom.v1.AdminService/GetStatus" => unary(call, |it| admin.get_status(it)).await,
            "/stockroom.v1.AdminService/PurgeCache" => unary(call, |it| admin.purge_cache(it)).await,
            "/stockroom.v1.AdminService/Reload" => unary(call, |it| admin.reload(it)).await,
            "/stockroom.v1.AdminService/ListFeeds" => unary(call, |it| admin.list_feeds(it)).await,
            "/stockroom.v1.AdminService/GetFeedLink" => unary(call, |it| admin.get_feed_link(it)).await,
            "/stockroom.v1.AdminService/ListReports" => unary(call, |it| admin.list_reports(it)).await,
            "/stockroom.v1.AdminService/GetReportLink" => unary(call, |it| admin.get_report_link(it)).await,
            _ => Err(unknown_method().status()),
        }
    }
}

/// The answer to a path that is no method's.
pub(crate) fn unknown_method() -> ErrorDescriptor {
    ErrorDescriptor::new(ErrorReason::UnknownMethod, "this gateway has no such method")
}

async fn unary<Q, A, F>(call: Call, handler: impl FnOnce(Request<Q>) -> F) -> Result<http::Response<Content>, Status>
where
    Q: Message + Default,
    A: Encode,
    F: Future<Output = Result<Response<A>, Status>>,
{
    let encoding = call.encodings.answer;
    let answer = handler(decode(call)?).await?.into_inner();
    Ok(begin(Content::One(encode(answer, encoding)?), encoding))
}

async fn streaming<Q, A, S, F>(
    call: Call,
    handler: impl FnOnce(Request<Q>) -> F,
) -> Result<http::Response<Content>, Status>
where
    Q: Message + Default,
    A: Encode,
    S: Stream<Item = Result<A, Status>> + Send + 'static,
    F: Future<Output = Result<Response<S>, Status>>,
{
    let encoding = call.encodings.answer;
    let answers = handler(decode(call)?).await?.into_inner();
    let messages = answers.map(move |answer| encode(answer?, encoding));
    Ok(begin(Content::Stream(Box::pin(messages)), encoding))
}

/// The request as its handler gets it.
fn decode<Q: Message + Default>(call: Call) -> Result<Request<Q>, ErrorDescriptor> {
    let (is_compressed, message) = request::unframed(call.message);
    let message = match (is_compressed, call.encodings.request) {
        (false, _) => message,
        (true, Some(encoding)) => request::decompress(&message, encoding)?,
        (true, None) => {
            let message = "the request's message is compressed, and its headers do not say how";
            return Err(ErrorDescriptor::new(ErrorReason::ProtocolError, message));
        }
    };
    let message = Q::decode(message).map_err(|error| {
        ErrorDescriptor::new(ErrorReason::MalformedMessage, format!("the request's message does not decode: {error}"))
    })?;
    let mut request = Request::new(message);
    request.extensions_mut().insert(call.context);
    Ok(request)
}

fn encode(answer: impl Encode, encoding: Option<Encoding>) -> Result<FramedMessage, Status> {
    let message = FramedMessage::encode(answer);
    match encoding {
        None => Ok(message),
        Some(encoding) => encoding.compress(message).map_err(|error| {
            ErrorDescriptor::new(ErrorReason::Panic, format!("the answer cannot be compressed: {error}")).status()
        }),
    }
}

fn begin(messages: Content, encoding: Option<Encoding>) -> http::Response<Content> {
    let mut response = http::Response::new(messages);
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if let Some(encoding) = encoding {
        headers.insert(compression::ENCODING, encoding.name());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_method_of_the_contract() {
        let table = include_str!("services.rs");
        let files = prost_types::FileDescriptorSet::decode(stockroom_proto::pb::FILE_DESCRIPTOR_SET).unwrap();
        for file in files.file.iter().filter(|file| file.package() == "stockroom.v1") {
            for service in &file.service {
                for method in &service.method {
                    let kind = if method.server_streaming() { "streaming" } else { "unary" };
                    let row = format!("\"/stockroom.v1.{}/{}\" => {kind}(call", service.name(), method.name());
                    assert!(table.contains(&row), "{row}");
                }
            }
        }
    }
}
