//! Mistakes that were there before the webhook: nobody is stopped from living with them, from making
//! them smaller, or from removing them.

use anyhow::{Result, ensure};
use clbmigrate_e2e::shell;
use clbmigrate_testbed::Cluster;
use serde_json::{Value, json};

use crate::{
    BOTH, Case,
    Share::Beside,
    manifests::{container, deployment, key, list, patch, service, weigh, with},
    stage::{DEADLINE, Place, Stage, refused},
};

pub const CASES: &[Case] = &[(
    "who had mistakes before the webhook can live with them and leave them",
    BOTH,
    Beside,
    brownfield,
)];

const PLACE: &str = "brownfield";

/// A Service with mistakes: the weight, and something that CCM reads without need.
fn bad(name: &str) -> Value {
    let group = format!("rsp-bp1old{name}:80");
    let annotations = [
        ("id", "lb-bp1old"),
        ("vgroup-port", &group),
        ("weight", "101"),
        ("default-weight", "150"),
    ];
    service(name, &annotations)
}

/// A Deployment behind Service `set` without a readiness probe, of this version.
fn careless(version: &str) -> Value {
    let mut container = container("web");
    container["readinessProbe"] = Value::Null;
    container["env"] = json!([{"name": "VERSION", "value": version}]);
    let careless = with(deployment("set", 1), "/spec/template/spec/containers/0", container);
    with(careless, "/spec/template/spec/terminationGracePeriodSeconds", 1)
}

/// Makes the mistakes, where there is no webhook yet.
pub fn prepare(cluster: &Cluster<'_>) -> Result<()> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}});
    cluster.apply(&namespace.to_string())?;
    let mut objects: Vec<Value> =
        ["ccm", "set", "plugin", "repaired", "labelled", "worse", "broken", "stays"]
            .map(bad)
            .into();
    objects.push(service(
        "idle",
        &[("id", "lb-bp1old"), ("vgroup-port", "rsp-bp1idle:80"), ("weight", "0")],
    ));
    for version in ["1", "2"] {
        objects.push(careless(version));
        for object in &mut objects {
            object["metadata"]["namespace"] = PLACE.into();
        }
        // Each version is a revision.
        cluster.apply(&list(&objects).to_string())?;
    }
    Ok(())
}

fn brownfield(stage: &Stage<'_>) -> Result<()> {
    let place = stage.known_place(PLACE);
    ensure!(place.has("service/broken")?, "it must have been there before the webhook");
    ccm(&place)?;
    services(&place)?;
    workloads(&place)?;
    // The whole of it, with Services that have weight.
    ensure!(place.has("service/stays")?);
    let delete = format!("delete namespace {PLACE} --timeout={}s", DEADLINE.as_secs());
    stage.kubectl(&delete, "")?.ends_with(0)?;
    Ok(())
}

/// What CCM patches on its own.
fn ccm(place: &Place<'_, '_>) -> Result<()> {
    let finalizers = |list: Value| json!({"metadata": {"finalizers": list}});
    place.done(&patch("service ccm", &finalizers(json!(["service.k8s.alibaba/resources"]))))?;
    let labels = json!({"metadata": {"labels": {"service.beta.kubernetes.io/hash": "a1b2"}}});
    place.done(&patch("service ccm --subresource=status", &labels))?;
    let labels =
        json!({"metadata": {"labels": {"service.k8s.alibaba/loadbalancer-id": "lb-bp1old"}}});
    place.done(&patch("service ccm", &labels))?;
    let address = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}});
    place.done(&patch("service ccm --subresource=status", &address))?;
    place.done(&patch("service ccm", &finalizers(Value::Null)))?;
    Ok(())
}

fn services(place: &Place<'_, '_>) -> Result<()> {
    let Stage { cluster, tools, helm, .. } = place.stage;
    place.done(&weigh("set", "0"))?;
    let set = format!("kubectl clbmigrate set svc/plugin 0 --yes -n {PLACE}");
    shell(cluster, tools, helm, &set)?.ends_with(0)?;
    for name in ["set", "plugin"] {
        let weight =
            &place.get(&format!("service/{name}"))?["metadata"]["annotations"][key("weight")];
        ensure!(weight == "0", "{name}: {weight}");
    }
    // One of two mistakes; the other one is told of, and stays.
    let repair = format!("annotate service repaired --overwrite {}=100", key("default-weight"));
    let told = place.done(&repair)?.err;
    ensure!(told.contains("Warning: CLB001"), "{told}");
    place.done("label service labelled tier=front")?;
    // What is new is still refused.
    let worse = format!("annotate service worse {}=30s", key("connection-drain-timeout"));
    refused(&place.kubectl(&worse, "")?, "CLB014")?;
    // CCM could not serve it, so nothing is lost with it; and nobody uses the other.
    place.done("delete service broken")?;
    place.done("delete service idle")?;
    Ok(())
}

fn workloads(place: &Place<'_, '_>) -> Result<()> {
    let value = |object: &Value| {
        object["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"].clone()
    };
    ensure!(value(&place.get("deployment/set")?) == "2");
    place.done("rollout undo deployment/set")?;
    ensure!(value(&place.get("deployment/set")?) == "1");
    place.done("scale deployment/set --replicas=2")?;
    place.done("label deployment/set tier=front")?;
    place.done("annotate deployment/set example.com/note=x")?;
    // An image fix of what has no probe.
    place.done("set image deployment/set web=clbmigrate.test/app:1.1")?;
    place.done("scale deployment/set --replicas=0")?;
    Ok(())
}
