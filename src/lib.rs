//! Stockroom: a gRPC gateway in front of Amazon's product catalog.
//!
//! The house, one floor above the other; a `use` never points upwards:
//!
//! - [`cli`]: the command line, one file a subcommand; starts everything else
//! - [`client`]: the Rust client that the command line uses, over the generated stubs
//! - [`server`]: the gRPC surface; knows no business rule
//! - [`catalog`]: what the services know how to do
//! - [`cache`]: what has been answered before, and how long it may be told again
//! - [`dispatch`]: the account's keeper, and the only way to Amazon
//! - [`store`]: the Redis that all replicas share, where there is one
//! - [`amazon`]: Amazon's APIs behind one trait
//!
//! Beside them: [`config`] (handed in, never reached for), [`telemetry`], [`clock`], [`sandbox`] (a fake Amazon over real HTTP that
//! only the command line and tests know), and the generated contract, [`pb`] and [`served`].

pub mod cache;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dispatch;
pub mod gateway;
pub mod server;
pub mod store;
pub mod telemetry;

/// The server's view of the contract: the messages that carry a `Product` carry it as its encoded bytes.
#[allow(missing_docs, unused, clippy::all, reason = "generated; its comments are the proto files' own")]
pub mod served {
    include!(concat!(env!("OUT_DIR"), "/served/stockroom.v1.rs"));
}
