//! The feeds and reports that Amazon keeps ready for an account: whole files behind links.
//!
//! They are no part of the catalog, and only the Creators API has them. Listing them or asking for a link is a call like
//! any other; fetching the file itself is none.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::Marketplace;

/// What sort of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Products and deals in bulk.
    Feeds,
    /// What the account has earned.
    Reports,
}

/// Asks for the list of an account's files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListFiles {
    /// For which marketplace.
    pub marketplace: Marketplace,
    /// Which sort.
    pub shelf: FileKind,
}

/// Asks for a link to a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GetFileLink {
    /// For which marketplace.
    pub marketplace: Marketplace,
    /// Of which sort it is.
    pub shelf: FileKind,
    /// Its name.
    pub name: String,
    /// Its type in Amazon's words, where it is to be asked for.
    pub kind: Option<String>,
}

/// A link to a file. It works for some time and for whoever has it, so it is never shown. It must be fetched without the
/// credentials of the API.
#[derive(Clone)]
pub struct FileLink(SecretString);

impl FileLink {
    pub(super) fn new(url: String) -> Self {
        Self(url.into())
    }

    /// The link itself.
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
