//! The one description of an error: code, reason, message, retry delay and details.
//!
//! A gRPC status, the absence of one product of many and the incompleteness of a list are all made from an
//! [`ErrorDescriptor`], so the three never contradict each other. [`ErrorDescriptor::from`] covers every error of the
//! catalog without a wildcard: a new error does not compile until somebody gives it a reason. The status code follows
//! from the reason (see [`code`]).

use std::{
    collections::HashMap,
    fmt::{self, Display},
    time::Duration,
};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{catalog, dispatch};
use amazon_catalog::Missing;
use stockroom_proto::pb::{self, AbsenceReason, ErrorReason};

/// The domain of this gateway's reasons in `google.rpc.ErrorInfo`.
pub(crate) const DOMAIN: &str = "stockroom";
/// The delay after which an overloaded or failing dependency is worth another try, where nothing better is known.
const DEFAULT_RETRY_DELAY: Duration = Duration::from_secs(1);
/// The delay after Amazon throttled a call without a `Retry-After`.
const THROTTLED_RETRY_DELAY: Duration = Duration::from_secs(2);

/// What a client learns of an error, in whichever form it is sent. Boxed, since results carry it.
#[derive(Debug)]
pub(crate) struct ErrorDescriptor(Box<Description>);

#[derive(Debug)]
struct Description {
    reason: ErrorReason,
    message: String,
    retry_delay: Option<Duration>,
    metadata: HashMap<String, String>,
    detail: Option<Detail>,
}

/// A `google.rpc` detail beside `ErrorInfo` and `RetryInfo`.
#[derive(Debug)]
enum Detail {
    /// Which quota is spent, and what it is.
    Quota { subject: String, description: String },
    /// Which resource does not exist.
    Resource { kind: &'static str, name: String, description: String },
    /// Which fields are invalid, and why.
    Fields(Vec<(String, String)>),
}

impl ErrorDescriptor {
    /// An error with a reason and a message, and nothing to add.
    pub(crate) fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Description { reason, message, retry_delay: None, metadata: HashMap::new(), detail: None }))
    }

    /// Adds the delay after which a retry can succeed.
    pub(crate) fn retry_in(mut self, delay: Duration) -> Self {
        self.0.retry_delay = Some(delay);
        self
    }

    /// Adds an entry of `ErrorInfo.metadata`.
    pub(crate) fn fact(mut self, name: &str, value: impl Display) -> Self {
        self.0.metadata.insert(name.to_owned(), value.to_string());
        self
    }

    /// Names the resource that does not exist.
    pub(crate) fn resource(mut self, kind: &'static str, name: impl Display, description: &str) -> Self {
        self.0.detail = Some(Detail::Resource { kind, name: name.to_string(), description: description.to_owned() });
        self
    }

    /// Names the invalid fields, each with what is wrong.
    pub(crate) fn fields(mut self, fields: Vec<(String, String)>) -> Self {
        self.0.detail = Some(Detail::Fields(fields));
        self
    }

    /// Names the spent quota of calls in 24 hours, and when its next call is free.
    fn quota(mut self, subject: String, limit: u32, resets_in: Duration) -> Self {
        let description = format!("{limit} calls in 24 hours; the next is free in {} s", resets_in.as_secs());
        self.0.detail = Some(Detail::Quota { subject, description });
        self.fact("limit", limit).resets_in(resets_in)
    }

    fn resets_in(self, resets_in: Duration) -> Self {
        self.fact("resets_in_seconds", resets_in.as_secs()).retry_in(resets_in)
    }

    /// The error of a whole call.
    pub(crate) fn status(self) -> Status {
        let error = *self.0;
        let mut details = ErrorDetails::new();
        details.set_error_info(reason_name(error.reason), DOMAIN, error.metadata);
        if error.retry_delay.is_some() {
            details.set_retry_info(error.retry_delay);
        }
        match error.detail {
            Some(Detail::Quota { subject, description }) => {
                details.add_quota_failure_violation(subject, description);
            }
            Some(Detail::Resource { kind, name, description }) => {
                details.set_resource_info(kind, name, "", description);
            }
            Some(Detail::Fields(fields)) => {
                for (field, description) in fields {
                    details.add_bad_request_violation(field, description);
                }
            }
            None => {}
        }
        Status::with_error_details(code(error.reason), error.message, details)
    }

    /// The reason why one product of many is not in an answer.
    pub(crate) fn absence(self) -> pb::Absence {
        let error = *self.0;
        pb::Absence {
            reason: absence_reason(error.reason).into(),
            message: error.message,
            retry_after: error.retry_delay.and_then(|delay| delay.try_into().ok()),
            error_reason: error.reason.into(),
        }
    }

    /// The reason why a list holds less than was requested.
    pub(crate) fn incomplete(self) -> pb::Incomplete {
        let error = *self.0;
        pb::Incomplete {
            reason: reason_name(error.reason).to_owned(),
            message: error.message,
            retry_after: error.retry_delay.and_then(|delay| delay.try_into().ok()),
            error_reason: error.reason.into(),
        }
    }
}

impl Display for ErrorDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

/// A body that is translated fails with one.
impl std::error::Error for ErrorDescriptor {}

impl From<ErrorDescriptor> for Status {
    fn from(error: ErrorDescriptor) -> Self {
        error.status()
    }
}

impl From<catalog::Error> for Status {
    fn from(error: catalog::Error) -> Self {
        ErrorDescriptor::from(&error).status()
    }
}

impl From<&catalog::Error> for ErrorDescriptor {
    fn from(error: &catalog::Error) -> Self {
        use catalog::Error;
        match error {
            Error::Missing { asin, missing } => {
                let (reason, description) = match missing {
                    Missing::NotFound => {
                        (ErrorReason::ProductNotFound, "Amazon knows no such product in this marketplace")
                    }
                    Missing::NotAccessible => {
                        (ErrorReason::ProductNotAccessible, "Amazon does not offer this product through its API")
                    }
                };
                Self::new(reason, error.to_string()).fact("asin", asin).resource(
                    "stockroom.v1.Product",
                    asin,
                    description,
                )
            }
            Error::NotCached => Self::new(ErrorReason::NotCached, error.to_string()),
            Error::DeadlineExceeded => Self::new(ErrorReason::DeadlineExceeded, error.to_string()),
            Error::Undecodable => Self::new(ErrorReason::Undecodable, error.to_string()),
            Error::Dispatch(error) => Self::from(error),
        }
    }
}

impl From<&dispatch::Error> for ErrorDescriptor {
    fn from(error: &dispatch::Error) -> Self {
        use dispatch::Error;
        let with = |reason| Self::new(reason, error.to_string());
        match error {
            Error::DayBudgetSpent { account, limit, resets_in } => with(ErrorReason::DayBudgetSpent)
                .quota(format!("account:{account}"), *limit, *resets_in)
                .fact("account", account),
            Error::CallerShareSpent { caller, share, resets_in } => with(ErrorReason::CallerShareSpent)
                .quota(format!("caller:{caller}"), *share, *resets_in)
                .fact("caller", caller),
            Error::KeptForOthers { resets_in } => with(ErrorReason::KeptForOthers).resets_in(*resets_in),
            Error::WaitExceedsDeadline { wait } => {
                with(ErrorReason::WaitExceedsDeadline).fact("predicted_wait_ms", wait.as_millis()).retry_in(*wait)
            }
            Error::DeadlineExceeded => with(ErrorReason::DeadlineExceeded),
            Error::QueueFull { capacity, wait } => with(ErrorReason::QueueFull)
                .fact("capacity", capacity)
                .fact("predicted_wait_ms", wait.as_millis())
                .retry_in(*wait),
            Error::BreakerOpen { operation, retry_after } => {
                with(ErrorReason::UpstreamPaused).fact("operation", operation.name()).retry_in(*retry_after)
            }
            Error::Restarting { retry_after } => with(ErrorReason::UpstreamPaused).retry_in(*retry_after),
            Error::NotServed(marketplace) => with(ErrorReason::MarketplaceNotServed).fact("marketplace", marketplace),
            Error::Stopping => with(ErrorReason::Stopping).retry_in(DEFAULT_RETRY_DELAY),
            Error::Upstream(error) => Self::from(&**error),
        }
    }
}

impl From<&amazon_catalog::Error> for ErrorDescriptor {
    fn from(error: &amazon_catalog::Error) -> Self {
        use amazon_catalog::Error;
        let with = |reason| Self::new(reason, error.to_string());
        let descriptor = match error {
            Error::Throttled { retry_after, .. } => {
                with(ErrorReason::UpstreamThrottled).retry_in(retry_after.unwrap_or(THROTTLED_RETRY_DELAY))
            }
            Error::Failed { status, .. } => {
                with(ErrorReason::UpstreamFailed).fact("http_status", status).retry_in(DEFAULT_RETRY_DELAY)
            }
            Error::TokenExpired { .. } => {
                with(ErrorReason::UpstreamFailed).fact("http_status", 401).retry_in(DEFAULT_RETRY_DELAY)
            }
            Error::TimedOut { .. } => with(ErrorReason::UpstreamTimedOut).retry_in(DEFAULT_RETRY_DELAY),
            Error::Unreachable { .. } => with(ErrorReason::UpstreamUnreachable).retry_in(DEFAULT_RETRY_DELAY),
            // The log says what exactly was wrong with the answer.
            Error::Malformed { .. } => Self::new(ErrorReason::UpstreamMalformed, "Amazon's answer could not be read"),
            Error::Refused { refusal, .. } => Self::new(refusal.reason(), format!("{error}; {}", refusal.what_next()))
                .fact("what_next", refusal.what_next()),
            Error::Rejected { code, parameter, .. } => {
                let descriptor = with(ErrorReason::UpstreamRejected).fact("amazon_code", code);
                match parameter {
                    Some(parameter) => descriptor.fact("parameter", parameter),
                    None => descriptor,
                }
            }
        };
        match error.request_id() {
            Some(id) => descriptor.fact("amazon_request_id", id),
            None => descriptor,
        }
    }
}

/// The reason as it appears in `google.rpc.ErrorInfo` and in the log: the enum's name without its prefix.
pub(crate) fn reason_name(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

/// The gRPC status code of a reason.
pub(crate) fn code(reason: ErrorReason) -> Code {
    use ErrorReason as R;
    match reason {
        R::Unspecified => Code::Unknown,
        R::InvalidRequest | R::MarketplaceNotServed | R::MalformedMessage | R::UpstreamRejected | R::ProtocolError => {
            Code::InvalidArgument
        }
        R::ProductNotFound | R::ProductNotAccessible | R::FileNotFound | R::NotCached | R::ServiceUnknown => {
            Code::NotFound
        }
        R::DayBudgetSpent | R::CallerShareSpent | R::KeptForOthers => Code::ResourceExhausted,
        R::WaitExceedsDeadline
        | R::QueueFull
        | R::Overloaded
        | R::UpstreamPaused
        | R::UpstreamThrottled
        | R::UpstreamFailed
        | R::UpstreamTimedOut
        | R::UpstreamUnreachable
        | R::Stopping
        | R::PurgeNotShared => Code::Unavailable,
        R::DeadlineExceeded => Code::DeadlineExceeded,
        R::AccountNotEligible
        | R::AccountKeyUnknown
        | R::AccountKeyIsAwsKey
        | R::AccountSignatureRefused
        | R::AccountNotEnabled
        | R::AccountNotAssociate
        | R::AccountWrongRegion
        | R::AccountCredentialRefused
        | R::AccountTokenRefused
        | R::AccountRefused
        | R::PartnerTagRefused
        | R::ClockSkew
        | R::UpstreamApiRetired
        | R::ProtocolHasNoFiles => Code::FailedPrecondition,
        R::CallerUnknown => Code::Unauthenticated,
        R::NotAnAdmin => Code::PermissionDenied,
        R::UpstreamMalformed | R::Undecodable | R::Panic => Code::Internal,
        R::UnknownMethod | R::UnsupportedEncoding => Code::Unimplemented,
        R::MessageTooLarge => Code::OutOfRange,
        R::ClientGone => Code::Cancelled,
    }
}

/// The coarser reason that the absence of one product carries.
fn absence_reason(reason: ErrorReason) -> AbsenceReason {
    use ErrorReason as R;
    match reason {
        R::InvalidRequest => AbsenceReason::Invalid,
        R::ProductNotFound => AbsenceReason::NotFound,
        R::ProductNotAccessible => AbsenceReason::NotAccessible,
        R::DayBudgetSpent | R::CallerShareSpent | R::KeptForOthers | R::UpstreamThrottled => AbsenceReason::Throttled,
        R::NotCached
        | R::DeadlineExceeded
        | R::WaitExceedsDeadline
        | R::QueueFull
        | R::UpstreamPaused
        | R::MarketplaceNotServed
        | R::Stopping => AbsenceReason::NotAttempted,
        R::UpstreamRejected
        | R::UpstreamFailed
        | R::UpstreamTimedOut
        | R::UpstreamUnreachable
        | R::UpstreamMalformed
        | R::AccountNotEligible
        | R::AccountKeyUnknown
        | R::AccountKeyIsAwsKey
        | R::AccountSignatureRefused
        | R::AccountNotEnabled
        | R::AccountNotAssociate
        | R::AccountWrongRegion
        | R::AccountCredentialRefused
        | R::AccountTokenRefused
        | R::AccountRefused
        | R::PartnerTagRefused
        | R::ClockSkew
        | R::UpstreamApiRetired
        | R::Undecodable
        | R::Panic => AbsenceReason::UpstreamFailed,
        // Reasons of whole calls, which no product has.
        R::Unspecified
        | R::MalformedMessage
        | R::ProtocolError
        | R::FileNotFound
        | R::ServiceUnknown
        | R::Overloaded
        | R::PurgeNotShared
        | R::ProtocolHasNoFiles
        | R::CallerUnknown
        | R::NotAnAdmin
        | R::UnknownMethod
        | R::UnsupportedEncoding
        | R::MessageTooLarge
        | R::ClientGone => AbsenceReason::UpstreamFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the documented table: `| CODE | REASON, REASON | … |`.
    fn documented() -> Vec<(String, String)> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md");
        let text = std::fs::read_to_string(path).unwrap();
        let names = |cell: &str| -> Vec<String> {
            cell.split(',').map(|name| name.trim().trim_matches('`').to_owned()).collect()
        };
        let rows = text.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 5);
        rows.flat_map(|row| {
            let cells: Vec<&str> = row.split('|').collect();
            let code = cells[1].trim().trim_matches('`').to_owned();
            names(cells[2]).into_iter().map(move |reason| (code.clone(), reason))
        })
        .collect()
    }

    #[test]
    fn the_documented_table_names_each_reason_once_with_its_code() {
        let documented = documented();
        for reason in (1..).map_while(|number| ErrorReason::try_from(number).ok()) {
            let named: Vec<_> = documented.iter().filter(|(_, name)| name == reason_name(reason)).collect();
            let code = format!("{:?}", code(reason)).chars().fold(String::new(), |mut name, c| {
                if c.is_ascii_uppercase() && !name.is_empty() {
                    name.push('_');
                }
                name.push(c.to_ascii_uppercase());
                name
            });
            let [(documented_code, _)] = named.as_slice() else {
                panic!("{} has {} rows", reason_name(reason), named.len());
            };
            assert_eq!(*documented_code, code, "{}", reason_name(reason));
        }
    }

    #[test]
    fn the_contract_s_comment_of_each_reason_begins_with_its_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/proto/stockroom/v1/errors.proto");
        let text = std::fs::read_to_string(path).unwrap();
        let mut comment = Vec::new();
        let mut seen = 0;
        for line in text.lines().map(str::trim) {
            if let Some(words) = line.strip_prefix("// ") {
                comment.push(words);
                continue;
            }
            let name = line.split(' ').next().unwrap_or_default();
            if let Some(reason) = ErrorReason::from_str_name(name).filter(|reason| *reason != ErrorReason::Unspecified)
            {
                let stated = comment[0].split(['.', ',']).next().unwrap_or_default().replace('_', "");
                assert_eq!(stated, format!("{:?}", code(reason)).to_uppercase(), "{name}");
                seen += 1;
            }
            comment.clear();
        }
        assert_eq!(seen, (1..).map_while(|number| ErrorReason::try_from(number).ok()).count());
    }
}
