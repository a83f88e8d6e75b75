//! Error responses as the Creators API sends them.

use serde_json::{Value, json};

use super::*;

const SECRET: &str = "DUMMYCREDENTIAL000001";

fn response(status: u16, body: &str) -> HttpResponse {
    let headers = [("x-amzn-requestid", "id-1".parse().unwrap())].map(|(name, value)| (name.parse().unwrap(), value));
    let status = StatusCode::from_u16(status).unwrap();
    HttpResponse { status, headers: headers.into_iter().collect(), body: Some(body.as_bytes().to_vec()) }
}

fn read(status: u16, body: &str) -> Error {
    let error = error_of(&response(status, body));
    assert_eq!(error.request_id(), Some("id-1"));
    assert!(!format!("{error} {error:?}").contains(SECRET), "what Amazon says in words must not come out: {error:?}");
    error
}

fn body(exception: &str, reason: &str) -> Value {
    json!({ "type": exception, "message": format!("about {SECRET}"), "reason": reason })
}

#[test]
fn each_refusal_of_the_account_is_distinguished() {
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
fn a_refused_question_names_its_field_in_each_form_and_nothing_that_is_no_name() {
    let cases = [
        (json!([{ "name": "itemIds", "message": SECRET }]), Some("itemIds")),
        (json!([{ "name": "partnerTag" }]), Some("partnerTag")),
        (json!(["partnerTag"]), Some("partnerTag")),
        (json!([SECRET, { "name": SECRET }, 7, null, "itemPage"]), Some("itemPage")),
        (json!(["example-20"]), None),
        (json!("partnerTag"), Some("partnerTag")),
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
    assert!(matches!(read(400, "<html>"), Error::Failed { status: 400, .. }));
    for (status, body) in [(404, "{}"), (302, "")] {
        assert!(matches!(read(status, body), Error::Malformed { .. }), "{status} {body}");
    }
}

#[test]
fn too_many_calls_are_known_with_the_wait_that_is_asked_for() {
    let cases = [
        (json!({ "type": "ThrottleException", "retryAfterSeconds": 60 }), Some(60)),
        (json!({ "type": "ThrottleException", "retryAfterSeconds": -1 }), None),
        (json!({ "type": "ThrottleException", "retryAfterSeconds": 301 }), Some(300)),
        (json!({ "type": "ThrottleException", "retryAfterSeconds": 1e30 }), Some(300)),
        (json!({ "type": "ThrottleException", "retryAfterSeconds": "7" }), Some(7)),
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
    let error = error_of(&response);
    assert!(matches!(error, Error::Throttled { retry_after: Some(wait), .. } if wait.as_secs() == 7), "{error:?}");
}

#[test]
fn a_failure_of_amazon_s_is_known_whatever_its_body() {
    let bodies = [body("InternalServerException", ""), body("AccessDeniedException", "Other"), json!("<html>")];
    for body in bodies {
        for status in [500, 502, 503, 504] {
            let error = read(status, &body.to_string());
            assert!(matches!(error, Error::Failed { status: actual, .. } if actual == status), "{body}: {error:?}");
        }
    }
}
