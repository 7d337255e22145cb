//! The chart: what helm makes of it, what real API servers make of that, and which requests reach
//! the webhook at all.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod conditions;
mod files;
mod people;
mod release;
mod services;
mod workloads;

use std::{
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::ensure;
use clbmigrate_e2e::{Helm, Ran, ran};
use clbmigrate_testbed::{
    Cluster, Plan, Version,
    suite::{Shared, run},
};
use libtest_mimic::{Failed, Trial};

/// The clusters: of the newest and of the oldest Kubernetes.
const CLUSTERS: [(&str, Version); 2] = [("new", Version::NEWEST), ("old", Version::OLDEST)];

/// A test of what is in files.
type OfFiles = (&'static str, fn(&Helm) -> anyhow::Result<()>);

/// A test that both clusters take.
type OfCluster = (&'static str, fn(&Stage<'_>) -> anyhow::Result<()>);

/// A cluster that no other test uses meanwhile: webhook configurations are for all namespaces.
struct Stage<'b> {
    cluster: Cluster<'b>,
    helm: Helm,
    _alone: MutexGuard<'b, ()>,
}

impl Stage<'_> {
    /// Runs kubectl with these arguments, separated by spaces, and something on standard input.
    fn kubectl(&self, arguments: &str, input: &str) -> anyhow::Result<Ran> {
        let mut command = self.cluster.kubectl();
        command.args(arguments.split_whitespace());
        if !input.is_empty() {
            let file = self.cluster.kubeconfig().with_file_name("input.yaml");
            std::fs::write(&file, input)?;
            command.arg("-f").arg(file);
        }
        ran(&mut command)
    }

    /// Helm, which must succeed.
    fn helm(&self, arguments: &str) -> anyhow::Result<Ran> {
        self.helm.run(&self.cluster, arguments)?.ends_with(0)
    }
}

fn main() -> ExitCode {
    static NEW: Mutex<()> = Mutex::new(());
    static OLD: Mutex<()> = Mutex::new(());
    let plan =
        CLUSTERS.iter().fold(Plan::new(), |plan, (name, version)| plan.cluster(name, *version));
    let shared = Shared::new(plan);
    let mut trials: Vec<Trial> = files::CASES.iter().copied().map(of_files).collect();
    for ((cluster, version), lock) in CLUSTERS.into_iter().zip([&NEW, &OLD]) {
        let groups: [&[OfCluster]; 4] =
            [services::CASES, workloads::CASES, release::CASES, people::CASES];
        for (name, body) in groups.into_iter().flatten().copied() {
            trials.push(of_cluster(&shared, &format!("{name} ({version})"), cluster, lock, body));
        }
    }
    run(trials, Some(&shared))
}

fn of_files((name, body): OfFiles) -> Trial {
    Trial::test(name, move || {
        let told = Helm::provide().and_then(|helm| body(&helm));
        told.map_err(|error| Failed::from(format!("{error:#}")))
    })
}

fn of_cluster(
    shared: &Arc<Shared>,
    name: &str,
    cluster: &'static str,
    lock: &'static Mutex<()>,
    body: fn(&Stage<'_>) -> anyhow::Result<()>,
) -> Trial {
    shared.trial(name, move |bed| {
        let alone = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let stage = Stage { cluster: bed.cluster(cluster)?, helm: Helm::provide()?, _alone: alone };
        ensure!(stage.cluster.name() == cluster);
        body(&stage)
    })
}
