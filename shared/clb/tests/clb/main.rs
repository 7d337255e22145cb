//! The client against a real HTTP server.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail"
)]

mod credentials;
mod double;
mod environment;
mod errors;
mod reads;
mod server;
mod signature;
mod transport;
mod writes;
