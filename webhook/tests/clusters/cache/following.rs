//! What the cache knows of a cluster that behaves.

use anyhow::{Result, ensure};
use clbmigrate_core::object::{Labels, PodLabels, Workload, WorkloadKind};
use clbmigrate_testbed::try_wait_for;
use serde_json::json;

use super::key;
use crate::test_namespace::{DEADLINE, Test, TestNamespace};

pub const TESTS: &[Test] = &[
    ("Services on a CLB come, change and go, others are left out", services),
    ("workloads are found by the labels of their pods", workloads),
    ("nodes, namespaces, autoscalers and the cluster's id are known", small_resources),
    ("what the API server need not give is no reason to wait, the rest is", rights),
];

/// Tests that stop the API server.
pub const STOP_THE_API_SERVER: &[Test] = &[("a restarted API server is followed on", restart)];

fn services(test: &TestNamespace<'_>) -> Result<()> {
    test.create("before")?;
    let following = test.cache()?.synced()?;
    let cache = &following.cache;
    ensure!(cache.service(&test.name, "before").is_some(), "listed");
    test.create("after")?;
    let mut plain = test.service("plain", "rsp-plain");
    plain["metadata"]["annotations"] = json!({});
    test.cluster.apply(&plain.to_string())?;
    test.wait_for(cache, "after", true)?;

    let service = cache.service(&test.name, "after").expect("seen");
    let neighbours = cache.neighbours([service.as_ref()]);
    ensure!(neighbours.is_empty(), "{neighbours:?}");
    let moved = format!("{}=rsp-before:80", key("vgroup-port"));
    test.kubectl(&["annotate", "--overwrite", "service", "after", &moved])?;
    try_wait_for("both in one group", DEADLINE, || {
        let before = cache.service(&test.name, "before").expect("still there");
        Ok((cache.neighbours([before.as_ref()]).len() == 1).then_some(()))
    })?;
    let labels: Labels = [("app".to_owned(), "after".to_owned())].into_iter().collect();
    let labels = PodLabels::new(WorkloadKind::Deployment, "after", &labels);
    ensure!(cache.services_selecting(&test.name, labels).len() == 1, "by selector");

    // It still names a CLB, but no longer is a load balancer.
    let inert = r#"{"spec": {"type": "ClusterIP", "allocateLoadBalancerNodePorts": null}}"#;
    test.kubectl(&["patch", "service", "after", "--type=merge", "-p", inert])?;
    test.wait_for(cache, "after", false)?;
    test.kubectl(&["delete", "service", "before"])?;
    test.wait_for(cache, "before", false)?;
    ensure!(cache.service(&test.name, "plain").is_none(), "no CLB, no business of ours");
    Ok(())
}

fn workloads(test: &TestNamespace<'_>) -> Result<()> {
    let following = test.cache()?.synced()?;
    for (kind, extra) in [
        ("Deployment", json!({"replicas": 2})),
        ("StatefulSet", json!({"replicas": 2, "serviceName": "web"})),
        ("DaemonSet", json!({})),
    ] {
        let mut workload = json!({
            "apiVersion": "apps/v1", "kind": kind,
            "metadata": {"name": format!("web-{}", kind.to_lowercase()), "namespace": test.name},
            "spec": {
                "selector": {"matchLabels": {"app": "web", "kind": kind}},
                "template": {
                    "metadata": {"labels": {"app": "web", "kind": kind}},
                    "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]},
                },
            },
        });
        json_patch::merge(&mut workload["spec"], &extra);
        test.cluster.apply(&workload.to_string())?;
    }
    let mut service = test.service("web", "rsp-web");
    service["spec"]["selector"] = json!({"app": "web"});
    let service = serde_json::from_value(service)?;
    try_wait_for("all three", DEADLINE, || {
        let mut kinds: Vec<WorkloadKind> = following
            .cache
            .workloads_selected_by(&service)
            .iter()
            .map(|workload| workload.kind)
            .collect();
        kinds.sort_unstable();
        let all = [WorkloadKind::Deployment, WorkloadKind::StatefulSet, WorkloadKind::DaemonSet];
        Ok((kinds == all).then_some(()))
    })?;
    test.kubectl(&["delete", "deployments,statefulsets", "--all"])?;
    try_wait_for("one left", DEADLINE, || {
        Ok((following.cache.workloads_selected_by(&service).len() == 1).then_some(()))
    })
}

fn small_resources(test: &TestNamespace<'_>) -> Result<()> {
    let following = test.cache()?.synced()?;
    let cache = &following.cache;
    ensure!(cache.nodes().is_some_and(|nodes| nodes.is_empty()), "a testbed without nodes");
    ensure!(cache.cluster_id().is_none(), "no profile yet");
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "paper-node"},
        "spec": {"providerID": "cn-example.i-bp1paper"}});
    let profile = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "ack-cluster-profile", "namespace": "kube-system"},
        "data": {"clusterid": "c0123456789abcdef"}});
    let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": test.name},
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}});
    let web = json!({"metadata": {"name": "web", "namespace": test.name}});
    let web = Workload::deserialize(WorkloadKind::Deployment, web)?;
    for object in [&node, &profile, &scaler] {
        test.cluster.apply(&object.to_string())?;
    }
    test.cluster.run_kubectl(&["label", "namespace", &test.name, "clbmigrate.io/mode=warn"])?;
    try_wait_for("all of them", DEADLINE, || {
        let has_node = cache.nodes().is_some_and(|nodes| nodes.by_name("paper-node").is_some());
        let has_id = cache.cluster_id().is_some_and(|id| *id == "c0123456789abcdef");
        let is_scaled = !cache.autoscalers_of(&web).is_empty();
        let is_labelled = cache.mode_of_namespace(&test.name).as_deref() == Some("warn");
        Ok((has_node && has_id && is_scaled && is_labelled).then_some(()))
    })?;
    test.cluster.run_kubectl(&["delete", "node", "paper-node"])?;
    test.cluster.run_kubectl(&[
        "delete",
        "-n",
        "kube-system",
        "configmap",
        "ack-cluster-profile",
    ])?;
    try_wait_for("node and id to be gone", DEADLINE, || {
        let is_empty = cache.nodes().is_some_and(|nodes| nodes.is_empty());
        Ok((is_empty && cache.cluster_id().is_none()).then_some(()))
    })
}

fn rights(test: &TestNamespace<'_>) -> Result<()> {
    let user = format!("limited-{}", test.name);
    let following = test.cache_as(&user)?;
    let allow = |name: &str, group: &str, resources: &[&str]| {
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": [{"apiGroups": [group], "resources": resources, "verbs": ["get", "list", "watch"]}]});
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]});
        test.cluster.apply(&role.to_string())?;
        test.cluster.apply(&binding.to_string())
    };
    allow(&format!("{user}-apps"), "apps", &["deployments", "statefulsets", "daemonsets"])?;
    let cache = &following.cache;
    try_wait_for("what is allowed to be listed", DEADLINE, || {
        let waits: Vec<&str> = cache.unsynced().collect();
        Ok((waits == ["/api/v1/services", "/api/v1/nodes", "/api/v1/namespaces"]).then_some(()))
    })?;
    ensure!(!cache.is_synced(), "Services are needed");
    allow(&format!("{user}-core"), "", &["services", "nodes", "namespaces"])?;
    following.synced().map(drop)
}

fn restart(test: &TestNamespace<'_>) -> Result<()> {
    let following = test.cache()?.synced()?;
    test.create("before")?;
    test.wait_for(&following.cache, "before", true)?;
    test.cluster.stop_api_server(clbmigrate_testbed::StopMode::Kill)?;
    test.cluster.start_api_server(clbmigrate_testbed::Validity::Valid)?;
    ensure!(following.cache.service(&test.name, "before").is_some(), "it stays known");
    test.create("after")?;
    test.wait_for(&following.cache, "after", true)
}
