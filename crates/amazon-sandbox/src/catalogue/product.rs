//! The sandbox's products, independent of either API's form.

use crate::catalogue::categories::ProductKind;
use amazon_catalog::Asin;

/// A product. Only its price differs between marketplaces.
#[derive(Clone, Debug)]
pub(crate) struct InventedProduct {
    pub(crate) asin: Asin,
    pub(crate) kind: &'static ProductKind,
    pub(crate) role: Role,
    /// Whether the API may show it.
    pub(crate) accessible: bool,
    pub(crate) title: String,
    pub(crate) brand: &'static str,
    pub(crate) contributors: Vec<InventedContributor>,
    pub(crate) features: Vec<String>,
    /// Its values of the dimensions that its family varies in; the title contains them.
    pub(crate) attributes: Vec<VariationValue>,
    pub(crate) rating: Option<Rating>,
    /// Smaller is more popular.
    pub(crate) popularity: u32,
    /// The sales rank in its department and in its leaf, from 1.
    pub(crate) ranks: (u32, u32),
    /// The day of its release, in one of the forms that Amazon has for dates.
    pub(crate) released: String,
    pub(crate) model: Option<String>,
    pub(crate) physique: Option<Physique>,
    pub(crate) energy_class: Option<&'static str>,
    pub(crate) book: Option<Book>,
    pub(crate) unit_count: u32,
    /// Its listings, in the order of the answer.
    pub(crate) listings: Vec<InventedListing>,
}

/// The place of a product in a variation family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Alone,
    /// Groups its children and is not for sale itself.
    Parent {
        children: Vec<Asin>,
    },
    Child {
        parent: Asin,
    },
}

/// Somebody who made a book, a film or a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InventedContributor {
    pub(crate) name: String,
    /// `Author`, `Illustrator`, `Actor`, `Director`, `Artist`.
    pub(crate) role: &'static str,
}

/// The value of one dimension of variation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VariationValue {
    pub(crate) dimension: &'static Dimension,
    pub(crate) value: &'static str,
}

/// Something a family of products varies in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dimension {
    /// The short name that `kinds.txt` uses.
    pub(crate) key: &'static str,
    /// As `color_name`.
    pub(crate) name: &'static str,
    pub(crate) display_name: &'static str,
    pub(crate) values: &'static [&'static str],
    /// By how many percent each value is more expensive than the previous one.
    pub(crate) step_percent: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rating {
    pub(crate) tenths_of_stars: u8,
    pub(crate) reviews: u32,
}

/// Height, length and width in tenths of an inch, weight in tenths of a pound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Physique {
    pub(crate) tenths_of_inches: [u16; 3],
    pub(crate) tenths_of_pounds: u16,
}

#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(crate) pages: u32,
    pub(crate) edition: Option<&'static str>,
    pub(crate) audience: Option<&'static str>,
    pub(crate) binding: &'static str,
}

/// One offer of a product by one seller.
#[derive(Clone, Debug)]
pub(crate) struct InventedListing {
    /// `None`: Amazon itself.
    pub(crate) seller: Option<&'static Seller>,
    pub(crate) condition: OfferCondition,
    pub(crate) note: &'static str,
    pub(crate) price: Option<InventedPrice>,
    pub(crate) stock: Stock,
    pub(crate) buy_box: bool,
    pub(crate) deal: Option<Deal>,
    /// Whether the manufacturer forbids showing the price (minimum advertised price).
    pub(crate) violates_map: bool,
    pub(crate) delivery: Delivery,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seller {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) feedback_count: u32,
    pub(crate) tenths_of_feedback: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfferCondition {
    New,
    /// With its sub-condition, as `VeryGood`.
    Used(&'static str),
    Refurbished,
}

/// A price in US cents, and the higher one it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InventedPrice {
    pub(crate) us_cents: u64,
    pub(crate) basis: Option<(u64, Basis)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    ListPrice,
    WasPrice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stock {
    Plenty,
    /// Only so many left.
    Scarce(u32),
    PreOrder,
    Gone,
}

/// Times are whole days from the last midnight (UTC), so that they do not change within a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deal {
    pub(crate) badge: &'static str,
    /// As `PRIME_EXCLUSIVE`.
    pub(crate) access: &'static str,
    pub(crate) began_days_ago: u8,
    /// `None`: open-ended; the answer contains no times.
    pub(crate) ends_in_days: Option<u8>,
    pub(crate) percent_claimed: Option<u8>,
    pub(crate) lightning: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) amazon_global: bool,
    pub(crate) free_shipping: bool,
    pub(crate) fulfilled_by_amazon: bool,
    pub(crate) prime: bool,
}

impl InventedProduct {
    /// The listing a customer would buy from; none: the product counts as out of stock.
    pub(crate) fn buy_box(&self) -> Option<&InventedListing> {
        self.listings.iter().find(|listing| listing.buy_box)
    }

    pub(crate) fn parent(&self) -> Option<Asin> {
        match self.role {
            Role::Child { parent } => Some(parent),
            Role::Alone | Role::Parent { .. } => None,
        }
    }
}

impl Delivery {
    /// Whether this delivery has every flag that `wanted` has.
    pub(crate) fn has(self, wanted: Self) -> bool {
        (self.amazon_global || !wanted.amazon_global)
            && (self.free_shipping || !wanted.free_shipping)
            && (self.fulfilled_by_amazon || !wanted.fulfilled_by_amazon)
            && (self.prime || !wanted.prime)
    }
}
