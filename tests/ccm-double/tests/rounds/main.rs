//! Rounds that no recording shows: the double in memory, on both sides.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod balancers;
mod groups;
mod outcomes;
mod pods;
mod site;
mod standalone;
#[path = "../support/store.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod store;
