//! From an HTTP response of PA-API 5.0 to a catalog response.

use time::OffsetDateTime;

use super::error_body;
use crate::{CatalogRequest, CatalogResponse, Error, http_response::HttpResponse, response_body};

/// Decodes the response. `now` is the time against which a date in `Retry-After` is counted.
pub(crate) fn decode(
    request: &CatalogRequest,
    response: &HttpResponse,
    now: OffsetDateTime,
) -> Result<CatalogResponse, Error> {
    let faults = response.object().as_ref().map(error_body::faults).unwrap_or_default();
    if !response.status.is_success() {
        return Err(error_body::error(response, faults.first(), now));
    }
    response_body::decode(request, response, &faults, |fault| error_body::error(response, Some(fault), now))
}

#[cfg(test)]
mod tests;
