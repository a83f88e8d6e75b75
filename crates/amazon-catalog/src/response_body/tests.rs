//! Whole responses, from Amazon's JSON to the contract's messages. All products are invented.

mod creators;
mod paapi5;
mod products;
