//! A gRPC status as Connect's error: its JSON, its code and its HTTP status.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use prost::Message;
use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::json;

/// The error in its JSON form (Connect protocol reference, "Error end-stream").
#[derive(Debug, Serialize)]
pub(super) struct ErrorJson {
    code: &'static str,
    message: String,
    details: Vec<ErrorDetailJson>,
}

#[derive(Debug, Serialize)]
struct ErrorDetailJson {
    r#type: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    debug: Option<serde_json::Value>,
}

impl From<&Status> for ErrorJson {
    fn from(status: &Status) -> Self {
        // Details of this gateway's own always decode.
        let details = tonic_types::pb::Status::decode(status.details()).unwrap_or_default().details;
        let details = details.into_iter().map(|detail| {
            let name = detail.type_url.rsplit('/').next().unwrap_or_default().to_owned();
            let text = json::message(&name).and_then(|descriptor| json::encode(descriptor, &detail.value));
            let value = STANDARD_NO_PAD.encode(&detail.value);
            ErrorDetailJson { r#type: name, value, debug: text.and_then(|text| serde_json::from_slice(&text).ok()) }
        });
        let (code, _) = names(status.code());
        Self { code, message: status.message().to_owned(), details: details.collect() }
    }
}

/// The response to a unary call that failed.
pub(super) fn response(status: &Status, is_known_method: bool) -> Response<Bytes> {
    // Strings only, so it always serializes.
    let text = serde_json::to_vec(&ErrorJson::from(status)).unwrap_or_default();
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = match names(status.code()) {
        _ if !is_known_method && status.code() == Code::Unimplemented => StatusCode::NOT_FOUND,
        (_, status) => StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status.code() == Code::Unauthenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(delay) = status.get_error_details().retry_info().and_then(|info| info.retry_delay) {
        // Whole seconds, and not earlier.
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Connect's name and HTTP status of a code (Connect protocol reference, "Error codes").
fn names(code: Code) -> (&'static str, u16) {
    match code {
        Code::Cancelled => ("canceled", 499),
        Code::Ok | Code::Unknown => ("unknown", 500),
        Code::InvalidArgument => ("invalid_argument", 400),
        Code::DeadlineExceeded => ("deadline_exceeded", 504),
        Code::NotFound => ("not_found", 404),
        Code::AlreadyExists => ("already_exists", 409),
        Code::PermissionDenied => ("permission_denied", 403),
        Code::ResourceExhausted => ("resource_exhausted", 429),
        Code::FailedPrecondition => ("failed_precondition", 400),
        Code::Aborted => ("aborted", 409),
        Code::OutOfRange => ("out_of_range", 400),
        Code::Unimplemented => ("unimplemented", 501),
        Code::Internal => ("internal", 500),
        Code::Unavailable => ("unavailable", 503),
        Code::DataLoss => ("data_loss", 500),
        Code::Unauthenticated => ("unauthenticated", 401),
    }
}
