//! Parts of a request's JSON that both APIs share: Amazon's names of enum values, and the merging of objects.
//!
//! The names of conditions in responses are read in `schema::offers_v2`.

use serde_json::{Map, Value};

use stockroom_proto::pb;

/// Merges objects into one, without the fields that are `null`.
pub(super) fn merge_stated<const N: usize>(objects: [Value; N]) -> Map<String, Value> {
    let fields = objects.into_iter().filter_map(|object| match object {
        Value::Object(fields) => Some(fields),
        _ => None,
    });
    fields.flatten().filter(|(_, value)| !value.is_null()).collect()
}

/// The names of the flags; `None` where there are none, so that the field is not sent.
pub(super) fn delivery_flags(flags: &[pb::DeliveryFlag]) -> Option<Vec<&'static str>> {
    let names: Vec<_> = flags.iter().copied().filter_map(delivery_flag).collect();
    (!names.is_empty()).then_some(names)
}

pub(super) fn condition(condition: pb::Condition) -> Option<&'static str> {
    match condition {
        pb::Condition::Unspecified => None,
        pb::Condition::New => Some("New"),
        pb::Condition::Used => Some("Used"),
        pb::Condition::Refurbished => Some("Refurbished"),
        pb::Condition::Collectible => Some("Collectible"),
    }
}

pub(super) fn availability(filter: pb::AvailabilityFilter) -> Option<&'static str> {
    match filter {
        pb::AvailabilityFilter::Unspecified => None,
        pb::AvailabilityFilter::Available => Some("Available"),
        pb::AvailabilityFilter::IncludeOutOfStock => Some("IncludeOutOfStock"),
    }
}

pub(super) fn sort_by(order: pb::SortOrder) -> Option<&'static str> {
    match order {
        pb::SortOrder::Unspecified => None,
        pb::SortOrder::Relevance => Some("Relevance"),
        pb::SortOrder::Featured => Some("Featured"),
        pb::SortOrder::PriceLowToHigh => Some("Price:LowToHigh"),
        pb::SortOrder::PriceHighToLow => Some("Price:HighToLow"),
        pb::SortOrder::AverageReview => Some("AvgCustomerReviews"),
        pb::SortOrder::Newest => Some("NewestArrivals"),
    }
}

fn delivery_flag(flag: pb::DeliveryFlag) -> Option<&'static str> {
    match flag {
        pb::DeliveryFlag::Unspecified => None,
        pb::DeliveryFlag::AmazonGlobal => Some("AmazonGlobal"),
        pb::DeliveryFlag::FreeShipping => Some("FreeShipping"),
        pb::DeliveryFlag::FulfilledByAmazon => Some("FulfilledByAmazon"),
        pb::DeliveryFlag::Prime => Some("Prime"),
    }
}
