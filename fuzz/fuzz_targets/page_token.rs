//! See `stockroom::server::fuzzing::page_token`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockroom::server::fuzzing::page_token(data));
