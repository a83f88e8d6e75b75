//! The Creators API's errors: status, type, reason and message of each.
//!
//! They are those of <https://affiliate-program.amazon.com/creatorsapi/docs/en-us/troubleshooting/error-codes-and-messages>.

use serde_json::{Map, Value, json};

use crate::{creators::spelling, paapi5};

/// An error that answers a whole request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreatorsError {
    pub(crate) status: u16,
    body: Map<String, Value>,
}

/// An invalid field of a request, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidField {
    pub(crate) name: String,
    pub(crate) message: String,
}

/// Status, type, name, message. The name is the reason; an error without a reason has its type as its name.
type CreatorsErrorRow = (u16, &'static str, &'static str, &'static str);

const TABLE: [CreatorsErrorRow; 18] = [
    (
        400,
        "ValidationException",
        "UnknownOperation",
        "The operation requested is invalid. Please verify that the operation name is typed correctly.",
    ),
    (
        400,
        "ValidationException",
        "CannotParse",
        "Unable to parse the request payload. Please verify that the request body is valid JSON.",
    ),
    (400, "ValidationException", "FieldValidationFailed", "Request validation failed."),
    (
        400,
        "ValidationException",
        "InvalidAssociate",
        "Your credential is not linked to the partner tag in the request for the given Marketplace.",
    ),
    (
        400,
        "ValidationException",
        "InvalidPartnerTag",
        "Partner tag in the request is invalid or is not mapped to the store associated with your credential.",
    ),
    (401, "UnauthorizedException", "TokenExpired", "Authentication token has expired."),
    (401, "UnauthorizedException", "InvalidToken", "The authentication token is invalid or malformed."),
    (
        401,
        "UnauthorizedException",
        "InvalidIssuer",
        "The token issuer is invalid or does not match the expected issuer.",
    ),
    (401, "UnauthorizedException", "MissingClaim", "The authentication token lacks a required claim."),
    (401, "UnauthorizedException", "MissingKeyId", "The authentication token lacks a key identifier."),
    (401, "UnauthorizedException", "UnsupportedClient", "The client identifier is not supported."),
    (401, "UnauthorizedException", "InvalidClient", "The client identifier does not match the expected value."),
    (401, "UnauthorizedException", "MissingCredential", "Missing authentication credentials."),
    (
        403,
        "AccessDeniedException",
        "AssociateNotEligible",
        "Your account does not currently meet the eligibility requirements.",
    ),
    (403, "AccessDeniedException", "AuthorizationFailed", "Authorization check failed for the requested operation."),
    (404, "ResourceNotFoundException", "ResourceNotFoundException", "No items found for the requested item IDs."),
    (
        429,
        "ThrottleException",
        "ThrottleException",
        "The request was denied due to request throttling. Please verify the number of requests made per second.",
    ),
    (
        500,
        "InternalServerException",
        "InternalServerException",
        "An unexpected error occurred while processing your request.",
    ),
];

/// The names that a fault may give for an error.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.2)
}

impl CreatorsError {
    /// The error of that name, or of the one that PA-API has for it. Any other is a bad request with that reason.
    pub(crate) fn named(name: &'static str) -> Self {
        let name = counterpart(name);
        let unknown = (400, "ValidationException", name, "The request is refused.");
        let (status, kind, name, message) = TABLE.into_iter().find(|row| row.2 == name).unwrap_or(unknown);
        let refusal = Self { status, body: Map::new() }.with("type", kind).with("message", message);
        if name == kind { refusal } else { refusal.with("reason", name) }
    }

    /// The error of absent or invalid fields, in the form that Amazon's SDK reads.
    pub(crate) fn fields(wrong: Vec<InvalidField>) -> Self {
        let list = wrong.into_iter().map(|field| json!({ "name": field.name, "message": field.message }));
        Self::named("FieldValidationFailed").with("fieldList", list.collect::<Value>())
    }

    /// The error of ids that cannot be ids.
    pub(crate) fn invalid_ids(message: &str) -> Self {
        Self::fields(vec![InvalidField::new("itemIds", message)])
    }

    /// The error of an unknown id; `kind` is as `Item`.
    pub(crate) fn not_found(kind: &str, id: &str) -> Self {
        let refusal = Self::named("ResourceNotFoundException").with("resourceType", kind).with("resourceId", id);
        if kind == "Item" { refusal } else { refusal.with("message", "No results found for your request.") }
    }

    pub(crate) fn body(&self) -> Value {
        Value::Object(self.body.clone())
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.body.insert(name.to_owned(), value.into());
        self
    }
}

impl InvalidField {
    pub(crate) fn new(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self { name: name.into(), message: message.into() }
    }
}

impl From<paapi5::Paapi5Error> for CreatorsError {
    fn from(refusal: paapi5::Paapi5Error) -> Self {
        match refusal.parameter() {
            Some(parameter) => Self::fields(vec![InvalidField::new(
                spelling::lower(parameter),
                if refusal.code() == "MissingParameter" { "must be given" } else { "must be a known value" },
            )]),
            None => Self::named(refusal.code()),
        }
    }
}

/// The error of the Creators API that is closest to an error of PA-API.
fn counterpart(code: &'static str) -> &'static str {
    match code {
        "MissingParameter" | "InvalidParameterValue" => "FieldValidationFailed",
        "IncompleteSignature" => "MissingCredential",
        "InvalidSignature" => "InvalidToken",
        "UnrecognizedClient" => "InvalidClient",
        "RequestExpired" => "TokenExpired",
        "AccessDenied" | "AccessDeniedAwsUsers" | "Retired" | "RetiredFlat" => "AuthorizationFailed",
        "TooManyRequests" => "ThrottleException",
        "InternalFailure" => "InternalServerException",
        own => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_pa_api_has_a_counterpart() {
        for code in paapi5::error_codes() {
            assert!(names().any(|name| name == counterpart(code)), "{code}");
        }
    }

    #[test]
    fn a_reason_is_stated_where_there_is_one() {
        let eligible = CreatorsError::named("AssociateNotEligible");
        let message = "Your account does not currently meet the eligibility requirements.";
        let expected = json!({ "type": "AccessDeniedException", "message": message, "reason": "AssociateNotEligible" });
        assert_eq!((eligible.status, eligible.body()), (403, expected));
        assert_eq!(CreatorsError::named("TooManyRequests").body().get("reason"), None);
    }
}
