//! See `stockroom::server::fuzzing::search_request`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockroom::server::fuzzing::search_request(data));
