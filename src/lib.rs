//! Stockroom: a gRPC gateway in front of Amazon's product catalog.
//!
//! The modules form layers, listed from the top. A module imports only from the layers below it:
//!
//! - [`cli`]: the command line, one file a subcommand; starts everything else
//! - [`server`]: the gRPC surface; knows no business rule
//! - [`gateway`]: builds everything below the server from the configuration
//! - [`catalog`]: the operations behind the services: search, products, comparison, browse, rankings
//! - [`cache`]: cached answers in memory and in Redis, and how long each may be returned
//! - [`dispatch`]: each account's rate limit, queue and batches; the only way to Amazon
//! - [`store`]: the Redis that all replicas share, where there is one
//!
//! Every layer may use [`config`], [`telemetry`], [`clock`] and [`served`]. The contract, the client, Amazon's APIs and the
//! sandbox are crates of their own: `stockroom-proto`, `stockroom-client`, `amazon-catalog` and `amazon-sandbox`.

pub mod admin;
pub mod cache;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dispatch;
pub mod format;
pub mod gateway;
pub mod metrics;
pub mod server;
pub mod store;
pub mod telemetry;

/// The server's view of the contract: the messages that carry a `Product` carry it as its encoded bytes.
#[allow(missing_docs, unused, clippy::all, reason = "generated; its comments are the proto files' own")]
pub mod served {
    include!(concat!(env!("OUT_DIR"), "/served/stockroom.v1.rs"));
}
