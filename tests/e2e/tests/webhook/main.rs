//! The webhook as its users have it: its image on real nodes, the chart installed by real helm, two
//! replicas reached through their Service, and real kubectl for everything.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail, and tell what it measured"
)]

mod brownfield;
mod callers;
mod edits;
mod emergency;
mod examples;
mod expected;
mod injection;
mod lifecycle;
mod node_examples;
mod one_file;
mod pods;
mod reapply;
mod rollout;
mod self_test;
mod settings;
mod test_cluster;

use std::{process::ExitCode, sync::Arc};

use clbmigrate_testbed::{
    Plan, Version,
    suite::{SharedTestbed, is_full, run_parallel},
};
use clbmigrate_testkit::manifests;
use libtest_mimic::Trial;

use crate::test_cluster::{TestCluster, TestClusters};

/// A cluster of the newest Kubernetes, with three nodes.
const NEW: &str = "new";
/// A cluster of the oldest Kubernetes, with two nodes.
const OLD: &str = "old";
/// Both, for what must hold everywhere.
const BOTH: &[&str] = &[NEW, OLD];

/// How a test shares its clusters with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClusterUse {
    /// It keeps to its own namespaces.
    Parallel,
    /// It changes what others rely on: nodes, or the webhook itself.
    Exclusive,
}

/// A test: its name, its clusters, how it shares them, what it does.
type Case =
    (&'static str, &'static [&'static str], ClusterUse, fn(&TestCluster<'_>) -> anyhow::Result<()>);

fn main() -> ExitCode {
    let plan =
        Plan::new().cluster(NEW, Version::NEWEST).nodes(3).cluster(OLD, Version::OLDEST).nodes(2);
    let shared = SharedTestbed::new(plan);
    let clusters = Arc::new(TestClusters::new(&[(NEW, Version::NEWEST), (OLD, Version::OLDEST)]));
    let mut groups: Vec<&[Case]> = vec![
        rollout::CASES,
        examples::CASES,
        node_examples::CASES,
        edits::CASES,
        brownfield::CASES,
        injection::CASES,
        pods::CASES,
        reapply::CASES,
        one_file::CASES,
        settings::CASES,
        self_test::CASES,
        callers::CASES,
        emergency::CASES,
        lifecycle::CASES,
    ];
    if is_full() {
        groups.push(rollout::FULL_CASES);
    }
    let cases: Vec<Case> = groups.into_iter().flatten().copied().collect();
    // Those that need a cluster for themselves come last, so that nobody waits for them.
    let (parallel, exclusive): (Vec<Case>, Vec<Case>) =
        cases.into_iter().partition(|case| case.2 == ClusterUse::Parallel);
    let cases = parallel.into_iter().chain(exclusive);
    let trials = cases.flat_map(|case| trials(&shared, &clusters, case)).collect();
    run_parallel(trials, Some(&shared))
}

/// A test in each of its clusters.
fn trials(shared: &Arc<SharedTestbed>, clusters: &Arc<TestClusters>, case: Case) -> Vec<Trial> {
    let (name, its_clusters, cluster_use, body) = case;
    let trial = |cluster: &&'static str| {
        let (cluster, clusters) = (*cluster, Arc::clone(clusters));
        let title = format!("{name} ({})", clusters.version(cluster));
        shared.trial(&title, move |testbed| clusters.run_case(testbed, cluster, cluster_use, body))
    };
    its_clusters.iter().map(trial).collect()
}
