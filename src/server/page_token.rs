//! Where a next page begins, in a form that callers pass back and do not read.
//!
//! The token names the place and a fingerprint of the search, so that a token of another search is refused (AIP-158). It
//! is not signed: all that a forged one can reach is another page of the forger's own search. It is the same on every
//! replica.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

const VERSION: u8 = 1;
const FINGERPRINT_BYTES: usize = 8;

/// The token is not one of this search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PageTokenError {
    #[error("is not a page token of this gateway")]
    NotAToken,
    #[error("belongs to another request; a next page needs the same query and options")]
    OfAnother,
}

/// The token for a place in a search, given in its normal form.
pub(crate) fn write(search: &str, place: usize) -> String {
    let place = u32::try_from(place).unwrap_or(u32::MAX).to_be_bytes();
    URL_SAFE_NO_PAD.encode([&[VERSION][..], &fingerprint(search), &place].concat())
}

/// The place that a token names, below `end`; the beginning for an empty token.
///
/// No token is issued for a place at or behind `end`, so one that names it is forged.
pub(crate) fn read(search: &str, token: &str, end: usize) -> Result<usize, PageTokenError> {
    if token.is_empty() {
        return Ok(0);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| PageTokenError::NotAToken)?;
    let Some((&[VERSION], rest)) =
        bytes.split_at_checked(1).and_then(|(v, rest)| Some((<&[u8; 1]>::try_from(v).ok()?, rest)))
    else {
        return Err(PageTokenError::NotAToken);
    };
    let (print, place) = rest.split_at_checked(FINGERPRINT_BYTES).ok_or(PageTokenError::NotAToken)?;
    let place = u32::from_be_bytes(place.try_into().map_err(|_| PageTokenError::NotAToken)?);
    if print != fingerprint(search) {
        return Err(PageTokenError::OfAnother);
    }
    usize::try_from(place).ok().filter(|place| *place < end).ok_or(PageTokenError::NotAToken)
}

fn fingerprint(search: &str) -> [u8; FINGERPRINT_BYTES] {
    let hash = Sha256::digest(search.as_bytes());
    std::array::from_fn(|n| hash.get(n).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_for_its_own_search_only() {
        let token = write("lamp", 37);
        assert_eq!(read("lamp", &token, 100), Ok(37));
        assert_eq!(read("lamp", &token, 37), Err(PageTokenError::NotAToken), "a place behind the end is forged");
        assert_eq!(read("lamps", &token, 100), Err(PageTokenError::OfAnother));
        assert_eq!(read("lamp", "", 100), Ok(0));
    }

    #[test]
    fn anything_else_is_no_token() {
        for text in ["x", "AAAA", "!!!!", "é", &"A".repeat(10_000), &write("lamp", 1)[..10]] {
            assert_eq!(read("lamp", text, 100), Err(PageTokenError::NotAToken), "{text}");
        }
    }
}
