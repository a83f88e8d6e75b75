//! `Offers`: the first version of offers, which Amazon is taking away and only PA-API 5.0 has.
//!
//! It knows of an offer what `OffersV2` does not: its id, delivery, promotions, programmes and the merchant's feedback;
//! and the span of prices over all sellers.

use serde_json::value::RawValue;

use crate::{
    json::{FromJson, json_struct, unless_empty},
    schema::{
        money::{Amount, Money},
        offers::{
            Availability, LoyaltyPoints, Restriction, condition_of, condition_text, saving, sub_condition,
            withhold_price,
        },
    },
};
use stockroom_proto::pb;

json_struct! {
    struct Offers {
        listings: Vec<Listing>,
        summaries: Vec<Summary>,
    }
}

json_struct! {
    struct Listing {
        id: String,
        availability: Availability,
        condition: Condition,
        delivery_info: DeliveryInfo,
        is_buy_box_winner: Option<bool>,
        loyalty_points: LoyaltyPoints,
        merchant_info: MerchantInfo,
        price: Priced<Price>,
        program_eligibility: ProgramEligibility,
        promotions: Vec<Priced<Promotion>>,
        saving_basis: Priced<Price>,
        violates_map: Restriction,
    }
}

json_struct! {
    struct Condition {
        value: String,
        sub_condition: ConditionWord,
        condition_note: ConditionWord,
    }
}

json_struct! {
    struct ConditionWord {
        value: String,
    }
}

json_struct! {
    struct DeliveryInfo {
        is_amazon_fulfilled: Option<bool>,
        is_free_shipping_eligible: Option<bool>,
        is_prime_eligible: Option<bool>,
        shipping_charges: Vec<Priced<ShippingCharge>>,
    }
}

json_struct! {
    struct ShippingCharge {
        is_rate_tax_inclusive: Option<bool>,
        r#type: String,
    }
}

json_struct! {
    struct MerchantInfo {
        id: String,
        name: String,
        default_shipping_country: String,
        feedback_count: Option<i32>,
        feedback_rating: Option<f64>,
    }
}

json_struct! {
    struct ProgramEligibility {
        is_prime_exclusive: Option<bool>,
        is_prime_pantry: Option<bool>,
    }
}

json_struct! {
    struct Promotion {
        r#type: String,
        discount_percent: Option<i32>,
    }
}

json_struct! {
    struct Price {
        price_per_unit: Option<Amount>,
        price_type: String,
        price_type_label: String,
        savings: Priced<Savings>,
    }
}

json_struct! {
    struct Savings {
        percentage: Option<i32>,
    }
}

json_struct! {
    /// The span of prices of one condition.
    struct Summary {
        condition: ConditionWord,
        lowest_price: Money,
        highest_price: Money,
        offer_count: Option<i32>,
    }
}

/// An amount whose fields stand among others that say more of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Priced<T> {
    money: Money,
    more: T,
}

impl<T: FromJson> FromJson for Priced<T> {
    fn read(json: &RawValue) -> Option<Self> {
        Some(Self { money: Money::read(json)?, more: T::read(json)? })
    }
}

impl From<Listing> for pb::Offer {
    fn from(listing: Listing) -> Self {
        let Listing { condition, price: Priced { money, more: price }, .. } = listing;
        let mut offer = Self {
            id: listing.id,
            condition_text: condition_text(&condition.value),
            condition: condition_of(&condition.value).into(),
            sub_condition: sub_condition(condition.sub_condition.value, &condition.value),
            condition_note: condition.condition_note.value,
            price_per_unit: price
                .price_per_unit
                .and_then(|amount| amount.message(money.currency.clone(), String::new())),
            price: money.message(),
            saving: unless_empty(price.savings.into()),
            saving_basis: unless_empty(listing.saving_basis.into()),
            availability: unless_empty(listing.availability.into()),
            is_buy_box_winner: listing.is_buy_box_winner,
            merchant: unless_empty(listing.merchant_info.into()),
            delivery: unless_empty(listing.delivery_info.into()),
            loyalty_points: listing.loyalty_points.points,
            promotions: listing.promotions.into_iter().map(Into::into).collect(),
            program_eligibility: unless_empty(listing.program_eligibility.into()),
            ..Self::default()
        };
        if listing.violates_map.0 {
            withhold_price(&mut offer);
        }
        offer
    }
}

impl From<Priced<Savings>> for pb::Saving {
    fn from(Priced { money, more }: Priced<Savings>) -> Self {
        saving(money, more.percentage)
    }
}

impl From<Priced<Price>> for pb::SavingBasis {
    fn from(Priced { money, more }: Priced<Price>) -> Self {
        Self { price: money.message(), r#type: more.price_type, label: more.price_type_label }
    }
}

impl From<MerchantInfo> for pb::Merchant {
    fn from(merchant: MerchantInfo) -> Self {
        let MerchantInfo { id, name, default_shipping_country, feedback_count, feedback_rating } = merchant;
        Self { id, name, default_shipping_country, feedback_count, feedback_rating }
    }
}

impl From<DeliveryInfo> for pb::Delivery {
    fn from(delivery: DeliveryInfo) -> Self {
        Self {
            message: delivery.in_words(),
            is_prime_eligible: delivery.is_prime_eligible,
            is_amazon_fulfilled: delivery.is_amazon_fulfilled,
            is_free_shipping_eligible: delivery.is_free_shipping_eligible,
            shipping_charges: delivery.shipping_charges.into_iter().map(Into::into).collect(),
        }
    }
}

impl DeliveryInfo {
    fn in_words(&self) -> String {
        let said = [
            (self.is_prime_eligible, "Prime"),
            (self.is_free_shipping_eligible, "free shipping"),
            (self.is_amazon_fulfilled, "fulfilled by Amazon"),
        ];
        let words: Vec<_> = said.into_iter().filter(|(flag, _)| *flag == Some(true)).map(|(_, word)| word).collect();
        words.join(", ")
    }
}

impl From<Priced<ShippingCharge>> for pb::ShippingCharge {
    fn from(Priced { money, more }: Priced<ShippingCharge>) -> Self {
        Self { amount: money.message(), r#type: more.r#type, is_tax_inclusive: more.is_rate_tax_inclusive }
    }
}

impl From<Priced<Promotion>> for pb::Promotion {
    fn from(Priced { money, more }: Priced<Promotion>) -> Self {
        Self { r#type: more.r#type, amount: money.message(), percent: more.discount_percent }
    }
}

impl From<ProgramEligibility> for pb::ProgramEligibility {
    fn from(ProgramEligibility { is_prime_exclusive, is_prime_pantry }: ProgramEligibility) -> Self {
        Self { is_prime_exclusive, is_prime_pantry }
    }
}

impl From<Summary> for pb::OfferSummary {
    fn from(summary: Summary) -> Self {
        Self {
            condition_text: condition_text(&summary.condition.value),
            condition: condition_of(&summary.condition.value).into(),
            lowest_price: summary.lowest_price.message(),
            highest_price: summary.highest_price.message(),
            offer_count: summary.offer_count,
        }
    }
}
