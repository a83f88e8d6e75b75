//! PA-API's answer to a question.

use time::OffsetDateTime;

use super::failure;
use crate::{CatalogRequest, CatalogResponse, Error, answer, reply::Reply};

/// Reads the answer; `now` is what a date in the reply is counted from.
pub(super) fn read(question: &CatalogRequest, reply: &Reply, now: OffsetDateTime) -> Result<CatalogResponse, Error> {
    let faults = reply.object().as_ref().map(failure::faults).unwrap_or_default();
    if !reply.status.is_success() {
        return Err(failure::error(reply, faults.first(), now));
    }
    answer::read(question, reply, &faults, |fault| failure::error(reply, Some(fault), now))
}

#[cfg(test)]
mod tests;
