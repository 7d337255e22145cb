//! The injected preStop hook: who gets it, what it looks like, and that applying again changes nothing.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod apply;
mod fixture;
mod hooks;
mod properties;
mod removal;
mod scope;
