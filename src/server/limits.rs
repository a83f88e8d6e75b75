//! The limits of requests. The services check them, and the command line and the tools of agents state them.

/// Amazon shows at most this many products of any search.
pub(crate) const MAX_SEARCH_PRODUCTS: usize = 100;
/// ASINs in one request for products.
pub(crate) const MAX_ASINS: usize = 100;
/// Products in one comparison.
pub(crate) const MIN_COMPARED: usize = 2;
pub(crate) const MAX_COMPARED: usize = 10;
/// Products in a ranked list: what is trending, and deals.
pub(crate) const MAX_RANKED: usize = 50;
/// Browse nodes in one request: as many as one call to Amazon carries.
pub(crate) const MAX_BROWSE_NODES: usize = amazon_catalog::IDS_PER_CALL;
/// Levels of children below a browse node.
pub(crate) const MAX_DEPTH: i32 = 3;
/// The longest text of a query (Creators API, `SearchItems`; PA-API names none).
pub(crate) const MAX_QUERY_CHARACTERS: usize = 1000;
/// A rating in stars.
pub(crate) const MIN_STARS: f64 = 1.0;
pub(crate) const MAX_STARS: f64 = 5.0;
/// A saving in percent that Amazon can filter by.
pub(crate) const MIN_SAVING_PERCENT: i32 = 1;
pub(crate) const MAX_SAVING_PERCENT: i32 = 99;
