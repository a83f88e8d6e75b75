//! Any message of the contract as proto3 JSON: lowerCamelCase, enums by name, times as RFC 3339, absent fields left out.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};

use stockroom_proto::pb;

static CONTRACT: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).expect("the descriptors were compiled with the program")
});

/// How the JSON is laid out.
#[derive(Clone, Copy, Debug)]
pub(super) enum JsonLayout {
    /// On several lines.
    Pretty,
    /// On one line, as a message of a stream.
    Line,
}

/// A message that a command answers with.
pub(super) trait AnswerMessage: Message {
    /// Its name in the contract.
    const NAME: &'static str;
    /// Whether fields without presence are written even if they are zero: a count of 0 is an answer.
    const ZEROS: bool;
}

/// Names messages by their types, which have the same names.
macro_rules! answers {
    ($zeros:literal: $($message:ident),* $(,)?) => {
        $(impl AnswerMessage for pb::$message {
            const NAME: &'static str = stringify!($message);
            const ZEROS: bool = $zeros;
        })*
    };
}

answers!(
    false:
    ListFeedsResponse,
    GetFeedLinkResponse,
    ListReportsResponse,
    GetReportLinkResponse,
    SearchProductsResponse,
    StreamSearchResponse,
    GetProductsResponse,
    GetVariationsResponse,
    CompareProductsResponse,
    CompareRow,
    CompareMissing,
    CompareSummary,
    Notices,
    GetBrowseNodesResponse,
    ListCategoriesResponse,
    ListTrendingResponse,
    ListDealsResponse,
    ListMarketplacesResponse,
);

answers!(true: GetStatusResponse, PurgeCacheResponse, ReloadResponse);

/// A message as JSON.
pub(super) fn to_json<M: AnswerMessage>(message: &M, layout: JsonLayout) -> Result<String, String> {
    let name = M::NAME;
    let descriptor =
        CONTRACT.get_message_by_name(&format!("stockroom.v1.{name}")).ok_or_else(|| format!("{name} is no message"))?;
    let message =
        DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).map_err(|error| error.to_string())?;
    let options = SerializeOptions::new().skip_default_fields(!M::ZEROS);
    let mut json = Vec::new();
    let written = match layout {
        JsonLayout::Pretty => message.serialize_with_options(&mut serde_json::Serializer::pretty(&mut json), &options),
        JsonLayout::Line => message.serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options),
    };
    written.map_err(|error| error.to_string())?;
    String::from_utf8(json).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_fields_are_left_out_and_the_rest_follows_proto3_json() {
        let reviews = pb::ProductReviews { count: Some(0), ..Default::default() };
        let product = pb::Product { asin: "B000000001".to_owned(), reviews: Some(reviews), ..Default::default() };
        let freshness = pb::Freshness {
            fetch_time: Some(prost_types::Timestamp { seconds: 0, nanos: 0 }),
            source: pb::Source::Redis.into(),
            ..Default::default()
        };
        let entry = pb::ProductEntry { product: Some(product), freshness: Some(freshness) };
        let answer = pb::ListDealsResponse { products: vec![entry], ..Default::default() };
        let product = r#"{"asin":"B000000001","reviews":{"count":0}}"#;
        let freshness = r#"{"fetchTime":"1970-01-01T00:00:00Z","source":"SOURCE_REDIS"}"#;
        let expected = format!(r#"{{"products":[{{"product":{product},"freshness":{freshness}}}]}}"#);
        assert_eq!(to_json(&answer, JsonLayout::Line).unwrap(), expected);
    }
}
