//! Numbers that cannot be true are absent: a negative count, a percentage above 100, more stars than there are.

/// The ratings that Amazon's customers can give.
const MIN_STARS: f64 = 1.0;
const MAX_STARS: f64 = 5.0;

/// A number of things.
pub(super) fn count<T: Default + PartialOrd>(number: Option<T>) -> Option<T> {
    number.filter(|number| *number >= T::default())
}

/// A number that begins at one, such as a rank, pages or an order's least quantity.
pub(super) fn from_one<T: From<u8> + PartialOrd>(number: Option<T>) -> Option<T> {
    number.filter(|number| *number >= T::from(1))
}

/// A percentage of a whole.
pub(super) fn percentage(number: Option<i32>) -> Option<i32> {
    number.filter(|number| (0..=100).contains(number))
}

/// A rating in stars. The lowest rating is one star; Amazon sends zero where nobody has rated.
pub(super) fn stars(number: Option<f64>) -> Option<f64> {
    number.filter(|stars| (MIN_STARS..=MAX_STARS).contains(stars))
}
