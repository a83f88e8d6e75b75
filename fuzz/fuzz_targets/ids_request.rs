//! See `stockroom::server::fuzzing::ids_request`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockroom::server::fuzzing::ids_request(data));
