//! Ends, other types, restarts.

use anyhow::{Result, ensure};
use clbmigrate_testbed::{StopMode, Validity, try_wait_for};
use serde_json::json;

use crate::test_namespace::{DEADLINE, HASH, Test, TestNamespace, marks, same, text};

pub const TESTS: &[Test] = &[
    ("a deleted Service loses labels, address and finalizer, in this order, and is gone", deleted),
    ("a Service with a malformed mapping stays until it is repaired", undeletable),
    ("another type ends it like a deletion, and back begins it anew", retyped),
    ("a Service given to another class stays as it is until a restart lets it go", given_away),
    ("after a restart a Service that is as it was gets no write but events", restarted),
];

pub const EXCLUSIVE_TESTS: &[Test] =
    &[("what is edited while the API server or the double is away is carried out later", away)];

fn deleted(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    namespace.create("web")?;
    double.outcome(namespace, "web", "applied")?;
    let watch = namespace.watch()?;
    namespace.delete("web")?;
    let seen = watch.until(|marks| marks == "gone")?;
    let order = ["finalizer hash clb address", "finalizer address", "finalizer", "gone"];
    same("versions", &seen, &order)?;
    let event = namespace.event("web", "CleanLoadBalancer", 1)?;
    same("message", text(&event["message"]), "Clean load balancer")?;
    namespace.event("web", "DeleteTimestampChanged", 1)?;
    double.outcome(namespace, "web", "cleaned").map(drop)
}

fn undeletable(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    namespace.create("web")?;
    double.outcome(namespace, "web", "applied")?;
    namespace.annotate("web", "vgroup-port", "rsp-a:80,")?;
    double.outcome(namespace, "web", "frozen")?;
    namespace.delete("web")?;
    let event = namespace.event("web", "CleanLoadBalancerFailed", 2)?;
    let message = "Error deleting load balancer [lb-bp1example]: apply model error: get lb backend from remote \
                   error: DescribeVServerGroups error: vgroupid and protocol format must be like \
                   'vsp-xxx:443' with colon separated. got=[[]]";
    same("message", text(&event["message"]), message)?;
    same("marks", &marks(&namespace.service("web")?), "finalizer hash clb address")?;
    namespace.annotate("web", "vgroup-port", "rsp-a:80")?;
    double.outcome(namespace, "web", "cleaned")?;
    ensure!(namespace.service("web")?.is_null(), "it is still there");
    Ok(())
}

fn retyped(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    namespace.create("web")?;
    double.outcome(namespace, "web", "applied")?;
    namespace.patch("web", &json!({"spec": {"type": "ClusterIP"}}))?;
    double.outcome(namespace, "web", "cleaned")?;
    same("marks", &marks(&namespace.service("web")?), "")?;
    let event = namespace.event("web", "TypeChanged", 1)?;
    same("message", text(&event["message"]), "type change LoadBalancer - ClusterIP")?;
    namespace.patch("web", &json!({"spec": {"type": "LoadBalancer"}}))?;
    double.outcome(namespace, "web", "applied")?;
    same("marks", &marks(&namespace.service("web")?), "finalizer hash clb address")
}

fn given_away(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    namespace.create("web")?;
    double.outcome(namespace, "web", "applied")?;
    namespace.patch(
        "web",
        &json!({"metadata": {"annotations": {"service.beta.kubernetes.io/class": "edge"}}}),
    )?;
    // Created later, noticed later.
    namespace.create("later")?;
    double.rounds(namespace, "later", 1)?;
    same("rounds", &double.entry(namespace, "web")?["rounds"], &json!(1))?;
    same("marks", &marks(&namespace.service("web")?), "finalizer hash clb address")?;
    drop(double);
    let double = namespace.double(&[])?;
    double.outcome(namespace, "web", "cleaned")?;
    same("marks", &marks(&namespace.service("web")?), "")
}

fn restarted(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    namespace.create("web")?;
    double.outcome(namespace, "web", "applied")?;
    drop(double);
    let before = namespace.writes()?;
    let double = namespace.double(&[])?;
    let entry = double.rounds(namespace, "web", 1)?;
    same("hash", &namespace.label("web", HASH)?, text(&entry["hash"]))?;
    let after = namespace.writes()?;
    // A recorder forgets with its process: both events, about no nodes and success, are new ones.
    same("writes since", &after[before.len()..], &["create events"; 2][..])
}

fn away(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    namespace.create("web")?;
    double.outcome(namespace, "web", "applied")?;
    namespace.cluster.stop_api_server(StopMode::Kill)?;
    namespace.cluster.start_api_server(Validity::Valid)?;
    namespace.annotate("web", "weight", "101")?;
    double.outcome(namespace, "web", "drained")?;
    drop(double);
    namespace.annotate("web", "weight", "30")?;
    let double = namespace.double(&[])?;
    let entry = double.outcome(namespace, "web", "applied")?;
    try_wait_for("the new hash", DEADLINE, || {
        Ok((namespace.label("web", HASH)? == text(&entry["hash"])).then_some(()))
    })
}
