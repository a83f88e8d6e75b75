//! `CustomerReviews`: star rating and number of reviews.

use crate::{json::json_struct, rating};
use stockroom_proto::pb;

/// The best rating that Amazon's customers can give.
const MAX_STARS: f64 = 5.0;

json_struct! {
    struct CustomerReviews {
        count: Option<i32>,
        star_rating: StarRating,
    }
}

json_struct! {
    struct StarRating {
        value: Option<f64>,
    }
}

impl From<CustomerReviews> for pb::ProductReviews {
    fn from(reviews: CustomerReviews) -> Self {
        // The lowest rating is one star; Amazon sends zero for an item without ratings.
        let star_rating = reviews.star_rating.value.filter(|stars| *stars > 0.0 && *stars <= MAX_STARS);
        let count = reviews.count.filter(|count| *count >= 0);
        Self { star_rating, count, in_words: rating::in_words(star_rating, count) }
    }
}
