//! Product ids for tests and demonstrations, each with a documented property.
//!
//! The products are the same in every marketplace and in every version of the catalogue.

use crate::catalogue::Catalogue;

/// Every product that the APIs show, by popularity.
pub fn all() -> impl Iterator<Item = String> {
    Catalogue::get().products().iter().filter(|product| product.accessible).map(|product| product.asin.to_string())
}

/// Rated headphones below 150 dollars, new, in stock and in the buy box.
pub const HEADPHONES: [&str; 6] = ["B0SBHEAD01", "B0SBHEAD02", "B0SBHEAD03", "B0SBHEAD04", "B0SBHEAD05", "B0SBHEAD06"];

/// Exists and is answered with `ItemNotAccessible`.
pub const NOT_ACCESSIBLE: &str = "B0SBHIDDEN";

/// Well formed, but no product has it.
pub const UNKNOWN: &str = "B0SBNOBODY";

/// Has a price that its manufacturer forbids to show.
pub const MAP_RESTRICTED: &str = "B0SBMAP001";

/// Costs nothing.
pub const FREE: &str = "B0SBFREE01";

/// Has no offer at all.
pub const NO_PRICE: &str = "B0SBNOPRC1";

/// Has neither stars nor reviews.
pub const UNRATED: &str = "B0SBNORATE";

/// Has an offer, out of stock and without a price.
pub const OUT_OF_STOCK: &str = "B0SBNSTOCK";

/// Has a used offer that is listed first and is cheaper than the buy box.
pub const USED_CHEAPER: &str = "B0SBUSED01";

/// Has fifteen children, five colours in three sizes: two pages of them.
pub const VARIATION_PARENT: &str = "B0SBPARENT";

/// The first child of [`VARIATION_PARENT`].
pub const VARIATION_CHILD: &str = "B0SBCHLD01";

/// A book by two people whose ASIN is an ISBN-10 that ends in X, published in `1997T`.
pub const BOOK: &str = "000000037X";

/// Has forty features.
pub const MANY_FEATURES: &str = "B0SBFEATUR";

/// Has accents, Japanese, an emoji and right-to-left text in its title.
pub const UNICODE: &str = "B0SBUNICOD";

/// Has a deal with times, 40 % below its list price.
pub const DEAL: &str = "B0SBDEAL01";

/// The browse node of the department Electronics.
pub const ROOT_NODE: &str = "9000010000";

/// The browse node Electronics > Headphones > Over-Ear Headphones.
pub const LEAF_NODE: &str = "9000010101";
