//! `shift` and its `undo` over two clusters and machines outside, whatever fails in between: real
//! kubectl and real API servers, a double of CCM for each, a double of the CLB.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod ccm_events;
mod faults;
mod gitops;
mod health;
mod identity;
mod moves;
mod newcomer;
mod refusals;
mod servers;
mod signals;
mod terminal;
mod two_clusters;
mod undo;

use std::{process::ExitCode, sync::Arc};

use clbmigrate_e2e::{Tools, User};
use clbmigrate_testbed::{
    Plan, Testbed, Version,
    suite::{SharedTestbed, run_parallel},
};
use clbmigrate_testkit::{Prepared, manifests::cluster_profile};
use libtest_mimic::Trial;

use two_clusters::{IDS, NEW, OLD, TestContext};

/// A test: its name, its namespace, what it does.
type Case = (&'static str, &'static str, fn(&TestContext<'_>) -> anyhow::Result<()>);

fn main() -> ExitCode {
    let shared =
        SharedTestbed::new(Plan::new().cluster(OLD, Version::OLDEST).cluster(NEW, Version::NEWEST));
    let tools = Arc::new(Prepared::default());
    let groups = [
        moves::CASES,
        newcomer::CASES,
        faults::CASES,
        ccm_events::CASES,
        gitops::CASES,
        health::CASES,
        identity::CASES,
        refusals::CASES,
        servers::CASES,
        signals::CASES,
        terminal::CASES,
        undo::CASES,
    ];
    let trials = groups.into_iter().flatten().map(|case| trial(&shared, &tools, *case)).collect();
    run_parallel(trials, Some(&shared))
}

fn trial(
    shared: &Arc<SharedTestbed>,
    tools: &Arc<Prepared<Tools>>,
    (name, namespace, body): Case,
) -> Trial {
    let tools = Arc::clone(tools);
    shared.trial(name, move |testbed| {
        let tools = tools.get(|| prepare(testbed))?;
        body(&TestContext { testbed, tools, namespace })
    })
}

/// What the first test prepares for all.
fn prepare(testbed: &Testbed) -> anyhow::Result<Tools> {
    User::make_nodes(&testbed.cluster(OLD)?, &[("n1", "i-bp1o1"), ("n2", "i-bp1o2")])?;
    let new = [("n1", "i-bp1n1"), ("n2", "i-bp1n2"), ("n3", "i-bp1n3")];
    User::make_nodes(&testbed.cluster(NEW)?, &new)?;
    for (cluster, id) in IDS {
        testbed.cluster(cluster)?.apply(&cluster_profile(id).to_string())?;
    }
    Tools::build()
}
