//! Two replicas of the webhook as one: Services that want one vServer group at the same time, writes that
//! fail after they were admitted, a replica that is killed, a hostile Pod,
//! changes of the installation under constant reviews, and what breaks and heals.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail, and tell what it measured"
)]

mod at_once;
mod bindings;
mod certificates;
mod clients;
mod connections;
mod constant_reviews;
mod forged;
mod healing;
mod hostile;
mod killed;
mod pods;
mod rolling;
mod test_cluster;
mod unfinished;

use std::{process::ExitCode, sync::Arc};

use clbmigrate_testbed::{
    Plan, Version,
    suite::{SharedTestbed, run_parallel},
};
use libtest_mimic::Trial;

use crate::test_cluster::{InstalledCluster, TestCluster};

/// The name of the cluster.
const CLUSTER: &str = "replicas";

/// How a test shares the cluster with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClusterUse {
    /// It keeps to its own namespaces and groups.
    Parallel,
    /// The same, and it loads the API server: one such test at a time.
    Load,
    /// It changes what others rely on.
    Exclusive,
}

/// A test: its name, how it shares the cluster, what it does.
type Case = (&'static str, ClusterUse, fn(&TestCluster<'_>) -> anyhow::Result<()>);

fn main() -> ExitCode {
    let shared = SharedTestbed::new(Plan::new().cluster(CLUSTER, Version::NEWEST).nodes(2));
    let cluster = Arc::new(InstalledCluster::default());
    // Those that wait for minutes come first, and those that need the cluster for themselves last.
    let cases = [
        unfinished::CASES,
        forged::CASES,
        at_once::CASES,
        killed::CASES,
        connections::CASES,
        rolling::CASES,
        healing::CASES,
        certificates::CASES,
        forged::LAST_CASES,
    ];
    let trials = cases.into_iter().flatten().copied().map(|case| trial(&shared, &cluster, case));
    run_parallel(trials.collect(), Some(&shared))
}

fn trial(shared: &Arc<SharedTestbed>, cluster: &Arc<InstalledCluster>, case: Case) -> Trial {
    let (name, cluster_use, body) = case;
    let cluster = Arc::clone(cluster);
    shared.trial(name, move |testbed| cluster.run_case(testbed, cluster_use, body))
}
