//! See `stockroom::cache::fuzzing::purge`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockroom::cache::fuzzing::purge(data));
