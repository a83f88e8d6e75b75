//! The feeds and reports that Amazon prepares for an account: whole files, downloaded through links.
//!
//! Only the Creators API has them. Listing files or requesting a link is a call that Amazon counts; downloading the file
//! is not, and this crate does not do it.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::Marketplace;

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Products and deals in bulk.
    Feeds,
    /// What the account has earned, and by what.
    Reports,
}

/// Asks for the list of an account's files of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListFiles {
    /// The marketplace whose files are meant.
    pub marketplace: Marketplace,
    /// The kind of files.
    pub kind: FileKind,
}

/// Asks for a link to a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GetFileLink {
    /// The marketplace whose files are meant.
    pub marketplace: Marketplace,
    /// The kind of the file.
    pub kind: FileKind,
    /// The name of the file, as the list gives it.
    pub name: String,
    /// Amazon's type of the file, as `DEALS_FEEDS`; sent only where it is known.
    pub file_type: Option<String>,
}

/// A link to a file. Whoever has the link can download the file for some time, so `Debug` does not print it. Download it
/// without the credentials of the API.
#[derive(Clone)]
pub struct FileLink(SecretString);

impl FileLink {
    #[cfg(any(feature = "paapi5", feature = "creators"))]
    pub(super) fn new(url: String) -> Self {
        Self(url.into())
    }

    /// The address.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for FileLink {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for FileLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileLink")
    }
}
