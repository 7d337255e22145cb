//! Deletions by other systems, and the hook that tells of what goes with a namespace or an owner: what
//! reaches it.

use clbmigrate_testkit::manifests::{self, service_in, with};
use serde_json::{Value, json};

use crate::{
    ClusterCase, TestCluster,
    conditions::{
        Case,
        Expected::{Passes, Refused},
        Probe, check_requests_with,
    },
};

pub const CASES: &[ClusterCase] = &[
    ("without the webhook, a system that the values name deletes and writes nothing", by_system),
    ("what takes Services with it is told of, and nothing else", cascading),
];

const AGENT: &str = "system:serviceaccount:karmada-system:agent";

fn by_system(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let namespace = "dead-deletions";
    let migrated = || service_in(namespace, "NAME", &[("weight", "20")]).to_string();
    let by = |request: &str, user: &str| format!("{request} --as={user} --as-group=system:masters");
    let delete = "delete service NAME --wait=false";
    let weight = "annotate service NAME --overwrite service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight=50";
    let cases = [
        Case::new("a deletion by the system", migrated(), by(delete, AGENT), Passes),
        Case::new("a deletion by one of odd name", migrated(), by(delete, "o'brien"), Passes),
        Case::new("an edit by the system", migrated(), by(weight, AGENT), Refused),
        Case::new("a deletion by another", migrated(), by(delete, "agent"), Refused),
        Case::new(
            "a deletion by Kubernetes itself",
            migrated(),
            by(delete, "system:serviceaccount:kube-system:namespace-controller"),
            Passes,
        ),
    ];
    let values = format!("--set exempt.deletions.users={{{AGENT},o'brien}}");
    let manifest = migrated();
    let probe = Probe { request: "create --dry-run=server", manifest: &manifest, values: &values };
    check_requests_with(cluster, "validate-services", &probe, namespace, &cases)
}

/// An owner of a kind that the cluster does not know, so that nothing is deleted for want of it.
fn owner(name: &str) -> Value {
    let uid = "00000000-0000-0000-0000-000000000001";
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "name": name, "uid": uid})
}

fn owners(names: &[&str]) -> String {
    let owners: Vec<Value> = names.iter().map(|name| owner(name)).collect();
    let patch = json!({"metadata": {"ownerReferences": owners}});
    format!("patch service NAME --type=merge -p {patch}")
}

fn cascading(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let namespace = "dead-cascading";
    let service = || service_in(namespace, "NAME", &[("weight", "20")]);
    let migrated = || service().to_string();
    let owned = || with(service(), "/metadata/ownerReferences", json!([owner("x")])).to_string();
    let plain = || service_in(namespace, "NAME", &[("id", "-"), ("vgroup-port", "-")]).to_string();
    let inner = || with(service(), "/spec/type", "ClusterIP").to_string();
    let other = manifests::namespace("dead-NAME", &json!({})).to_string();
    let held = with(
        manifests::namespace("dead-NAME", &json!({})),
        "/metadata/finalizers",
        json!(["example.com/held"]),
    );
    let delete = "delete namespace dead-NAME --wait=false";
    let cases = [
        Case::new("a namespace", other, delete, Refused),
        Case::new("a new namespace", "", "create", Passes)
            .with("{apiVersion: v1, kind: Namespace, metadata: {name: dead-NAME}}"),
        Case::new("a namespace that is going", held.to_string(), delete, Passes).after(delete),
        Case::new(
            "a label of a namespace",
            "",
            format!("label namespace {namespace} tier=front"),
            Passes,
        ),
        Case::new("an owner", migrated(), owners(&["x"]), Refused),
        Case::new(
            "an owner by a status patch",
            migrated(),
            format!("{} --subresource=status", owners(&["x"])),
            Refused,
        ),
        Case::new("another owner", owned(), owners(&["y"]), Refused),
        Case::new("no owner any more", owned(), owners(&[]), Passes),
        Case::new(
            "a weight",
            migrated(),
            "annotate service NAME --overwrite service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight=50",
            Passes,
        ),
        Case::new(
            "a weight of what has an owner",
            owned(),
            "annotate service NAME --overwrite service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight=50",
            Passes,
        ),
        Case::new("a label", owned(), "label service NAME tier=front", Passes),
        Case::new("an owner of a Service without CCM's keys", plain(), owners(&["x"]), Passes),
        Case::new("an owner of a ClusterIP Service", inner(), owners(&["x"]), Passes),
        Case::new("a deletion", migrated(), "delete service NAME --wait=false", Passes),
    ];
    let request = format!("delete namespace {namespace} --dry-run=server");
    let probe = Probe { request: &request, manifest: "", values: "" };
    check_requests_with(cluster, "validate-cascading-deletion", &probe, namespace, &cases)
}
