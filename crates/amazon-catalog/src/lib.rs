//! The way to Amazon: one trait for its two APIs, with the questions and answers they share.
//!
//! Amazon's JSON is turned into the contract's messages once, below this module, and never leaves it. Nothing here
//! retries, waits its turn or remembers: that is `dispatch` and `cache`.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;

use stockroom_proto::pb;

pub use self::{
    asin::{Asin, NotAnAsin},
    error::{BuildError, Error, Refusal},
    files::{FileKind, FileLink, GetFileLink, ListFiles},
    marketplace::{Currency, Language, Locale, Marketplace, SearchIndex},
    sent::SentNotice,
    snapshot::Snapshot,
};

mod answer;
mod asin;
pub mod creators;
mod dates;
mod error;
mod files;
mod lenient;
mod marketplace;
pub mod money;
pub mod paapi5;
pub mod rating;
mod reply;
mod schema;
mod sent;
mod snapshot;
mod transport;
mod words;

/// The most ids one call may carry, and the most items one page of a search has.
pub const IDS_PER_CALL: usize = 10;

/// One of Amazon's product APIs, with one account's credentials.
pub trait Upstream: fmt::Debug + Send + Sync {
    /// Which API it is.
    fn protocol(&self) -> pb::Protocol;

    /// Asks once, and fails rather than wait longer than `within`.
    ///
    /// Dropping the future abandons the call; Amazon may count it all the same.
    fn call<'a>(
        &'a self,
        question: &'a CatalogRequest,
        within: Duration,
    ) -> BoxFuture<'a, Result<CatalogResponse, Error>>;

    /// The same, and marks `sent` when the request is being written. What is never marked has not left this process.
    ///
    /// An API that cannot tell marks it at once.
    fn call_with_notice<'a>(
        &'a self,
        request: &'a CatalogRequest,
        within: Duration,
        sent: &'a SentNotice,
    ) -> BoxFuture<'a, Result<CatalogResponse, Error>> {
        sent.mark();
        self.call(request, within)
    }

    /// A number that changes whenever the credentials do.
    fn credentials_version(&self) -> u64 {
        0
    }
}

/// What Amazon can be asked for: the four operations of the catalog, and those on files as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Up to ten products by their ids.
    GetItems,
    /// One page of a search.
    SearchItems,
    /// One page of a variation family.
    GetVariations,
    /// Up to ten browse nodes.
    GetBrowseNodes,
    /// Lists of feeds and reports, and links to them; the Creators API alone has them.
    Files,
}

impl Operation {
    /// Amazon's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::GetItems => "GetItems",
            Self::SearchItems => "SearchItems",
            Self::GetVariations => "GetVariations",
            Self::GetBrowseNodes => "GetBrowseNodes",
            Self::Files => "Files",
        }
    }
}

/// What can be asked of Amazon. Questions of the catalog ask for all that Amazon knows: it costs the same call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CatalogRequest {
    /// Products by their ids.
    Items(GetItems),
    /// One page of a search.
    Search(Box<SearchItems>),
    /// One page of a variation family.
    Variations(GetVariations),
    /// Browse nodes by their ids.
    BrowseNodes(GetBrowseNodes),
    /// The account's files of a sort.
    Files(ListFiles),
    /// A link to one of them.
    FileLink(GetFileLink),
}

impl CatalogRequest {
    /// The operation that answers it.
    pub fn operation(&self) -> Operation {
        match self {
            Self::Items(_) => Operation::GetItems,
            Self::Search(_) => Operation::SearchItems,
            Self::Variations(_) => Operation::GetVariations,
            Self::BrowseNodes(_) => Operation::GetBrowseNodes,
            Self::Files(_) | Self::FileLink(_) => Operation::Files,
        }
    }

    /// Where it is asked.
    pub fn locale(&self) -> Locale {
        match self {
            Self::Items(GetItems { locale, .. })
            | Self::Variations(GetVariations { locale, .. })
            | Self::BrowseNodes(GetBrowseNodes { locale, .. }) => *locale,
            Self::Search(search) => search.locale,
            // Files have no language.
            Self::Files(ListFiles { marketplace, .. }) | Self::FileLink(GetFileLink { marketplace, .. }) => {
                Locale::of(*marketplace)
            }
        }
    }
}

/// Asks for products by their ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GetItems {
    /// Where.
    pub locale: Locale,
    /// One to [`IDS_PER_CALL`] different ids.
    pub asins: Vec<Asin>,
}

/// Asks for one page of ten of a search.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SearchItems {
    /// Where.
    pub locale: Locale,
    /// Words to look for anywhere.
    pub keywords: Option<String>,
    /// Words of the title.
    pub title: Option<String>,
    /// An author.
    pub author: Option<String>,
    /// A brand.
    pub brand: Option<String>,
    /// An actor.
    pub actor: Option<String>,
    /// An artist.
    pub artist: Option<String>,
    /// The department.
    pub search_index: SearchIndex,
    /// Only below this node.
    pub browse_node: Option<BrowseNodeId>,
    /// The lowest price, in the smallest unit of the locale's currency.
    pub min_price_minor_units: Option<u64>,
    /// The highest price, likewise.
    pub max_price_minor_units: Option<u64>,
    /// The least number of stars, 1 to 4.
    pub min_rating: Option<u8>,
    /// The least saving, 1 to 99 percent.
    pub min_saving_percent: Option<u8>,
    /// Promises about delivery that must all hold; sorted, none twice.
    pub delivery_flags: Vec<pb::DeliveryFlag>,
    /// The condition; unspecified: any.
    pub condition: pb::Condition,
    /// What counts as available.
    pub availability: pb::AvailabilityFilter,
    /// Who may be the seller.
    pub merchant: pb::MerchantFilter,
    /// The order; unspecified: Amazon's default.
    pub sort: pb::SortOrder,
    /// The page, 1 to 10.
    pub page: u8,
}

/// Asks for one page of ten children of a variation family.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GetVariations {
    /// Where.
    pub locale: Locale,
    /// The parent or any child.
    pub asin: Asin,
    /// The page, from 1.
    pub page: u32,
}

/// Asks for browse nodes by their ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GetBrowseNodes {
    /// Where.
    pub locale: Locale,
    /// One to [`IDS_PER_CALL`] different ids.
    pub ids: Vec<BrowseNodeId>,
}

/// The identifier of a browse node: a positive 64-bit whole number (PA-API 5.0, `SearchItems`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BrowseNodeId(i64);

/// The text is not the identifier of a browse node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a browse node id is a positive whole number in decimal, as 172282")]
pub struct NotABrowseNodeId;

impl BrowseNodeId {
    /// Reads an identifier, with white space around it.
    pub fn parse(text: &str) -> Result<Self, NotABrowseNodeId> {
        let text = text.trim();
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|id| digits && *id > 0).map(Self).ok_or(NotABrowseNodeId)
    }
}

impl fmt::Display for BrowseNodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What Amazon answered. An answer may be empty: a search that matches nothing is not an error.
#[derive(Clone, Debug, PartialEq)]
pub enum CatalogResponse {
    /// To [`CatalogRequest::Items`].
    Items(Items),
    /// To [`CatalogRequest::Search`].
    Search(SearchPage),
    /// To [`CatalogRequest::Variations`]; `None` where the item has no variations.
    Variations(Option<VariationsPage>),
    /// To [`CatalogRequest::BrowseNodes`]; nodes that Amazon does not know are left out.
    BrowseNodes(Vec<pb::BrowseNode>),
    /// To [`CatalogRequest::Files`].
    Files(Vec<pb::AccountFile>),
    /// To [`CatalogRequest::FileLink`]; `None` where there is no such file.
    FileLink(Option<FileLink>),
}

/// Products by their ids, in any order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Items {
    /// Those that were found.
    pub products: Vec<pb::Product>,
    /// Those that Amazon spoke of as missing. An id in neither list went unanswered, which Amazon means as not found.
    pub missing: Vec<(Asin, Missing)>,
}

/// Why Amazon gave no product for an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Missing {
    /// It knows no such item in the marketplace, or does not take the id for one.
    NotFound,
    /// The item exists and is not offered through the API.
    NotAccessible,
}

/// One page of a search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchPage {
    /// The products, in Amazon's order.
    pub products: Vec<pb::Product>,
    /// How many match, by Amazon's count.
    pub total_results: i64,
    /// Amazon's own page for the search.
    pub search_url: String,
    /// Ways to narrow it.
    pub facets: Vec<pb::Facet>,
}

/// One page of a variation family.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VariationsPage {
    /// The children.
    pub products: Vec<pb::Product>,
    /// The family as a whole.
    pub summary: pb::VariationSummary,
    /// How many pages of ten there are.
    pub page_count: u32,
}
