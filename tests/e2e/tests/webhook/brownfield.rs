//! Mistakes that were there before the webhook: nobody is stopped from living with them, from making
//! them smaller, or from removing them.

use anyhow::{Result, ensure};
use clbmigrate_testbed::Cluster;
use serde_json::{Value, json};

use crate::{
    BOTH, Case,
    ClusterUse::Parallel,
    manifests::{self, container, deployment, key, list, patch, service, set_weight, with},
    test_cluster::{DEADLINE, TestCluster, TestNamespace, refused},
};

pub const CASES: &[Case] = &[(
    "who had mistakes before the webhook can live with them and leave them",
    BOTH,
    Parallel,
    brownfield,
)];

const NAMESPACE: &str = "brownfield";

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
    cluster.apply(&manifests::namespace(NAMESPACE, &json!({})).to_string())?;
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
            object["metadata"]["namespace"] = NAMESPACE.into();
        }
        // Each version is a revision.
        cluster.apply(&list(&objects).to_string())?;
    }
    Ok(())
}

fn brownfield(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.existing_namespace(NAMESPACE);
    ensure!(namespace.has("service/broken")?, "it must have been there before the webhook");
    ccm(&namespace)?;
    services(&namespace)?;
    workloads(&namespace)?;
    // The whole of it, with Services that have weight.
    ensure!(namespace.has("service/stays")?);
    let delete = format!("delete namespace {NAMESPACE} --timeout={}s", DEADLINE.as_secs());
    cluster.kubectl(&delete, "")?.expect_code(0)?;
    Ok(())
}

/// What CCM patches on its own.
fn ccm(namespace: &TestNamespace<'_, '_>) -> Result<()> {
    let finalizers = |list: Value| json!({"metadata": {"finalizers": list}});
    namespace
        .kubectl_ok(&patch("service ccm", &finalizers(json!(["service.k8s.alibaba/resources"]))))?;
    let labels = json!({"metadata": {"labels": {"service.beta.kubernetes.io/hash": "a1b2"}}});
    namespace.kubectl_ok(&patch("service ccm --subresource=status", &labels))?;
    let labels =
        json!({"metadata": {"labels": {"service.k8s.alibaba/loadbalancer-id": "lb-bp1old"}}});
    namespace.kubectl_ok(&patch("service ccm", &labels))?;
    let address = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}});
    namespace.kubectl_ok(&patch("service ccm --subresource=status", &address))?;
    namespace.kubectl_ok(&patch("service ccm", &finalizers(Value::Null)))?;
    Ok(())
}

fn services(namespace: &TestNamespace<'_, '_>) -> Result<()> {
    namespace.kubectl_ok(&set_weight("set", "0"))?;
    let set = format!("kubectl clbmigrate set svc/plugin 0 --yes -n {NAMESPACE}");
    namespace.cluster.shell(&set)?.expect_code(0)?;
    for name in ["set", "plugin"] {
        let weight = namespace.weight(name)?;
        ensure!(weight == "0", "{name}: {weight}");
    }
    // One of two mistakes; the other one is told of, and stays.
    let repair = format!("annotate service repaired --overwrite {}=100", key("default-weight"));
    let told = namespace.kubectl_ok(&repair)?.stderr;
    ensure!(told.contains("Warning: CLB001"), "{told}");
    namespace.kubectl_ok("label service labelled tier=front")?;
    // What is new is still refused.
    let worse = format!("annotate service worse {}=30s", key("connection-drain-timeout"));
    refused(&namespace.kubectl(&worse, "")?, "CLB014")?;
    // CCM could not serve it, so nothing is lost with it; and nobody uses the other.
    namespace.kubectl_ok("delete service broken")?;
    namespace.kubectl_ok("delete service idle")?;
    Ok(())
}

fn workloads(namespace: &TestNamespace<'_, '_>) -> Result<()> {
    let value = |object: &Value| {
        object["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"].clone()
    };
    ensure!(value(&namespace.get("deployment/set")?) == "2");
    namespace.kubectl_ok("rollout undo deployment/set")?;
    ensure!(value(&namespace.get("deployment/set")?) == "1");
    namespace.kubectl_ok("scale deployment/set --replicas=2")?;
    namespace.kubectl_ok("label deployment/set tier=front")?;
    namespace.kubectl_ok("annotate deployment/set example.com/note=x")?;
    // An image fix of what has no probe.
    namespace.kubectl_ok("set image deployment/set web=clbmigrate.test/app:1.1")?;
    namespace.kubectl_ok("scale deployment/set --replicas=0")?;
    Ok(())
}
