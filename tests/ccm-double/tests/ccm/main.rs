//! The double of CCM against a real API server: what it writes, when, and in which order.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod behaviour;
mod cloud;
mod lifecycle;
mod rounds;
mod test_namespace;

use std::process::ExitCode;

use clbmigrate_testbed::suite::{SharedTestbed, run_parallel};
use clbmigrate_testbed::{Plan, Version};
use test_namespace::{Access, TestNamespace};

fn main() -> ExitCode {
    let shared = SharedTestbed::new(Plan::new().cluster("a", Version::NEWEST));
    let tests = [rounds::TESTS, behaviour::TESTS, lifecycle::TESTS, cloud::TESTS].concat();
    let exclusive =
        [rounds::EXCLUSIVE_TESTS, lifecycle::EXCLUSIVE_TESTS, cloud::EXCLUSIVE_TESTS].concat();
    let mut trials = Vec::new();
    // Those that have the cluster to themselves come last, when nobody waits for them.
    for (access, tests) in [(Access::Shared, tests), (Access::Exclusive, exclusive)] {
        for (name, test) in tests {
            trials.push(
                shared.trial(name, move |testbed| test(&TestNamespace::new(testbed, access)?)),
            );
        }
    }
    run_parallel(trials, Some(&shared))
}
