//! What a round writes, and which changes make one.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::test_namespace::{CLB, HASH, Test, TestNamespace, key, marks, same, text};

pub const TESTS: &[Test] = &[
    ("the first round writes finalizer, labels, address and event, in this order", first),
    ("an edit is announced, carried out and counted on the same event", edit),
    ("the address may be configured and a host name be shown instead", shown),
    ("a label is no reason for a round", label_only),
    ("a drained Service is reported as success", drained),
    ("a frozen Service keeps its labels, and its failures are counted on one event", frozen),
    ("a misrouted Service is reported as success", misrouted),
    ("Services of others are left alone", others),
];

pub const EXCLUSIVE_TESTS: &[Test] =
    &[("nodes and endpoints make rounds, taints and what concerns Pods only do not", nodes)];

/// The cluster has no nodes, which CCM finds worth an event in every round.
const NO_NODES_TWICE: &str = "UnAvailableLoadBalancer x2";

fn first(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    let watch = namespace.watch()?;
    namespace.create("web")?;
    let seen = watch.until(|marks| marks.ends_with("address"))?;
    let order = ["", "finalizer", "finalizer hash clb", "finalizer hash clb address"];
    same("versions", &seen, &order)?;

    let event = namespace.event("web", "EnsuredLoadBalancer", 1)?;
    let writes = namespace.writes()?;
    // The first event is about the nodes that this cluster does not have.
    let order = [
        "patch services",
        "create events",
        "patch services/status",
        "patch services/status",
        "create events",
    ];
    same("writes", &writes, &order)?;

    let service = namespace.service("web")?;
    same("message", text(&event["message"]), "Ensured load balancer [lb-bp1example]")?;
    same("type", text(&event["type"]), "Normal")?;
    same("source", &event["source"], &json!({"component": "service-controller"}))?;
    same("uid", &event["involvedObject"]["uid"], &service["metadata"]["uid"])?;

    let entry = double.rounds(namespace, "web", 1)?;
    same("outcome", text(&entry["outcome"]), "applied")?;
    same("CLB", &namespace.label("web", CLB)?, "lb-bp1example")?;
    same("hash", &namespace.label("web", HASH)?, text(&entry["hash"]))?;
    let typed = serde_json::from_value(service)?;
    same(
        "hash of what is there",
        &clbmigrate_ccm_double::hash::compute(&typed, ""),
        text(&entry["hash"]),
    )
}

fn edit(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    namespace.create("web")?;
    double.rounds(namespace, "web", 1)?;
    let before = namespace.label("web", HASH)?;
    namespace.annotate("web", "weight", "40")?;
    let entry = double.rounds(namespace, "web", 2)?;
    let ensured = namespace.event("web", "EnsuredLoadBalancer", 2)?;
    ensure!(text(&ensured["firstTimestamp"]) <= text(&ensured["lastTimestamp"]), "{ensured}");
    same(
        "events",
        &namespace.told("web")?,
        &[NO_NODES_TWICE, "EnsuredLoadBalancer x2", "AnnotationChanged x1"],
    )?;
    same("hash", &namespace.label("web", HASH)?, text(&entry["hash"]))?;
    ensure!(before != text(&entry["hash"]), "the hash has not changed");

    namespace.patch("web", &json!({"spec": {"externalTrafficPolicy": "Local"}}))?;
    double.rounds(namespace, "web", 3)?;
    let event = namespace.event("web", "ServiceSpecChanged", 1)?;
    let message = "The service will be updated because the spec has been changed.";
    same("message", text(&event["message"]), message)
}

fn shown(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&["--address", "lb-bp1example=192.0.2.7"])?;
    namespace.create("web")?;
    namespace.create_as(
        "named",
        &json!({"metadata": {"annotations": {key("hostname"): "example.com"}}}),
    )?;
    double.rounds(namespace, "web", 1)?;
    double.rounds(namespace, "named", 1)?;
    let ingress = |name| {
        Ok::<_, anyhow::Error>(
            namespace.service(name)?["status"]["loadBalancer"]["ingress"][0].clone(),
        )
    };
    same("address", text(&ingress("web")?["ip"]), "192.0.2.7")?;
    same("host name", &ingress("named")?, &json!({"hostname": "example.com"}))
}

fn label_only(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    namespace.create("web")?;
    double.rounds(namespace, "web", 1)?;
    namespace.patch("web", &json!({"metadata": {"labels": {"app": "web"}}}))?;
    // The watch tells in order: when the later edit is through, the label would have been too.
    namespace.annotate("web", "weight", "50")?;
    let entry = double.rounds(namespace, "web", 2)?;
    same("rounds", &entry["rounds"], &json!(2))?;
    namespace.event("web", "EnsuredLoadBalancer", 2)?;
    same(
        "events",
        &namespace.told("web")?,
        &[NO_NODES_TWICE, "EnsuredLoadBalancer x2", "AnnotationChanged x1"],
    )
}

fn drained(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    namespace.create("web")?;
    double.outcome(namespace, "web", "applied")?;
    namespace.annotate("web", "weight", "101")?;
    let entry = double.outcome(namespace, "web", "drained")?;
    same(
        "reason",
        text(&entry["reason"]),
        "port 80: weight must be integer in range [0,100] , got [101]",
    )?;
    same("hash", &namespace.label("web", HASH)?, text(&entry["hash"]))?;
    namespace.event("web", "EnsuredLoadBalancer", 2)?;
    ensure!(
        namespace.events("web")?.iter().all(|event| event["type"] == "Normal"),
        "a warning about a drained one"
    );
    Ok(())
}

fn frozen(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    namespace.create("web")?;
    let before = double.outcome(namespace, "web", "applied")?;
    namespace.annotate("web", "vgroup-port", "rsp-a")?;
    let entry = double.outcome(namespace, "web", "frozen")?;
    let failed = namespace.event("web", "SyncLoadBalancerFailed", 3)?;
    let message = "Error syncing load balancer []: build lb local model error: builid lb listener error: build \
                   listener from servicePort 80 error: vgroupid and protocol format must be like 'vsp-xxx:443' \
                   with colon separated. got=[[rsp-a]]";
    same("message", text(&failed["message"]), message)?;
    same("type", text(&failed["type"]), "Warning")?;
    same("reason", text(&entry["reason"]), message)?;
    same("hash label", &namespace.label("web", HASH)?, text(&before["hash"]))?;

    // A repair counts at once, however long the next try was away.
    namespace.annotate("web", "vgroup-port", "rsp-a:80")?;
    double.outcome(namespace, "web", "applied")?;
    let failures = namespace
        .events("web")?
        .into_iter()
        .filter(|event| event["reason"] == "SyncLoadBalancerFailed");
    same("events of failures", &failures.count(), &1)
}

fn misrouted(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&["--cluster-id", "c0example"])?;
    namespace.create("web")?;
    double.outcome(namespace, "web", "applied")?;
    namespace.annotate("web", "vgroup-port", "rsp-a:8080")?;
    let entry = double.outcome(namespace, "web", "misrouted")?;
    let port = &namespace.service("web")?["spec"]["ports"][0]["nodePort"];
    let group = format!("k8s/{port}/web/{}/c0example", namespace.name);
    same("reason", text(&entry["reason"]), &format!("port 80: goes to CCM's own group {group}"))?;
    same("hash", &namespace.label("web", HASH)?, text(&entry["hash"]))?;
    namespace.event("web", "EnsuredLoadBalancer", 2).map(drop)
}

fn nodes(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    namespace.create("web")?;
    let pods =
        json!({"metadata": {"annotations": {"service.beta.kubernetes.io/backend-type": "eni"}}});
    namespace.create_as("pods", &pods)?;
    double.rounds(namespace, "web", 1)?;
    double.rounds(namespace, "pods", 1)?;

    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "drifter"}, "spec": {"providerID": "cn-bed.i-1"}});
    namespace.cluster.apply(&node.to_string())?;
    double.rounds(namespace, "web", 2)?;
    namespace.cluster.run_kubectl(&["taint", "node", "drifter", "example.io/odd=1:NoSchedule"])?;
    namespace.cluster.run_kubectl(&["cordon", "drifter"])?;
    double.rounds(namespace, "web", 3)?;
    namespace.cluster.run_kubectl(&["delete", "node", "drifter"])?;
    let entry = double.rounds(namespace, "web", 4)?;
    same("rounds, none for the taint", &entry["rounds"], &json!(4))?;
    same("rounds with Pods", &double.entry(namespace, "pods")?["rounds"], &json!(1))?;

    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "pods-1", "namespace": namespace.name, "labels": {"kubernetes.io/service-name": "pods"}},
        "endpoints": [{"addresses": ["10.0.0.1"]}],
    });
    namespace.cluster.apply(&slice.to_string())?;
    double.rounds(namespace, "pods", 2).map(drop)
}

fn others(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    let class = json!({"metadata": {"annotations": {"service.beta.kubernetes.io/class": "edge"}}});
    namespace.create_as("annotated", &class)?;
    namespace.create_as(
        "other-class",
        &json!({"spec": {"loadBalancerClass": "alibabacloud.com/nlb"}}),
    )?;
    namespace.create_as("node-port", &json!({"spec": {"type": "NodePort"}}))?;
    // Created later, noticed later.
    namespace.create("web")?;
    double.rounds(namespace, "web", 1)?;
    for name in ["annotated", "other-class", "node-port"] {
        same(name, &marks(&namespace.service(name)?), "")?;
        same(name, &namespace.told(name)?, &Vec::<String>::new())?;
    }
    let namespace = format!("{}/", namespace.name);
    let known: Vec<_> =
        double.state()?.into_keys().filter(|key| key.starts_with(&namespace)).collect();
    same("known", &known, &[format!("{namespace}web")])
}
