//! The fuzz targets: one function for each kind of bytes from outside. A target that panics has found a defect.
//!
//! cargo-fuzz runs them one by one (`fuzz_targets/`), and `tests/fuzz` runs all of them on a seeded corpus.

use stockroom::{cache, server};

/// A target with its name, which is also that of its corpus.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const TARGETS: [Target; 11] = [
    ("amazon_response", amazon_catalog::fuzzing::response),
    ("headers", server::fuzzing::headers),
    ("ids_request", server::fuzzing::ids_request),
    ("json_request", server::fuzzing::json_request),
    ("locale_names", server::fuzzing::locale_names),
    ("message_frame", server::fuzzing::message_frame),
    ("page_token", server::fuzzing::page_token),
    ("product_mask", server::fuzzing::product_mask),
    ("purge_journal", cache::fuzzing::purge),
    ("redis_entry", cache::fuzzing::entry),
    ("search_request", server::fuzzing::search_request),
];
