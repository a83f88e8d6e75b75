//! Entry points for fuzz targets: what reads bytes that Redis holds. Not part of the API.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;

use super::entry;
use crate::cache::purge_log;

/// An answer. One that is read is written as it was read.
pub fn entry(data: &[u8]) {
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    if let Some(snapshot) = entry::decode(Bytes::copy_from_slice(data), now) {
        assert_eq!(entry::encode(&snapshot), data);
    }
}

/// An entry of the purge journal.
pub fn purge(data: &[u8]) {
    let _ = purge_log::parse(&String::from_utf8_lossy(data));
}
