//! The JSON of Amazon's responses, and its conversion to the messages of `stockroom_proto` (`pb`).
//!
//! # Terms
//!
//! - A *resource group* is a group of fields that a request can name, as `ItemInfo` or `OffersV2`.
//! - An *item* is Amazon's word for what `pb` calls a product, a *refinement* with its *bins* for a facet with its values, a
//!   *listing* for an offer. The browse nodes of an item are the categories of its product.
//! - A *place* is one position in Amazon's list of items, also where its item cannot be read.
//! - A *span* is the lowest and the highest price of several offers. A price is *withheld* where Amazon forbids to show it.
//! - A *variation family* is a set of items that differ in size, colour and the like: one parent, which cannot be bought,
//!   and its children.
//!
//! # Layout
//!
//! `item` is a whole item; it is made of the resource groups `info`, `images`, `offers_v1`, `offers_v2`, `reviews` and
//! `browse_nodes`, each with its conversion in one file. `product_offers` merges the two versions of offers. `search` and
//! `variations` are the results of their operations, `files` one entry of a list. `money` and `numbers` serve several groups.
//!
//! # Rule
//!
//! PA-API 5.0 and the Creators API use this one schema in different spellings; what only one of them has is marked. A struct
//! has Amazon's name, also where a message has the same name: messages are always written with `pb::`. `into_message`
//! converts to an optional message, and is `None` without the field that the message is useless without, such as the id of a
//! browse node. Reading is tolerant: each field may be absent or malformed without an effect on the others (see
//! `crate::json`), and a number that cannot be true is absent (see `numbers`). Nothing here is an error but a page of which
//! nothing can be read: it is `None`, of which the caller makes an error.

pub(super) mod browse_nodes;
pub(super) mod files;
pub(super) mod item;
pub(super) mod search;
pub(super) mod variations;

mod images;
mod info;
mod money;
mod numbers;
mod offers_v1;
mod offers_v2;
mod product_offers;
mod reviews;
