//! The webhook as its users have it: its image on real nodes, the chart installed by real helm, two
//! replicas reached through their Service, and real kubectl for everything.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail, and tell what it measured"
)]

mod again;
mod brownfield;
mod claims;
mod edits;
mod emergency;
mod examples;
mod fates;
mod injection;
mod lifecycle;
mod manifests;
mod pods;
mod rollout;
mod settings;
mod stage;

use std::{process::ExitCode, sync::Arc};

use clbmigrate_testbed::{
    Plan, Version,
    suite::{Shared, run},
};
use libtest_mimic::Trial;

use crate::stage::{Cast, Stage};

/// A cluster of the newest Kubernetes, with three nodes.
const NEW: &str = "new";
/// A cluster of the oldest Kubernetes, with two nodes.
const OLD: &str = "old";
/// Both, for what must hold everywhere.
const BOTH: &[&str] = &[NEW, OLD];

/// How a test shares its clusters with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    /// It keeps to its own namespaces.
    Beside,
    /// It changes what others rely on: nodes, or the webhook itself.
    Alone,
}

/// A test: its name, its clusters, how it shares them, what it does.
type Case = (&'static str, &'static [&'static str], Share, fn(&Stage<'_>) -> anyhow::Result<()>);

fn main() -> ExitCode {
    let plan =
        Plan::new().cluster(NEW, Version::NEWEST).nodes(3).cluster(OLD, Version::OLDEST).nodes(2);
    let shared = Shared::new(plan);
    let cast = Arc::new(Cast::new(&[(NEW, Version::NEWEST), (OLD, Version::OLDEST)]));
    let groups: [&[Case]; 11] = [
        rollout::CASES,
        examples::CASES,
        edits::CASES,
        brownfield::CASES,
        injection::CASES,
        pods::CASES,
        again::CASES,
        claims::CASES,
        settings::CASES,
        emergency::CASES,
        lifecycle::CASES,
    ];
    let cases: Vec<Case> = groups.into_iter().flatten().copied().collect();
    // Those that need a cluster alone come last, so that nobody waits for them.
    let (beside, alone): (Vec<Case>, Vec<Case>) =
        cases.into_iter().partition(|(_, _, share, _)| *share == Share::Beside);
    let trials = beside.into_iter().chain(alone).flat_map(|case| trials(&shared, &cast, case));
    run(trials.collect(), Some(&shared))
}

/// A test in each of its clusters.
fn trials(shared: &Arc<Shared>, stages: &Arc<Cast>, case: Case) -> Vec<Trial> {
    let (name, clusters, share, body) = case;
    let trial = |cluster: &&'static str| {
        let (cluster, stages) = (*cluster, Arc::clone(stages));
        let title = format!("{name} ({})", stages.version(cluster));
        shared.trial(&title, move |bed| stages.play(bed, cluster, share, body))
    };
    clusters.iter().map(trial).collect()
}
