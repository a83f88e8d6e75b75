//! Both versions of an item's offers as one.
//!
//! The second version is what Amazon keeps, so its listings are taken where there are any; the first adds what only it
//! knows. A price that may be seen only in Amazon's cart is withheld here for good, in whichever version says so.

use crate::{
    amazon::tree::{
        offers::{OffersV2, withhold_price},
        offers_v1::Offers,
    },
    pb,
};

/// The contract's offers; `None` where Amazon stated neither version.
pub(super) fn product_offers(v1: Option<Offers>, v2: Option<OffersV2>) -> Option<pb::ProductOffers> {
    if v1.is_none() && v2.is_none() {
        return None;
    }
    let (v1, v2) = (v1.unwrap_or_default(), v2.unwrap_or_default());
    let mut others: Vec<pb::Offer> = v1.listings.into_iter().map(Into::into).collect();
    let mut listings: Vec<pb::Offer> = v2.listings.into_iter().map(Into::into).collect();
    let mut summaries: Vec<pb::OfferSummary> = v1.summaries.into_iter().map(Into::into).collect();

    withhold_spans(&mut summaries, others.iter().chain(&listings));
    if listings.is_empty() {
        listings = others;
    } else {
        for offer in &mut listings {
            if let Some(index) = others.iter().position(|other| is_same_offer(offer, other)) {
                enrich(offer, others.remove(index));
            }
        }
    }
    // The sort is stable: all but the winner stay in Amazon's order.
    listings.sort_by_key(|offer| offer.is_buy_box_winner != Some(true));
    Some(pb::ProductOffers { listings, summaries })
}

/// Unsets the span of prices of each condition with a withheld price, as one of its ends may be that very price.
fn withhold_spans<'a>(summaries: &mut [pb::OfferSummary], offers: impl Iterator<Item = &'a pb::Offer>) {
    let withheld: Vec<_> = offers.filter(|offer| offer.price_withheld).map(pb::Offer::condition).collect();
    for summary in summaries {
        let condition = summary.condition();
        let may_be =
            |other: &pb::Condition| *other == condition || [*other, condition].contains(&pb::Condition::Unspecified);
        if withheld.iter().any(may_be) {
            (summary.lowest_price, summary.highest_price) = (None, None);
        }
    }
}

/// Whether an offer of the one version is that of the other: the same merchant's, for the same condition.
fn is_same_offer(offer: &pb::Offer, other: &pb::Offer) -> bool {
    let (Some(merchant), Some(other_merchant)) = (&offer.merchant, &other.merchant) else {
        return false;
    };
    let agree = |a: &str, b: &str| !a.is_empty() && a == b;
    let same_merchant = if merchant.id.is_empty() || other_merchant.id.is_empty() {
        agree(&merchant.name, &other_merchant.name)
    } else {
        merchant.id == other_merchant.id
    };
    same_merchant && offer.condition == other.condition && offer.sub_condition == other.sub_condition
}

/// Adds to an offer what only the first version knows of it.
fn enrich(offer: &mut pb::Offer, v1: pb::Offer) {
    offer.id = v1.id;
    offer.delivery = v1.delivery;
    offer.promotions = v1.promotions;
    offer.program_eligibility = v1.program_eligibility;
    if let (Some(merchant), Some(known)) = (&mut offer.merchant, v1.merchant) {
        merchant.default_shipping_country = known.default_shipping_country;
        merchant.feedback_count = known.feedback_count;
        merchant.feedback_rating = known.feedback_rating;
    }
    if offer.price_withheld || v1.price_withheld {
        withhold_price(offer);
    }
}
