//! The error of a failed call: its status with the `google.rpc` details.

use std::{collections::HashMap, error::Error as _, fmt, time::Duration};

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::pb::ErrorReason;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The gRPC code.
    pub code: Code,
    /// What failed, in words.
    pub message: String,
    /// The reason by name, as `DAY_BUDGET_SPENT`; empty where the gateway sent none. See [`known_reason`](Self::known_reason).
    pub reason: String,
    /// Values that belong to the reason, as the marketplace that is not served.
    pub metadata: HashMap<String, String>,
    /// The invalid fields of the request.
    pub field_violations: Vec<FieldViolation>,
    /// How long to wait before another attempt can succeed.
    pub retry_after: Option<Duration>,
    /// The id of the call in the gateway's log.
    pub request_id: String,
}

/// An invalid field of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// The field's path, as `query.min_price`.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

impl Error {
    /// The reason as a value of the contract; `None` where the gateway sent none or one that this version does not know.
    pub fn known_reason(&self) -> Option<ErrorReason> {
        ErrorReason::from_str_name(&format!("ERROR_REASON_{}", self.reason))
    }

    pub(super) fn decode(status: &Status, request_id: &str) -> Self {
        let details = status.get_error_details();
        let info = details.error_info();
        let violations = details.bad_request().map(|fault| fault.field_violations.as_slice()).unwrap_or_default();
        let field = |violation: &tonic_types::FieldViolation| FieldViolation {
            field: violation.field.clone(),
            description: violation.description.clone(),
        };
        Self {
            code: status.code(),
            message: in_words(status),
            reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
            metadata: info.map(|info| info.metadata.clone()).unwrap_or_default(),
            field_violations: violations.iter().map(field).collect(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
            request_id: details.request_info().map_or(request_id, |info| info.request_id.as_str()).to_owned(),
        }
    }

    /// Adds the URL to the message of an error without a reason: no gateway sent it.
    pub(super) fn at(mut self, url: &str) -> Self {
        if self.reason.is_empty() && self.code != Code::DeadlineExceeded {
            self.message = format!("no gateway answers at {url}: {}", self.message);
        }
        self
    }
}

/// The message with its causes, which explain why a call reached no server. The cause "transport error" is left out.
fn in_words(status: &Status) -> String {
    let mut words = status.message().to_owned();
    let mut cause = status.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if more != "transport error" && !words.contains(&more) {
            words = if words.is_empty() { more } else { format!("{words}: {more}") };
        }
        cause = error.source();
    }
    words
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.code)?;
        if !self.reason.is_empty() {
            write!(f, " {}", self.reason)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        for violation in &self.field_violations {
            write!(f, "; {}: {}", violation.field, violation.description)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn every_detail_of_a_status_is_decoded() {
        let mut details = ErrorDetails::new();
        details
            .set_error_info("INVALID_REQUEST", "stockroom", [("marketplace".to_owned(), "www.amazon.com".to_owned())])
            .add_bad_request_violation("query.min_price", "above max_price")
            .set_retry_info(Some(Duration::from_secs(3)))
            .set_request_info("from-the-server", "");
        let error =
            Error::decode(&Status::with_error_details(Code::InvalidArgument, "one fault", details), "from-the-client");
        assert_eq!(error.to_string(), "InvalidArgument INVALID_REQUEST: one fault; query.min_price: above max_price");
        assert_eq!(error.metadata.get("marketplace").map(String::as_str), Some("www.amazon.com"));
        assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
        assert_eq!(error.request_id, "from-the-server");
        assert_eq!(error.known_reason(), Some(ErrorReason::InvalidRequest));
    }

    #[test]
    fn a_bare_status_keeps_the_id_that_the_client_sent() {
        let error = Error::decode(&Status::new(Code::Internal, "broken"), "from-the-client");
        assert_eq!((error.to_string().as_str(), error.request_id.as_str()), ("Internal: broken", "from-the-client"));
    }
}
