//! Testbeds as tests use them: control planes only, and clusters with nodes. Their tests run side by
//! side, so each has objects of its own, and what a test stops or isolates no other test uses.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod control_plane;
mod nodes;

use std::process::ExitCode;

use clbmigrate_testbed::suite::run_parallel_on;

fn main() -> ExitCode {
    let (control_planes, with_nodes) = (control_plane::testbed(), nodes::testbed());
    let mut trials = nodes::trials(&with_nodes);
    trials.extend(control_plane::trials(&control_planes));
    run_parallel_on(trials, &[&with_nodes, &control_planes])
}
