//! `shift` and its `undo` over two clusters and machines outside, whatever fails in between: real
//! kubectl and real API servers, a double of CCM for each, a double of the CLB.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod faults;
mod moves;
mod refusals;
mod scene;
mod terminal;

use std::{process::ExitCode, sync::Arc};

use clbmigrate_e2e::{Tools, User};
use clbmigrate_testbed::{
    Bed, Plan, Version,
    suite::{Shared, run_waiting},
};
use libtest_mimic::Trial;
use serde_json::json;

use scene::{IDS, NEW, OLD, Stage};

/// A test: its name, its namespace, what it does.
type Case = (&'static str, &'static str, fn(&Stage<'_>) -> anyhow::Result<()>);

fn main() -> ExitCode {
    let shared =
        Shared::new(Plan::new().cluster(OLD, Version::OLDEST).cluster(NEW, Version::NEWEST));
    let tools = Arc::new(Built::default());
    let groups: [&[Case]; 4] = [moves::CASES, faults::CASES, refusals::CASES, terminal::CASES];
    let trials = groups.into_iter().flatten().map(|case| trial(&shared, &tools, *case)).collect();
    run_waiting(trials, Some(&shared))
}

fn trial(shared: &Arc<Shared>, tools: &Arc<Built>, (name, namespace, body): Case) -> Trial {
    let tools = Arc::clone(tools);
    shared.trial(name, move |bed| {
        let tools = tools.get(bed)?;
        body(&Stage { bed, tools, namespace })
    })
}

/// What the first test prepares for all.
#[derive(Default)]
struct Built(std::sync::Mutex<Option<Tools>>);

impl Built {
    fn get(&self, bed: &Bed) -> anyhow::Result<Tools> {
        let mut tools = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(tools) = &*tools {
            return Ok(tools.clone());
        }
        User::make_nodes(&bed.cluster(OLD)?, &[("n1", "i-bp1o1"), ("n2", "i-bp1o2")])?;
        let new = [("n1", "i-bp1n1"), ("n2", "i-bp1n2"), ("n3", "i-bp1n3")];
        User::make_nodes(&bed.cluster(NEW)?, &new)?;
        for (cluster, id) in IDS {
            let profile = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "ack-cluster-profile", "namespace": "kube-system"},
                "data": {"clusterid": id},
            });
            bed.cluster(cluster)?.apply(&profile.to_string())?;
        }
        let built = Tools::build()?;
        *tools = Some(built.clone());
        Ok(built)
    }
}
