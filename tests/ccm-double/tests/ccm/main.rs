//! The double of CCM against a real API server: what it writes, when, and in which order.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod behaviour;
mod cloud;
mod lifecycle;
mod rounds;
mod test_namespace;

use std::process::ExitCode;

use clbmigrate_testbed::suite::{Shared, run};
use clbmigrate_testbed::{Plan, Version};

fn main() -> ExitCode {
    let shared = Shared::new(Plan::new().cluster("a", Version::NEWEST));
    let mut trials = Vec::new();
    for (name, test) in [rounds::TESTS, behaviour::TESTS, lifecycle::TESTS, cloud::TESTS].concat() {
        trials.push(shared.trial(name, move |bed| test(&test_namespace::TestNamespace::new(bed)?)));
    }
    run(trials, Some(&shared))
}
