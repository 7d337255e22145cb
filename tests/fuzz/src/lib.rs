//! What reads texts that anybody may have written, and what holds for every input: the annotations of
//! a Service, its mapping, the webhook's configuration, objects for its cache, and reviews. The suite
//! `fuzz/targets` tries a bounded number of inputs.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is what a target finds"
)]

mod annotation;
mod configuration;
mod mapping;
#[path = "../../../webhook/tests/support/memory_claims.rs"]
mod memory_claims;
mod objects;
mod review;

/// Something that reads input.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also that of its folder in `corpus` and of its file in `dictionaries`.
    pub name: &'static str,
    /// Reads an input, and panics where something does not hold that must hold for every input.
    pub check: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "annotation", check: annotation::check },
    Target { name: "configuration", check: configuration::check },
    Target { name: "mapping", check: mapping::check },
    Target { name: "objects", check: objects::check },
    Target { name: "review", check: review::check },
];
