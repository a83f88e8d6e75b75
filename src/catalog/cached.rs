//! The one cached call for everything but products: pages of searches and variations, and browse nodes.
//!
//! A request names its kind and writes itself in a normal form, so that equal questions have one key whatever the order
//! of their arguments. An answer that there is nothing is kept too.

use std::{collections::BTreeMap, fmt::Display};

use prost::Message;
use tokio::time::timeout_at;

use super::{Catalog, Error, ReadContext};
use crate::{
    cache::{Freshness, Key, Namespace},
    dispatch::{RequestContext, Response},
};
use amazon_catalog::{Locale, Missing, Snapshot};
use stockroom_proto::pb;

/// A request that can be a key.
pub(super) trait Request: Clone + PartialEq + Send + 'static {
    /// Its kind.
    const NAMESPACE: Namespace;

    /// Its arguments, each under its name; what is not set is left out.
    fn arguments(&self) -> Arguments;

    /// What its answer is kept under.
    fn key(&self, locale: Locale) -> Key {
        Key::Page { namespace: Self::NAMESPACE, locale, request: self.arguments().normal().into() }
    }
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
    /// What Amazon told, where it was asked just now.
    pub response: Option<Response>,
}

/// A request and its answer, once there is one.
type Slot<K, T> = (K, Option<Result<Cached<T>, Error>>);

/// What a loader brings: the answers to some requests from one call.
pub(super) type Loaded<K, T> = Result<(Vec<(K, Option<T>)>, Response), Error>;

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

impl Catalog {
    /// Answers requests of one kind, in their order: from the cache what it has, and with one call of the loader the rest.
    ///
    /// The loader runs to its end and its answers are kept even when this future is dropped.
    pub(super) async fn cached<K, T, L, F>(
        &self,
        read: &ReadContext,
        asked: Vec<K>,
        load: L,
    ) -> Vec<(K, Result<Cached<T>, Error>)>
    where
        K: Request,
        T: Message + Default + Clone + 'static,
        L: Fn(Vec<K>, RequestContext) -> F,
        F: Future<Output = Loaded<K, T>> + Send + 'static,
    {
        let (requirement, now) = (read.requirement(), self.cache.now());
        let (mut wanted, mut stale) = (Vec::new(), Vec::new());
        let mut answers: Vec<Slot<K, T>> = Vec::new();
        let keys: Vec<Key> = asked.iter().map(|request| request.key(read.locale)).collect();
        for (request, hit) in asked.into_iter().zip(self.cache.get_many(&keys, &requirement, now).await) {
            let freshness = hit.as_ref().map_or(Freshness::Expired, |hit| hit.freshness);
            let answer = hit.map(|hit| {
                let freshness = self.freshness(&hit.snapshot, hit.source, hit.freshness, &requirement, now);
                decode(&hit.snapshot).map(|value| Cached { value, freshness, response: None })
            });
            if freshness == Freshness::StaleWhileRevalidate && !read.cache_only {
                stale.push(request.clone());
            }
            if freshness >= Freshness::StaleIfError {
                wanted.push(request.clone());
            }
            answers.push((request, answer));
        }
        if !stale.is_empty() {
            // Owned by nobody on purpose: a refresh outlives the request that found it due.
            tokio::spawn(self.clone().load_and_keep(read.locale, load(stale, read.refresh_terms())));
        }
        let failed = match wanted.is_empty() {
            true => None,
            false if read.cache_only => Some(Error::NotCached),
            false => {
                // Spawned, so that what was asked is kept even when nobody waits for it any more.
                let loading = tokio::spawn(self.clone().load_and_keep(read.locale, load(wanted, read.terms.clone())));
                match timeout_at(read.give_up, loading).await {
                    Ok(Ok(Ok((loaded, response)))) => {
                        let stamp = self.freshness(
                            &response.stamp,
                            pb::Source::Amazon,
                            Freshness::Fresh,
                            &requirement,
                            self.cache.now(),
                        );
                        for (request, value) in loaded {
                            let cached = Cached { value, freshness: stamp, response: Some(response.clone()) };
                            for (_, answer) in answers.iter_mut().filter(|(asked, _)| *asked == request) {
                                *answer = Some(Ok(cached.clone()));
                            }
                        }
                        None
                    }
                    Ok(Ok(Err(error))) => Some(error),
                    Ok(Err(_)) => Some(Error::Undecodable),
                    Err(_) => Some(Error::DeadlineExceeded),
                }
            }
        };
        let failed = failed.unwrap_or(Error::Undecodable);
        answers.into_iter().map(|(request, answer)| (request, answer.unwrap_or_else(|| Err(failed.clone())))).collect()
    }

    async fn load_and_keep<K: Request, T: Message>(
        self,
        locale: Locale,
        load: impl Future<Output = Loaded<K, T>> + Send,
    ) -> Loaded<K, T> {
        let (loaded, response) = load.await?;
        for (request, value) in &loaded {
            let content = value.as_ref().map(|value| value.encode_to_vec().into()).ok_or(Missing::NotFound);
            self.cache.put(request.key(locale), Snapshot { content, ..response.stamp.clone() });
        }
        Ok((loaded, response))
    }
}

fn decode<T: Message + Default>(snapshot: &Snapshot) -> Result<Option<T>, Error> {
    match &snapshot.content {
        Ok(bytes) => T::decode(bytes.clone()).map(Some).map_err(|_| Error::Undecodable),
        Err(_) => Ok(None),
    }
}
