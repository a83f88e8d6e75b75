//! The feeds and reports that Amazon keeps ready for an account: whole files behind links.
//!
//! They are no part of the catalog, and only the Creators API has them. Listing them or asking for a link is a call like
//! any other and counts as one; fetching the file itself does not.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use secrecy::SecretString;

use crate::amazon::{Error, Marketplace};

/// An API that has files.
pub trait Files: fmt::Debug + Send + Sync {
    /// The files there are for a marketplace. Asks once, and fails rather than wait longer than `within`.
    fn list(&self, shelf: Shelf, marketplace: Marketplace, within: Duration)
    -> BoxFuture<'_, Result<Vec<File>, Error>>;

    /// A link to a file by its name and, where one is stated, its kind; `None` where there is no such file.
    ///
    /// The link works for some time and for whoever has it, so it is a secret. It must be fetched without the
    /// credentials of the API.
    fn link<'a>(
        &'a self,
        shelf: Shelf,
        marketplace: Marketplace,
        name: &'a str,
        kind: Option<&'a str>,
        within: Duration,
    ) -> BoxFuture<'a, Result<Option<SecretString>, Error>>;
}

/// What sort of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shelf {
    /// Products and deals in bulk.
    Feeds,
    /// What the account has earned.
    Reports,
}

/// A file that Amazon keeps ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Its name, by which it is asked for.
    pub name: String,
    /// Its kind in Amazon's words, as `PRODUCT_FEEDS` or `CREATOR_CENTRAL`; empty where none is stated.
    pub kind: String,
    /// Its size, where stated.
    pub size_bytes: Option<u64>,
    /// Its MD5 in hexadecimal; empty where none is stated.
    pub md5: String,
    /// When it was last changed, in Amazon's words.
    pub modified_text: String,
    /// The same as an instant, where the words are one.
    pub modified: Option<SystemTime>,
}
