//! What a test can make the double do.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::test_namespace::{HASH, Test, TestNamespace, same, text};

pub const TESTS: &[Test] = &[
    ("a slow one takes its time", slow),
    ("a stuck one notices an edit and does nothing until it is free", stuck),
    ("a failing one writes nothing but events until it is repaired", failing),
    ("so many rounds fail, then all is well by itself", failing_rounds),
    ("with a salt the hashes are another release's", salt),
    ("with an older release's hashes source ranges do not count", hash_release),
    ("groups that a CLB has can be listed", groups),
    ("events about a Service that has no tokens left are counted and not written", tokens),
    ("an event that has expired is counted on under a new uid", expired),
    ("a behaviour that makes no sense is refused with the reason", refused),
];

fn slow(namespace: &TestNamespace<'_>) -> Result<()> {
    const DELAY: Duration = Duration::from_millis(1500);
    let double = namespace.double(&[])?;
    double.behave(&json!({"delayMs": 1500}))?;
    let start = Instant::now();
    namespace.create("web")?;
    double.rounds(namespace, "web", 1)?;
    ensure!(start.elapsed() >= DELAY, "it took only {:?}", start.elapsed());
    Ok(())
}

fn stuck(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    namespace.create("web")?;
    let before = double.rounds(namespace, "web", 1)?;
    double.behave(&json!({"stuck": true}))?;
    namespace.annotate("web", "weight", "20")?;
    namespace.event("web", "AnnotationChanged", 1)?;
    same("entry", &double.entry(namespace, "web")?, &before)?;
    same("hash label", &namespace.label("web", HASH)?, text(&before["hash"]))?;
    double.behave(&json!({"stuck": false}))?;
    let after = double.rounds(namespace, "web", 2)?;
    same("hash label", &namespace.label("web", HASH)?, text(&after["hash"]))?;
    ensure!(after["hash"] != before["hash"], "the hash has not changed");
    Ok(())
}

fn failing(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    namespace.create("web")?;
    let before = double.rounds(namespace, "web", 1)?;
    double.behave(
        &json!({"fail": {"message": "Message: Request was denied due to user flow control."}}),
    )?;
    namespace.annotate("web", "weight", "20")?;
    let event = namespace.event("web", "SyncLoadBalancerFailed", 2)?;
    let message = "Error syncing load balancer [lb-bp1example]: Message: Request was denied due to user flow control.";
    same("message", text(&event["message"]), message)?;
    same("outcome", text(&double.entry(namespace, "web")?["outcome"]), "frozen")?;
    same("hash label", &namespace.label("web", HASH)?, text(&before["hash"]))?;
    let service_writes = namespace.writes()?.into_iter().filter(|write| write.contains("services"));
    same("writes to the Service, all of them in the first round", &service_writes.count(), &3)?;

    double.behave(&json!({"fail": null}))?;
    let after = double.outcome(namespace, "web", "applied")?;
    same("hash label", &namespace.label("web", HASH)?, text(&after["hash"]))
}

fn failing_rounds(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&["--fail", "a passing fault", "--fail-rounds", "2"])?;
    namespace.create("web")?;
    let entry = double.outcome(namespace, "web", "applied")?;
    same("rounds", &entry["rounds"], &json!(3))?;
    let event = namespace.event("web", "SyncLoadBalancerFailed", 2)?;
    same("failures", &event["count"], &json!(2))?;
    let (_, behaviour) = double.request("GET", "/behaviour", "")?;
    same("fail", &serde_json::from_str::<Value>(&behaviour)?["fail"], &Value::Null)
}

fn salt(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&["--salt", "3.0"])?;
    namespace.create("web")?;
    double.rounds(namespace, "web", 1)?;
    let service = namespace.service("web")?;
    let label = text(&service["metadata"]["labels"][HASH]).to_owned();
    let typed = serde_json::from_value(service)?;
    same("label", &label, &clbmigrate_ccm_double::hash::compute(&typed, "3.0"))?;
    ensure!(
        label != clbmigrate_ccm_double::hash::compute(&typed, ""),
        "the salt makes no difference"
    );
    Ok(())
}

fn hash_release(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&["--hash-release", "2.13"])?;
    namespace.create_as("web", &json!({"spec": {"loadBalancerSourceRanges": ["10.0.0.0/8"]}}))?;
    double.rounds(namespace, "web", 1)?;
    let mut service = namespace.service("web")?;
    let label = text(&service["metadata"]["labels"][HASH]).to_owned();
    service["spec"]["loadBalancerSourceRanges"] = Value::Null;
    let typed = serde_json::from_value(service)?;
    same("label", &label, &clbmigrate_ccm_double::hash::compute(&typed, ""))?;
    // Of an edit that does not count for it, CCM tells all the same.
    namespace.patch("web", &json!({"spec": {"loadBalancerSourceRanges": ["10.1.0.0/16"]}}))?;
    namespace.event("web", "ServiceSpecChanged", 1)?;
    double.rounds(namespace, "web", 2)?;
    same("label", &namespace.label("web", HASH)?, &label)?;
    double.behave(&json!({"hashRelease": "2.14"}))?;
    namespace.annotate("web", "weight", "20")?;
    double.rounds(namespace, "web", 3)?;
    let typed = serde_json::from_value(namespace.service("web")?)?;
    let hash = clbmigrate_ccm_double::hash::compute(&typed, "");
    same("label", &namespace.label("web", HASH)?, &hash)
}

fn groups(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&["--groups", "lb-bp1example=rsp-b,rsp-c"])?;
    namespace.create("web")?;
    let entry = double.outcome(namespace, "web", "drained")?;
    same(
        "reason",
        text(&entry["reason"]),
        "port 80: can not find vgroupId rsp-a in lb lb-bp1example",
    )?;
    namespace.annotate("web", "vgroup-port", "rsp-b:80")?;
    double.outcome(namespace, "web", "applied").map(drop)
}

fn tokens(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&["--event-tokens", "3"])?;
    namespace.create("web")?;
    // Two tokens: the cluster has no nodes, which CCM tells in every round.
    double.rounds(namespace, "web", 1)?;
    namespace.annotate("web", "weight", "20")?;
    double.rounds(namespace, "web", 2)?;
    let told = ["UnAvailableLoadBalancer x1", "EnsuredLoadBalancer x1", "AnnotationChanged x1"];
    same("events", &namespace.told("web")?, &told)?;
    // Another Service has its own.
    namespace.create("other")?;
    namespace.event("other", "EnsuredLoadBalancer", 1)?;
    double.behave(&json!({"eventTokens": "unlimited"}))?;
    namespace.annotate("web", "weight", "30")?;
    namespace.event("web", "EnsuredLoadBalancer", 3)?;
    let told = ["UnAvailableLoadBalancer x3", "EnsuredLoadBalancer x3", "AnnotationChanged x2"];
    same("events", &namespace.told("web")?, &told)
}

fn expired(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    namespace.create("web")?;
    let before = namespace.event("web", "EnsuredLoadBalancer", 1)?;
    let answer = double.request("POST", "/events/expire", "")?;
    same("answer", &answer, &(200, r#"{"expired":2}"#.to_owned()))?;
    same("events", &namespace.told("web")?, &Vec::<String>::new())?;
    namespace.annotate("web", "weight", "20")?;
    let after = namespace.event("web", "EnsuredLoadBalancer", 2)?;
    ensure!(before["metadata"]["uid"] != after["metadata"]["uid"], "{after}");
    same("name", &after["metadata"]["name"], &before["metadata"]["name"])?;
    same("first time", &after["firstTimestamp"], &before["firstTimestamp"])
}

fn refused(namespace: &TestNamespace<'_>) -> Result<()> {
    let double = namespace.double(&[])?;
    let before = double.request("GET", "/behaviour", "")?;
    for (patch, named) in
        [(r#"{"stuk": true}"#, "stuk"), (r#"{"stuck": 1}"#, "boolean"), ("{", "EOF")]
    {
        let (status, body) = double.request("PATCH", "/behaviour", patch)?;
        ensure!(status == 400 && body.contains(named), "{patch}: {status} {body}");
    }
    same("behaviour", &double.request("GET", "/behaviour", "")?, &before)
}
