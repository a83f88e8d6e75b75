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

/// Makes two tests of each of these functions, one for either protocol: `paapi5::name` and `creators::name`. Where the
/// protocols differ, the function says how.
macro_rules! both_protocols {
    ($($test:ident),+ $(,)?) => {
        mod paapi5 {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::support::Protocol::Paapi5).await;
            })+
        }

        mod creators {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::support::Protocol::Creators).await;
            })+
        }
    };
}

#[path = "../support/certificates.rs"]
mod certificates;
mod support;

mod answers;
mod bad_input;
mod browse;
mod cold_start;
mod compare;
mod errors;
mod faults;
mod files;
mod hostile;
mod identities;
mod listener;
mod lists;
mod products;
mod program;
mod reasons;
mod restarts;
mod rotation;
mod search;
mod secrecy;
mod tokens;
mod traces;
mod web;
