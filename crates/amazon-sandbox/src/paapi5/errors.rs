//! PA-API 5.0's errors: status, exception, code and message of each.
//!
//! Codes and statuses are those of <https://webservices.amazon.com/paapi5/documentation/troubleshooting/error-messages.html>.

use serde_json::{Value, json};

use crate::{ACCESS_KEY, signature::SignatureError};

/// An error that answers a whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paapi5Error {
    pub(crate) status: u16,
    exception: &'static str,
    code: &'static str,
    message: String,
    /// The parameter at fault.
    parameter: Option<String>,
    form: BodyForm,
}

/// Where code and message are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyForm {
    /// In a list.
    List,
    /// Beside the type.
    Flat,
    /// Nowhere: only the type, in the envelope of Amazon's other protocol.
    Envelope,
}

const SIGNING: &str = "If you are using an AWS SDK, requests are signed for you automatically; otherwise, go to https://webservices.amazon.com/paapi5/documentation/sending-request.html#signing.";

/// Name, status, exception, code, message. The name equals the code except for the two errors of the retired API.
type Paapi5ErrorRow = (&'static str, u16, &'static str, &'static str, &'static str);

const TABLE: [Paapi5ErrorRow; 16] = [
    ("MissingParameter", 400, "Validation", "MissingParameter", "The request must contain the parameter PartnerTag."),
    (
        "InvalidParameterValue",
        400,
        "Validation",
        "InvalidParameterValue",
        "The value [x] provided in the request for [Keywords] is invalid.",
    ),
    (
        "InvalidPartnerTag",
        400,
        "InvalidPartnerTag",
        "InvalidPartnerTag",
        "The partner tag is not mapped to a valid associate store with your access key.",
    ),
    (
        "IncompleteSignature",
        400,
        "IncompleteSignature",
        "IncompleteSignature",
        "The request signature did not include all of the required components. {signing}",
    ),
    (
        "InvalidSignature",
        401,
        "InvalidSignature",
        "InvalidSignature",
        "The request has not been correctly signed. {signing}",
    ),
    (
        "UnrecognizedClient",
        401,
        "UnrecognizedClient",
        "UnrecognizedClient",
        "The Access Key ID or security token included in the request is invalid.",
    ),
    ("RequestExpired", 401, "RequestExpired", "RequestExpired", "The request is past its expiry."),
    (
        "AccessDenied",
        403,
        "AccessDenied",
        "AccessDenied",
        "The Access Key is not enabled for accessing Product Advertising API.",
    ),
    (
        "AccessDeniedAwsUsers",
        403,
        "AccessDenied",
        "AccessDeniedAwsUsers",
        "The Access Key {key} is not enabled for accessing this version of Product Advertising API.",
    ),
    (
        "InvalidAssociate",
        403,
        "AssociateValidation",
        "InvalidAssociate",
        "Your access key {key} is not mapped to primary of approved associate store.",
    ),
    (
        "AssociateNotEligible",
        403,
        "AssociateEligibility",
        "AssociateNotEligible",
        "Your account does not currently meet the eligibility requirements to access the Product Advertising API.",
    ),
    ("Retired", 403, "AccessDenied", "AccessDenied", RETIRED),
    ("RetiredFlat", 403, "AccessDenied", "AccessDenied", RETIRED),
    (
        "UnknownOperation",
        404,
        "UnknownOperation",
        "UnknownOperation",
        "The operation requested is invalid. Please verify that the operation name is typed correctly.",
    ),
    (
        "TooManyRequests",
        429,
        "TooManyRequests",
        "TooManyRequests",
        "The request was denied due to request throttling. Please verify the number of requests made per second to the Amazon Product Advertising API.",
    ),
    (
        "InternalFailure",
        500,
        "InternalFailure",
        "InternalFailure",
        "The request processing has failed because of an unknown error, exception or failure.",
    ),
];

/// The message on the documentation's root page since 2026-05-15.
const RETIRED: &str = "Product Advertising API is deprecated. Please migrate to Creators API using the migration guide at https://affiliate-program.amazon.com/creatorsapi/docs/en-us/migrating-to-creatorsapi-from-paapi.";

/// The names that a fault may give for an error.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.0)
}

impl Paapi5Error {
    /// The error of that name. One that Amazon does not have is a bad request with that code.
    pub(crate) fn named(name: &'static str) -> Self {
        let unknown = (name, 400, "Validation", name, "The request is refused.");
        let (_, status, exception, code, message) = TABLE.into_iter().find(|row| row.0 == name).unwrap_or(unknown);
        let message = message.replace("{key}", ACCESS_KEY).replace("{signing}", SIGNING);
        Self {
            status,
            exception,
            code,
            message,
            parameter: None,
            form: if name == "RetiredFlat" { BodyForm::Flat } else { BodyForm::List },
        }
    }

    /// The request lacks the headers that say which protocol it speaks. Amazon does not document the answer; its services send
    /// this envelope to requests of another protocol.
    pub(crate) fn of_another_protocol() -> Self {
        Self { form: BodyForm::Envelope, ..Self::named("UnknownOperation") }
    }

    /// A required field is absent.
    pub(crate) fn missing(parameter: &str) -> Self {
        let message = format!("The request must contain the parameter {parameter}.");
        Self { message, parameter: Some(parameter.to_owned()), ..Self::named("MissingParameter") }
    }

    /// A value is out of range or unknown.
    pub(crate) fn invalid(parameter: &str, value: &str) -> Self {
        let message = format!("The value [{value}] provided in the request for [{parameter}] is invalid.");
        Self { message, parameter: Some(parameter.to_owned()), ..Self::named("InvalidParameterValue") }
    }

    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The parameter that is absent or wrong.
    pub(crate) fn parameter(&self) -> Option<&str> {
        self.parameter.as_deref()
    }

    /// The body, in the form that the live API sends.
    pub(crate) fn body(&self) -> Value {
        let kind = format!("com.amazon.paapi5#{}Exception", self.exception);
        match self.form {
            BodyForm::List => json!({ "__type": kind, "Errors": [{ "Code": self.code, "Message": self.message }] }),
            BodyForm::Flat => json!({ "__type": kind, "Code": self.code, "Message": self.message }),
            BodyForm::Envelope => {
                let kind = format!("com.amazon.coral.service#{}Exception", self.exception);
                json!({ "Output": { "__type": kind }, "Version": "1.0" })
            }
        }
    }
}

impl From<SignatureError> for Paapi5Error {
    fn from(error: SignatureError) -> Self {
        Self::named(match error {
            SignatureError::Incomplete => "IncompleteSignature",
            SignatureError::UnknownKey => "UnrecognizedClient",
            SignatureError::Expired => "RequestExpired",
            SignatureError::Mismatch => "InvalidSignature",
        })
    }
}

/// An error about one part of a request, returned beside the results for the other parts.
pub(crate) fn partial(code: &str, message: &str) -> Value {
    json!({ "__type": "com.amazon.paapi5#ErrorData", "Code": code, "Message": message })
}

/// The partial error of an id that names nothing; `parameter` is `ItemId` or `BrowseNodeId`.
pub(crate) fn unknown_id(parameter: &str, id: &str) -> Value {
    partial("InvalidParameterValue", &format!("The {parameter} {id} provided in the request is invalid."))
}

/// The partial error of an item that the API does not show.
pub(crate) fn not_accessible(id: &str) -> Value {
    partial("ItemNotAccessible", &format!("The ItemId {id} is not accessible through the Product Advertising API."))
}

/// The answer to a search that matches nothing.
pub(crate) fn no_results() -> Value {
    json!({ "Errors": [partial("NoResults", "No results found for your request.")] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_shape_that_was_seen_live() {
        let error = Paapi5Error::invalid("ItemCount", "11");
        let expected = json!({
            "__type": "com.amazon.paapi5#ValidationException",
            "Errors": [{
                "Code": "InvalidParameterValue",
                "Message": "The value [11] provided in the request for [ItemCount] is invalid.",
            }],
        });
        assert_eq!((error.status, error.body()), (400, expected));
    }

    #[test]
    fn the_end_of_the_api_is_announced_in_both_forms() {
        assert_eq!(Paapi5Error::named("Retired").body()["Errors"][0]["Code"], "AccessDenied");
        assert_eq!(Paapi5Error::named("RetiredFlat").body()["Code"], "AccessDenied");
    }

    #[test]
    fn no_message_has_an_empty_place_left() {
        for name in names() {
            let body = Paapi5Error::named(name).body().to_string();
            assert!(!body.contains("{key}") && !body.contains("{signing}"), "{body}");
        }
    }
}
