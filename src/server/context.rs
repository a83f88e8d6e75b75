//! What a handler knows of the call it serves, beside the request itself.

use std::sync::{Arc, Mutex};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Request;

use super::{auth::Principal, error::ErrorDescriptor};
use crate::catalog::CostCounter;
use stockroom_proto::pb::{self, ErrorReason};

/// What a handler knows of the call it serves; put into the request's extensions by the edge.
#[derive(Clone, Debug)]
pub(crate) struct CallContext {
    /// Who calls.
    pub(crate) principal: Principal,
    /// When the call ends, answered or not.
    pub(crate) deadline: Instant,
    /// Cancelled when the call has ended, however it did.
    pub(crate) ended: CancellationToken,
    /// What the log's line is to say of it.
    pub(crate) stats: CallStatsHandle,
}

/// What the log's line is to say of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallStatsHandle(Arc<Mutex<CallStats>>);

/// The facts of a call that only its handler knows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallStats {
    pub(crate) ids: usize,
    pub(crate) cost: pb::Cost,
}

impl CallContext {
    /// The context of a request; every request that came through the edge has one.
    pub(crate) fn of<T>(request: &Request<T>) -> Result<Self, ErrorDescriptor> {
        let missing = || ErrorDescriptor::new(ErrorReason::Panic, "the call did not pass the edge");
        request.extensions().get::<Self>().cloned().ok_or_else(missing)
    }
}

impl CallStatsHandle {
    /// How many ids the request named.
    pub(crate) fn ids(&self, count: usize) {
        self.change(|stats| stats.ids = count);
    }

    /// Records what the call has cost so far, and returns it for the answer. Both are the same number, also where the
    /// call then fails.
    pub(crate) fn add(&self, cost: &CostCounter) -> pb::Cost {
        let cost = cost.total();
        self.change(|stats| stats.cost = cost);
        cost
    }

    /// What was stats.
    pub(crate) fn read(&self) -> CallStats {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut CallStats)) {
        change(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}
