//! Both versions of an item's offers as one.
//!
//! # Rule
//!
//! - Amazon replaces the first version by the second. So the offers are those of the second where it has any. The first
//!   version only completes them, by what the second has no field for. An offer is completed by the first offer of the first
//!   version that is the same one, which completes no other. A listing that states nothing is no offer.
//! - A price that either version restricts to Amazon's cart is withheld here, and no later stage can show it. A restriction
//!   in the first version holds for every offer of the second that may be the same: its merchant and its condition are the
//!   same or unknown.
//! - The span of a condition is withheld where one of its ends may be a withheld price.

use crate::{
    json::unless_empty,
    schema::{
        offers_v1::OffersV1,
        offers_v2::{OffersV2, withhold_price},
    },
};
use stockroom_proto::pb;

/// The offers; `None` where Amazon stated neither version.
pub(super) fn product_offers(v1: Option<OffersV1>, v2: Option<OffersV2>) -> Option<pb::ProductOffers> {
    if v1.is_none() && v2.is_none() {
        return None;
    }
    let (v1, v2) = (v1.unwrap_or_default(), v2.unwrap_or_default());
    let mut v1_offers: Vec<pb::Offer> = stated(v1.listings.into_iter().map(Into::into));
    let mut offers: Vec<pb::Offer> = stated(v2.listings.into_iter().map(Into::into));
    let mut summaries: Vec<pb::OfferSummary> =
        v1.summaries.into_iter().filter_map(|summary| unless_empty(summary.into())).collect();
    // The winner is completed by the winner. The sort is stable: those that are no winner stay in Amazon's order.
    for offers in [&mut v1_offers, &mut offers] {
        offers.sort_by_key(|offer| offer.is_buy_box_winner != Some(true));
    }

    if offers.is_empty() {
        offers = v1_offers;
    } else {
        let restricted: Vec<pb::Offer> = v1_offers.iter().filter(|offer| offer.price_withheld).cloned().collect();
        for offer in &mut offers {
            if let Some(index) = v1_offers.iter().position(|v1_offer| is_same_offer(offer, v1_offer)) {
                complete(offer, v1_offers.remove(index));
            }
            // Again for an offer that withholds its price: `complete` may have added promotions.
            if offer.price_withheld || restricted.iter().any(|v1_offer| may_be_same_offer(offer, v1_offer)) {
                withhold_price(offer);
            }
        }
        withhold_spans(&mut summaries, &restricted);
    }
    withhold_spans(&mut summaries, &offers);
    Some(pb::ProductOffers { listings: offers, summaries })
}

/// The offers that state something.
fn stated(offers: impl Iterator<Item = pb::Offer>) -> Vec<pb::Offer> {
    offers.filter_map(unless_empty).collect()
}

/// Unsets the lowest and the highest price of each condition that one of the offers with a withheld price has or, where a
/// condition is unknown, may have: one of the two may be that price.
fn withhold_spans(summaries: &mut [pb::OfferSummary], offers: &[pb::Offer]) {
    let withheld = offers.iter().filter(|offer| offer.price_withheld);
    let withheld: Vec<&str> = withheld.map(|offer| condition_name(offer.condition(), &offer.condition_text)).collect();
    for summary in summaries {
        let condition = condition_name(summary.condition(), &summary.condition_text);
        if withheld.iter().any(|other| may_be_same(other, condition)) {
            (summary.lowest_price, summary.highest_price) = (None, None);
        }
    }
}

/// Whether an offer of the one version is that of the other: the same merchant's, for the same condition.
fn is_same_offer(offer: &pb::Offer, other: &pb::Offer) -> bool {
    let (Some(merchant), Some(other_merchant)) = (&offer.merchant, &other.merchant) else {
        return false;
    };
    let agree = |a: &str, b: &str| !a.is_empty() && is_same_name(a, b);
    let same_merchant = if merchant.id.is_empty() || other_merchant.id.is_empty() {
        agree(&merchant.name, &other_merchant.name)
    } else {
        merchant.id == other_merchant.id
    };
    same_merchant
        && offer.condition == other.condition
        && is_same_name(&offer.condition_text, &other.condition_text)
        && is_same_name(&offer.sub_condition, &other.sub_condition)
}

/// Whether an offer of the one version can be that of the other, as far as both state their merchant and condition.
fn may_be_same_offer(offer: &pb::Offer, other: &pb::Offer) -> bool {
    let may_be_merchant = match (&offer.merchant, &other.merchant) {
        (Some(a), Some(b)) if !a.id.is_empty() && !b.id.is_empty() => a.id == b.id,
        (Some(a), Some(b)) => may_be_same(&a.name, &b.name),
        (None, _) | (_, None) => true,
    };
    let [condition, other_condition] =
        [offer, other].map(|offer| condition_name(offer.condition(), &offer.condition_text));
    may_be_merchant
        && may_be_same(condition, other_condition)
        && may_be_same(&offer.sub_condition, &other.sub_condition)
}

/// One name for each condition, those included that `pb` has no value for; empty where the condition is unknown.
fn condition_name(condition: pb::Condition, text: &str) -> &str {
    if condition == pb::Condition::Unspecified { text } else { condition.as_str_name() }
}

/// Whether two names can be one, of which an unknown one is empty.
fn may_be_same(name: &str, other: &str) -> bool {
    name.is_empty() || other.is_empty() || is_same_name(name, other)
}

/// Whether two names differ at most in their case, spaces and signs: the versions spell alike what they name alike, as `LikeNew`
/// and `LIKE_NEW`.
fn is_same_name(name: &str, other: &str) -> bool {
    let letters = |name: &str| {
        let lower = name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase);
        lower.collect::<String>()
    };
    letters(name) == letters(other)
}

/// Adds to an offer of the second version what only the first version has fields for.
fn complete(offer: &mut pb::Offer, v1_offer: pb::Offer) {
    offer.id = v1_offer.id;
    offer.delivery = v1_offer.delivery;
    offer.promotions = v1_offer.promotions;
    offer.program_eligibility = v1_offer.program_eligibility;
    if let (Some(merchant), Some(known)) = (&mut offer.merchant, v1_offer.merchant) {
        merchant.default_shipping_country = known.default_shipping_country;
        merchant.feedback_count = known.feedback_count;
        merchant.feedback_rating = known.feedback_rating;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::json::FromJson;

    fn offers(v1: &Value, v2: &Value) -> pb::ProductOffers {
        let json = |value: &Value| serde_json::value::to_raw_value(value).unwrap();
        product_offers(OffersV1::read(&json(v1)), OffersV2::read(&json(v2))).unwrap()
    }

    fn price(amount: u32) -> Value {
        json!({ "Amount": amount, "Currency": "USD", "DisplayAmount": format!("${amount}.00") })
    }

    fn v1(id: &str, merchant: &str, condition: &str, amount: u32) -> Value {
        let basis = json!({ "Amount": 99, "Currency": "USD", "PriceType": "WAS_PRICE", "PriceTypeLabel": "Was" });
        let mut price = price(amount);
        price["PricePerUnit"] = json!(0.5);
        price["Savings"] = json!({ "Amount": 7, "Currency": "USD", "Percentage": 7 });
        json!({
            "Id": id,
            "Condition": { "Value": condition },
            "MerchantInfo": { "Id": merchant, "FeedbackCount": 5 },
            "Price": price,
            "SavingBasis": basis,
            "DeliveryInfo": { "IsFreeShippingEligible": true, "IsAmazonFulfilled": false },
            "Promotions": [{ "Type": "SNS", "Amount": 2, "Currency": "USD" }],
        })
    }

    fn v2(merchant: &str, condition: &str, amount: u32) -> Value {
        json!({
            "Condition": { "Value": condition, "SubCondition": "Unknown" },
            "MerchantInfo": { "Id": merchant },
            "Price": { "Money": price(amount), "PricePerUnit": price(1), "Savings": { "Percentage": 3 } },
        })
    }

    fn span(condition: &str) -> Value {
        let (lowest, highest) = (price(1), price(2));
        let condition = json!({ "Value": condition });
        json!({ "Condition": condition, "LowestPrice": lowest, "HighestPrice": highest, "OfferCount": 4 })
    }

    fn with(mut listing: Value, key: &str, value: impl Into<Value>) -> Value {
        listing[key] = value.into();
        listing
    }

    fn prices(offers: &pb::ProductOffers) -> Vec<Option<i64>> {
        offers.listings.iter().map(|offer| offer.price.as_ref().map(|price| price.units)).collect()
    }

    #[test]
    fn the_first_version_stands_alone_where_there_is_no_second() {
        for second in [json!(null), json!({}), json!({ "Listings": [] })] {
            let offers = offers(&json!({ "Listings": [v1("id-1", "M1", "Used", 12)] }), &second);
            let [offer] = offers.listings.as_slice() else { panic!("{offers:?}") };
            assert_eq!((offer.id.as_str(), offer.condition()), ("id-1", pb::Condition::Used));
            assert_eq!(offer.price.as_ref().unwrap().display, "$12.00");
            assert_eq!(offer.price_per_unit.as_ref().unwrap().nanos, 500_000_000);
            assert_eq!(offer.saving.as_ref().unwrap().percent, Some(7));
            let basis = offer.saving_basis.as_ref().unwrap();
            assert_eq!(
                (basis.price.as_ref().unwrap().units, basis.r#type.as_str(), basis.label.as_str()),
                (99, "WAS_PRICE", "Was")
            );
            let delivery = offer.delivery.as_ref().unwrap();
            assert_eq!((delivery.is_prime_eligible, delivery.is_amazon_fulfilled), (None, Some(false)));
            assert_eq!(delivery.message, "free shipping");
        }
    }

    #[test]
    fn only_the_same_offer_is_enriched_and_no_id_is_given_twice() {
        let first = [v1("used", "M1", "Used", 9), v1("new", "M1", "New", 10)];
        let second = [v2("M1", "New", 11), v2("M2", "New", 12), v2("M1", "New", 13), v2("M1", "Refurbished", 14)];
        let offers = offers(&json!({ "Listings": first }), &json!({ "Listings": second }));
        assert_eq!(offers.listings.iter().map(|offer| offer.id.as_str()).collect::<Vec<_>>(), ["new", "", "", ""]);
        assert_eq!(prices(&offers), [Some(11), Some(12), Some(13), Some(14)], "prices are the second version's");
        assert_eq!(offers.listings[0].merchant.as_ref().unwrap().feedback_count, Some(5));
        assert_eq!(offers.listings[0].promotions.len(), 1);
        assert_eq!(offers.listings[1].delivery, None);
    }

    #[test]
    fn the_buy_box_winner_comes_first_and_the_rest_keep_their_order() {
        let winner = with(v2("M3", "New", 13), "IsBuyBoxWinner", true);
        let loser = with(v2("M2", "New", 12), "IsBuyBoxWinner", false);
        let offers = offers(&json!(null), &json!({ "Listings": [v2("M1", "New", 11), loser, winner] }));
        assert_eq!(prices(&offers), [Some(13), Some(11), Some(12)]);
        let flags: Vec<_> = offers.listings.iter().map(|offer| offer.is_buy_box_winner).collect();
        assert_eq!(flags, [Some(true), None, Some(false)]);
    }

    #[test]
    fn a_restricted_price_is_withheld_whichever_version_says_so() {
        let (first, second) = (v1("id-1", "M1", "New", 10), v2("M1", "New", 10));
        let restricted = |listing: &Value| with(listing.clone(), "ViolatesMAP", true);
        let cases = [
            (first.clone(), json!([restricted(&second)])),
            (restricted(&first), json!([second])),
            (restricted(&first), json!([])),
        ];
        for (first, second) in cases {
            let spans = json!([span("New"), span("Used")]);
            let offers = offers(&json!({ "Listings": [first], "Summaries": spans }), &json!({ "Listings": second }));
            let offer = &offers.listings[0];
            assert!(offer.price_withheld);
            assert_eq!(
                (&offer.price, &offer.price_per_unit, &offer.saving, &offer.saving_basis),
                (&None, &None, &None, &None)
            );
            assert_eq!((offer.promotions.len(), offer.id.as_str()), (0, "id-1"));
            let [new, used] = offers.summaries.as_slice() else { panic!("{offers:?}") };
            assert_eq!((&new.lowest_price, &new.highest_price, new.offer_count), (&None, &None, Some(4)));
            assert!(used.lowest_price.is_some() && used.highest_price.is_some());
        }
    }

    #[test]
    fn a_restriction_of_the_first_version_holds_for_each_offer_that_it_may_be_about() {
        let restricted = |merchant: Value, condition: &str| {
            let first = with(with(v1("id-1", "M1", condition, 10), "ViolatesMAP", true), "MerchantInfo", merchant);
            let first = json!({ "Listings": [first], "Summaries": [span("New"), span("Used")] });
            let unknown = with(v2("M1", "New", 14), "MerchantInfo", json!(null));
            let second = [v2("M1", "New", 10), v2("M1", "New", 11), v2("M2", "New", 12), v2("M1", "Used", 13), unknown];
            let offers = offers(&first, &json!({ "Listings": second }));
            let withheld: Vec<_> = offers.listings.iter().map(|offer| offer.price_withheld).collect();
            let shown = offers.summaries.iter().map(|summary| summary.lowest_price.is_some());
            (withheld, shown.collect::<Vec<_>>())
        };
        let same = (vec![true, true, false, false, true], vec![false, true]);
        assert_eq!(restricted(json!({ "Id": "M1" }), "New"), same);
        let any_merchant = (vec![true, true, true, false, true], vec![false, true]);
        assert_eq!(restricted(json!(null), "New"), any_merchant);
        assert_eq!(restricted(json!(null), "Unknown"), (vec![true; 5], vec![false, false]));
        assert_eq!(restricted(json!({ "Id": "M3" }), "Used"), (vec![false; 5], vec![true, false]));
    }

    #[test]
    fn names_that_differ_in_their_spelling_alone_are_one_where_a_price_is_withheld() {
        for (first, second) in [("CLUB", "Club"), ("New ", "New"), ("Open Box", "OPEN_BOX"), ("new", " NEW")] {
            let restricted = json!({ "Listings": [with(v1("id-1", "M1", first, 10), "ViolatesMAP", true)] });
            let offers = offers(&restricted, &json!({ "Listings": [v2("M1", second, 10)] }));
            assert_eq!(prices(&offers), [None], "{first:?} {second:?}");
        }
        let sub_condition = |name: &str| json!({ "Value": "Used", "SubCondition": name });
        let like_new = with(v1("id-1", "M1", "Used", 10), "Condition", sub_condition("LikeNew"));
        let restricted = json!({ "Listings": [with(like_new, "ViolatesMAP", true)] });
        let second = with(v2("M1", "Used", 10), "Condition", sub_condition("LIKE_NEW"));
        assert_eq!(prices(&offers(&restricted, &json!({ "Listings": [second] }))), [None]);
    }

    #[test]
    fn the_winner_is_completed_by_the_winner() {
        let winner = |listing: Value| with(listing, "IsBuyBoxWinner", true);
        let first = [v1("loser", "M1", "New", 11), winner(v1("winner", "M1", "New", 10))];
        let second = [v2("M1", "New", 11), winner(v2("M1", "New", 10))];
        let offers = offers(&json!({ "Listings": first }), &json!({ "Listings": second }));
        assert_eq!(offers.listings.iter().map(|offer| offer.id.as_str()).collect::<Vec<_>>(), ["winner", "loser"]);
        assert_eq!(prices(&offers), [Some(10), Some(11)]);
    }

    #[test]
    fn a_condition_without_a_value_is_one_of_its_own() {
        let club = with(v1("id-1", "M1", "Club", 10), "ViolatesMAP", true);
        let first = json!({ "Listings": [club], "Summaries": [span("New"), span("Club"), span("Unknown")] });
        let second = json!({ "Listings": [v2("M1", "New", 11), v2("M1", "Club", 12), v2("M1", "Unknown", 13)] });
        let offers = offers(&first, &second);
        assert_eq!(prices(&offers), [Some(11), None, None]);
        let shown: Vec<_> = offers.summaries.iter().map(|summary| summary.lowest_price.is_some()).collect();
        assert_eq!(shown, [false; 3], "the second version's offer of unknown condition withholds every span");
    }

    #[test]
    fn a_restricted_price_of_a_condition_without_a_value_withholds_its_own_span_alone() {
        let listing = with(v2("M1", "Club", 10), "ViolatesMAP", true);
        let spans = json!({ "Summaries": [span("New"), span("Club"), span("Unknown")] });
        let offers = offers(&spans, &json!({ "Listings": [listing] }));
        let shown: Vec<_> = offers.summaries.iter().map(|summary| summary.lowest_price.is_some()).collect();
        assert_eq!(shown, [true, false, false]);
    }

    #[test]
    fn numbers_that_cannot_be_true_are_absent() {
        let promotions = json!([{ "Type": "SNS", "DiscountPercent": 120 }]);
        let merchant = json!({ "Id": "M1", "FeedbackCount": -5, "FeedbackRating": 50.0 });
        let first = with(with(v1("id-1", "M1", "New", 10), "Promotions", promotions), "MerchantInfo", merchant);
        let first = with(first, "LoyaltyPoints", json!({ "Points": -5 }));
        let deal = json!({ "Badge": "Limited time deal", "PercentClaimed": -1 });
        let availability = json!({ "Type": "IN_STOCK", "MinOrderQuantity": -1, "MaxOrderQuantity": 3 });
        let second = with(with(v2("M1", "New", 10), "DealDetails", deal), "Availability", availability);
        let second = with(second, "LoyaltyPoints", json!({ "Points": -5 }));
        let summary = json!({ "Condition": { "Value": "New" }, "OfferCount": -4 });
        let first = json!({ "Listings": [first], "Summaries": [summary] });
        let offers = offers(&first, &json!({ "Listings": [second] }));
        let offer = &offers.listings[0];
        let merchant = offer.merchant.as_ref().unwrap();
        assert_eq!((merchant.feedback_count, merchant.feedback_rating), (None, None));
        assert_eq!((offer.promotions[0].percent, offer.deal.as_ref().unwrap().percent_claimed), (None, None));
        assert_eq!(offer.loyalty_points, None);
        let availability = offer.availability.as_ref().unwrap();
        assert_eq!((availability.min_order_quantity, availability.max_order_quantity), (None, Some(3)));
        assert_eq!(offers.summaries[0].offer_count, None);
    }

    #[test]
    fn a_restriction_that_cannot_be_read_withholds_the_price() {
        let is_withheld = |flag: Value| {
            let second = json!({ "Listings": [with(v2("M1", "New", 10), "ViolatesMAP", flag.clone())] });
            let first = json!({ "Listings": [with(v1("id-1", "M1", "New", 10), "ViolatesMAP", flag)] });
            let withheld = [offers(&json!(null), &second), offers(&first, &json!(null))].map(|o| o.listings[0].clone());
            assert_eq!(withheld[0].price_withheld, withheld[1].price_withheld);
            assert!(withheld.iter().all(|offer| offer.price.is_none() == offer.price_withheld));
            withheld[0].price_withheld
        };
        for flag in [json!(true), json!("true"), json!("yes"), json!(1), json!(0), json!({}), json!([]), json!("")] {
            assert!(is_withheld(flag.clone()), "{flag}");
        }
        for flag in [json!(false), json!("false"), json!(null)] {
            assert!(!is_withheld(flag.clone()), "{flag}");
        }
    }

    #[test]
    fn a_listing_that_states_nothing_does_not_stand_for_those_of_the_other_version() {
        let first = json!({ "Listings": [v1("id-1", "M1", "New", 10), {}] });
        let nothing = json!([{ "Price": null }, { "ViolatesMAP": false }, { "DealDetails": {} }, 7]);
        for second in [json!([]), json!([{}]), nothing] {
            let offers = offers(&first, &json!({ "Listings": second }));
            assert_eq!(prices(&offers), [Some(10)], "{second}");
        }
    }

    #[test]
    fn a_restricted_price_of_unknown_condition_withholds_every_span() {
        let listing = json!({ "Price": { "Money": price(10) }, "ViolatesMAP": true });
        let offers = offers(&json!({ "Summaries": [span("New"), span("Used")] }), &json!({ "Listings": [listing] }));
        assert!(
            offers.summaries.iter().all(|summary| summary.lowest_price.is_none() && summary.highest_price.is_none())
        );
    }
}
