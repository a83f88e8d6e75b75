//! See `stockroom::server::fuzzing::headers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockroom::server::fuzzing::headers(data));
