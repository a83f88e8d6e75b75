//! Products side by side: a row for each, and what the rows say together.
//!
//! Pure: who fetches the products, and when a row may leave, is somebody else's.

use std::cmp::Ordering;

use super::{CachedProduct, Error, ProductMask};
use crate::{
    format::{self, best_offer},
    served,
};
use amazon_catalog::{Asin, money, rating};
use stockroom_proto::pb;

/// What is compared beside the named attributes.
const FIELDS: [&str; 4] = ["price", "saving", "rating", "reviews"];

/// Collects products as they become known, and sums them up.
#[derive(Debug)]
pub struct Comparison {
    asked: Vec<Asin>,
    compared: Vec<(Asin, pb::Product)>,
}

/// The row of one product, with the parts that are wanted.
pub fn compare_row(
    asin: Asin,
    found: CachedProduct,
    parts: ProductMask,
) -> Result<(served::CompareRow, pb::Product), Error> {
    let product = found.product()?;
    let info = product.info.clone().unwrap_or_default();
    let offer = best_offer(&product);
    let price = offer.and_then(|offer| offer.price.clone());
    let delivery = offer.and_then(|offer| offer.delivery.as_ref());
    let availability = offer.and_then(|offer| offer.availability.as_ref());
    let (star_rating, review_count) = (stars(&product), reviews(&product));
    let row = served::CompareRow {
        asin: asin.to_string(),
        feature_count: info.features.len().try_into().unwrap_or(i32::MAX),
        title: info.title,
        brand: info.brand,
        price_text: format::price(offer),
        currency: price.as_ref().map(|price| price.currency_code.clone()).unwrap_or_default(),
        price,
        saving_percent: saving(&product),
        star_rating,
        review_count,
        rating_in_words: rating::in_words(star_rating, review_count),
        availability: availability.map(format::availability).unwrap_or_else(|| "Not available".to_owned()),
        delivery: delivery.map(|delivery| delivery.message.clone()).unwrap_or_default(),
        is_prime: delivery.and_then(|delivery| delivery.is_prime_eligible),
        sales_rank: product.categories.as_ref().and_then(|c| c.website_sales_rank.as_ref()).map(|rank| rank.rank),
        entry: Some(found.entry(parts)),
    };
    Ok((row, product))
}

impl Comparison {
    /// A comparison of these, none named twice.
    pub fn of(asked: Vec<Asin>) -> Self {
        Self { asked, compared: Vec::new() }
    }

    /// Adds a product.
    pub fn add(&mut self, asin: Asin, product: pb::Product) {
        self.compared.push((asin, product));
        let place = |asin: &Asin| self.asked.iter().position(|asked| asked == asin);
        self.compared.sort_by_key(|(asin, _)| place(asin));
    }

    /// What the products say together. Without its cost, which it does not know.
    pub fn summary(&self) -> pb::CompareSummary {
        let compared_asins: Vec<String> = self.compared.iter().map(|(asin, _)| asin.to_string()).collect();
        let missing = self.asked.iter().filter(|asin| !self.compared.iter().any(|(compared, _)| compared == *asin));
        let differing = self.differing();
        let fields = FIELDS.iter().map(|field| (*field).to_owned());
        pb::CompareSummary {
            compared_fields: fields.chain(differing.iter().map(|attribute| attribute.name.clone())).collect(),
            best: self.best(),
            differing,
            compared_asins,
            missing_asins: missing.map(ToString::to_string).collect(),
            cost: None,
        }
    }

    fn best(&self) -> Vec<pb::CompareBest> {
        use pb::CompareField::{BiggestSaving, HighestRating, LowestPrice, MostReviews};
        let one_currency = {
            let mut codes = self.compared.iter().filter_map(|(_, p)| price(p)).map(|price| &price.currency_code);
            let first = codes.next();
            codes.all(|code| Some(code) == first)
        };
        let cheapest = self.winners(|product| price(product).map(money::total_nanos), Ordering::reverse);
        let named = [
            (LowestPrice, if one_currency { cheapest } else { Vec::new() }),
            (HighestRating, self.winners(|p| stars(p).map(Total), |order| order)),
            (MostReviews, self.winners(reviews, |order| order)),
            (BiggestSaving, self.winners(saving, |order| order)),
        ];
        let best = named.into_iter().filter_map(|(field, winners)| {
            let product = winners.first().map(|(_, product)| *product)?;
            let value = match field {
                LowestPrice => format::price(best_offer(product)),
                HighestRating => format!("{:.1} stars", stars(product)?),
                MostReviews => format!("{} reviews", format::number(reviews(product)?)),
                BiggestSaving => format!("{}% off", saving(product)?),
                pb::CompareField::Unspecified => return None,
            };
            let asins = winners.iter().map(|(asin, _)| asin.to_string()).collect();
            Some(pb::CompareBest { field: field.into(), asins, value })
        });
        best.collect()
    }

    /// Those with the greatest value, in the order of the request; those without a value never win.
    fn winners<V: Ord>(
        &self,
        value: impl Fn(&pb::Product) -> Option<V>,
        direction: impl Fn(Ordering) -> Ordering,
    ) -> Vec<(Asin, &pb::Product)> {
        let valued = || self.compared.iter().filter_map(|(asin, product)| Some((value(product)?, *asin, product)));
        let Some((best, ..)) = valued().max_by(|a, b| direction(a.0.cmp(&b.0))) else { return Vec::new() };
        valued().filter(|(value, ..)| *value == best).map(|(_, asin, product)| (asin, product)).collect()
    }

    fn differing(&self) -> Vec<pb::CompareAttribute> {
        let mut differing = Vec::new();
        for (name, value) in ATTRIBUTES {
            let values: Vec<_> = self
                .compared
                .iter()
                .map(|(asin, product)| pb::CompareValue { asin: asin.to_string(), value: value(product) })
                .collect();
            if values.windows(2).any(|pair| matches!(pair, [a, b] if a.value != b.value)) {
                differing.push(pb::CompareAttribute { name: name.to_owned(), values });
            }
        }
        differing
    }
}

type Attribute = (&'static str, fn(&pb::Product) -> String);

/// The attributes that are looked at for differences; empty where a product has none.
const ATTRIBUTES: [Attribute; 13] = [
    ("brand", |p| info(p, |info| info.brand.clone())),
    ("manufacturer", |p| info(p, |info| info.manufacturer.clone())),
    ("model", |p| info(p, |info| info.model.clone())),
    ("color", |p| info(p, |info| info.color.clone())),
    ("size", |p| info(p, |info| info.size.clone())),
    ("binding", |p| info(p, |info| info.binding.clone())),
    ("warranty", |p| info(p, |info| info.warranty.clone())),
    ("energy_efficiency_class", |p| info(p, |info| info.energy_efficiency_class.clone())),
    ("weight", |p| {
        info(p, |info| {
            info.dimensions.as_ref().and_then(|d| d.weight.as_ref()).map(format::measure).unwrap_or_default()
        })
    }),
    ("unit_count", |p| info(p, |info| info.unit_count.map(format::number).unwrap_or_default())),
    ("condition", |p| best_offer(p).map(format::offer_condition).unwrap_or_default().to_owned()),
    ("merchant", |p| {
        best_offer(p).and_then(|offer| offer.merchant.as_ref()).map(|m| m.name.clone()).unwrap_or_default()
    }),
    ("availability", |p| {
        best_offer(p).and_then(|offer| offer.availability.as_ref()).map(format::availability).unwrap_or_default()
    }),
];

fn info(product: &pb::Product, read: impl Fn(&pb::ProductInfo) -> String) -> String {
    product.info.as_ref().map(read).unwrap_or_default()
}

pub(super) fn price(product: &pb::Product) -> Option<&pb::Money> {
    best_offer(product)?.price.as_ref()
}

pub(super) fn saving(product: &pb::Product) -> Option<i32> {
    best_offer(product)?.saving.as_ref()?.percent
}

pub(super) fn stars(product: &pb::Product) -> Option<f64> {
    product.reviews.as_ref()?.star_rating
}

pub(super) fn reviews(product: &pb::Product) -> Option<i32> {
    product.reviews.as_ref()?.count
}

/// Stars in their natural order; Amazon sends no NaN, and one would sort above all others without panicking.
#[derive(PartialEq)]
struct Total(f64);

impl Eq for Total {}

impl PartialOrd for Total {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Total {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(price: Option<i64>, stars: Option<f64>, reviews: Option<i32>, saving: Option<i32>) -> pb::Product {
        let money =
            |units| pb::Money { currency_code: "USD".to_owned(), units, display: format!("${units}.00"), nanos: 0 };
        let offer = pb::Offer {
            price: price.map(money),
            saving: saving.map(|percent| pb::Saving { percent: Some(percent), amount: None }),
            ..Default::default()
        };
        pb::Product {
            offers: Some(pb::ProductOffers { listings: vec![offer], summaries: Vec::new() }),
            reviews: Some(pb::ProductReviews { star_rating: stars, count: reviews, in_words: String::new() }),
            ..Default::default()
        }
    }

    fn summary(products: &[pb::Product]) -> pb::CompareSummary {
        let asins: Vec<Asin> = (0..products.len()).map(|n| Asin::parse(&format!("B{n:09}")).unwrap()).collect();
        let mut comparison = Comparison::of(asins.clone());
        for (asin, product) in asins.into_iter().zip(products).rev() {
            comparison.add(asin, product.clone());
        }
        comparison.summary()
    }

    fn winners(summary: &pb::CompareSummary, field: pb::CompareField) -> Vec<&str> {
        let best = summary.best.iter().find(|best| best.field() == field);
        best.map(|best| best.asins.iter().map(|asin| &asin[9..]).collect()).unwrap_or_default()
    }

    #[test]
    fn each_field_names_its_best_and_a_product_without_a_value_never_wins() {
        let summary = summary(&[
            product(Some(30), Some(4.0), Some(10), None),
            product(None, None, None, Some(20)),
            product(Some(25), Some(4.5), Some(3), Some(5)),
        ]);
        assert_eq!(winners(&summary, pb::CompareField::LowestPrice), ["2"]);
        assert_eq!(winners(&summary, pb::CompareField::HighestRating), ["2"]);
        assert_eq!(winners(&summary, pb::CompareField::MostReviews), ["0"]);
        assert_eq!(winners(&summary, pb::CompareField::BiggestSaving), ["1"]);
        assert_eq!(summary.compared_asins, ["B000000000", "B000000001", "B000000002"]);
    }

    #[test]
    fn equals_share_the_place_and_nothing_known_means_nobody_is_best() {
        let same = summary(&[product(Some(0), None, None, None), product(Some(0), None, None, None)]);
        assert_eq!(winners(&same, pb::CompareField::LowestPrice), ["0", "1"], "a price of nothing is a price");
        assert_eq!(same.best.len(), 1);
        assert!(summary(&[product(None, None, None, None)]).best.is_empty());
    }

    #[test]
    fn prices_in_two_currencies_are_not_compared() {
        let mut yen = product(Some(1), None, None, None);
        yen.offers.as_mut().unwrap().listings[0].price.as_mut().unwrap().currency_code = "JPY".to_owned();
        let summary = summary(&[product(Some(30), None, None, None), yen]);
        assert!(winners(&summary, pb::CompareField::LowestPrice).is_empty());
    }

    #[test]
    fn the_price_is_the_buy_box_winner_s_else_the_cheapest() {
        let mut product = product(Some(30), None, None, None);
        let listings = &mut product.offers.as_mut().unwrap().listings;
        listings.push(pb::Offer { price: Some(pb::Money { units: 20, ..Default::default() }), ..Default::default() });
        listings.push(pb::Offer::default());
        assert_eq!(price(&product).map(|price| price.units), Some(20));
        product.offers.as_mut().unwrap().listings[0].is_buy_box_winner = Some(true);
        assert_eq!(price(&product).map(|price| price.units), Some(30));
    }
}
