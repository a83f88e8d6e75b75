//! Those who wait for a key, and how they are answered.

use std::sync::Arc;

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{Calls, Error, Fetched, ItemResult, RequestContext, RequestFailure, Response};
use amazon_catalog::{Asin, CatalogResponse, Snapshot};

/// Somebody who waits for a key.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) context: RequestContext,
    pub(super) reply: ReplyTo,
}

/// Where the answer goes. Whoever does not listen any more loses nothing: what was fetched is cached.
#[derive(Debug)]
pub(super) enum ReplyTo {
    Item(Asin, mpsc::UnboundedSender<ItemResult>),
    Request(oneshot::Sender<Result<Response, RequestFailure>>),
}

/// The answer to a key.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// What Amazon said of a product.
    Item(Snapshot),
    /// The answer to any other request, by a call of this process.
    Fetched { answer: Arc<CatalogResponse>, stamp: Snapshot },
    /// Another replica has fetched the answer to any other request, and it is in the cache.
    Cached,
}

impl Waiter {
    /// Answers, with the calls that were made for the key.
    pub(super) fn answer(self, outcome: Result<&Answer, &Error>, calls: &Calls) {
        let calls = calls.clone();
        match (self.reply, outcome) {
            (ReplyTo::Item(asin, tx), Ok(Answer::Item(snapshot))) => {
                drop(tx.send(ItemResult { asin, result: Ok(snapshot.clone()), calls }));
            }
            (ReplyTo::Item(asin, tx), Err(error)) => {
                drop(tx.send(ItemResult { asin, result: Err(error.clone()), calls }));
            }
            (ReplyTo::Request(tx), Ok(Answer::Fetched { answer, stamp })) => {
                let fetched = Fetched { answer: Arc::clone(answer), stamp: stamp.clone(), calls };
                drop(tx.send(Ok(Response::Fetched(fetched))));
            }
            (ReplyTo::Request(tx), Ok(Answer::Cached)) => drop(tx.send(Ok(Response::Cached))),
            (ReplyTo::Request(tx), Err(error)) => drop(tx.send(Err(RequestFailure { error: error.clone(), calls }))),
            // A key is a product or a request, and so is its answer.
            (ReplyTo::Item(..), Ok(Answer::Fetched { .. } | Answer::Cached))
            | (ReplyTo::Request(_), Ok(Answer::Item(_))) => {}
        }
    }

    pub(super) fn still_waits(&self, now: Instant) -> bool {
        self.context.deadline > now && !self.context.abandoned.is_cancelled()
    }
}
