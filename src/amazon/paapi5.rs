//! The Product Advertising API 5.0: signed requests, one host a marketplace.
