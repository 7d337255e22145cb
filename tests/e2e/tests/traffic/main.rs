//! What `status` prints is what traffic does, and no request is lost while it moves: real connections
//! through CLBs that forward by weight, to node ports and pods of two real clusters and to machines
//! outside, counted by who answers.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail, and tell what it measured"
)]

mod cases;
mod closed;
mod faults;
mod fixture;
mod late;
mod measure;
mod pod_ends;
mod requests;
mod route;
mod site;
mod step;

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, Result};
use clbmigrate_e2e::Listener;
use clbmigrate_testbed::{
    Plan, Version,
    suite::{SharedTestbed, run_at_once},
};
use clbmigrate_testkit::Prepared;
use libtest_mimic::Trial;

use crate::{
    cases::{CASES, Case},
    faults::FAULT_CASES,
    fixture::{Fixture, TestContext},
    measure::measure,
    requests::Table,
    route::{MACHINES, NEW, OLD, Route},
    site::{Site, machine},
};

/// How many tests run at once: they wait for CCM and health checks most of the time.
const AT_ONCE: usize = 12;

/// About how many seconds a step takes, with what is measured after it.
const SECONDS_A_STEP: usize = 5;

/// The namespace of what is measured.
const SHOP: &str = "shop";

fn main() -> ExitCode {
    let plan = Plan::new().cluster(OLD, Version::OLDEST).nodes(2);
    let plan = plan.cluster(NEW, Version::NEWEST).nodes(3);
    let plan = MACHINES.iter().fold(plan, |plan, machine| plan.machine(machine));
    let own = FAULT_CASES.iter().map(|case| case.route.name);
    let plan = own.chain([SHOP]).fold(plan, |plan, namespace| plan.machine(&machine(namespace)));
    let suite =
        Suite { shared: SharedTestbed::new(plan), fixture: Arc::default(), table: Arc::default() };
    let code = run_at_once(AT_ONCE, suite.trials(), &suite.shared);
    println!("\n{}", suite.table);
    code
}

/// What all tests share.
struct Suite {
    shared: Arc<SharedTestbed>,
    /// Held until the testbed has ended: what runs there ends with it.
    fixture: Arc<Prepared<Arc<Fixture>>>,
    table: Arc<Table>,
}

/// A CLB that the first test which needs it starts.
#[derive(Clone)]
struct SitePlan {
    namespace: &'static str,
    routes: Vec<&'static Route>,
    listener: fn(&Route) -> Listener,
    site: Arc<Prepared<Arc<Site>>>,
}

impl SitePlan {
    fn new(
        namespace: &'static str,
        routes: Vec<&'static Route>,
        listener: fn(&Route) -> Listener,
    ) -> Self {
        Self { namespace, routes, listener, site: Arc::default() }
    }
}

impl Suite {
    /// All tests, those first that take longest.
    fn trials(&self) -> Vec<Trial> {
        let faults = FAULT_CASES.iter().map(|case| {
            let site = SitePlan::new(case.route.name, vec![&case.route], case.listener);
            let run = |context: &TestContext<'_>| (case.run)(context, &case.route);
            (case.seconds, self.trial(case.title, case.short, site, run))
        });
        let routes = CASES.iter().map(|case| &case.route).collect();
        let shop = SitePlan::new(SHOP, routes, Route::listener);
        let measured = CASES.iter().map(|case| {
            let title = format!("shares are what traffic does: {}", case.title);
            let run = |context: &TestContext<'_>| measured(context, case);
            (case.steps.len() * SECONDS_A_STEP, self.trial(&title, case.title, shop.clone(), run))
        });
        let mut trials: Vec<(usize, Trial)> = faults.chain(measured).collect();
        trials.sort_by_key(|(seconds, _)| std::cmp::Reverse(*seconds));
        trials.into_iter().map(|(_, trial)| trial).collect()
    }

    /// A test at a CLB; `case` is its name in the table.
    fn trial(
        &self,
        title: &str,
        case: &'static str,
        plan: SitePlan,
        body: impl FnOnce(&TestContext<'_>) -> Result<()> + Send + 'static,
    ) -> Trial {
        let (fixture, table) = (Arc::clone(&self.fixture), Arc::clone(&self.table));
        self.shared.trial(title, move |testbed| {
            let fixture = fixture.get(|| Fixture::start(testbed).map(Arc::new))?;
            let SitePlan { namespace, routes, listener, site } = &plan;
            let start = || Site::start(testbed, &fixture, namespace, routes, listener);
            let site = site.get(|| start().map(Arc::new))?;
            let (fixture, site, table) = (&fixture, &site, &table);
            body(&TestContext { testbed, fixture, site, title: case, table })
        })
    }
}

/// Measures, and again after each change.
fn measured(context: &TestContext<'_>, case: &Case) -> Result<()> {
    let mut last = measure(context, &case.route).context("before")?;
    if case.floors {
        last.differs_from_nominal()?;
    }
    let mut first = None;
    for step in case.steps {
        step.apply(context, &case.route)?;
        let next = measure(context, &case.route);
        let next = next.with_context(|| format!("after {step:?}"))?;
        step.has_moved((first.as_ref(), &last), &next).with_context(|| format!("{step:?}"))?;
        first = Some(std::mem::replace(&mut last, next));
    }
    Ok(())
}
