//! The crate from outside: the rules, the routes, the solver, the hash and the injected hook.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod agreement;
mod grid;
mod hashes;
mod health;
mod identity;
mod inject;
mod known_keys;
mod languages;
mod patches;
mod properties;
mod record;
mod recorded;
mod routes;
mod rules;
mod solver;
mod support;
mod told;
mod transfer;
mod versions;
