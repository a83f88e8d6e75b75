//! The arguments of the tools as an agent writes them, from which their schemas are made. The limits are those that the
//! gateway checks, and the categories are its own list.

use std::borrow::Cow;

use amazon_catalog::money;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;
use stockroom_proto::pb;

use crate::{
    catalog::category,
    cli::search::{ConditionArg, Sort},
    server::limits::{
        MAX_ASINS, MAX_BROWSE_NODES, MAX_COMPARED, MAX_DEPTH, MAX_QUERY_CHARACTERS, MAX_RANKED, MAX_SAVING_PERCENT,
        MAX_SEARCH_PRODUCTS, MAX_STARS, MIN_COMPARED, MIN_SAVING_PERCENT, MIN_STARS,
    },
};

/// How a read may be answered: arguments that every tool but `status` has.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadArguments {
    /// The marketplace, as US or www.amazon.co.uk. Default: the gateway's own.
    pub(super) marketplace: Option<String>,
    /// The language of the answer, as de_DE. Default: the marketplace's own.
    language: Option<String>,
    /// The currency of prices, as EUR. Default: the marketplace's own.
    currency: Option<String>,
    /// The maximum age of the answer in seconds; 0 calls Amazon. Default: what Amazon's terms allow.
    max_age_seconds: Option<u32>,
    /// Answer from the cache or not at all; never call Amazon.
    cache_only: Option<bool>,
    /// Only say how many calls to Amazon the request would cost.
    estimate: Option<bool>,
}

/// Needs keywords, title, author, brand, actor, artist, category, browse_node_id, min_rating or min_saving_percent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchArguments {
    /// Words or a phrase.
    #[schemars(length(max = MAX_QUERY_CHARACTERS))]
    pub(super) keywords: Option<String>,
    #[serde(default)]
    #[schemars(schema_with = "category_schema")]
    pub(super) category: Option<String>,
    /// Words of the title.
    #[schemars(length(max = MAX_QUERY_CHARACTERS))]
    pub(super) title: Option<String>,
    /// A brand.
    #[schemars(length(max = MAX_QUERY_CHARACTERS))]
    pub(super) brand: Option<String>,
    /// An author.
    #[schemars(length(max = MAX_QUERY_CHARACTERS))]
    pub(super) author: Option<String>,
    /// An actor.
    #[schemars(length(max = MAX_QUERY_CHARACTERS))]
    pub(super) actor: Option<String>,
    /// An artist.
    #[schemars(length(max = MAX_QUERY_CHARACTERS))]
    pub(super) artist: Option<String>,
    /// Only products below this browse node.
    pub(super) browse_node_id: Option<String>,
    /// The lowest price, as "49.99", in the currency of the answer.
    pub(super) min_price: Option<PriceArgument>,
    /// The highest price, as "149.99", in the currency of the answer.
    pub(super) max_price: Option<PriceArgument>,
    /// The lowest rating in stars.
    #[schemars(range(min = MIN_STARS, max = MAX_STARS))]
    pub(super) min_rating: Option<f64>,
    /// The lowest saving in percent.
    #[schemars(range(min = MIN_SAVING_PERCENT, max = MAX_SAVING_PERCENT))]
    pub(super) min_saving_percent: Option<i32>,
    /// Delivery options that must all hold.
    pub(super) delivery_flags: Option<Vec<DeliveryArgument>>,
    /// The condition. Default: any.
    pub(super) condition: Option<ConditionArg>,
    /// Include products that are out of stock.
    pub(super) include_out_of_stock: Option<bool>,
    /// Only products that Amazon itself sells. Only PA-API 5.0 can filter by it.
    pub(super) amazon_only: Option<bool>,
    /// The order of the whole result. Default: Amazon's for the category.
    pub(super) sort: Option<Sort>,
    /// Products on a page; every ten cost a call to Amazon. Default: 10.
    #[schemars(range(min = 1, max = MAX_SEARCH_PRODUCTS))]
    pub(super) page_size: Option<i32>,
    /// The page_token that the previous page named; all other arguments must be the same.
    pub(super) page_token: Option<String>,
    /// Add the values by which the search can be narrowed.
    pub(super) include_facets: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProductArguments {
    /// ASINs, ten letters and digits each; every ten that the cache does not have cost a call to Amazon.
    #[schemars(length(min = 1, max = MAX_ASINS))]
    pub(super) asins: Vec<String>,
    /// List the variations (sizes, colors) of the family that the one ASIN belongs to, ten a page.
    pub(super) variations: Option<bool>,
    /// With variations: the page_token that the previous page named.
    pub(super) page_token: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CompareArguments {
    /// Different ASINs.
    #[schemars(length(min = MIN_COMPARED, max = MAX_COMPARED))]
    pub(super) asins: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BrowseArguments {
    /// Ids of browse nodes: positive whole numbers in decimal.
    #[schemars(length(min = 1, max = MAX_BROWSE_NODES))]
    pub(super) ids: Vec<String>,
    /// Levels of children; each after the first costs calls to Amazon. Default: 1.
    #[schemars(range(min = 0, max = MAX_DEPTH))]
    pub(super) depth: Option<i32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TrendingArguments {
    #[serde(default)]
    #[schemars(schema_with = "category_schema")]
    pub(super) category: Option<String>,
    /// The number of products. Default: 10.
    #[schemars(range(min = 1, max = MAX_RANKED))]
    pub(super) limit: Option<i32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DealsArguments {
    #[serde(default)]
    #[schemars(schema_with = "category_schema")]
    pub(super) category: Option<String>,
    /// The highest price, as "149.99", in the currency of the answer.
    pub(super) max_price: Option<PriceArgument>,
    /// The lowest saving in percent. Default: 10.
    #[schemars(range(min = MIN_SAVING_PERCENT, max = MAX_SAVING_PERCENT))]
    pub(super) min_saving_percent: Option<i32>,
    /// Only products with Prime delivery.
    pub(super) prime_only: Option<bool>,
    /// The number of products. Default: 10.
    #[schemars(range(min = 1, max = MAX_RANKED))]
    pub(super) limit: Option<i32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusArguments {}

/// A delivery option.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DeliveryArgument {
    /// Ships to other countries
    AmazonGlobal,
    /// Ships free
    FreeShipping,
    /// Amazon ships it
    FulfilledByAmazon,
    /// Prime delivery
    Prime,
}

/// An amount, which agents write as a text or as a number. It is read from its digits.
#[derive(Clone, Debug)]
pub(super) struct PriceArgument(pub(super) pb::Money);

impl ReadArguments {
    pub(super) fn is_estimate(&self) -> bool {
        self.estimate.unwrap_or_default()
    }

    /// The options of a request that wants these parts; none named: all.
    pub(super) fn options(&self, parts: &[pb::ProductPart]) -> pb::ReadOptions {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        pb::ReadOptions {
            marketplace: text(&self.marketplace),
            language: text(&self.language),
            currency: text(&self.currency),
            max_age: self.max_age_seconds.map(|seconds| prost_types::Duration { seconds: seconds.into(), nanos: 0 }),
            cache_only: self.cache_only.unwrap_or_default(),
            parts: parts.iter().map(|part| (*part).into()).collect(),
            estimate: self.is_estimate(),
        }
    }
}

impl From<DeliveryArgument> for pb::DeliveryFlag {
    fn from(flag: DeliveryArgument) -> Self {
        match flag {
            DeliveryArgument::AmazonGlobal => Self::AmazonGlobal,
            DeliveryArgument::FreeShipping => Self::FreeShipping,
            DeliveryArgument::FulfilledByAmazon => Self::FulfilledByAmazon,
            DeliveryArgument::Prime => Self::Prime,
        }
    }
}

impl<'de> Deserialize<'de> for PriceArgument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        match money::parse_amount(&digits) {
            Some((units, nanos)) if units >= 0 && nanos >= 0 => {
                Ok(Self(pb::Money { units, nanos, ..Default::default() }))
            }
            _ => Err(D::Error::custom("must be an amount without a currency sign, as \"149.99\"")),
        }
    }
}

impl JsonSchema for PriceArgument {
    fn schema_name() -> Cow<'static, str> {
        "Price".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"], "pattern": r"^\d+(\.\d+)?$", "minimum": 0 })
    }
}

fn category_schema(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = category::names().collect();
    let description = format!(
        "One of {}, where the marketplace has it; or one of Amazon's search indices. Default: everything.",
        names.join(", ")
    );
    json_schema!({ "type": ["string", "null"], "description": description })
}
