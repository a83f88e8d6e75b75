//! Error responses in each form, and what they mean.

mod creators;
mod paapi5;
