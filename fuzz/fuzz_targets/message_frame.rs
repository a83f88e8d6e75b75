//! See `stockroom::server::fuzzing::message_frame`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockroom::server::fuzzing::message_frame(data));
