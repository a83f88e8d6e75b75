//! The keys that one call to Amazon carries.

use super::FetchKey;
use amazon_catalog::{CatalogRequest, GetItems, IDS_PER_CALL, Locale, Operation};

/// One call to Amazon.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) keys: Vec<FetchKey>,
    /// How often the key that was tried most was tried, this time included.
    pub(super) attempts: u32,
    /// The most keys it may carry.
    pub(super) max_batch: usize,
}

impl Batch {
    /// A batch without keys.
    pub(super) fn empty() -> Self {
        Self { keys: Vec::new(), attempts: 1, max_batch: IDS_PER_CALL }
    }

    /// What Amazon is asked.
    pub(super) fn request(&self) -> Option<CatalogRequest> {
        match self.keys.first()? {
            FetchKey::Request(request) => Some(request.clone()),
            FetchKey::Item(locale, _) => {
                let asin = |key: &FetchKey| match key {
                    FetchKey::Item(_, asin) => Some(*asin),
                    FetchKey::Request(_) => None,
                };
                let asins = self.keys.iter().filter_map(asin).collect();
                Some(CatalogRequest::Items(GetItems { locale: *locale, asins }))
            }
        }
    }

    /// The locale of its ids; `None` for a request that has a call of its own.
    pub(super) fn locale(&self) -> Option<Locale> {
        self.keys.first().and_then(FetchKey::batch_locale)
    }
}

impl FetchKey {
    /// The operation that answers it.
    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::Item(..) => Operation::GetItems,
            Self::Request(request) => request.operation(),
        }
    }

    /// The locale whose ids share its batches; `None` for a request that has a call of its own.
    pub(super) fn batch_locale(&self) -> Option<Locale> {
        match self {
            Self::Item(locale, _) => Some(*locale),
            Self::Request(_) => None,
        }
    }

    /// How many of a batch's ten places it takes.
    pub(super) fn places(&self) -> usize {
        match self {
            Self::Item(..) => 1,
            Self::Request(_) => IDS_PER_CALL,
        }
    }
}
