//! See `amazon_catalog::fuzzing::response`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| amazon_catalog::fuzzing::response(data));
