//! Policies without the webhook: an API server refuses what the rules refuse, and admits the rest.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod creations;
mod updates;

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::ensure;
use clbmigrate_e2e::Tools;
use clbmigrate_testbed::{
    Plan, Version,
    suite::{SharedTestbed, run_parallel},
    try_wait_for,
};
use clbmigrate_testkit::{CommandOutput, Kubectl, Prepared};

/// The clusters: of the newest and of the oldest Kubernetes.
const CLUSTERS: [(&str, Version); 2] = [("new", Version::NEWEST), ("old", Version::OLDEST)];

/// Long enough for an API server to compile new policies.
const DEADLINE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let plan =
        CLUSTERS.iter().fold(Plan::new(), |plan, (name, version)| plan.cluster(name, *version));
    let shared = SharedTestbed::new(plan);
    let tools = Arc::new(Prepared::default());
    let trials = CLUSTERS.into_iter().map(|(name, version)| {
        let tools = Arc::clone(&tools);
        let title = format!("policies refuse what the rules refuse and admit the rest ({version})");
        shared.trial(&title, move |bed| {
            let tools = tools.get(Tools::build)?;
            let kubectl = Kubectl::new(bed.cluster(name)?, &[tools.folder()])?;
            whole(&kubectl)
        })
    });
    run_parallel(trials.collect(), Some(&shared))
}

/// One course, for the Services of updates have to be there before the policies are.
fn whole(kubectl: &Kubectl<'_>) -> anyhow::Result<()> {
    updates::prepare(kubectl)?;
    kubectl.shell("kubectl clbmigrate policies | kubectl apply -f -")?.expect_code(0)?;
    for rule in creations::rules() {
        try_wait_for(&format!("the policy of {rule}"), DEADLINE, || {
            Ok(creations::is_refused(kubectl, rule)?.then_some(()))
        })?;
    }
    let wrong = [creations::wrong(kubectl)?, updates::wrong(kubectl)?].concat();
    ensure!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// The rule whose policy has refused a request, in lower case; empty where it has passed.
fn refusing_rule(output: &CommandOutput) -> &str {
    if output.code == 0 {
        return "";
    }
    let named = output.stderr.split("ValidatingAdmissionPolicy 'clbmigrate-").nth(1);
    named.and_then(|rest| rest.split('\'').next()).unwrap_or("an error that is no policy's")
}

/// What is wrong with an answer, if anything.
fn difference(what: &str, expected: &str, output: &CommandOutput) -> Option<String> {
    let found = refusing_rule(output);
    let told = expected.is_empty() || output.stderr.contains(&expected.to_uppercase());
    (found != expected || !told)
        .then(|| format!("{what}: {found:?}, not {expected:?}: {}", output.stderr))
}
