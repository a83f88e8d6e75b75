//! `OffersV2`, the second version of offers: what an item costs, who sells it and whether it is available.
//!
//! The first version (`offers_v1`) uses some of these conversions; `product_offers` merges both.

use prost_types::Duration;
use serde_json::value::RawValue;

use crate::{
    dates,
    json::{FromJson, json_struct, unless_empty},
    schema::{
        money::Money,
        numbers::{count, from_one, percentage},
    },
};
use stockroom_proto::pb;

json_struct! {
    struct OffersV2 {
        listings: Vec<Listing>,
    }
}

json_struct! {
    struct Listing {
        availability: Availability,
        condition: Condition,
        deal_details: Option<DealDetails>,
        is_buy_box_winner: Option<bool>,
        loyalty_points: LoyaltyPoints,
        merchant_info: MerchantInfo,
        price: Price,
        /// The kind of offer, as `LIGHTNING_DEAL`; empty for a plain one.
        r#type: String,
        violates_map: Restriction,
    }
}

/// Amazon's flag `ViolatesMAP`: the price is below the minimum advertised price (MAP), and may be seen only in Amazon's cart.
///
/// Any flag but `false` restricts the price: an unknown restriction is not the absence of one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Restriction(pub(super) bool);

impl FromJson for Restriction {
    fn read(json: &RawValue) -> Option<Self> {
        Some(Self(!json.get().trim_matches('"').trim().eq_ignore_ascii_case("false")))
    }
}

json_struct! {
    struct Availability or r#type {
        r#type: String,
        message: String,
        min_order_quantity: Option<i32>,
        max_order_quantity: Option<i32>,
    }
}

json_struct! {
    struct Condition or value {
        value: String,
        sub_condition: String,
        condition_note: String,
    }
}

json_struct! {
    /// A deal. Amazon states it only while it runs.
    struct DealDetails {
        /// Who may buy, as `PRIME_EXCLUSIVE`.
        access_type: String,
        badge: String,
        early_access_duration_in_milliseconds: Option<i64>,
        start_time: String,
        end_time: String,
        percent_claimed: Option<i32>,
    }
}

json_struct! {
    /// Points that a customer earns, in Japan.
    struct LoyaltyPoints {
        points: Option<i32>,
    }
}

json_struct! {
    struct MerchantInfo {
        id: String,
        name: String,
    }
}

json_struct! {
    struct Price {
        money: Money,
        price_per_unit: Money,
        savings: Savings,
        saving_basis: SavingBasis,
    }
}

json_struct! {
    struct Savings {
        money: Money,
        percentage: Option<i32>,
    }
}

json_struct! {
    /// The price that a saving is counted from.
    struct SavingBasis {
        money: Money,
        saving_basis_type: String,
        saving_basis_type_label: String,
    }
}

impl From<Listing> for pb::Offer {
    fn from(listing: Listing) -> Self {
        let Listing { condition, price, .. } = listing;
        let mut offer = Self {
            r#type: listing.r#type,
            condition_text: condition_text(&condition.value),
            condition: parse_condition(&condition.value).into(),
            sub_condition: sub_condition(condition.sub_condition, &condition.value),
            condition_note: condition.condition_note,
            price: price.money.into_message(),
            price_per_unit: price.price_per_unit.into_message(),
            saving: unless_empty(price.savings.into()),
            saving_basis: unless_empty(price.saving_basis.into()),
            availability: unless_empty(listing.availability.into()),
            deal: listing.deal_details.and_then(|deal| unless_empty(deal.into())),
            is_buy_box_winner: listing.is_buy_box_winner,
            merchant: unless_empty(listing.merchant_info.into()),
            loyalty_points: count(listing.loyalty_points.points),
            ..Self::default()
        };
        if listing.violates_map.0 {
            withhold_price(&mut offer);
        }
        offer
    }
}

/// Removes the price from an offer whose price may be seen only in Amazon's cart, and everything that the price can be
/// computed from. In Japan the loyalty points are a share of the price. Shipping charges do not depend on it and stay. A deal stays:
/// its badge (`Limited time deal`) states no amount, and a percentage in it has no basis once the saving is gone.
pub(super) fn withhold_price(offer: &mut pb::Offer) {
    offer.price_withheld = true;
    offer.price = None;
    offer.price_per_unit = None;
    offer.saving = None;
    offer.saving_basis = None;
    offer.loyalty_points = None;
    offer.promotions.clear();
}

/// The condition that Amazon's name stands for. `request_fields` has the opposite direction.
pub(super) fn parse_condition(word: &str) -> pb::Condition {
    match word.trim().to_ascii_lowercase().as_str() {
        "new" => pb::Condition::New,
        "used" => pb::Condition::Used,
        "refurbished" => pb::Condition::Refurbished,
        "collectible" => pb::Condition::Collectible,
        _ => pb::Condition::Unspecified,
    }
}

/// Amazon's name of a condition that `pb` has no value for. Amazon calls a condition that it does not know `Unknown`.
pub(super) fn condition_text(word: &str) -> String {
    let has_no_value = parse_condition(word) == pb::Condition::Unspecified && !is_unknown(word);
    if has_no_value { word.trim().to_owned() } else { String::new() }
}

/// The finer name of a condition (`LikeNew` of `Used`). Empty where it repeats the condition, or where Amazon knows none and
/// says `Unknown`.
pub(super) fn sub_condition(word: String, condition: &str) -> String {
    let is_same = word.trim().eq_ignore_ascii_case(condition.trim());
    if is_unknown(&word) || is_same { String::new() } else { word.trim().to_owned() }
}

/// Amazon's word for what it does not know.
fn is_unknown(word: &str) -> bool {
    word.trim().eq_ignore_ascii_case("Unknown")
}

impl From<Availability> for pb::Availability {
    fn from(availability: Availability) -> Self {
        let kind = match availability.r#type.replace('_', "").to_ascii_uppercase().as_str() {
            // `Now`, `Backorderable` and `Preorderable` are the words of the first version of offers.
            "INSTOCK" | "NOW" => pb::AvailabilityType::InStock,
            "INSTOCKSCARCE" => pb::AvailabilityType::InStockScarce,
            "AVAILABLEDATE" => pb::AvailabilityType::AvailableDate,
            "LEADTIME" | "BACKORDERABLE" => pb::AvailabilityType::Leadtime,
            "PREORDER" | "PREORDERABLE" => pb::AvailabilityType::Preorder,
            "OUTOFSTOCK" => pb::AvailabilityType::OutOfStock,
            "UNAVAILABLE" => pb::AvailabilityType::Unavailable,
            _ => pb::AvailabilityType::Unspecified,
        };
        Self {
            r#type: kind.into(),
            // Amazon's own word, whether or not it has a value.
            type_text: availability.r#type,
            message: availability.message,
            min_order_quantity: from_one(availability.min_order_quantity),
            max_order_quantity: from_one(availability.max_order_quantity),
        }
    }
}

impl From<DealDetails> for pb::Deal {
    fn from(deal: DealDetails) -> Self {
        Self {
            access_type: deal.access_type,
            badge: deal.badge,
            start_time: dates::timestamp(&deal.start_time),
            end_time: dates::timestamp(&deal.end_time),
            percent_claimed: percentage(deal.percent_claimed),
            early_access: deal.early_access_duration_in_milliseconds.and_then(duration_from_millis),
        }
    }
}

/// `None` for a negative count.
fn duration_from_millis(count: i64) -> Option<Duration> {
    std::time::Duration::from_millis(u64::try_from(count).ok()?).try_into().ok()
}

impl From<MerchantInfo> for pb::Merchant {
    fn from(MerchantInfo { id, name }: MerchantInfo) -> Self {
        Self { id, name, ..Self::default() }
    }
}

/// A saving. An amount that is not above zero is absent, and so is a percentage of zero.
pub(super) fn checked_saving(money: Money, percent: Option<i32>) -> pb::Saving {
    let amount = money.into_message().filter(|amount| amount.units > 0 || amount.nanos > 0);
    pb::Saving { amount, percent: percentage(percent).filter(|percent| *percent > 0) }
}

impl From<Savings> for pb::Saving {
    fn from(savings: Savings) -> Self {
        checked_saving(savings.money, savings.percentage)
    }
}

impl From<SavingBasis> for pb::SavingBasis {
    fn from(basis: SavingBasis) -> Self {
        Self {
            price: basis.money.into_message(),
            r#type: basis.saving_basis_type,
            label: basis.saving_basis_type_label,
        }
    }
}
