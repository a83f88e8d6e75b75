//! Error responses in each form, and what they mean.

use serde_json::value::RawValue;

use super::*;

mod creators;
mod paapi5;

/// The error of a response as the decoder finds it.
fn error_of(response: &HttpResponse) -> Error {
    let text = response.text().unwrap_or_default();
    let json: Option<&RawValue> = serde_json::from_str(&text).ok();
    let body = json.and_then(Object::read);
    let errors = body.as_ref().map(read_errors).unwrap_or_default();
    to_error(response, &errors, body.as_ref(), OffsetDateTime::UNIX_EPOCH)
}
