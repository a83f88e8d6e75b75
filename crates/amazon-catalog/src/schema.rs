//! Amazon's JSON schema and its conversion to the contract's messages, one file for each resource group.
//!
//! Both APIs use this schema; PA-API 5.0 has some groups more. Each group is declared next to its conversion. Every field may
//! be absent (see `json`).

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
