//! Numbers that cannot be true are absent: a negative count, a percentage above 100, more stars than there are.

/// The best rating that Amazon's customers can give.
const MAX_STARS: f64 = 5.0;

/// A number of things, or a rank.
pub(super) fn count<T: Default + PartialOrd>(number: Option<T>) -> Option<T> {
    number.filter(|number| *number >= T::default())
}

/// A percentage of a whole.
pub(super) fn percentage(number: Option<i32>) -> Option<i32> {
    number.filter(|number| (0..=100).contains(number))
}

/// A rating in stars. The lowest rating is one star; Amazon sends zero where nobody has rated.
pub(super) fn stars(number: Option<f64>) -> Option<f64> {
    number.filter(|stars| *stars > 0.0 && *stars <= MAX_STARS)
}
