//! `Offers`, the first version of offers. PA-API 5.0 alone has it, and Amazon is replacing it by the second (`offers_v2`).
//!
//! Only this version states the id, delivery, promotions and programmes of an offer, and the feedback and country of its
//! merchant. It also has summaries: for each condition the number of offers, and the lowest and the highest price over all
//! sellers. Types that differ from those of the second version end in `V1`.

use serde_json::value::RawValue;

use crate::{
    json::{FromJson, json_struct, unless_empty},
    schema::{
        money::{Amount, Money},
        numbers::{count, percentage, stars},
        offers_v2::{
            Availability, LoyaltyPoints, Restriction, checked_saving, condition_text, parse_condition, sub_condition,
            withhold_price,
        },
    },
};
use stockroom_proto::pb;

json_struct! {
    struct OffersV1 {
        listings: Vec<ListingV1>,
        summaries: Vec<Summary>,
    }
}

json_struct! {
    struct ListingV1 {
        id: String,
        availability: Availability,
        condition: ConditionV1,
        delivery_info: DeliveryInfo,
        is_buy_box_winner: Option<bool>,
        loyalty_points: LoyaltyPoints,
        merchant_info: MerchantInfoV1,
        price: WithMoney<PriceV1>,
        program_eligibility: ProgramEligibility,
        promotions: Vec<WithMoney<Promotion>>,
        saving_basis: WithMoney<PriceV1>,
        violates_map: Restriction,
    }
}

json_struct! {
    struct ConditionV1 or value {
        value: String,
        sub_condition: WrappedText,
        condition_note: WrappedText,
    }
}

json_struct! {
    /// A text that Amazon puts inside an object, as `{"Value": "New"}`.
    struct WrappedText or value {
        value: String,
    }
}

json_struct! {
    struct DeliveryInfo {
        is_amazon_fulfilled: Option<bool>,
        is_free_shipping_eligible: Option<bool>,
        is_prime_eligible: Option<bool>,
        shipping_charges: Vec<WithMoney<ShippingCharge>>,
    }
}

json_struct! {
    struct ShippingCharge {
        is_rate_tax_inclusive: Option<bool>,
        r#type: String,
    }
}

json_struct! {
    struct MerchantInfoV1 {
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
    /// What a price states beside its amount; the price of a saving basis states no unit price and no savings.
    struct PriceV1 {
        price_per_unit: Option<Amount>,
        price_type: String,
        price_type_label: String,
        savings: WithMoney<SavingsV1>,
    }
}

json_struct! {
    struct SavingsV1 {
        percentage: Option<i32>,
    }
}

json_struct! {
    /// The offers of all sellers for one condition.
    struct Summary {
        condition: WrappedText,
        lowest_price: Money,
        highest_price: Money,
        offer_count: Option<i32>,
    }
}

/// An object that has the fields of [`Money`] and those of `T` side by side, as `{"Amount": 1, "Currency": "USD",
/// "Percentage": 7}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct WithMoney<T> {
    money: Money,
    more: T,
}

impl<T: FromJson> FromJson for WithMoney<T> {
    fn read(json: &RawValue) -> Option<Self> {
        Some(Self { money: Money::read(json)?, more: T::read(json)? })
    }
}

impl From<ListingV1> for pb::Offer {
    fn from(listing: ListingV1) -> Self {
        let ListingV1 { condition, price: WithMoney { money, more: price }, .. } = listing;
        let mut offer = Self {
            id: listing.id,
            condition_text: condition_text(&condition.value),
            condition: parse_condition(&condition.value).into(),
            sub_condition: sub_condition(condition.sub_condition.value, &condition.value),
            condition_note: condition.condition_note.value,
            price_per_unit: price
                .price_per_unit
                .and_then(|amount| amount.into_message(money.currency.clone(), String::new())),
            price: money.into_message(),
            saving: unless_empty(price.savings.into()),
            saving_basis: unless_empty(listing.saving_basis.into()),
            availability: unless_empty(listing.availability.into()),
            is_buy_box_winner: listing.is_buy_box_winner,
            merchant: unless_empty(listing.merchant_info.into()),
            delivery: unless_empty(listing.delivery_info.into()),
            loyalty_points: count(listing.loyalty_points.points),
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

impl From<WithMoney<SavingsV1>> for pb::Saving {
    fn from(WithMoney { money, more }: WithMoney<SavingsV1>) -> Self {
        checked_saving(money, more.percentage)
    }
}

impl From<WithMoney<PriceV1>> for pb::SavingBasis {
    fn from(WithMoney { money, more }: WithMoney<PriceV1>) -> Self {
        Self { price: money.into_message(), r#type: more.price_type, label: more.price_type_label }
    }
}

impl From<MerchantInfoV1> for pb::Merchant {
    fn from(merchant: MerchantInfoV1) -> Self {
        let MerchantInfoV1 { id, name, default_shipping_country, feedback_count, feedback_rating } = merchant;
        Self {
            id,
            name,
            default_shipping_country,
            feedback_count: count(feedback_count),
            feedback_rating: stars(feedback_rating),
        }
    }
}

impl From<DeliveryInfo> for pb::Delivery {
    fn from(delivery: DeliveryInfo) -> Self {
        Self {
            message: delivery.describe(),
            is_prime_eligible: delivery.is_prime_eligible,
            is_amazon_fulfilled: delivery.is_amazon_fulfilled,
            is_free_shipping_eligible: delivery.is_free_shipping_eligible,
            shipping_charges: delivery.shipping_charges.into_iter().map(Into::into).collect(),
        }
    }
}

impl DeliveryInfo {
    /// The facts that are stated to be true, in our own English words: Amazon sends no text.
    fn describe(&self) -> String {
        let said = [
            (self.is_prime_eligible, "Prime"),
            (self.is_free_shipping_eligible, "free shipping"),
            (self.is_amazon_fulfilled, "fulfilled by Amazon"),
        ];
        let words: Vec<_> = said.into_iter().filter(|(flag, _)| *flag == Some(true)).map(|(_, word)| word).collect();
        words.join(", ")
    }
}

impl From<WithMoney<ShippingCharge>> for pb::ShippingCharge {
    fn from(WithMoney { money, more }: WithMoney<ShippingCharge>) -> Self {
        Self { amount: money.into_message(), r#type: more.r#type, is_tax_inclusive: more.is_rate_tax_inclusive }
    }
}

impl From<WithMoney<Promotion>> for pb::Promotion {
    fn from(WithMoney { money, more }: WithMoney<Promotion>) -> Self {
        Self { r#type: more.r#type, amount: money.into_message(), percent: percentage(more.discount_percent) }
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
            condition: parse_condition(&summary.condition.value).into(),
            lowest_price: summary.lowest_price.into_message(),
            highest_price: summary.highest_price.into_message(),
            offer_count: count(summary.offer_count),
        }
    }
}
