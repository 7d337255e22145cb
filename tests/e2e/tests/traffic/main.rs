//! What `status` prints is what traffic does: real connections through a CLB that forwards by
//! weight, to node ports and pods of two real clusters and to machines outside, counted by who
//! answers.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail, and tell what it measured"
)]

mod cases;
mod change;
mod measure;
mod route;
mod stage;

use std::{
    process::ExitCode,
    sync::{Arc, OnceLock},
};

use anyhow::{Context, Error, Result};
use clbmigrate_testbed::{
    Plan, Version,
    suite::{Shared, run},
};

use crate::{
    cases::{CASES, Case},
    change::change,
    measure::measure,
    route::{MACHINES, NEW, OLD},
    stage::{CLB, Scene, Stage},
};

fn main() -> ExitCode {
    let plan = Plan::new().cluster(OLD, Version::OLDEST).nodes(2);
    let plan = plan.cluster(NEW, Version::NEWEST).nodes(3).machine(CLB);
    let shared = Shared::new(MACHINES.iter().fold(plan, |plan, machine| plan.machine(machine)));
    // Set by the first test, and held until the bed has ended: what runs there ends with it.
    let scene = Arc::new(OnceLock::new());
    let trials = CASES.iter().map(|case| {
        let scene: Arc<OnceLock<Result<Scene, String>>> = Arc::clone(&scene);
        shared.trial(&format!("shares are what traffic does: {}", case.title), move |bed| {
            let set = || Scene::set(bed).map_err(|error| format!("{error:#}"));
            let scene = scene.get_or_init(set).as_ref();
            play(&Stage { bed, scene: scene.map_err(|error| Error::msg(error.clone()))? }, case)
        })
    });
    run(trials.collect(), Some(&shared))
}

/// Measures, and again after each change.
fn play(stage: &Stage<'_>, case: &Case) -> Result<()> {
    let mut last = measure(stage, &case.route, case.connections).context("before")?;
    if case.floors {
        last.differs_from_nominal()?;
    }
    for step in case.steps {
        change(stage, &case.route, step)?;
        let next = measure(stage, &case.route, case.connections);
        let next = next.with_context(|| format!("after {step:?}"))?;
        step.has_moved(&last, &next)?;
        last = next;
    }
    Ok(())
}
