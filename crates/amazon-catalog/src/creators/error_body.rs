//! Classification of error responses.
//!
//! What Amazon says in words goes no further: it may name credentials.

use std::time::Duration;

use http::StatusCode;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::{
    Error, Refusal,
    http_response::HttpResponse,
    json::{FromJson, json_struct},
    response_body::{self, Fault},
};

json_struct! {
    /// The body of an answer that is none.
    struct Failure {
        /// The exception; one sample of Amazon's spells it `__type`, with a name space.
        r#type: String,
        reason: String,
        field_list: Vec<FieldName>,
        retry_after_seconds: Option<i64>,
    }
}

/// A field that Amazon names: `"partnerTag"` in the documentation, `{"name": "partnerTag"}` on the wire, where the SDK
/// expects a message beside the name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldName(String);

json_struct! {
    struct NamedField {
        name: String,
    }
}

/// Whether Amazon does not take the token, and may take a new one.
pub(super) fn is_stale_token(response: &HttpResponse) -> bool {
    response.status == StatusCode::UNAUTHORIZED
        && ["TokenExpired", "InvalidToken"].contains(&failure(response).reason.as_str())
}

/// Whether Amazon says that there is nothing of what was asked for.
pub(super) fn is_nothing_found(response: &HttpResponse) -> bool {
    response.status == StatusCode::NOT_FOUND && failure(response).exception() == "ResourceNotFound"
}

/// The error for an answer that is no answer.
pub(super) fn error(response: &HttpResponse, now: OffsetDateTime) -> Error {
    let request_id = response.request_id();
    let failure = failure(response);
    if response.status == StatusCode::TOO_MANY_REQUESTS || failure.exception() == "Throttle" {
        let seconds = failure.retry_after_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let retry_after = response.retry_after(now).or(seconds.map(Duration::from_secs));
        return Error::Throttled { retry_after, request_id };
    }
    if response.status.is_server_error() {
        return Error::Failed { status: response.status.as_u16(), request_id };
    }
    let code = if failure.reason.is_empty() { failure.exception() } else { &failure.reason };
    let is_refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&response.status);
    match refusal(code).or(is_refused.then_some(Refusal::Other)) {
        Some(refusal) => Error::Refused { refusal, request_id },
        None if code.is_empty() => {
            response.malformed(&format!("HTTP status {} without an error code", response.status.as_u16()))
        }
        None => {
            let parameter = failure.field_list.iter().map(|field| &field.0).find(|name| is_plain(name)).cloned();
            Error::Rejected { code: response_body::printable_code(code), parameter, request_id }
        }
    }
}

/// The error for a fault that stands where an answer should.
pub(super) fn of(response: &HttpResponse, fault: &Fault) -> Error {
    let request_id = response.request_id();
    match refusal(&fault.code) {
        Some(refusal) => Error::Refused { refusal, request_id },
        None => Error::Rejected { code: response_body::printable_code(&fault.code), parameter: None, request_id },
    }
}

fn failure(response: &HttpResponse) -> Failure {
    response.read().unwrap_or_default()
}

impl Failure {
    /// The exception's name alone.
    fn exception(&self) -> &str {
        self.r#type.rsplit('#').next().unwrap_or_default().trim_end_matches("Exception")
    }
}

impl FromJson for FieldName {
    fn read(json: &RawValue) -> Option<Self> {
        String::read(json).or_else(|| NamedField::read(json).map(|field| field.name)).map(Self)
    }
}

/// Why the account is refused, if that is what the code says (Amazon's documentation, `error-codes-and-messages`).
fn refusal(code: &str) -> Option<Refusal> {
    Some(match code {
        "AssociateNotEligible" => Refusal::NotEligible,
        "AuthorizationFailed" => Refusal::NotEnabled,
        "InvalidPartnerTag" | "InvalidAssociate" => Refusal::BadPartnerTag,
        "InvalidIssuer" => Refusal::WrongRegion,
        "InvalidClient" | "UnsupportedClient" => Refusal::BadCredential,
        "TokenExpired" | "InvalidToken" | "MissingClaim" | "MissingKeyId" | "MissingCredential" => {
            Refusal::TokenRefused
        }
        _ => return None,
    })
}

/// Whether a name can be one of Amazon's fields, which are letters only. A value in its place is not shown.
fn is_plain(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &str = "DUMMYCREDENTIAL000001";

    fn response(status: u16, body: &str) -> HttpResponse {
        let headers =
            [("x-amzn-requestid", "id-1".parse().unwrap())].map(|(name, value)| (name.parse().unwrap(), value));
        let status = StatusCode::from_u16(status).unwrap();
        HttpResponse { status, headers: headers.into_iter().collect(), body: Some(body.as_bytes().to_vec()) }
    }

    fn read(status: u16, body: &str) -> Error {
        let error = error(&response(status, body), OffsetDateTime::UNIX_EPOCH);
        assert_eq!(error.request_id(), Some("id-1"));
        assert!(
            !format!("{error} {error:?}").contains(SECRET),
            "what Amazon says in words must not come out: {error:?}"
        );
        error
    }

    fn body(exception: &str, reason: &str) -> Value {
        json!({ "type": exception, "message": format!("about {SECRET}"), "reason": reason })
    }

    #[test]
    fn each_refusal_of_the_account_is_told_apart() {
        let cases = [
            (400, "ValidationException", "InvalidPartnerTag", Refusal::BadPartnerTag),
            (400, "ValidationException", "InvalidAssociate", Refusal::BadPartnerTag),
            (401, "UnauthorizedException", "TokenExpired", Refusal::TokenRefused),
            (401, "UnauthorizedException", "InvalidToken", Refusal::TokenRefused),
            (401, "UnauthorizedException", "MissingCredential", Refusal::TokenRefused),
            (401, "UnauthorizedException", "MissingKeyId", Refusal::TokenRefused),
            (401, "UnauthorizedException", "MissingClaim", Refusal::TokenRefused),
            (401, "UnauthorizedException", "InvalidIssuer", Refusal::WrongRegion),
            (401, "UnauthorizedException", "InvalidClient", Refusal::BadCredential),
            (401, "UnauthorizedException", "UnsupportedClient", Refusal::BadCredential),
            (401, "UnauthorizedException", "Other", Refusal::Other),
            (403, "AccessDeniedException", "AssociateNotEligible", Refusal::NotEligible),
            (403, "AccessDeniedException", "AuthorizationFailed", Refusal::NotEnabled),
            (403, "AccessDeniedException", "SomethingNew", Refusal::Other),
        ];
        for (status, exception, reason, expected) in cases {
            let error = read(status, &body(exception, reason).to_string());
            assert!(matches!(error, Error::Refused { refusal, .. } if refusal == expected), "{reason}: {error:?}");
        }
        assert!(matches!(read(403, "<html>"), Error::Refused { refusal: Refusal::Other, .. }));
    }

    #[test]
    fn only_a_token_that_may_be_renewed_is_stale() {
        let is_stale = |status, reason| is_stale_token(&response(status, &body("X", reason).to_string()));
        assert!(is_stale(401, "TokenExpired") && is_stale(401, "InvalidToken"));
        assert!(!is_stale(401, "InvalidIssuer") && !is_stale(403, "InvalidToken") && !is_stale(200, "InvalidToken"));
        assert!(!is_stale_token(&response(401, "<html>")));
    }

    #[test]
    fn a_refused_question_names_its_field_in_each_form_and_nothing_that_is_no_name() {
        let cases = [
            (json!([{ "name": "itemIds", "message": SECRET }]), Some("itemIds")),
            (json!([{ "name": "partnerTag" }]), Some("partnerTag")),
            (json!(["partnerTag"]), Some("partnerTag")),
            (json!([SECRET, { "name": SECRET }, 7, null, "itemPage"]), Some("itemPage")),
            (json!(["example-20"]), None),
            (json!("partnerTag"), None),
            (json!(null), None),
        ];
        for (list, expected) in cases {
            let mut body = body("ValidationException", "FieldValidationFailed");
            body["fieldList"] = list;
            match read(400, &body.to_string()) {
                Error::Rejected { code, parameter, .. } => {
                    assert_eq!((code.as_str(), parameter.as_deref()), ("FieldValidationFailed", expected), "{body}");
                }
                error => panic!("{body}: {error:?}"),
            }
        }
    }

    #[test]
    fn without_a_reason_the_exception_is_the_code() {
        for exception in ["ValidationException", "com.amazon.creators#ValidationException"] {
            for key in ["type", "__type"] {
                let error = read(400, &json!({ key: exception }).to_string());
                assert!(matches!(&error, Error::Rejected { code, .. } if code == "Validation"), "{error:?}");
            }
        }
        for (status, body) in [(400, "<html>"), (404, "{}"), (302, "")] {
            assert!(matches!(read(status, body), Error::Malformed { .. }), "{status} {body}");
        }
    }

    #[test]
    fn too_many_calls_are_known_with_the_wait_that_is_asked_for() {
        let cases = [
            (json!({ "type": "ThrottleException", "retryAfterSeconds": 60 }), Some(60)),
            (json!({ "type": "ThrottleException", "retryAfterSeconds": -1 }), None),
            (json!({ "type": "ThrottleException", "serviceCode": "s", "quotaCode": "q" }), None),
            (json!("slow down"), None),
        ];
        for (body, seconds) in cases {
            let error = read(429, &body.to_string());
            let Error::Throttled { retry_after, .. } = error else { panic!("{body}: {error:?}") };
            assert_eq!(retry_after, seconds.map(Duration::from_secs), "{body}");
        }
        let mut response = response(429, r#"{"retryAfterSeconds": 60}"#);
        response.headers.insert("retry-after", "7".parse().unwrap());
        let error = error(&response, OffsetDateTime::UNIX_EPOCH);
        assert!(matches!(error, Error::Throttled { retry_after: Some(wait), .. } if wait.as_secs() == 7), "{error:?}");
    }

    #[test]
    fn a_failure_of_amazon_s_is_known_whatever_its_body() {
        let bodies = [body("InternalServerException", ""), body("AccessDeniedException", "Other"), json!("<html>")];
        for body in bodies {
            for status in [500, 502, 503, 504] {
                let error = read(status, &body.to_string());
                assert!(matches!(error, Error::Failed { status: told, .. } if told == status), "{body}: {error:?}");
            }
        }
    }
}
