//! What is read from a real API server while a review waits.

use anyhow::{Context as _, Result, ensure};
use clbmigrate_core::object::{PodTemplate, WorkloadKind};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_webhook::admission::{ApiReader as _, LiveApiReader, WorkloadRef};
use kube::config::Kubeconfig;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    cache::connect,
    test_namespace::{DEADLINE, Test, TestNamespace},
};

pub const TESTS: &[Test] = &[
    ("a workload's past is read by its selector, without that of others", past),
    ("Services are read page by page", pages),
];

/// More Services than a page holds.
const COUNT: usize = 510;

/// The selector of the workload, as a query has it.
const SELECTOR: &str = "app=web,track in (canary,stable),!old";

/// A workload of one pod template, which its label `release` names.
fn workload(kind: &str, namespace: &str, name: &str, app: &str, image: &str) -> Value {
    let labels = json!({"app": app, "track": "stable", "release": image.replace(':', "-")});
    let expressions = json!([
        {"key": "track", "operator": "In", "values": ["stable", "canary"]},
        {"key": "old", "operator": "DoesNotExist"},
    ]);
    json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": app}, "matchExpressions": expressions},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    })
}

fn releases(templates: &[PodTemplate]) -> Vec<String> {
    let mut releases: Vec<String> = templates
        .iter()
        .filter_map(|template| template.metadata.labels.get("release").cloned())
        .collect();
    releases.sort_unstable();
    releases
}

fn past(test: &TestNamespace<'_>) -> Result<()> {
    let runtime = Runtime::new()?;
    let proxy = test.proxy()?;
    let kubeconfig = Kubeconfig::from_yaml(&proxy.kubeconfig("proxy"))?;
    let reader = LiveApiReader::new(runtime.block_on(connect(kubeconfig))?);
    let kinds = [
        (WorkloadKind::Deployment, "replicasets"),
        (WorkloadKind::DaemonSet, "controllerrevisions"),
    ];
    for (kind, kept_as) in kinds {
        let past = |selector: &str| {
            let (namespace, name) = (test.name.as_str(), "web");
            let workload = WorkloadRef { kind, namespace, name, selector };
            anyhow::Ok(releases(&runtime.block_on(reader.past_templates(workload))?))
        };
        // The second carries the same labels, so that the owner alone tells it from the first.
        for (name, app) in [("web", "web"), ("web-2", "web"), ("other", "other")] {
            let mut known = Vec::new();
            for image in ["web:1", "web:2"] {
                let manifest = workload(kind.as_str(), &test.name, name, app, image);
                test.cluster.apply(&manifest.to_string())?;
                known.push(image.replace(':', "-"));
                if name == "web" {
                    try_wait_for("its past", DEADLINE, || Ok((past("")? == known).then_some(())))?;
                }
            }
        }
        ensure!(past(SELECTOR)? == ["web-1", "web-2"], "{kind:?}: {:?}", past(SELECTOR)?);
        ensure!(past("app=nobody")?.is_empty(), "the API server looks at the selector");
        let asked = proxy.requests().into_iter().map(|logged| logged.request).filter(|request| {
            let mut query = form_urlencoded::parse(request.query.as_bytes());
            request.path.ends_with(kept_as)
                && query.any(|(name, value)| name == "labelSelector" && value == SELECTOR)
        });
        ensure!(asked.count() > 0, "{kept_as} were asked for by their labels");
    }
    Ok(())
}

fn pages(test: &TestNamespace<'_>) -> Result<()> {
    let service = |n: usize| {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": format!("web-{n}"), "namespace": test.name},
            "spec": {"clusterIP": "None", "ports": [{"port": 80}]},
        })
    };
    let services: Vec<Value> = (0..COUNT).map(service).collect();
    test.cluster
        .apply(&json!({"apiVersion": "v1", "kind": "List", "items": services}).to_string())?;
    let runtime = Runtime::new()?;
    let proxy = test.proxy()?;
    let kubeconfig = Kubeconfig::from_yaml(&proxy.kubeconfig("proxy"))?;
    let reader = LiveApiReader::new(runtime.block_on(connect(kubeconfig))?);
    let read = runtime.block_on(reader.services(&test.name)).context("the Services")?;
    ensure!(read.len() == COUNT, "{} of {COUNT}", read.len());
    ensure!(proxy.requests().len() == 2, "in two pages: {:?}", proxy.requests());
    Ok(())
}
