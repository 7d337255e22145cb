//! The same large cluster as files: what `preview` takes beside `status`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use clbmigrate_load::benchmark::median;
use clbmigrate_load::populate;
use clbmigrate_load::review::{NAMESPACE, manifest};
use serde_json::{Value, json};

use super::cluster::{PODS, slice};
use super::runs::{Run, run};

/// Wall times of `status -f DIR` and of `preview svc/X 40 -f DIR`, in seconds, and the median of
/// their ratios.
pub(crate) struct FileFigures {
    pub status: f64,
    pub preview: f64,
    pub ratio: f64,
}

/// Measures both commands over so many Services, all of them migrated, with two pods each.
pub(crate) fn measure(
    plugin: &Path,
    services: u32,
    nodes: u32,
    rounds: usize,
) -> Result<FileFigures> {
    let folder = tempfile::tempdir().context("no folder")?;
    let write = |name: &str, items: Vec<Value>| {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        std::fs::write(folder.path().join(name), list.to_string()).context(name.to_owned())
    };
    write("nodes.json", (0..nodes).map(node).collect())?;
    write("services.json", (0..services).map(service).collect())?;
    write("slices.json", (0..services).map(|number| slice(number, nodes)).collect())?;
    write("pods.json", (0..services * PODS).map(|number| pod(number, nodes)).collect())?;
    let mut measured: Vec<(Run, Run)> = Vec::new();
    // The first one fills the machine's caches.
    for round in 0..=rounds {
        let status = run(Command::new(plugin).arg("status").arg("-f").arg(folder.path()))?;
        let preview = run(Command::new(plugin)
            .args(["preview", "svc/web-00000", "40", "-n", NAMESPACE, "--fail-on", "never", "-f"])
            .arg(folder.path()))?;
        if round > 0 {
            measured.push((status, preview));
        }
    }
    let wall = |run: &Run| run.wall.as_secs_f64();
    Ok(FileFigures {
        status: median(measured.iter().map(|(status, _)| wall(status))),
        preview: median(measured.iter().map(|(_, preview)| wall(preview))),
        ratio: median(measured.iter().map(|(status, preview)| wall(preview) / wall(status))),
    })
}

fn node(number: u32) -> Value {
    let mut node = populate::node(number);
    let status = json!({"status": {
        "conditions": [{"type": "Ready", "status": "True"}],
        "nodeInfo": {"kubeletVersion": "v1.33.1"},
    }});
    json_patch::merge(&mut node, &status);
    node
}

/// A migrated Service, with a node port as an API server gives it.
fn service(number: u32) -> Value {
    let mut service = manifest(number);
    let ports = json!([{
        "name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080,
        "nodePort": 30000 + number % 2768,
    }]);
    let spec = json!({"spec": {"allocateLoadBalancerNodePorts": true, "ports": ports}});
    json_patch::merge(&mut service, &spec);
    service
}

fn pod(number: u32, nodes: u32) -> Value {
    let name = format!("web-{:05}", number / PODS);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("{name}-{}", number % PODS), "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/name": name},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": name, "controller": true}],
        },
        "spec": {
            "nodeName": format!("node-{:03}", number % nodes),
            "containers": [{"name": "web", "image": "registry.example.com/web:1", "ports": [{"containerPort": 8080}]}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    })
}
