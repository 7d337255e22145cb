//! The webhook on a real cluster: its cache before an API server, also one that misbehaves, what it reads
//! during a review, its certificates, from the shared Secret to `caBundle`, and its audit.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail, and tell what it measured"
)]

mod audit;
mod cache;
mod certificates;
mod claims;
mod live_lists;
#[allow(dead_code, reason = "the suite `server` uses the rest")]
#[path = "../support/process.rs"]
mod process;
mod self_test;
mod test_namespace;

use std::{
    process::ExitCode,
    sync::{Mutex, PoisonError, RwLock},
};

use clbmigrate_testbed::{
    Plan, Version,
    suite::{SharedTestbed, run_parallel},
};

use test_namespace::TestNamespace;

/// A test that stops the API server locks it for writing, all others for reading.
static API_SERVER: RwLock<()> = RwLock::new(());

/// Webhook configurations have one name each in a cluster, so one test at a time writes them.
static CONFIGURATIONS: Mutex<()> = Mutex::new(());

fn main() -> ExitCode {
    let shared = SharedTestbed::new(Plan::new().cluster("a", Version::NEWEST));
    let mut trials = Vec::new();
    let tests = [
        cache::following::TESTS,
        cache::faults::TESTS,
        claims::TESTS,
        live_lists::TESTS,
        self_test::TESTS,
    ]
    .concat();
    for (name, test) in tests {
        trials.push(shared.trial(name, move |testbed| {
            let _running = API_SERVER.read().unwrap_or_else(PoisonError::into_inner);
            test(&TestNamespace::new(testbed)?)
        }));
    }
    for (name, test) in cache::following::STOP_THE_API_SERVER {
        trials.push(shared.trial(name, move |testbed| {
            let _alone = API_SERVER.write().unwrap_or_else(PoisonError::into_inner);
            test(&TestNamespace::new(testbed)?)
        }));
    }
    for (name, test) in
        [audit::TESTS, certificates::authority::TESTS, certificates::publishing::TESTS].concat()
    {
        trials.push(shared.trial(name, move |testbed| {
            let _alone = CONFIGURATIONS.lock().unwrap_or_else(PoisonError::into_inner);
            let _running = API_SERVER.read().unwrap_or_else(PoisonError::into_inner);
            test(&certificates::Installation::new(TestNamespace::new(testbed)?)?)
        }));
    }
    run_parallel(trials, Some(&shared))
}
