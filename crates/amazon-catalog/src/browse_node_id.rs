//! The identifier of a browse node: a category in Amazon's tree.

use std::fmt;

/// The identifier of a browse node: a positive 64-bit whole number (PA-API 5.0, `SearchItems`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BrowseNodeId(i64);

/// The text is not the identifier of a browse node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a browse node id is a positive whole number in decimal, as 172282")]
pub struct NotABrowseNodeId;

impl BrowseNodeId {
    /// Parses decimal digits; white space around them is ignored.
    ///
    /// ```
    /// use amazon_catalog::BrowseNodeId;
    ///
    /// assert_eq!(BrowseNodeId::parse(" 172282 ")?.to_string(), "172282");
    /// assert!(BrowseNodeId::parse("-1").is_err());
    /// # Ok::<(), amazon_catalog::NotABrowseNodeId>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotABrowseNodeId`] for anything but the digits of a positive number below 2⁶³.
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
