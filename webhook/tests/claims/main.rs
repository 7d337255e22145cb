//! Claims on vServer groups, rule by rule.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod group;
mod lease_store;
mod settlement;
mod support;
mod sweep;
