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
mod fixture;
mod measure;
mod route;
mod step;

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, Result};
use clbmigrate_testbed::{
    Plan, Version,
    suite::{SharedTestbed, run_parallel},
};
use clbmigrate_testkit::Prepared;

use crate::{
    cases::{CASES, Case},
    fixture::{CLB, Fixture, TestContext},
    measure::measure,
    route::{MACHINES, NEW, OLD},
    step::apply,
};

fn main() -> ExitCode {
    let plan = Plan::new().cluster(OLD, Version::OLDEST).nodes(2);
    let plan = plan.cluster(NEW, Version::NEWEST).nodes(3).machine(CLB);
    let shared =
        SharedTestbed::new(MACHINES.iter().fold(plan, |plan, machine| plan.machine(machine)));
    // Held until the testbed has ended: what runs there ends with it.
    let fixture = Arc::new(Prepared::default());
    let trials = CASES.iter().map(|case| {
        let fixture = Arc::clone(&fixture);
        shared.trial(&format!("shares are what traffic does: {}", case.title), move |testbed| {
            let fixture: Arc<Fixture> = fixture.get(|| Fixture::start(testbed).map(Arc::new))?;
            run_case(&TestContext { testbed, fixture: &fixture }, case)
        })
    });
    run_parallel(trials.collect(), Some(&shared))
}

/// Measures, and again after each change.
fn run_case(context: &TestContext<'_>, case: &Case) -> Result<()> {
    let mut last = measure(context, &case.route).context("before")?;
    if case.floors {
        last.differs_from_nominal()?;
    }
    for step in case.steps {
        apply(context, &case.route, step)?;
        let next = measure(context, &case.route);
        let next = next.with_context(|| format!("after {step:?}"))?;
        step.has_moved(&last, &next)?;
        last = next;
    }
    Ok(())
}
