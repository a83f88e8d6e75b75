//! The gateway as its clients see it: over real TCP, with the sandbox as Amazon.

mod support;

mod bad_input;
mod browse;
mod compare;
mod errors;
mod faults;
mod listener;
mod products;
mod search;
