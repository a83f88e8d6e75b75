//! Classification of error responses.
//!
//! A body may name faults in a list, flat beside `__type`, or inside an RPC envelope, and some have no readable body at
//! all. What Amazon says in words is looked at here and goes no further, as it may name keys.

use http::StatusCode;
use time::OffsetDateTime;

use crate::{
    Error, Refusal,
    http_response::HttpResponse,
    json::Object,
    response_body::{self, Fault},
};

/// The faults that a body names; none where it names none.
pub(super) fn faults(body: &Object<'_>) -> Vec<Fault> {
    let listed = response_body::listed(body);
    if !listed.is_empty() {
        return listed;
    }
    let envelope = body.get("output").and_then(Object::read);
    flat(body).or_else(|| flat(&envelope?)).into_iter().collect()
}

/// The error for an answer that is no answer, by the fault it names.
pub(super) fn error(response: &HttpResponse, fault: Option<&Fault>, now: OffsetDateTime) -> Error {
    let request_id = response.request_id();
    let throttled = |request_id| Error::Throttled { retry_after: response.retry_after(now), request_id };
    let failed = |request_id| Error::Failed { status: response.status.as_u16(), request_id };
    if response.status == StatusCode::TOO_MANY_REQUESTS {
        return throttled(request_id);
    }
    if response.status.is_server_error() {
        return failed(request_id);
    }
    let is_refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&response.status);
    let Some(fault) = fault else {
        return if is_refused {
            Error::Refused { refusal: Refusal::Other, request_id }
        } else {
            response.malformed(&format!("HTTP status {} without an error code", response.status.as_u16()))
        };
    };
    match fault.code.as_str() {
        "TooManyRequests" | "RequestThrottled" => throttled(request_id),
        "InternalFailure" | "InternalServerError" | "ServiceUnavailable" => failed(request_id),
        code => match refusal(fault).or(is_refused.then_some(Refusal::Other)) {
            Some(refusal) => Error::Refused { refusal, request_id },
            None => Error::Rejected {
                code: response_body::printable_code(code),
                parameter: parameter(&fault.message),
                request_id,
            },
        },
    }
}

/// A fault beside its `__type`, which stands for the code where there is none.
fn flat(object: &Object<'_>) -> Option<Fault> {
    let (code, exception): (String, String) = (object.field("code"), object.field("type"));
    let name = exception.rsplit('#').next().unwrap_or_default();
    let code = if code.is_empty() { name.trim_end_matches("Exception").to_owned() } else { code };
    (!code.is_empty()).then(|| Fault { code, message: object.field("message") })
}

/// Why the account is refused, if that is what the fault says. Codes and exceptions go by slightly different names.
fn refusal(fault: &Fault) -> Option<Refusal> {
    Some(match fault.code.as_str() {
        // Every call since 2026-05-15 has been answered so.
        "AccessDenied" if fault.message.contains("deprecated") => Refusal::ApiRetired,
        "AccessDenied" => Refusal::NotEnabled,
        "AccessDeniedAwsUsers" => Refusal::AwsKey,
        "AssociateNotEligible" | "AssociateEligibility" => Refusal::NotEligible,
        "InvalidAssociate" | "AssociateValidation" => Refusal::NotAssociate,
        "InvalidPartnerTag" => Refusal::BadPartnerTag,
        "InvalidSignature" | "IncompleteSignature" => Refusal::BadSignature,
        "RequestExpired" => Refusal::ClockSkew,
        "UnrecognizedClient" => Refusal::UnknownKey,
        _ => return None,
    })
}

/// The parameter in `… provided in the request for [ItemCount] is invalid`. Only a name in mixed case is taken for one:
/// values and keys stand in brackets, too.
fn parameter(message: &str) -> Option<String> {
    let brackets = message.rsplit('[').filter_map(|text| text.split_once(']').map(|(inside, _)| inside));
    let is_name = |text: &&str| {
        text.bytes().all(|byte| byte.is_ascii_alphabetic()) && text.bytes().any(|byte| byte.is_ascii_lowercase())
    };
    brackets.filter(is_name).map(str::to_owned).next()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    const KEY: &str = "DUMMYACCESSKEY000001";

    fn read(status: u16, body: &[u8]) -> Error {
        let headers = [("x-amzn-requestid", "id-1"), ("retry-after", "3")]
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let status = StatusCode::from_u16(status).unwrap();
        let response = HttpResponse { status, headers: headers.into_iter().collect(), body: Some(body.to_vec()) };
        let faults = response.object().as_ref().map(faults).unwrap_or_default();
        let error = error(&response, faults.first(), OffsetDateTime::UNIX_EPOCH);
        assert_eq!(error.request_id(), Some("id-1"));
        assert!(!format!("{error} {error:?}").contains(KEY), "a key must not come out: {error:?}");
        error
    }

    fn nested(exception: &str, code: &str, message: &str) -> Value {
        let exception = format!("com.amazon.paapi5#{exception}");
        json!({ "__type": exception, "Errors": [{ "Code": code, "Message": format!("{message} {KEY}") }] })
    }

    #[test]
    fn each_refusal_of_the_account_is_told_apart_in_each_form() {
        let cases = [
            (400, "InvalidPartnerTagException", "InvalidPartnerTag", "", Refusal::BadPartnerTag),
            (400, "IncompleteSignatureException", "IncompleteSignature", "", Refusal::BadSignature),
            (401, "InvalidSignatureException", "InvalidSignature", "", Refusal::BadSignature),
            (401, "UnrecognizedClientException", "UnrecognizedClient", "", Refusal::UnknownKey),
            (401, "RequestExpiredException", "RequestExpired", "", Refusal::ClockSkew),
            (403, "AccessDeniedException", "AccessDenied", "is not enabled", Refusal::NotEnabled),
            (403, "AccessDeniedException", "AccessDenied", "API is deprecated.", Refusal::ApiRetired),
            (403, "AccessDeniedException", "AccessDeniedAwsUsers", "", Refusal::AwsKey),
            (403, "AssociateValidationException", "InvalidAssociate", "", Refusal::NotAssociate),
            (403, "AssociateEligibilityException", "AssociateNotEligible", "", Refusal::NotEligible),
            (403, "NewException", "SomethingNew", "", Refusal::Other),
        ];
        for (status, exception, code, message, expected) in cases {
            let kind = format!("com.amazon.paapi5#{exception}");
            let mut forms = vec![
                nested(exception, code, message),
                json!({ "__type": kind, "Code": code, "Message": message }),
                json!({ "__type": kind, "code": code, "message": message }),
            ];
            if code != "AccessDeniedAwsUsers" {
                forms.push(json!({ "Output": { "__type": kind, "message": message }, "Version": "1.0" }));
            }
            for form in forms {
                let error = read(status, form.to_string().as_bytes());
                assert!(matches!(error, Error::Refused { refusal, .. } if refusal == expected), "{form}: {error:?}");
            }
        }
    }

    #[test]
    fn a_refused_question_names_its_parameter_and_nothing_secret() {
        let cases = [
            (
                400,
                "InvalidParameterValue",
                "The value [11] provided in the request for [ItemCount] is invalid.",
                Some("ItemCount"),
            ),
            (400, "InvalidParameterValue", "The value [DUMMYACCESSKEY000001] is invalid.", None),
            (400, "InvalidParameterValue", "The value [ABCDEFGHIJKLMNOPQRST] is invalid. [", None),
            (400, "MissingParameter", "The request must contain the parameter PartnerTag.", None),
            (404, "UnknownOperation", "The operation requested is invalid.", None),
        ];
        for (status, code, message, expected) in cases {
            match read(status, nested("ValidationException", code, message).to_string().as_bytes()) {
                Error::Rejected { code: told, parameter, .. } => {
                    assert_eq!((told.as_str(), parameter.as_deref()), (code, expected), "{message}");
                }
                error => panic!("{message}: {error:?}"),
            }
        }
    }

    #[test]
    fn too_many_calls_are_known_by_status_or_code() {
        let html = "<html>slow down</html>".to_owned();
        let cases = [
            (429, nested("TooManyRequestsException", "TooManyRequests", "").to_string()),
            (429, html),
            (403, nested("RequestThrottledException", "RequestThrottled", "").to_string()),
            (200, json!({ "Output": { "__type": "com.amazon.coral.service#TooManyRequestsException" } }).to_string()),
        ];
        for (status, body) in cases {
            let error = read(status, body.as_bytes());
            let Error::Throttled { retry_after, .. } = error else { panic!("{body}: {error:?}") };
            assert_eq!(retry_after, Some(Duration::from_secs(3)), "{body}");
        }
    }

    #[test]
    fn a_failure_of_amazon_s_is_known_whatever_its_body() {
        let bodies = [
            nested("InternalFailureException", "InternalFailure", "").to_string(),
            nested("AccessDeniedException", "AccessDenied", "").to_string(),
            json!({ "message": "Internal error" }).to_string(),
            "<html><body>Service Unavailable</body></html>".to_owned(),
            "{\"Errors\": [".to_owned(),
            String::new(),
        ];
        for body in bodies {
            for status in [500, 502, 503] {
                let error = read(status, body.as_bytes());
                assert!(matches!(error, Error::Failed { status: told, .. } if told == status), "{body}: {error:?}");
            }
        }
    }

    #[test]
    fn without_an_error_code_the_status_decides() {
        let html = b"<html>who are you</html>";
        assert!(matches!(read(403, html), Error::Refused { refusal: Refusal::Other, .. }));
        assert!(matches!(read(404, html), Error::Malformed { .. }));
        assert!(matches!(read(302, b""), Error::Malformed { .. }));
    }
}
