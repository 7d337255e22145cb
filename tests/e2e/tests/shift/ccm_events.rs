//! Moves where CCM has no events left: the label and the groups tell.

use anyhow::ensure;
use clbmigrate_clb_double::FaultEffect;
use clbmigrate_testbed::try_wait_for;
use clbmigrate_testkit::manifests::key;

use crate::{
    Case,
    two_clusters::{DEADLINE, NEW, TestContext, TwoClusters},
};

pub const CASES: &[Case] = &[
    ("a failure that was repaired without an event is no hindrance", "repaired", repaired),
    ("a success without an event takes nothing back", "dropped", dropped),
];

/// Somebody sets the mapping of the new cluster's Service, and CCM makes a round that ends so.
fn map(clusters: &TwoClusters<'_>, mapping: &str, outcome: &str) -> anyhow::Result<()> {
    let user = &clusters.new;
    let rounds = || {
        let last = clusters.ccm_of_new.last_round(&user.namespace, "web")?;
        anyhow::Ok((last["rounds"].as_u64().unwrap_or_default(), last["outcome"].clone()))
    };
    let (before, _) = rounds()?;
    user.annotate(&format!("{}={mapping}", key("vgroup-port")))?;
    try_wait_for(outcome, DEADLINE, || {
        let (now, ended) = rounds()?;
        Ok((now > before && ended == outcome).then_some(()))
    })
}

fn repaired(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    // One for the edit, one for the failure.
    clusters.ccm_of_new.set_event_tokens(2)?;
    let mapping = format!("rsp-bp1{}:80", context.namespace);
    map(&clusters, &format!("{mapping},"), "frozen")?;
    let failed =
        clusters.new.ask("get events --field-selector reason=SyncLoadBalancerFailed -o name")?;
    ensure!(!failed.is_empty(), "CCM tells of no failure");
    map(&clusters, &mapping, "applied")?;
    let report = clusters.shifts("40%", "")?.expect_code(0)?.json()?;
    ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
    clusters.has_share(NEW, 0.4)
}

fn dropped(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.ccm_of_new.set_event_tokens(2)?;
    clusters.clb.fail_ccm_calls(FaultEffect::Throttle {}, "SetVServerGroupAttribute", Some(1));
    let report = clusters.shifts("40%", "")?.expect_code(0)?.json()?;
    ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
    let failed =
        clusters.new.ask("get events --field-selector reason=SyncLoadBalancerFailed -o name")?;
    ensure!(!failed.is_empty(), "CCM tells of no failure");
    clusters.has_share(NEW, 0.4)
}
