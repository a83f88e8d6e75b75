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
    struct StarRating or value {
        value: Option<f64>,
    }
}

impl From<CustomerReviews> for pb::ProductReviews {
    fn from(reviews: CustomerReviews) -> Self {
        let star_rating = stars(reviews.star_rating.value);
        // A rating is from somebody: a count of zero beside it is unknown.
        let count = count(reviews.count).filter(|count| *count > 0 || star_rating.is_none());
        Self { star_rating, count, in_words: rating::in_words(star_rating, count) }
    }
}
