//! The chart's life with the real webhook in it.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{
    BOTH, Case,
    Share::Alone,
    emergency::hooks,
    manifests::{migrated, weigh},
    stage::{Place, Stage, refused, silent},
};

pub const CASES: &[Case] = &[
    ("the chart lives from install to uninstall, applied by the server", BOTH, Alone, by_server),
    ("the chart lives from install to uninstall, applied by the client", BOTH, Alone, by_client),
];

fn by_server(stage: &Stage<'_>) -> Result<()> {
    life(stage, true)
}

fn by_client(stage: &Stage<'_>) -> Result<()> {
    life(stage, false)
}

/// The authority that API servers are told of, which all hooks must have; and how many hooks there are.
fn published(stage: &Stage<'_>) -> Result<(usize, Value)> {
    let hooks = hooks(stage)?;
    let bundles: Vec<&Value> =
        hooks.iter().map(|hook| &hook["webhooks"][0]["clientConfig"]["caBundle"]).collect();
    ensure!(bundles.iter().all(|bundle| bundle.is_string()), "not everywhere: {bundles:?}");
    ensure!(bundles.windows(2).all(|two| two[0] == two[1]), "not the same: {bundles:?}");
    let bundle = bundles.first().map(|bundle| (*bundle).clone()).unwrap_or_default();
    Ok((hooks.len(), bundle))
}

/// Waits until this many hooks have the authority, and are in force.
fn works(place: &Place<'_, '_>, wanted: usize) -> Result<Value> {
    let stage = place.stage;
    stage.release.wait()?;
    let bundle =
        clbmigrate_testbed::try_wait_for("all hooks to have it", crate::stage::DEADLINE, || {
            Ok(published(stage).ok().filter(|(count, _)| *count == wanted))
        });
    let (_, bundle) = bundle?;
    refused(&place.kubectl(&weigh("web", "101"), "")?, "CLB001")?;
    silent(&place.kubectl(&weigh("web", "30"), "")?)?;
    silent(&place.kubectl(&weigh("web", "20"), "")?)?;
    Ok(bundle)
}

fn life(stage: &Stage<'_>, by_server: bool) -> Result<()> {
    let place = stage.place(if by_server { "life-server" } else { "life-client" })?;
    place.apply(&migrated(&place.name, "web", "20"))?;
    let release = &stage.release;
    let how = format!("--server-side={by_server}");
    let uninstall = format!("uninstall clbmigrate -n {}", clbmigrate_e2e::NAMESPACE);
    let upgrade = |values: &str| -> Result<()> {
        release.helm(&format!("upgrade {} {values} {how}", release.arguments())).map(drop)
    };

    release.helm(&uninstall)?;
    ensure!(hooks(stage)?.is_empty());
    silent(&place.kubectl(&weigh("web", "25"), "")?)?;
    release.helm(&format!("install {} --create-namespace {how}", release.arguments()))?;
    let first = works(&place, 4)?;

    // The hooks themselves change, and keep what was published.
    upgrade("--set failurePolicy.services=Ignore")?;
    ensure!(published(stage)? == (4, first.clone()), "the upgrade took it away");
    // Pods change.
    upgrade("--set log.level=debug --set replicas=1")?;
    ensure!(works(&place, 4)? == first);
    // Other sets of hooks.
    upgrade("--set hooks.mutatePods.enabled=false --set hooks.validateWorkloads.enabled=false")?;
    ensure!(works(&place, 2)? == first);
    upgrade("--set hooks.mutateWorkloads.enabled=false")?;
    ensure!(works(&place, 3)? == first);
    release.helm(&format!("rollback clbmigrate 1 -n {} {how}", clbmigrate_e2e::NAMESPACE))?;
    ensure!(works(&place, 4)? == first);
    // The other way to apply, and back.
    for by_server in [!by_server, by_server] {
        let how = format!("--server-side={by_server}");
        release.helm(&format!("upgrade {} {how}", release.arguments()))?;
        ensure!(works(&place, 4)? == first);
    }
    release.helm(&uninstall)?;
    ensure!(hooks(stage)?.is_empty());
    // Nobody judges now, and nothing is in the way.
    silent(&place.kubectl(&weigh("web", "35"), "")?)?;
    // The next test finds it as the last one did.
    release.upgrade("")
}
