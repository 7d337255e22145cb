//! The double of CCM against a real API server: what it writes, when, and in which order.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod behaviour;
mod cloud;
mod lifecycle;
mod rounds;
mod test_namespace;

use std::process::ExitCode;

use clbmigrate_testbed::suite::{SharedTestbed, run};
use clbmigrate_testbed::{Plan, Version};

fn main() -> ExitCode {
    let shared = SharedTestbed::new(Plan::new().cluster("a", Version::NEWEST));
    let mut trials = Vec::new();
    for (name, test) in [rounds::TESTS, behaviour::TESTS, lifecycle::TESTS, cloud::TESTS].concat() {
        trials.push(
            shared.trial(name, move |testbed| test(&test_namespace::TestNamespace::new(testbed)?)),
        );
    }
    run(trials, Some(&shared))
}
