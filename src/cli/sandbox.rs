//! The sandbox as the command line uses it: `stockroom sandbox`, and the upstream of `stockroom serve --sandbox`.
//!
//! The cargo feature `sandbox` decides which of two modules provides it: `command` and `gateway`, or `absent`, which
//! offers the same names and answers every use with one error. The rest of the command line does not know which one it got.

use clap::ValueEnum;

#[cfg(not(feature = "sandbox"))]
mod absent;
#[cfg(feature = "sandbox")]
mod command;
#[cfg(feature = "sandbox")]
mod gateway;

#[cfg(not(feature = "sandbox"))]
pub(super) use self::absent::{EXAMPLE_ASINS, RunSandbox, accounts, start};
#[cfg(feature = "sandbox")]
pub(super) use self::{
    command::RunSandbox,
    gateway::{EXAMPLE_ASINS, accounts, start},
};

/// Which of Amazon's APIs the gateway speaks with the sandbox.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Protocol {
    /// The Product Advertising API 5.0: one account; its answers have reviews and Prime flags
    Paapi5,
    /// The Creators API: an account for each group of marketplaces; no reviews, no Prime flag
    Creators,
}
