//! The tree that Amazon answers with, and its turning into the contract's messages: one file a resource group.
//!
//! Both APIs answer with this tree, PA-API 5.0 with a few branches more. Each group is declared beside its conversion;
//! all fields may be absent (see `lenient`).

pub(super) mod browse_nodes;
pub(super) mod files;
pub(super) mod item;
pub(super) mod search;
pub(super) mod variations;

mod images;
mod info;
mod money;
mod offers;
mod offers_v1;
mod product_offers;
mod reviews;
