//! The chart: what helm makes of it, what real API servers make of that, and which requests reach
//! the webhook at all.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod conditions;
mod deletions;
mod files;
mod gitops;
mod monitoring;
mod network_policy;
mod older_values;
mod people;
mod readme;
mod release;
mod services;
mod settings;
mod workloads;

use std::{
    ops::Deref,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use clbmigrate_e2e::{Helm, IMAGE};
use clbmigrate_testbed::{
    Cluster, Plan, Version,
    suite::{SharedTestbed, run_parallel},
};
use clbmigrate_testkit::{CommandOutput, Kubectl};
use libtest_mimic::{Failed, Trial};

/// The clusters: of the newest and of the oldest Kubernetes.
const CLUSTERS: [(&str, Version); 2] = [("new", Version::NEWEST), ("old", Version::OLDEST)];

/// A test of what is in files.
type FileCase = (&'static str, fn(&Helm) -> anyhow::Result<()>);

/// The tests of what is in files.
const FILE_CASES: [&[FileCase]; 7] = [
    files::CASES,
    gitops::FILE_CASES,
    monitoring::CASES,
    network_policy::FILE_CASES,
    older_values::FILE_CASES,
    readme::CASES,
    settings::CASES,
];

/// A test that both clusters take.
type ClusterCase = (&'static str, fn(&TestCluster<'_>) -> anyhow::Result<()>);

/// A cluster that no other test uses meanwhile: webhook configurations are for all namespaces.
struct TestCluster<'b> {
    kubectl: Kubectl<'b>,
    helm: Helm,
    _exclusive: MutexGuard<'b, ()>,
}

impl<'b> Deref for TestCluster<'b> {
    type Target = Cluster<'b>;

    fn deref(&self) -> &Cluster<'b> {
        &self.kubectl.cluster
    }
}

impl TestCluster<'_> {
    /// Runs kubectl with these arguments, separated by spaces, and with a manifest unless it is empty.
    fn kubectl(&self, arguments: &str, manifest: &str) -> anyhow::Result<CommandOutput> {
        self.kubectl.run(arguments, manifest)
    }

    /// Runs a script in a shell with kubectl and helm on PATH.
    fn shell(&self, script: &str) -> anyhow::Result<CommandOutput> {
        self.kubectl.shell(script)
    }

    /// Helm, which must succeed. What is installed or upgraded gets an image that nobody has.
    fn helm(&self, arguments: &str) -> anyhow::Result<CommandOutput> {
        self.helm_with(&self.helm, arguments)
    }

    /// The same by another helm.
    fn helm_with(&self, helm: &Helm, arguments: &str) -> anyhow::Result<CommandOutput> {
        let takes_values = ["install ", "upgrade "].iter().any(|verb| arguments.starts_with(verb));
        let image = if takes_values { IMAGE } else { "" };
        helm.run(self, &format!("{arguments} {image}"))?.expect_code(0)
    }
}

fn main() -> ExitCode {
    static NEW: Mutex<()> = Mutex::new(());
    static OLD: Mutex<()> = Mutex::new(());
    let locks = [&NEW, &OLD];
    let plan =
        CLUSTERS.iter().fold(Plan::new(), |plan, (name, version)| plan.cluster(name, *version));
    let shared = SharedTestbed::new(plan);
    let mut trials: Vec<Trial> = FILE_CASES.concat().into_iter().map(file_trial).collect();
    let groups: [&[ClusterCase]; 8] = [
        services::CASES,
        deletions::CASES,
        workloads::CASES,
        release::CASES,
        older_values::CASES,
        gitops::CASES,
        people::CASES,
        network_policy::CASES,
    ];
    let both: Vec<ClusterCase> = groups.into_iter().flatten().copied().collect();
    let new = [&both, release::NEW_CASES].concat().into_iter().map(|case| (0, case));
    let old = [&both, release::OLD_CASES].concat().into_iter().map(|case| (1, case));
    let mut cases: Vec<(usize, ClusterCase)> = new.chain(old).collect();
    // In turns, so that both clusters always have something to do.
    cases.sort_by_key(|(cluster, (name, _))| (both.iter().position(|of| of.0 == *name), *cluster));
    for (cluster, case) in cases {
        trials.push(cluster_trial(&shared, CLUSTERS[cluster], locks[cluster], case));
    }
    run_parallel(trials, Some(&shared))
}

fn file_trial((name, body): FileCase) -> Trial {
    Trial::test(name, move || {
        let told = Helm::provide().and_then(|helm| body(&helm));
        told.map_err(|error| Failed::from(format!("{error:#}")))
    })
}

fn cluster_trial(
    shared: &Arc<SharedTestbed>,
    (cluster, version): (&'static str, Version),
    lock: &'static Mutex<()>,
    (name, body): ClusterCase,
) -> Trial {
    shared.trial(&format!("{name} ({version})"), move |bed| {
        let exclusive = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let helm = Helm::provide()?;
        let kubectl = Kubectl::new(bed.cluster(cluster)?, &[helm.folder()?])?;
        body(&TestCluster { kubectl, helm, _exclusive: exclusive })
    })
}
