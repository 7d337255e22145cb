//! Ends, other types, restarts.

use anyhow::{Result, ensure};
use clbmigrate_testbed::{Stop, Validity, try_wait_for};
use serde_json::json;

use crate::scene::{DEADLINE, HASH, Scene, Test, marks, same, text};

pub const TESTS: &[Test] = &[
    ("a deleted Service loses labels, address and finalizer, in this order, and is gone", deleted),
    ("a Service with a malformed mapping stays until it is repaired", undeletable),
    ("another type ends it like a deletion, and back begins it anew", retyped),
    ("a Service given to another class stays as it is until a restart lets it go", given_away),
    ("after a restart a Service that is as it was gets no write but events", restarted),
    ("what is edited while the API server or the double is away is carried out later", away),
];

fn deleted(scene: &Scene<'_>) -> Result<()> {
    let double = scene.double(&[])?;
    scene.create("web")?;
    double.outcome(scene, "web", "applied")?;
    let watch = scene.watch()?;
    scene.delete("web")?;
    let seen = watch.until(|marks| marks == "gone")?;
    let order = ["finalizer hash clb address", "finalizer address", "finalizer", "gone"];
    same("versions", &seen, &order)?;
    let event = scene.event("web", "CleanLoadBalancer", 1)?;
    same("message", text(&event["message"]), "Clean load balancer")?;
    scene.event("web", "DeleteTimestampChanged", 1)?;
    double.outcome(scene, "web", "cleaned").map(drop)
}

fn undeletable(scene: &Scene<'_>) -> Result<()> {
    let double = scene.double(&[])?;
    scene.create("web")?;
    double.outcome(scene, "web", "applied")?;
    scene.annotate("web", "vgroup-port", "rsp-a:80,")?;
    double.outcome(scene, "web", "frozen")?;
    scene.delete("web")?;
    let event = scene.event("web", "CleanLoadBalancerFailed", 2)?;
    let message = "Error deleting load balancer [lb-bp1example]: apply model error: get lb backend from remote \
                   error: DescribeVServerGroups error: vgroupid and protocol format must be like \
                   'vsp-xxx:443' with colon separated. got=[[]]";
    same("message", text(&event["message"]), message)?;
    same("marks", &marks(&scene.service("web")?), "finalizer hash clb address")?;
    scene.annotate("web", "vgroup-port", "rsp-a:80")?;
    double.outcome(scene, "web", "cleaned")?;
    ensure!(scene.service("web")?.is_null(), "it is still there");
    Ok(())
}

fn retyped(scene: &Scene<'_>) -> Result<()> {
    let double = scene.double(&[])?;
    scene.create("web")?;
    double.outcome(scene, "web", "applied")?;
    scene.patch("web", &json!({"spec": {"type": "ClusterIP"}}))?;
    double.outcome(scene, "web", "cleaned")?;
    same("marks", &marks(&scene.service("web")?), "")?;
    let event = scene.event("web", "TypeChanged", 1)?;
    same("message", text(&event["message"]), "type change LoadBalancer - ClusterIP")?;
    scene.patch("web", &json!({"spec": {"type": "LoadBalancer"}}))?;
    double.outcome(scene, "web", "applied")?;
    same("marks", &marks(&scene.service("web")?), "finalizer hash clb address")
}

fn given_away(scene: &Scene<'_>) -> Result<()> {
    let double = scene.double(&[])?;
    scene.create("web")?;
    double.outcome(scene, "web", "applied")?;
    scene.patch(
        "web",
        &json!({"metadata": {"annotations": {"service.beta.kubernetes.io/class": "edge"}}}),
    )?;
    // Created later, noticed later.
    scene.create("later")?;
    double.rounds(scene, "later", 1)?;
    same("rounds", &double.entry(scene, "web")?["rounds"], &json!(1))?;
    same("marks", &marks(&scene.service("web")?), "finalizer hash clb address")?;
    drop(double);
    let double = scene.double(&[])?;
    double.outcome(scene, "web", "cleaned")?;
    same("marks", &marks(&scene.service("web")?), "")
}

fn restarted(scene: &Scene<'_>) -> Result<()> {
    let double = scene.double(&[])?;
    scene.create("web")?;
    double.outcome(scene, "web", "applied")?;
    drop(double);
    let before = scene.writes()?;
    let double = scene.double(&[])?;
    let entry = double.rounds(scene, "web", 1)?;
    same("hash", &scene.label("web", HASH)?, text(&entry["hash"]))?;
    let after = scene.writes()?;
    // A recorder forgets with its process: both events, about no nodes and success, are new ones.
    same("writes since", &after[before.len()..], &["create events"; 2][..])
}

fn away(scene: &Scene<'_>) -> Result<()> {
    let double = scene.double(&[])?;
    scene.create("web")?;
    double.outcome(scene, "web", "applied")?;
    scene.cluster.stop_api_server(Stop::Kill)?;
    scene.cluster.start_api_server(Validity::Valid)?;
    scene.annotate("web", "weight", "101")?;
    double.outcome(scene, "web", "drained")?;
    drop(double);
    scene.annotate("web", "weight", "30")?;
    let double = scene.double(&[])?;
    let entry = double.outcome(scene, "web", "applied")?;
    try_wait_for("the new hash", DEADLINE, || {
        Ok((scene.label("web", HASH)? == text(&entry["hash"])).then_some(()))
    })
}
