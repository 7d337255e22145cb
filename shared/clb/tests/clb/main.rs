//! The client against the CLB double, and against servers that break off.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail"
)]

mod agreement;
mod cloud;
mod credentials;
mod environment;
mod errors;
#[cfg(unix)]
mod programs;
mod raw_server;
mod reads;
mod signature;
mod transport;
mod writes;
