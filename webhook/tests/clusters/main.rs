//! The cache in front of a real API server, and of one that misbehaves.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod faults;
mod following;
mod scene;

use std::{
    process::ExitCode,
    sync::{PoisonError, RwLock},
};

use clbmigrate_testbed::{
    Plan, Version,
    suite::{SharedTestbed, run},
};

/// Whoever stops the API server has it alone; all others share it.
static TURN: RwLock<()> = RwLock::new(());

fn main() -> ExitCode {
    let shared = SharedTestbed::new(Plan::new().cluster("a", Version::NEWEST));
    let mut trials = Vec::new();
    for (name, test) in [following::TESTS, faults::TESTS].concat() {
        trials.push(shared.trial(name, move |testbed| {
            let _turn = TURN.read().unwrap_or_else(PoisonError::into_inner);
            test(&scene::Scene::new(testbed)?)
        }));
    }
    for (name, test) in following::ALONE {
        trials.push(shared.trial(name, move |testbed| {
            let _turn = TURN.write().unwrap_or_else(PoisonError::into_inner);
            test(&scene::Scene::new(testbed)?)
        }));
    }
    run(trials, Some(&shared))
}
