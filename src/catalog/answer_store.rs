//! The one place where answers of Amazon's are written to the cache, and where the dispatcher learns what other replicas
//! have written.
//!
//! Products are cached under their own ids, also those that came with a page; a page holds ids only. Products of a search
//! that filters offers are not whole, and are cached inside their page.

use std::{sync::Arc, time::SystemTime};

use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use prost::Message;

use super::{
    browse::Node,
    cached::{PageRequest, page_snapshot},
    search::filters_offers,
};
use crate::{
    cache::{Cache, Key},
    dispatch::{AnswerSink, FetchKey, FetchState},
};
use amazon_catalog::{Asin, CatalogRequest, CatalogResponse, GetBrowseNodes, Locale, Snapshot};
use stockroom_proto::pb;

/// Writes answers to a cache.
#[derive(Debug)]
pub struct AnswerStore(Arc<Cache>);

impl AnswerStore {
    /// Writes to this cache.
    pub fn new(cache: Arc<Cache>) -> Self {
        Self(cache)
    }

    fn store_page<K: PageRequest>(&self, request: &K, locale: Locale, response: &CatalogResponse, stamp: &Snapshot) {
        if let Some(snapshot) = page_snapshot(request, response, stamp) {
            self.0.put(request.key(locale), snapshot);
        }
    }
}

impl AnswerSink for AnswerStore {
    fn store_item(&self, locale: Locale, asin: Asin, snapshot: &Snapshot) {
        self.0.put(Key::Product(locale, asin), snapshot.clone());
    }

    fn store_response(&self, request: &CatalogRequest, response: &CatalogResponse, stamp: &Snapshot) {
        let locale = request.locale();
        let is_whole = !matches!(request, CatalogRequest::Search(search) if filters_offers(search));
        for (asin, snapshot) in products_in_places(response, stamp).into_iter().flatten().filter(|_| is_whole) {
            self.store_item(locale, asin, &snapshot);
        }
        match request {
            CatalogRequest::Search(search) => self.store_page(&**search, locale, response, stamp),
            CatalogRequest::Variations(page) => self.store_page(page, locale, response, stamp),
            CatalogRequest::BrowseNodes(nodes) => {
                nodes_of(nodes).for_each(|node| self.store_page(&node, locale, response, stamp));
            }
            // Products come with `store_item`, and files are not cached.
            CatalogRequest::Items(_) | CatalogRequest::Files(_) | CatalogRequest::FileLink(_) => {}
        }
    }

    fn look_up<'a>(&'a self, keys: &'a [(FetchKey, SystemTime)]) -> BoxFuture<'a, Vec<FetchState>> {
        let look_up = async move {
            // The keys of one fetch are in one hash slot of a cluster, those of several need not be.
            let cached: Vec<Vec<Key>> = keys.iter().map(|(key, _)| cache_keys(key)).collect();
            let mut by_marketplace: Vec<(Locale, Vec<(Key, SystemTime)>)> = Vec::new();
            for ((key, known_at), parts) in keys.iter().zip(&cached) {
                let locale = locale(key);
                let group = by_marketplace.iter().position(|(other, _)| other.marketplace == locale.marketplace);
                let group = group.unwrap_or_else(|| {
                    by_marketplace.push((locale, Vec::new()));
                    by_marketplace.len() - 1
                });
                if let Some((_, group)) = by_marketplace.get_mut(group) {
                    group.extend(parts.iter().map(|part| (part.clone(), *known_at)));
                }
            }
            let looked_up = by_marketplace.iter().map(|(_, group)| self.0.look_up(group));
            let found = join_all(looked_up).await.into_iter().flatten();
            let by_key: std::collections::HashMap<&Key, FetchState> =
                by_marketplace.iter().flat_map(|(_, group)| group).map(|(key, _)| key).zip(found).collect();
            let state = |part: &Key| by_key.get(part).cloned().unwrap_or(FetchState::Free);
            let of_parts = |(key, parts): (&FetchKey, &Vec<Key>)| match key {
                FetchKey::Item(..) => parts.first().map_or(FetchState::Free, state),
                FetchKey::Request(_) => whole(parts.iter().map(state)),
            };
            keys.iter().map(|(key, _)| key).zip(&cached).map(of_parts).collect()
        };
        look_up.boxed()
    }

    fn release(&self, keys: &[FetchKey]) {
        self.0.release(keys.iter().flat_map(cache_keys).collect());
    }

    fn fetched_at(&self, key: &FetchKey) -> Option<SystemTime> {
        cache_keys(key).iter().filter_map(|key| self.0.fetched_at(key)).min()
    }
}

/// A request is answered where all its parts are, and fetched elsewhere where one of them is.
fn whole(parts: impl Iterator<Item = FetchState>) -> FetchState {
    let parts: Vec<FetchState> = parts.collect();
    if parts.contains(&FetchState::Remote) {
        FetchState::Remote
    } else if parts.is_empty() || parts.contains(&FetchState::Free) {
        FetchState::Free
    } else {
        FetchState::Answered(None)
    }
}

/// The products of a list's page in their places; `None` where the item could not be read.
pub(super) fn products_in_places(response: &CatalogResponse, stamp: &Snapshot) -> Vec<Option<(Asin, Snapshot)>> {
    let places: &[Option<pb::Product>] = match response {
        CatalogResponse::Search(page) => &page.places,
        CatalogResponse::Variations(Some(page)) => &page.places,
        CatalogResponse::Items(_)
        | CatalogResponse::Variations(None)
        | CatalogResponse::BrowseNodes(_)
        | CatalogResponse::Files(_)
        | CatalogResponse::FileLink(_) => &[],
    };
    let snapshot = |product: &pb::Product| {
        let content = Ok(product.encode_to_vec().into());
        Some((Asin::parse(&product.asin).ok()?, Snapshot { content, ..stamp.clone() }))
    };
    places.iter().map(|place| place.as_ref().and_then(snapshot)).collect()
}

fn locale(key: &FetchKey) -> Locale {
    match key {
        FetchKey::Item(locale, _) => *locale,
        FetchKey::Request(request) => request.locale(),
    }
}

/// What the answer to a key is cached under.
fn cache_keys(key: &FetchKey) -> Vec<Key> {
    match key {
        FetchKey::Item(locale, asin) => vec![Key::Product(*locale, *asin)],
        FetchKey::Request(CatalogRequest::Search(search)) => vec![search.key(search.locale)],
        FetchKey::Request(CatalogRequest::Variations(page)) => vec![page.key(page.locale)],
        FetchKey::Request(CatalogRequest::BrowseNodes(nodes)) => {
            nodes_of(nodes).map(|node| node.key(nodes.locale)).collect()
        }
        FetchKey::Request(CatalogRequest::Items(_) | CatalogRequest::Files(_) | CatalogRequest::FileLink(_)) => {
            Vec::new()
        }
    }
}

fn nodes_of(nodes: &GetBrowseNodes) -> impl Iterator<Item = Node> {
    nodes.ids.iter().map(|id| Node { locale: nodes.locale, id: *id })
}
