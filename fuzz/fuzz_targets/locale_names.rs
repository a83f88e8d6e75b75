//! See `stockroom::server::fuzzing::locale_names`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockroom::server::fuzzing::locale_names(data));
