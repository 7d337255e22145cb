//! The double as its clients see it: over HTTP and HTTPS, with real sockets.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test may fail"
)]

mod behaviour;
mod client;
mod control;
mod data_plane;
mod drain;
mod ecs_and_vpc;
mod faults;
mod fixture;
mod groups;
mod health;
mod listeners;
mod load_balancers;
mod metadata;
mod policies;
mod shares;
mod signatures;
mod sts;
mod tls;
