//! The examples whose mistakes are about nodes.

use std::fs;

use anyhow::{Context, Result, ensure};
use clbmigrate_testbed::{programs::workspace, try_wait_for};
use serde_json::json;

use crate::{
    BOTH, Case,
    ClusterUse::Exclusive,
    examples::{namespace_of, objects, read, rewritten},
    expected::{Expected, mistakes},
    manifests::{deployment, migrated, with},
    test_cluster::{DEADLINE, TestCluster, warned},
};

pub const CASES: &[Case] = &[("mistakes about nodes are warnings", BOTH, Exclusive, on_nodes)];

/// Nodes that no kubelet answers for, in a cluster that nobody else uses meanwhile.
fn on_nodes(cluster: &TestCluster<'_>) -> Result<()> {
    let folder = workspace()?.join("deploy/examples/mistakes");
    let excluded = "node.kubernetes.io/exclude-from-external-load-balancers";
    for mistake in mistakes()?.iter().filter(|mistake| mistake.expected == Expected::NeedsNodes) {
        let namespace = cluster.namespace(&namespace_of(mistake))?;
        let text = fs::read_to_string(folder.join(&mistake.path))?;
        let nodes = rewritten(&text, &namespace.name, &["List"])?;
        let none_left = mistake.rule == "CLB026";
        if none_left {
            cluster.kubectl(&format!("label nodes --all {excluded}=true"), "")?.expect_code(0)?;
        }
        // They are written as a dump shows them, with less than kubectl asks for.
        cluster.kubectl("apply --validate=false", &nodes)?.expect_code(0)?;
        let manifest = read(&folder, &mistake.path, &namespace.name)?;
        // What nodes are like arrives in the webhook a moment after it is stored.
        let seen = try_wait_for(&mistake.path, DEADLINE, || {
            let output = namespace.kubectl("apply --dry-run=server", &manifest)?;
            Ok((warned(&output, &mistake.rule).is_ok()).then_some(()))
        });
        let output = namespace.kubectl("apply", &manifest);
        cluster.kubectl("delete", &nodes)?.expect_code(0)?;
        if none_left {
            cluster.kubectl(&format!("label nodes --all {excluded}-"), "")?.expect_code(0)?;
        }
        let output = output?;
        seen.with_context(|| output.stderr.clone())?;
        warned(&output, &mistake.rule)?;
        ensure!(objects(&namespace)?.len() == 1, "{} is not stored", mistake.path);
    }
    old_kubelets(cluster)
}

/// A node whose kubelet does not know the native sleep: nobody gets a hook, and everybody is told.
fn old_kubelets(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("old-kubelet")?;
    namespace.apply(&migrated(&namespace.name, "web", "20"))?;
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "ancient"},
        "spec": {"providerID": "cn-bed.i-ancient"},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.28.3-aliyun.1"},
        },
    });
    cluster.kubectl("create --validate=false", &node.to_string())?.expect_code(0)?;
    let applied = deployment("web", 0).to_string();
    let told = try_wait_for("a warning about nodes that are too old", DEADLINE, || {
        let output = namespace.kubectl("apply --dry-run=server", &applied)?;
        Ok(warned(&output, "CLB303").is_ok().then_some(()))
    });
    let stored = namespace.kubectl("apply", &applied);
    cluster.kubectl("delete node ancient", "")?.expect_code(0)?;
    told?;
    warned(&stored?, "CLB303")?;
    let web = namespace.get("deployment/web")?;
    ensure!(web["spec"]["template"]["spec"]["containers"][0]["lifecycle"].is_null(), "{web}");
    // Once it is gone, the next change of the template brings the hook.
    try_wait_for("a hook", DEADLINE, || {
        let changed = with(deployment("web", 0), "/spec/template/metadata/labels/tier", "front");
        let output = namespace.kubectl("apply --dry-run=server -o json", &changed.to_string())?;
        let made = output.json()?;
        let hook = &made["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"];
        Ok(hook.is_object().then_some(()))
    })
}
