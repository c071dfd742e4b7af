//! What integration tests share.

pub mod conformance;
