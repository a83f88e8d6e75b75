//! The gateway as its clients see it: over real TCP, with the sandbox as Amazon.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "a test that panics has failed"
)]

mod support;

mod bad_input;
mod browse;
mod compare;
mod errors;
mod faults;
mod listener;
mod products;
mod search;
