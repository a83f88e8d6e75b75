//! See `stockroom::server::fuzzing::json_request`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockroom::server::fuzzing::json_request(data));
