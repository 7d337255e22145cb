//! Certificates of the webhook's own, before a real API server: the shared Secret, and `caBundle`.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod authority;
#[allow(dead_code, reason = "the other binary that has it uses all of it")]
mod program;
mod publishing;
mod scene;

use std::process::ExitCode;

use clbmigrate_testbed::{
    Plan, Version,
    suite::{SharedTestbed, run},
};

fn main() -> ExitCode {
    let shared = SharedTestbed::new(Plan::new().cluster("a", Version::NEWEST));
    let mut trials = Vec::new();
    for (name, test) in [authority::TESTS, publishing::TESTS].concat() {
        trials.push(shared.trial(name, move |testbed| test(&scene::Scene::new(testbed)?)));
    }
    run(trials, Some(&shared))
}
