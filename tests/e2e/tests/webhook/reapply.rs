//! Applied, injected, and applied again: the same object, and no rollout.

use anyhow::{Context, Result, ensure};
use clbmigrate_testbed::try_wait_for;
use serde_json::{Value, json};

use crate::{
    BOTH, Case,
    ClusterUse::Parallel,
    injection::{SECONDS, hooks, revisions},
    manifests::{deployment, list, migrated, with, workload},
    test_cluster::{DEADLINE, TestCluster, TestNamespace},
};

pub const CASES: &[Case] = &[
    ("what was injected and is applied again stays as it runs", BOTH, Parallel, again),
    (
        "what Argo CD and Flux apply again stays, and a dry run shows no drift",
        BOTH,
        Parallel,
        gitops,
    ),
    ("a replaced object gets its hook back", BOTH, Parallel, replaced),
    ("an undone rollout is the revision that it was", BOTH, Parallel, undone),
];

/// What a rollout would change: the generation, and the template.
fn template(namespace: &TestNamespace<'_, '_>, object: &str) -> Result<Value> {
    let found = namespace.get(object)?;
    Ok(json!([found["metadata"]["generation"], found["spec"]["template"]]))
}

fn again(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("again")?;
    let ways = [
        ("client", "apply", None),
        ("server", "apply --server-side", None),
        ("client-grace", "apply", Some(75)),
        ("server-grace", "apply --server-side", Some(75)),
    ];
    for kind in ["Deployment", "StatefulSet"] {
        for (name, apply, grace) in ways {
            let mut made = workload(kind, name, 0);
            if let Some(seconds) = grace {
                made["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = seconds.into();
            }
            // The Service comes first, so that the hook does not hang on a list of Services in time.
            let service = migrated(&namespace.name, name, "20");
            namespace.kubectl(apply, &service.to_string())?.expect_code(0)?;
            let both = list(&[service, made]).to_string();
            namespace.kubectl(apply, &both)?.expect_code(0)?;
            let object = format!("{kind}/{name}");
            let before = template(&namespace, &object)?;
            ensure!(hooks(&before[1]) == [Some(SECONDS)], "{before}");
            let wanted = grace.unwrap_or(30) + SECONDS;
            ensure!(before[1]["spec"]["terminationGracePeriodSeconds"] == wanted, "{before}");
            for round in 1..=3 {
                namespace.kubectl(apply, &both)?.expect_code(0)?;
                let after = template(&namespace, &object)?;
                ensure!(after == before, "{object}, {apply}, round {round}:\n{before}\n{after}");
            }
            if kind == "Deployment" {
                // One of the controller's making, as long as nothing was rolled out.
                try_wait_for("a ReplicaSet", DEADLINE, || {
                    Ok((revisions(&namespace, name)? > 0).then_some(()))
                })?;
                ensure!(revisions(&namespace, name)? == 1, "{object} has been rolled out");
            }
        }
    }
    Ok(())
}

/// A template with the grace period of Git, and without; compared as Flux does and Argo CD can, and applied
/// as they do.
fn gitops(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("gitops")?;
    for manager in ["argocd-controller", "kustomize-controller"] {
        for grace in [None, Some(75)] {
            let name = format!("{}-{}", manager.split_at(4).0, grace.unwrap_or_default());
            namespace.apply(&migrated(&namespace.name, &name, "20"))?;
            let mut made = workload("Deployment", &name, 0);
            if let Some(seconds) = grace {
                made["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = seconds.into();
            }
            let object = format!("deployment/{name}");
            let apply = format!("apply --server-side --force-conflicts --field-manager={manager}");
            let send = |manifest: &Value| namespace.kubectl(&apply, &manifest.to_string());
            send(&made)?.expect_code(0)?;
            let before = template(&namespace, &object)?;
            ensure!(hooks(&before[1]) == [Some(SECONDS)], "{before}");

            let dry = format!("{apply} --dry-run=server -o json");
            let foreseen = namespace.kubectl(&dry, &made.to_string())?.expect_code(0)?.json()?;
            ensure!(foreseen["spec"]["template"] == before[1], "a dry run shows drift: {foreseen}");

            // As it is in Git, and with what is stored in place of the fields that are not compared.
            let mut respecting = made.clone();
            let fields = [
                ("/spec/template/spec", "terminationGracePeriodSeconds"),
                ("/spec/template/metadata", "annotations"),
                ("/spec/template/spec/containers/0", "lifecycle"),
            ];
            let stored = namespace.get(&object)?;
            for (parent, field) in fields {
                let value = stored.pointer(parent).context("a map")?[field].clone();
                respecting.pointer_mut(parent).context("a map")?[field] = value;
            }
            for manifest in [&made, &respecting, &made] {
                send(manifest)?.expect_code(0)?;
                let after = template(&namespace, &object)?;
                ensure!(after == before, "{object}, {manifest}:\n{before}\n{after}");
            }

            // Something new comes through, and the hook stays.
            let changed = with(made, "/spec/template/metadata/labels/tier", "front");
            send(&changed)?.expect_code(0)?;
            let after = template(&namespace, &object)?[1].clone();
            ensure!(after["metadata"]["labels"]["tier"] == "front", "{after}");
            ensure!(after["spec"] == before[1]["spec"], "{after}");
        }
    }
    Ok(())
}

fn replaced(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("replaced")?;
    namespace.apply(&migrated(&namespace.name, "web", "20"))?;
    let web = deployment("web", 0);
    namespace.kubectl("create", &web.to_string())?.expect_code(0)?;
    let created = template(&namespace, "deployment/web")?[1].clone();
    ensure!(hooks(&created) == [Some(SECONDS)], "{created}");
    namespace.kubectl_ok("rollout status deployment/web --timeout=60s")?;
    for round in 1..=2 {
        namespace.kubectl("replace", &web.to_string())?.expect_code(0)?;
        // The generation grows all the same: the controller's annotation is replaced, too.
        let found = template(&namespace, "deployment/web")?[1].clone();
        ensure!(found == created, "round {round}:\n{created}\n{found}");
        namespace.kubectl_ok("rollout status deployment/web --timeout=60s")?;
        ensure!(revisions(&namespace, "web")? == 1, "round {round} made a revision");
    }
    Ok(())
}

fn undone(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("undone")?;
    namespace.apply(&migrated(&namespace.name, "web", "20"))?;
    let tier = |tier: &str| with(deployment("web", 0), "/spec/template/metadata/labels/tier", tier);
    for name in ["one", "two"] {
        namespace.kubectl("apply", &tier(name).to_string())?.expect_code(0)?;
        namespace.kubectl_ok("rollout status deployment/web --timeout=60s")?;
    }
    ensure!(revisions(&namespace, "web")? == 2);
    namespace.kubectl_ok("rollout undo deployment/web")?;
    namespace.kubectl_ok("rollout status deployment/web --timeout=60s")?;
    let undone = template(&namespace, "deployment/web")?[1].clone();
    ensure!(undone["metadata"]["labels"]["tier"] == "one", "{undone}");
    ensure!(revisions(&namespace, "web")? == 2, "undoing made a revision of its own");
    hooks(&undone).first().copied().flatten().context("no hook").map(drop)
}
