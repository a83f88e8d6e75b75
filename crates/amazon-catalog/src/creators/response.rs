//! From an HTTP response of the Creators API to a catalog response.

use time::OffsetDateTime;

use super::error_body;
use crate::{CatalogRequest, CatalogResponse, Error, http_response::HttpResponse, response_body};

/// Decodes the response. `now` is the time against which a date in `Retry-After` is counted.
pub(crate) fn decode(
    request: &CatalogRequest,
    response: &HttpResponse,
    now: OffsetDateTime,
) -> Result<CatalogResponse, Error> {
    let faults = response.object().as_ref().map(response_body::listed).unwrap_or_default();
    // PA-API answers that nothing was found with errors alone; this API mostly with HTTP 404.
    if error_body::is_nothing_found(response) {
        return Ok(response_body::empty_response(request, &faults));
    }
    if !response.status.is_success() {
        return Err(error_body::error(response, now));
    }
    response_body::decode(request, response, &faults, |fault| error_body::of(response, fault))
}

#[cfg(test)]
mod tests;
