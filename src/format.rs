//! Facts of the contract as text: one formatter a fact, used by the server and by the command line.
//!
//! A price, a count or an availability reads the same in a comparison of the server, in a table of the command line and on
//! the status page. Layout and whole sentences belong to the callers.

pub use self::{
    number::{measure, measures, number},
    offer::{availability, best_offer, condition, money, offer_condition, percent_off, price, rating},
    time::{duration, timestamp},
};

mod number;
mod offer;
mod time;
