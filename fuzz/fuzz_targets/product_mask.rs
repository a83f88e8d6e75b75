//! See `stockroom::server::fuzzing::product_mask`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockroom::server::fuzzing::product_mask(data));
