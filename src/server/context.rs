//! What a handler knows of the call it serves, beside the request itself.

use std::sync::{Arc, Mutex};

use tokio::time::Instant;
use tonic::Request;

use super::{auth::Principal, error::ErrorDescriptor};
use crate::{catalog::CostCounter, dispatch::CancelFlag, telemetry::TraceContext};
use stockroom_proto::pb::{self, ErrorReason};

/// What a handler knows of the call it serves. `services` puts it into the request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct CallContext {
    /// Who calls.
    pub(crate) principal: Principal,
    /// The latest time at which the call ends.
    pub(crate) deadline: Instant,
    /// Cancelled when the body of the answer is dropped: it was sent, the call failed, or the client left.
    pub(crate) ended: CancelFlag,
    /// The call's span; `None` where no trace is known.
    pub(crate) trace: Option<TraceContext>,
    /// Where the handler reports what the log line says of the call.
    pub(crate) stats: CallStatsHandle,
}

/// The statistics of one call, shared by its handler and its [`CallRecord`](super::edge::CallRecord).
#[derive(Clone, Debug, Default)]
pub(crate) struct CallStatsHandle(Arc<Mutex<CallStats>>);

/// What only the handler of a call knows of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallStats {
    /// The number of ASINs or browse nodes that the request names, or of the products in the answer to a search.
    pub(crate) ids: usize,
    /// What the call has cost so far.
    pub(crate) cost: pb::Cost,
}

impl CallContext {
    /// The context of a request. Every request that passed the edge has one; any other is a defect of the gateway.
    pub(crate) fn of<T>(request: &Request<T>) -> Result<Self, ErrorDescriptor> {
        let missing = || ErrorDescriptor::new(ErrorReason::Panic, "the call did not pass the edge");
        request.extensions().get::<Self>().cloned().ok_or_else(missing)
    }
}

impl CallStatsHandle {
    /// Sets the number of ids.
    pub(crate) fn record_id_count(&self, count: usize) {
        self.change(|stats| stats.ids = count);
    }

    /// Sets what the call has cost so far, and returns it for the answer: the log line and the answer state the same cost,
    /// and a call that then fails still has it in its line.
    pub(crate) fn record_cost(&self, cost: &CostCounter) -> pb::Cost {
        let cost = cost.total();
        self.change(|stats| stats.cost = cost);
        cost
    }

    /// A copy of the statistics.
    pub(crate) fn snapshot(&self) -> CallStats {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut CallStats)) {
        change(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}
