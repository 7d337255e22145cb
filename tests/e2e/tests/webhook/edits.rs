//! Ways around the front door: patches of the status, changes of type, many at once, exemptions.

use anyhow::{Result, ensure};
use clbmigrate_testbed::try_wait_for;
use serde_json::{Value, json};

use crate::{
    BOTH, Case,
    ClusterUse::Parallel,
    manifests::{annotated, key, mapping, migrated, patch, service, set_weight, with},
    test_cluster::{DEADLINE, TestCluster, refused, silent, warned},
};

const DOMAIN: &str = "service.beta.kubernetes.io/";
const BACKEND_TYPE: &str = "service.beta.kubernetes.io/backend-type";

pub const CASES: &[Case] = &[
    ("no bad value gets past in a status patch", BOTH, Parallel, status),
    ("no bad value gets past in a change of type", BOTH, Parallel, types),
    ("no bad value gets past by way of a misspelt key", BOTH, Parallel, misspelt),
    ("all problems of a Service are told at once", BOTH, Parallel, at_once),
    ("an object may soften rules for itself", BOTH, Parallel, allowed),
    (
        "an object is not exempt from what nobody means, and hears of it",
        BOTH,
        Parallel,
        not_allowed,
    ),
    ("a namespace with a Service of weight goes with a warning", BOTH, Parallel, namespace_goes),
    ("a new owner of a Service of weight is told of", BOTH, Parallel, new_owner),
];

fn status(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("status")?;
    namespace.apply(&migrated(&namespace.name, "web", "20"))?;
    let set = |weight: &str| {
        let annotations = json!({"metadata": {"annotations": {key("weight"): weight}}});
        patch("service web --subresource=status", &annotations)
    };
    refused(&namespace.kubectl(&set("101"), "")?, "CLB001")?;
    ensure!(namespace.weight("web")? == "20");
    let none = json!({"metadata": {"annotations": {key("weight"): null}}});
    refused(&namespace.kubectl(&patch("service web --subresource=status", &none), "")?, "CLB403")?;
    ensure!(namespace.weight("web")? == "20");
    // What is good is stored, so it was the value that was refused.
    silent(&namespace.kubectl(&set("40"), "")?)?;
    ensure!(namespace.weight("web")? == "40");
    // The address that CCM writes there.
    let address = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}});
    silent(&namespace.kubectl(&patch("service web --subresource=status", &address), "")?)
}

fn types(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("types")?;
    let to = |kind: &str| patch("service web", &json!({"spec": {"type": kind}}));
    // As a ClusterIP Service it is nobody's business.
    let hidden = with(migrated(&namespace.name, "web", "101"), "/spec/type", "ClusterIP");
    namespace.apply(&hidden)?;
    refused(&namespace.kubectl(&to("LoadBalancer"), "")?, "CLB001")?;
    ensure!(namespace.get("service/web")?["spec"]["type"] == "ClusterIP");
    silent(&namespace.kubectl(&set_weight("web", "20"), "")?)?;
    silent(&namespace.kubectl(&to("LoadBalancer"), "")?)?;
    for kind in ["NodePort", "ClusterIP"] {
        refused(&namespace.kubectl(&to(kind), "")?, "CLB404")?;
    }
    ensure!(namespace.get("service/web")?["spec"]["type"] == "LoadBalancer");
    // Both in one request: the new weight is bad, and so is leaving.
    let both =
        json!({"metadata": {"annotations": {key("weight"): "0"}}, "spec": {"type": "NodePort"}});
    refused(&namespace.kubectl(&patch("service web", &both), "")?, "CLB404")?;
    silent(&namespace.kubectl(&set_weight("web", "0"), "")?)?;
    silent(&namespace.kubectl(&to("NodePort"), "")?)
}

fn misspelt(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("misspelt")?;
    let group = |name: &str| mapping(&namespace.name, name);
    let spaced = format!(" {}", group("mapped"));
    let ways = [
        ("weighed", key("weight"), key("wieght"), "101", "CLB001"),
        ("mapped", key("vgroup-port"), key("vgroup-prot"), spaced.as_str(), "CLB004"),
        ("typed", BACKEND_TYPE.to_owned(), format!("{DOMAIN}backend-typ"), "ENI", "CLB013"),
    ];
    for (name, meant, wrong, value, rule) in ways {
        let group = group(name);
        let notes = [("id", "lb-bp1example"), ("vgroup-port", group.as_str()), ("weight", "20")];
        let notes: Vec<_> = notes.into_iter().filter(|(suffix, _)| key(suffix) != meant).collect();
        let first = annotated(service(name, &notes), &wrong, value);
        warned(&namespace.kubectl("apply", &first.to_string())?, "CLB018")?;
        // What kubectl has just advised, and nothing else.
        let fix = json!({"metadata": {"annotations": {&wrong: null, &meant: value}}});
        // A space would end the argument.
        let fix = patch(&format!("service {name}"), &fix).replace("\" rsp", "\"\\u0020rsp");
        refused(&namespace.kubectl(&fix, "")?, rule)?;
        let stored = namespace.get(&format!("service/{name}"))?;
        ensure!(stored["metadata"]["annotations"][&meant].is_null(), "{stored}");
    }
    // With a good value the same correction is stored.
    let wrong = key("wieght");
    let notes = [("id", "lb-bp1example"), ("vgroup-port", "rsp-bp1corrected:80")];
    let first = annotated(service("corrected", &notes), &wrong, "20");
    warned(&namespace.kubectl("apply", &first.to_string())?, "CLB018")?;
    let fix = json!({"metadata": {"annotations": {wrong: null, key("weight"): "20"}}});
    silent(&namespace.kubectl(&patch("service corrected", &fix), "")?)?;
    ensure!(namespace.weight("corrected")? == "20");
    Ok(())
}

fn at_once(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("at-once")?;
    let annotations = [
        ("id", "lb-bp1example"),
        ("vgroup-port", "rsp-bp1atonce:80"),
        ("weight", "101"),
        ("default-weight", "150"),
    ];
    let bad = service("web", &annotations);
    let output = namespace.kubectl("apply", &bad.to_string())?;
    refused(&output, "CLB001")?;
    refused(&output, "CLB012")?;
    ensure!(!namespace.has("service/web")?);
    // Why, and what to write instead.
    ensure!(output.stderr.contains("101") && output.stderr.contains("Fix: "), "{}", output.stderr);
    Ok(())
}

fn allowed(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("allowed")?;
    let web = migrated(&namespace.name, "web", "20");
    namespace.apply(&annotated(web, "clbmigrate.io/allow", "CLB404"))?;
    warned(&namespace.kubectl("delete service web", "")?, "CLB404")?;
    ensure!(!namespace.has("service/web")?);
    let odd = annotated(migrated(&namespace.name, "odd", "20"), "clbmigrate.io/allow", "CLB999");
    warned(&namespace.kubectl("apply", &odd.to_string())?, "CLB999")
}

fn not_allowed(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("not-allowed")?;
    namespace.apply(&migrated(&namespace.name, "web", "20"))?;
    let set = |annotations: Value| {
        patch("service web", &json!({"metadata": {"annotations": annotations}}))
    };
    // Both in one request.
    let both = set(json!({"clbmigrate.io/allow": "CLB001", key("weight"): "101"}));
    let output = namespace.kubectl(&both, "")?;
    refused(&output, "CLB001")?;
    ensure!(output.stderr.contains("CLB001 has no effect here"), "{}", output.stderr);
    ensure!(namespace.weight("web")? == "20");
    // The exemption alone, and then the weight.
    let output = namespace.kubectl(&set(json!({"clbmigrate.io/allow": "CLB001,CLB999"})), "")?;
    warned(&output, "CLB001 has no effect here")?;
    warned(&output, "CLB999")?;
    refused(&namespace.kubectl(&set_weight("web", "101"), "")?, "CLB001")?;
    // What is left to objects is taken in silence.
    silent(&namespace.kubectl(&set(json!({"clbmigrate.io/allow": "CLB404"})), "")?)
}

fn namespace_goes(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("goes")?;
    namespace.apply(&migrated(&namespace.name, "web", "20"))?;
    namespace.apply(&migrated(&namespace.name, "idle", "0"))?;
    // The webhook hears of a Service that was just made when its watch does.
    try_wait_for("the warning", DEADLINE, || {
        let dry = format!("delete namespace {} --dry-run=server", namespace.name);
        let output = cluster.kubectl(&dry, "")?.expect_code(0)?;
        Ok(output.stderr.contains("web (weight 20)").then_some(()))
    })?;
    let output =
        cluster.kubectl(&format!("delete namespace {} --wait=false", namespace.name), "")?;
    warned(&output, "web (weight 20)")?;
    warned(&output, "set svc/web 0")?;
    ensure!(!output.stderr.contains("idle"), "{}", output.stderr);
    let gone = format!("wait --for=delete namespace/{} --timeout=90s", namespace.name);
    cluster.kubectl(&gone, "")?.expect_code(0)?;
    Ok(())
}

fn new_owner(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("new-owner")?;
    namespace.kubectl_ok("create configmap owner")?;
    let uid = namespace.get("configmap/owner")?["metadata"]["uid"].clone();
    let owner = json!({"metadata": {"ownerReferences": [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}]}});
    namespace.apply(&migrated(&namespace.name, "web", "20"))?;
    warned(&namespace.kubectl(&patch("service web", &owner), "")?, "ConfigMap owner")?;
    namespace.apply(&migrated(&namespace.name, "idle", "0"))?;
    silent(&namespace.kubectl(&patch("service idle", &owner), "")?)
}
