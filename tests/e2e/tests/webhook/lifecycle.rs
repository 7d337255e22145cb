//! The chart's life with the real webhook in it.

use anyhow::{Result, ensure};
use clbmigrate_testbed::try_wait_for;
use serde_json::Value;

use crate::{
    Case,
    ClusterUse::Exclusive,
    NEW, OLD,
    emergency::hooks,
    manifests::{migrated, set_weight},
    test_cluster::{DEADLINE, TestCluster, TestNamespace, refused, silent},
};

/// One way in each cluster; the other two run without the webhook, in suite `chart`.
pub const CASES: &[Case] = &[
    (
        "the chart lives from install to uninstall, applied by the server",
        &[NEW],
        Exclusive,
        by_server,
    ),
    (
        "the chart lives from install to uninstall, applied by the client",
        &[OLD],
        Exclusive,
        by_client,
    ),
];

/// How many hooks the chart has.
pub const ALL: usize = 5;

fn by_server(cluster: &TestCluster<'_>) -> Result<()> {
    life(cluster, true)
}

fn by_client(cluster: &TestCluster<'_>) -> Result<()> {
    life(cluster, false)
}

/// The authority that API servers are told of, which all hooks must have; and how many hooks there are.
fn published(cluster: &TestCluster<'_>) -> Result<(usize, Value)> {
    let hooks = hooks(cluster)?;
    let bundles: Vec<&Value> =
        hooks.iter().map(|hook| &hook["webhooks"][0]["clientConfig"]["caBundle"]).collect();
    ensure!(bundles.iter().all(|bundle| bundle.is_string()), "not everywhere: {bundles:?}");
    ensure!(bundles.windows(2).all(|two| two[0] == two[1]), "not the same: {bundles:?}");
    let bundle = bundles.first().map(|bundle| (*bundle).clone()).unwrap_or_default();
    Ok((hooks.len(), bundle))
}

/// Waits until this many hooks have the authority, and are in force.
fn works(namespace: &TestNamespace<'_, '_>, wanted: usize) -> Result<Value> {
    let cluster = namespace.cluster;
    cluster.release.wait()?;
    let bundle = try_wait_for("all hooks to have it", DEADLINE, || {
        Ok(published(cluster).ok().filter(|(count, _)| *count == wanted))
    });
    let (_, bundle) = bundle?;
    refused(&namespace.kubectl(&set_weight("web", "101"), "")?, "CLB001")?;
    silent(&namespace.kubectl(&set_weight("web", "30"), "")?)?;
    silent(&namespace.kubectl(&set_weight("web", "20"), "")?)?;
    Ok(bundle)
}

fn life(cluster: &TestCluster<'_>, by_server: bool) -> Result<()> {
    let namespace = cluster.namespace(if by_server { "life-server" } else { "life-client" })?;
    namespace.apply(&migrated(&namespace.name, "web", "20"))?;
    let release = &cluster.release;
    let how = format!("--server-side={by_server}");
    let uninstall = format!("uninstall clbmigrate -n {}", clbmigrate_e2e::NAMESPACE);
    let upgrade = |values: &str| -> Result<()> {
        release.helm(&format!("upgrade {} {values} {how}", release.arguments())).map(drop)
    };

    release.helm(&uninstall)?;
    ensure!(hooks(cluster)?.is_empty());
    silent(&namespace.kubectl(&set_weight("web", "25"), "")?)?;
    release.helm(&format!("install {} --create-namespace --wait {how}", release.arguments()))?;
    let first = works(&namespace, ALL)?;

    // The hooks themselves change, and keep what was published.
    upgrade("--set failurePolicy.services=Ignore")?;
    ensure!(published(cluster)? == (ALL, first.clone()), "the upgrade took it away");
    // Pods change.
    upgrade("--set log.level=debug --set replicas=1")?;
    ensure!(works(&namespace, ALL)? == first);
    // Other sets of hooks.
    upgrade("--set hooks.mutatePods.enabled=false --set hooks.validateWorkloads.enabled=false")?;
    ensure!(works(&namespace, ALL - 2)? == first);
    upgrade("--set hooks.mutateWorkloads.enabled=false")?;
    ensure!(works(&namespace, ALL - 1)? == first);
    release.helm(&format!("rollback clbmigrate 1 -n {} {how}", clbmigrate_e2e::NAMESPACE))?;
    ensure!(works(&namespace, ALL)? == first);
    // The other way to apply, and back.
    for by_server in [!by_server, by_server] {
        let how = format!("--server-side={by_server}");
        release.helm(&format!("upgrade {} {how}", release.arguments()))?;
        ensure!(works(&namespace, ALL)? == first);
    }
    release.helm(&uninstall)?;
    ensure!(hooks(cluster)?.is_empty());
    // Nobody judges now, and nothing is in the way.
    silent(&namespace.kubectl(&set_weight("web", "35"), "")?)?;
    // The next test finds it as the last one did.
    release.upgrade("")
}
