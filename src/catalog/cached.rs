//! The one cached read for everything but products: pages of searches and of variations, and browse nodes.
//!
//! A request names its kind and writes itself in a normal form, so that equal requests have one key whatever the order of
//! their arguments. An answer that there is nothing is cached too. Answers are stored where they arrive (`answer_store`),
//! not here.

use std::{collections::BTreeMap, fmt::Display, sync::Arc};

use prost::Message;
use tokio::time::timeout_at;

use super::{
    Catalog, CostCounter, Error, ReadContext,
    estimate::{planned_call, planned_freshness},
};
use crate::{
    cache::{CacheHit, Freshness, Key, Namespace},
    dispatch::{self, Calls, FetchKey, Fetched, Response},
};
use amazon_catalog::{CatalogRequest, CatalogResponse, Locale, Missing, Snapshot};
use stockroom_proto::pb;

/// A request whose answer is cached as a page.
pub(super) trait PageRequest: Clone + PartialEq + Send + Sync + 'static {
    /// The form in which its answer is cached.
    type Page: Message + Default + Clone;

    /// Its kind.
    const NAMESPACE: Namespace;

    /// Its arguments, each under its name; what is not set is left out.
    fn arguments(&self) -> Arguments;

    /// What its answer is cached under.
    fn key(&self, locale: Locale) -> Key {
        Key::Page { namespace: Self::NAMESPACE, locale, request: self.arguments().normal().into() }
    }

    /// The one call that answers all of some requests.
    fn call(asked: &[Self]) -> Option<CatalogRequest>;

    /// Its answer in a response; `None` where there is nothing, an error where Amazon failed to answer this one.
    fn page(&self, response: &CatalogResponse) -> Result<Option<Self::Page>, amazon_catalog::Error>;

    /// Whether a cached page can be the answer. What is stored in Redis may be anything.
    fn is_plausible(&self, page: &Self::Page) -> bool;

    /// A page that makes the rest of the read as expensive as it can be.
    fn planned_page(&self) -> Self::Page;
}

/// The arguments of a request in normal form.
#[derive(Debug, Default)]
pub(super) struct Arguments(BTreeMap<&'static str, String>);

/// An answer to one request.
#[derive(Clone, Debug)]
pub(super) struct Cached<T> {
    /// The answer; `None` where there is nothing.
    pub value: Option<T>,
    /// How fresh it is.
    pub freshness: pb::Freshness,
    /// Where it comes from.
    pub origin: AnswerOrigin,
}

/// Where an answer comes from.
#[derive(Clone, Debug)]
pub(super) enum AnswerOrigin {
    /// The cache.
    Cache,
    /// A call that was made just now.
    Fetched(Fetched),
    /// A call that would be made.
    Planned,
}

/// A request and its answer, once there is one.
type Slot<K> = (K, Option<Cached<<K as PageRequest>::Page>>);

impl Arguments {
    /// Adds an argument, unless it is not set.
    pub(super) fn with(mut self, name: &'static str, value: Option<impl Display>) -> Self {
        if let Some(value) = value {
            self.0.insert(name, value.to_string());
        }
        self
    }

    /// The normal form. The separators cannot be part of a value: validated text holds no control characters.
    pub(super) fn normal(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}\u{1}{value}")).collect::<Vec<_>>().join("\u{2}")
    }
}

/// A page as a snapshot of the response that it came with; `None` where Amazon failed to answer it.
pub(super) fn page_snapshot<K: PageRequest>(
    request: &K,
    response: &CatalogResponse,
    stamp: &Snapshot,
) -> Option<Snapshot> {
    let content = request.page(response).ok()?.map(|page| page.encode_to_vec().into()).ok_or(Missing::NotFound);
    Some(Snapshot { content, ..stamp.clone() })
}

impl Catalog {
    /// Answers requests of one kind, in their order: from the cache what it has, and with one call the rest. A stale answer
    /// is returned and marked for a refresh. Counts what it cost.
    pub(super) async fn cached<K: PageRequest>(
        &self,
        read: &ReadContext,
        asked: Vec<K>,
        cost: &mut CostCounter,
    ) -> Vec<(K, Result<Cached<K::Page>, Error>)> {
        let (mut answers, mut missing, stale) = self.read_pages(read, asked).await;
        if let Some(call) = K::call(&stale.iter().map(|(request, _)| request.clone()).collect::<Vec<_>>())
            && let Some((_, fetched_at)) = stale.first()
        {
            self.dispatch.mark_stale(&FetchKey::Request(call), *fetched_at);
        }
        let mut failed = Error::Undecodable;
        if !missing.is_empty() {
            match self.fetch_pages(read, &missing, cost).await {
                Ok(AnswerOrigin::Cache) => {
                    // Another replica has fetched them. What it did not bring fails.
                    let again = self.read_pages(read, std::mem::take(&mut missing)).await.0;
                    for (request, answer) in again {
                        fill(&mut answers, &request, answer);
                    }
                }
                Ok(origin) => {
                    for request in missing {
                        let (value, freshness) = match &origin {
                            AnswerOrigin::Fetched(fetched) => match request.page(&fetched.answer) {
                                Ok(value) => {
                                    let (requirement, now) = (read.requirement(), self.cache.now());
                                    let (source, fresh) = (pb::Source::Amazon, Freshness::Fresh);
                                    (value, self.freshness(&fetched.stamp, source, fresh, &requirement, now))
                                }
                                Err(error) => {
                                    failed = dispatch::Error::Upstream(Arc::new(error)).into();
                                    continue;
                                }
                            },
                            AnswerOrigin::Planned | AnswerOrigin::Cache => {
                                (Some(request.planned_page()), planned_freshness())
                            }
                        };
                        fill(&mut answers, &request, Some(Cached { value, freshness, origin: origin.clone() }));
                    }
                }
                Err(error) => failed = error,
            }
        }
        let answers = answers.into_iter().map(|(request, answer)| (request, answer.ok_or_else(|| failed.clone())));
        let answers: Vec<_> = answers.collect();
        answers.iter().flat_map(|(_, answer)| answer).for_each(|answer| cost.answer(&answer.freshness));
        answers
    }

    /// The pages that the cache has, without those that it does not have. Nothing is fetched.
    pub(super) async fn cached_only<K: PageRequest>(
        &self,
        read: &ReadContext,
        asked: impl IntoIterator<Item = K>,
    ) -> Vec<(K, K::Page)> {
        let asked: Vec<K> = asked.into_iter().collect();
        if asked.is_empty() {
            return Vec::new();
        }
        let (answers, ..) = self.read_pages(read, asked).await;
        answers.into_iter().filter_map(|(request, answer)| Some((request, answer?.value?))).collect()
    }

    /// Reads pages from the cache. Returns what is there, the requests that Amazon has to be asked for, and those whose
    /// answer is stale. A page that cannot be the answer is not there.
    async fn read_pages<K: PageRequest>(
        &self,
        read: &ReadContext,
        asked: Vec<K>,
    ) -> (Vec<Slot<K>>, Vec<K>, Vec<(K, std::time::SystemTime)>) {
        let requirement = read.requirement();
        let keys: Vec<Key> = asked.iter().map(|request| request.key(read.locale)).collect();
        let now = self.cache.now();
        let hits = self.cache.get_many(&keys, &requirement, now).await;
        let (mut answers, mut missing, mut stale) = (Vec::new(), Vec::new(), Vec::new());
        for (request, hit) in asked.into_iter().zip(hits) {
            let answer = hit.and_then(|hit| {
                let value = decode(&request, &hit)?;
                let freshness = self.freshness(&hit.snapshot, hit.source, hit.freshness, &requirement, now);
                Some((hit, Cached { value, freshness, origin: AnswerOrigin::Cache }))
            });
            match &answer {
                Some((hit, _)) if hit.freshness == Freshness::StaleWhileRevalidate => {
                    if requirement.may_refresh() {
                        stale.push((request.clone(), hit.snapshot.fetched_at));
                    }
                }
                Some((hit, _)) if hit.freshness == Freshness::Fresh => {}
                _ => missing.push(request.clone()),
            }
            answers.push((request, answer.map(|(_, cached)| cached)));
        }
        (answers, missing, stale)
    }

    async fn fetch_pages<K: PageRequest>(
        &self,
        read: &ReadContext,
        missing: &[K],
        cost: &mut CostCounter,
    ) -> Result<AnswerOrigin, Error> {
        if read.cache_only {
            return Err(Error::NotCached);
        }
        if read.estimate {
            cost.calls(&planned_call());
            return Ok(AnswerOrigin::Planned);
        }
        let call = K::call(missing).ok_or(Error::Undecodable)?;
        let fetching = self.dispatch.fetch(call, read.terms.clone());
        match timeout_at(read.give_up, fetching).await.map_err(|_| Error::DeadlineExceeded)? {
            Ok(Response::Fetched(fetched)) => {
                cost.calls(&fetched.calls);
                Ok(AnswerOrigin::Fetched(fetched))
            }
            Ok(Response::Cached) => Ok(AnswerOrigin::Cache),
            Err(failure) => {
                cost.calls(&failure.calls);
                Err(failure.error.into())
            }
        }
    }
}

impl AnswerOrigin {
    /// The calls that were made for it.
    pub(super) fn calls(&self) -> Calls {
        match self {
            Self::Fetched(fetched) => fetched.calls.clone(),
            Self::Cache | Self::Planned => Calls::default(),
        }
    }
}

fn fill<K: PageRequest>(answers: &mut [Slot<K>], request: &K, answer: Option<Cached<K::Page>>) {
    if let Some(answer) = answer {
        for (_, place) in answers.iter_mut().filter(|(asked, _)| asked == request) {
            *place = Some(answer.clone());
        }
    }
}

/// The page of a hit; `None` where it cannot be the answer.
fn decode<K: PageRequest>(request: &K, hit: &CacheHit) -> Option<Option<K::Page>> {
    match &hit.snapshot.content {
        Ok(bytes) => K::Page::decode(bytes.clone()).ok().filter(|page| request.is_plausible(page)).map(Some),
        Err(_) => Some(None),
    }
}
