//! See `stockroom::cache::fuzzing::entry`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockroom::cache::fuzzing::entry(data));
