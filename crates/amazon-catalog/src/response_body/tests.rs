//! Whole responses, from Amazon's JSON to the contract's messages. All products are invented.

use super::*;
use crate::{Error, test_fixtures::http_response};

mod creators;
mod paapi5;

fn read(request: &CatalogRequest, status: u16, body: impl AsRef<[u8]>) -> Result<CatalogResponse, Error> {
    decode(request, &http_response(status, body), OffsetDateTime::UNIX_EPOCH)
}

mod cases;
mod mutations;
