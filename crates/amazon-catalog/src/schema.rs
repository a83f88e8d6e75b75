//! The JSON of Amazon's responses, and its conversion to the messages of `stockroom_proto` (`pb`).
//!
//! # Terms
//!
//! - A *resource group* is a group of fields that a request can name, as `ItemInfo` or `OffersV2`.
//! - An *item* is Amazon's word for what `pb` calls a product, a *browse node* for a category, a *refinement* with its
//!   *bins* for a facet with its values, a *listing* for an offer.
//! - A *variation family* is a set of items that differ in size, colour and the like: one parent, which cannot be bought,
//!   and its children.
//!
//! # Layout
//!
//! `item` is a whole item; it is made of the resource groups `info`, `images`, `offers`, `offers_v1`, `reviews` and
//! `browse_nodes`, each with its conversion in one file. `product_offers` merges the two versions of offers. `search`,
//! `variations` and `files` are whole responses. `money` is used by several groups.
//!
//! # Rule
//!
//! PA-API 5.0 and the Creators API use this one schema in different spellings; what only one of them has is marked. A struct
//! has Amazon's name, also where a message has the same name: messages are always written with `pb::`. `into_message`
//! converts to an optional message, and is `None` where the message would say nothing. Reading is tolerant: each field may be
//! absent or malformed without an effect on the others (see `crate::json`). Nothing here is an error: what cannot be read is
//! absent.

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
