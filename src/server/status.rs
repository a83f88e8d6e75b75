//! The one place where an error becomes a gRPC status, with its code, its reason and its `google.rpc` details.
//!
//! The table is closed on purpose: no wildcard arm, so that a new error cannot leave without somebody deciding what it is.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{catalog::Error, dispatch};
use amazon_catalog::Missing;
use stockroom_proto::pb;

/// The domain of our reasons in `google.rpc.ErrorInfo`.
pub(crate) const DOMAIN: &str = "stockroom";

/// A status with a reason and nothing else to add.
pub(crate) fn plain(code: Code, reason: &str, message: impl Into<String>) -> Status {
    with(code, reason, message, [], |_| {})
}

/// The status of an error.
pub(crate) fn of(error: &Error) -> Status {
    let code = code(error);
    let facts = facts(error);
    with(code, error.reason(), message(error), facts, |details| {
        if let Some(wait) = error.retry_after() {
            details.set_retry_info(Some(wait));
        }
        match error {
            Error::Missing { asin, missing } => {
                let what = match missing {
                    Missing::NotFound => "Amazon knows no such product in this marketplace",
                    Missing::NotAccessible => "Amazon does not offer this product through its API",
                };
                details.set_resource_info("stockroom.v1.Product", asin.to_string(), "", what);
            }
            Error::Dispatch(dispatch::Error::DayBudgetSpent { account, limit, resets_in }) => {
                let what = format!("{limit} calls in 24 hours; the next is free in {} s", resets_in.as_secs());
                details.add_quota_failure_violation(format!("account:{account}"), what);
            }
            Error::Dispatch(dispatch::Error::CallerShareSpent { caller, share, resets_in }) => {
                let what = format!("{share} calls in 24 hours; the next is free in {} s", resets_in.as_secs());
                details.add_quota_failure_violation(format!("caller:{caller}"), what);
            }
            Error::Dispatch(_) | Error::NotCached | Error::DeadlineExceeded | Error::Undecodable => {}
        }
    })
}

/// Why an answer holds less than was asked.
pub(crate) fn incomplete(error: &Error) -> pb::Incomplete {
    pb::Incomplete {
        reason: error.reason().to_owned(),
        message: message(error),
        retry_after: error.retry_after().and_then(|wait| wait.try_into().ok()),
    }
}

/// Why one product of many is not in an answer.
pub(crate) fn absence(error: &Error) -> pb::Absence {
    use pb::AbsenceReason::{NotAccessible, NotAttempted, NotFound, Throttled, UpstreamFailed};
    let reason = match error {
        Error::Missing { missing: Missing::NotFound, .. } => NotFound,
        Error::Missing { missing: Missing::NotAccessible, .. } => NotAccessible,
        Error::NotCached | Error::DeadlineExceeded => NotAttempted,
        Error::Undecodable => UpstreamFailed,
        Error::Dispatch(error) => match error {
            dispatch::Error::DayBudgetSpent { .. }
            | dispatch::Error::CallerShareSpent { .. }
            | dispatch::Error::KeptForOthers { .. } => Throttled,
            dispatch::Error::WaitExceedsDeadline { .. }
            | dispatch::Error::QueueFull { .. }
            | dispatch::Error::BreakerOpen { .. }
            | dispatch::Error::NotServed(_)
            | dispatch::Error::Stopping => NotAttempted,
            dispatch::Error::Upstream(error) => match &**error {
                amazon_catalog::Error::Throttled { .. } => Throttled,
                amazon_catalog::Error::Failed { .. }
                | amazon_catalog::Error::TimedOut { .. }
                | amazon_catalog::Error::Unreachable { .. }
                | amazon_catalog::Error::Malformed { .. }
                | amazon_catalog::Error::Refused { .. }
                | amazon_catalog::Error::Rejected { .. } => UpstreamFailed,
            },
        },
    };
    let retry_after = error.retry_after().and_then(|wait| wait.try_into().ok());
    pb::Absence { reason: reason.into(), message: message(error), retry_after }
}

/// A status with a reason, what is to be known with it, and further details.
pub(crate) fn with(
    code: Code,
    reason: &str,
    message: impl Into<String>,
    facts: impl IntoIterator<Item = (&'static str, String)>,
    add: impl FnOnce(&mut ErrorDetails),
) -> Status {
    let mut details = ErrorDetails::new();
    let facts: HashMap<String, String> = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    details.set_error_info(reason, DOMAIN, facts);
    add(&mut details);
    Status::with_error_details(code, message, details)
}

fn code(error: &Error) -> Code {
    match error {
        Error::Missing { .. } | Error::NotCached => Code::NotFound,
        Error::DeadlineExceeded => Code::DeadlineExceeded,
        Error::Undecodable => Code::Internal,
        Error::Dispatch(error) => match error {
            dispatch::Error::DayBudgetSpent { .. }
            | dispatch::Error::CallerShareSpent { .. }
            | dispatch::Error::KeptForOthers { .. } => Code::ResourceExhausted,

            dispatch::Error::WaitExceedsDeadline { .. }
            | dispatch::Error::QueueFull { .. }
            | dispatch::Error::BreakerOpen { .. }
            | dispatch::Error::Stopping => Code::Unavailable,
            dispatch::Error::NotServed(_) => Code::InvalidArgument,
            dispatch::Error::Upstream(error) => match &**error {
                amazon_catalog::Error::Throttled { .. }
                | amazon_catalog::Error::Failed { .. }
                | amazon_catalog::Error::TimedOut { .. }
                | amazon_catalog::Error::Unreachable { .. } => Code::Unavailable,
                amazon_catalog::Error::Malformed { .. } => Code::Internal,
                amazon_catalog::Error::Refused { .. } => Code::FailedPrecondition,
                amazon_catalog::Error::Rejected { .. } => Code::InvalidArgument,
            },
        },
    }
}

fn message(error: &Error) -> String {
    match error {
        Error::Dispatch(dispatch::Error::Upstream(error)) => match &**error {
            amazon_catalog::Error::Refused { refusal, .. } => format!("{error}; {}", refusal.what_next()),
            // What exactly was wrong with it is for the log.
            amazon_catalog::Error::Malformed { .. } => "Amazon's answer could not be read".to_owned(),
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

fn facts(error: &Error) -> Vec<(&'static str, String)> {
    let millis = |wait: &Duration| wait.as_millis().to_string();
    match error {
        Error::Missing { asin, .. } => vec![("asin", asin.to_string())],
        Error::NotCached | Error::DeadlineExceeded | Error::Undecodable => Vec::new(),
        Error::Dispatch(error) => match error {
            dispatch::Error::DayBudgetSpent { account, limit, resets_in } => vec![
                ("account", account.to_string()),
                ("limit", limit.to_string()),
                ("resets_in_seconds", resets_in.as_secs().to_string()),
            ],
            dispatch::Error::CallerShareSpent { caller, share, resets_in } => vec![
                ("caller", caller.to_string()),
                ("limit", share.to_string()),
                ("resets_in_seconds", resets_in.as_secs().to_string()),
            ],
            dispatch::Error::WaitExceedsDeadline { wait } => vec![("predicted_wait_ms", millis(wait))],
            dispatch::Error::QueueFull { capacity, wait } => {
                vec![("capacity", capacity.to_string()), ("predicted_wait_ms", millis(wait))]
            }
            dispatch::Error::BreakerOpen { operation, .. } => vec![("operation", operation.name().to_owned())],
            dispatch::Error::NotServed(marketplace) => vec![("marketplace", marketplace.to_string())],
            dispatch::Error::KeptForOthers { resets_in } => {
                vec![("resets_in_seconds", resets_in.as_secs().to_string())]
            }
            dispatch::Error::Stopping => Vec::new(),
            dispatch::Error::Upstream(error) => {
                let mut facts: Vec<_> =
                    error.request_id().map(|id| ("amazon_request_id", id.to_owned())).into_iter().collect();
                match &**error {
                    amazon_catalog::Error::Rejected { code, parameter, .. } => {
                        facts.push(("amazon_code", code.clone()));
                        facts.extend(parameter.clone().map(|parameter| ("parameter", parameter)));
                    }
                    amazon_catalog::Error::Failed { status, .. } => facts.push(("http_status", status.to_string())),
                    amazon_catalog::Error::Refused { refusal, .. } => {
                        facts.push(("what_next", refusal.what_next().to_owned()))
                    }
                    amazon_catalog::Error::Throttled { .. }
                    | amazon_catalog::Error::TimedOut { .. }
                    | amazon_catalog::Error::Unreachable { .. }
                    | amazon_catalog::Error::Malformed { .. } => {}
                }
                facts
            }
        },
    }
}
