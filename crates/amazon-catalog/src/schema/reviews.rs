//! `CustomerReviews`: star rating and number of reviews.

use crate::{
    json::json_struct,
    rating,
    schema::numbers::{count, stars},
};
use stockroom_proto::pb;

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
        let (star_rating, count) = (stars(reviews.star_rating.value), count(reviews.count));
        Self { star_rating, count, in_words: rating::in_words(star_rating, count) }
    }
}
