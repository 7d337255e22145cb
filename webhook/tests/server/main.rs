//! The server over real sockets with real TLS.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod client;
mod connections;
mod ending;
mod load;
mod requests;
mod scene;
mod self_call;
