//! The double as its clients see it: over HTTP and HTTPS, with real sockets.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test may fail"
)]

mod balancers;
mod client;
mod control;
mod credentials;
mod drain;
mod faults;
mod groups;
mod health;
mod listeners;
mod neighbours;
mod scene;
mod shares;
mod signatures;
mod site;
mod sts;
mod tls;
