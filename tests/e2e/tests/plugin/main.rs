//! The plugin as its users run it: real kubectl, real API servers.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod access;
mod attaching;
mod attaching_new;
mod attaching_refused;
mod ccm_events;
mod ccm_rounds;
mod cloud;
mod deregistration;
mod edge_cases;
mod gitops;
mod health;
mod isolation;
mod kubeconfigs;
mod levers;
mod reading;
mod records;
mod served;
mod signals;
mod terminal;
mod waiting;
mod watching;
mod writing;

use std::{process::ExitCode, sync::Arc, time::Duration};

use clbmigrate_e2e::{Tools, User};
use clbmigrate_testbed::{
    Plan, Testbed, Version,
    suite::{SharedTestbed, run_parallel},
};
use clbmigrate_testkit::Prepared;
use libtest_mimic::Trial;

/// A cluster without CCM.
const QUIET: &str = "a";
/// The same, of an older Kubernetes, with a node that has no providerID.
const FLAWED: &str = "b";
/// A cluster that a double of CCM answers for.
const SERVED: &str = "c";
/// A cluster whose API server comes and goes.
const SHAKY: &str = "d";
/// A cluster with one Service, of a double of CCM that has a double of the CLB.
const CLOUD: &str = "e";

/// Held by the one test that uses the shaky cluster.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Long enough for anything that shall happen at all.
const DEADLINE: Duration = Duration::from_secs(60);

/// A test: its name, its cluster, its namespace, what it does.
type Case = (&'static str, &'static str, &'static str, fn(&User<'_>, &Tools) -> anyhow::Result<()>);

fn main() -> ExitCode {
    if let Some(code) = isolation::probe() {
        return code;
    }
    let plan = Plan::new()
        .cluster(QUIET, Version::NEWEST)
        .cluster(FLAWED, Version::OLDEST)
        .cluster(SERVED, Version::NEWEST)
        .cluster(SHAKY, Version::NEWEST)
        .cluster(CLOUD, Version::NEWEST);
    let shared = SharedTestbed::new(plan);
    let tools = Arc::new(Prepared::default());
    let groups = [
        reading::CASES,
        cloud::CASES,
        writing::CASES,
        attaching::CASES,
        attaching_new::CASES,
        attaching_refused::CASES,
        edge_cases::CASES,
        waiting::CASES,
        ccm_events::CASES,
        ccm_rounds::CASES,
        deregistration::CASES,
        health::CASES,
        gitops::CASES,
        records::CASES,
        signals::CASES,
        access::CASES,
        isolation::CASES,
        kubeconfigs::CASES,
        levers::CASES,
        terminal::CASES,
        watching::CASES,
    ];
    let trials = groups.into_iter().flatten().map(|case| trial(&shared, &tools, *case)).collect();
    run_parallel(trials, Some(&shared))
}

fn trial(shared: &Arc<SharedTestbed>, tools: &Arc<Prepared<Tools>>, case: Case) -> Trial {
    let (name, cluster, namespace, body) = case;
    let tools = Arc::clone(tools);
    shared.trial(name, move |testbed| {
        let tools = tools.get(|| prepare(testbed))?;
        // Whoever stops an API server has it alone.
        let _alone = (cluster == SHAKY)
            .then(|| ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let user = User::new(testbed, &tools, cluster, namespace)?;
        body(&user, &tools)
    })
}

/// What the first test prepares for all.
fn prepare(testbed: &Testbed) -> anyhow::Result<Tools> {
    let good = [("n1", "i-bp1n1"), ("n2", "i-bp1n2")];
    for name in [QUIET, SERVED, SHAKY, CLOUD] {
        User::make_nodes(&testbed.cluster(name)?, &good)?;
    }
    User::make_nodes(&testbed.cluster(FLAWED)?, &[("n1", "i-bp1n1"), ("n2", "")])?;
    Tools::build()
}
