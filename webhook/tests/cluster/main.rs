//! The cache in front of a real API server, and of one that misbehaves.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod faults;
mod following;
mod scene;

use std::process::ExitCode;

use clbmigrate_bed::{
    Plan, Version,
    suite::{Shared, run},
};

fn main() -> ExitCode {
    let shared = Shared::new(Plan::new().cluster("a", Version::NEWEST));
    let mut trials = Vec::new();
    for (name, test) in [following::TESTS, faults::TESTS].concat() {
        trials.push(shared.trial(name, move |bed| test(&scene::Scene::new(bed)?)));
    }
    run(trials, Some(&shared))
}
