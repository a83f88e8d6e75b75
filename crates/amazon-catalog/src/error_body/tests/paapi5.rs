//! Error responses as PA-API 5.0 sends them.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;

const KEY: &str = "DUMMYACCESSKEY000001";

fn read(status: u16, body: &[u8]) -> Error {
    let headers = [("x-amzn-requestid", "id-1"), ("retry-after", "3")]
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let status = StatusCode::from_u16(status).unwrap();
    let response = HttpResponse { status, headers: headers.into_iter().collect(), body: Some(body.to_vec()) };
    let error = error_of(&response);
    assert_eq!(error.request_id(), Some("id-1"));
    assert!(!format!("{error} {error:?}").contains(KEY), "a key must not come out: {error:?}");
    error
}

fn nested(exception: &str, code: &str, message: &str) -> Value {
    let exception = format!("com.amazon.paapi5#{exception}");
    json!({ "__type": exception, "Errors": [{ "Code": code, "Message": format!("{message} {KEY}") }] })
}

#[test]
fn each_refusal_of_the_account_is_distinguished_in_each_form() {
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
            Error::Rejected { code: actual, parameter, .. } => {
                assert_eq!((actual.as_str(), parameter.as_deref()), (code, expected), "{message}");
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
        nested("NewException", "SomethingNew", "").to_string(),
        json!({ "message": "Internal error" }).to_string(),
        "<html><body>Service Unavailable</body></html>".to_owned(),
        "{\"Errors\": [".to_owned(),
        String::new(),
    ];
    for body in bodies {
        for status in [500, 502, 503] {
            let error = read(status, body.as_bytes());
            assert!(matches!(error, Error::Failed { status: actual, .. } if actual == status), "{body}: {error:?}");
        }
    }
}

#[test]
fn without_an_error_code_the_status_decides() {
    let html = b"<html>who are you</html>";
    assert!(matches!(read(403, html), Error::Refused { refusal: Refusal::Other, .. }));
    assert!(matches!(read(404, html), Error::Failed { status: 404, .. }));
    assert!(matches!(read(404, b"{}"), Error::Malformed { .. }));
    assert!(matches!(read(302, b""), Error::Malformed { .. }));
}
