//! What one of Amazon's APIs has no way to express.

use crate::Operation;

/// The part of a request that an API has no way to express. See [`Upstream::unsupported`](crate::Upstream::unsupported).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// The API has no such operation.
    Operation(Operation),
    /// The API's search lacks these filters; never empty.
    Filters(Vec<SearchFilter>),
}

/// A filter of a search that not every API has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SearchFilter {
    /// The condition of the offers: the Creators API lists new items only.
    Condition,
    /// Whose offers are listed: the Creators API has no filter for merchants.
    Merchant,
}

impl SearchFilter {
    /// The name of the field in [`SearchItems`](crate::SearchItems) and in the contract's `SearchQuery`.
    pub fn field(self) -> &'static str {
        match self {
            Self::Condition => "condition",
            Self::Merchant => "merchant",
        }
    }
}

impl Unsupported {
    /// The name of the first field that cannot be asked for; `None` where the whole operation is missing.
    pub fn first_field(&self) -> Option<&'static str> {
        match self {
            Self::Operation(_) => None,
            Self::Filters(filters) => filters.first().map(|filter| filter.field()),
        }
    }
}
