//! The proxy between a client that shows every byte and a small API server.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod api_server;
mod certificates;
mod client;
mod faults;
mod forwarding;
mod lifecycle;
mod rules;
