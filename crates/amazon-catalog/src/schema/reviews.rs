//! `CustomerReviews`: star rating and number of reviews.

use crate::{lenient::group, rating};
use stockroom_proto::pb;

group! {
    struct CustomerReviews {
        count: Option<i32>,
        star_rating: StarRating,
    }
}

group! {
    struct StarRating {
        value: Option<f64>,
    }
}

impl From<CustomerReviews> for pb::ProductReviews {
    fn from(reviews: CustomerReviews) -> Self {
        // Nobody can give no star: zero stands for an item that nobody has rated.
        let star_rating = reviews.star_rating.value.filter(|stars| *stars > 0.0);
        Self { star_rating, count: reviews.count, in_words: rating::in_words(star_rating, reviews.count) }
    }
}
