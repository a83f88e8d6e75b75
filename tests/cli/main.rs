//! The program as people run it: its commands against a gateway of its own, and the README's word for what they print.
//!
//! The gateways are `stockroom serve --sandbox`, so these tests need the cargo feature `sandbox`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]
#![cfg(feature = "sandbox")]

#[path = "../support/certificates.rs"]
mod certificates;
mod support;

mod admin_port;
mod check;
mod commands;
mod identities;
mod mcp;
mod readme;
mod reloading;
mod serving;
mod tls;
mod tracing;
mod widths;
