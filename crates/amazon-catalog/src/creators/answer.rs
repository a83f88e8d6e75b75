//! The Creators API's answer to a question.

use time::OffsetDateTime;

use super::failure;
use crate::{CatalogRequest, CatalogResponse, Error, answer, reply::Reply};

/// Reads the answer; `now` is what a date in the reply is counted from.
pub(super) fn read(question: &CatalogRequest, reply: &Reply, now: OffsetDateTime) -> Result<CatalogResponse, Error> {
    let faults = reply.object().as_ref().map(answer::listed).unwrap_or_default();
    // Where PA-API answers with an empty result or with faults alone, this API mostly says 404.
    if failure::is_nothing_found(reply) {
        return Ok(answer::nothing(question, &faults));
    }
    if !reply.status.is_success() {
        return Err(failure::error(reply, now));
    }
    answer::read(question, reply, &faults, |fault| failure::of(reply, fault))
}

#[cfg(test)]
mod tests;
