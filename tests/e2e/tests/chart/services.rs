//! The hook that judges Services: what reaches it, and so what a webhook that is down stops.

mod requests;

use clbmigrate_testkit::manifests::{self, annotated, list, service_in, with};
use serde_json::{Value, json};

use self::requests::{
    annotations, decorated, held, inner, migrated, migrated_with, patch, patch_status, plain,
    service, set, with_weight,
};
use crate::{
    ClusterCase, TestCluster,
    conditions::{
        Case,
        Expected::{Passes, Refused},
        check_requests,
    },
};

const NAMESPACE: &str = "dead-services";
const FINALIZER: &str = "service.k8s.alibaba/resources";
/// Keys of 2019 and before.
const OLD_WEIGHT: &str = "service.beta.kubernetes.io/alicloud-loadbalancer-weight";

pub const CASES: &[ClusterCase] = &[
    ("without the webhook, only what is harmless is done to Services", all),
    ("without the webhook, a namespace with migrated Services can be deleted", namespace),
];

fn all(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let groups =
        [weights(), other_edits(), foreign_keys(), controllers(), types(), ends(), beginnings()];
    let cases: Vec<Case> = groups.into_iter().flatten().collect();
    check_requests(cluster, "validate-services", NAMESPACE, &migrated(), &cases)
}

fn weights() -> Vec<Case> {
    let zero = ("weight", Some("0"));
    let record = ("clbmigrate.io/history", Some("[]"));
    let mut with_port = annotations(&[zero]);
    with_port["spec"] = json!({"externalTrafficPolicy": "Local"});
    let recorded = annotated(service(&[("weight", "20")]), "clbmigrate.io/history", "[]");
    vec![
        Case::new("weight 0", migrated(), set(&[zero]), Passes),
        Case::new("weight 0 where there was none", service(&[]).to_string(), set(&[zero]), Passes),
        Case::new("weight 0 where it was bad", with_weight("101"), set(&[zero]), Passes),
        Case::new("weight 0 with the record", migrated(), set(&[zero, record]), Passes),
        Case::new(
            "weight 0 without the record",
            recorded.to_string(),
            set(&[zero, ("clbmigrate.io/history", None)]),
            Passes,
        ),
        Case::new("weight 0 in the older key", migrated(), set(&[(OLD_WEIGHT, Some("0"))]), Passes),
        Case::new("weight 0 by kubectl apply", migrated(), "apply", Passes).with(with_weight("0")),
        Case::new(
            "weight 0 by kubectl apply on the server",
            migrated(),
            "apply --server-side --force-conflicts",
            Passes,
        )
        .with(with_weight("0")),
        Case::new("weight 0 by kubectl replace", migrated(), "replace", Passes)
            .with(with_weight("0")),
        Case::new(
            "weight 0 by a status patch",
            migrated(),
            patch_status(&annotations(&[zero])),
            Passes,
        ),
        Case::new("weight 0 among 1,000 annotations", decorated(1000), set(&[zero]), Passes),
        Case::new("the record alone", migrated(), set(&[record]), Passes),
        Case::new("weight 50", migrated(), set(&[("weight", Some("50"))]), Refused),
        Case::new(
            "weight 50 among 1,000 annotations",
            decorated(1000),
            set(&[("weight", Some("50"))]),
            Refused,
        ),
        Case::new("weight 101", migrated(), set(&[("weight", Some("101"))]), Refused),
        Case::new("weight 00", migrated(), set(&[("weight", Some("00"))]), Refused),
        Case::new("an empty weight", migrated(), set(&[("weight", Some(""))]), Refused),
        Case::new("no weight", migrated(), set(&[("weight", None)]), Refused),
        Case::new("weight 50 by kubectl apply", migrated(), "apply", Refused)
            .with(with_weight("50")),
        Case::new(
            "weight 50 by a status patch",
            migrated(),
            patch_status(&annotations(&[("weight", Some("50"))])),
            Refused,
        ),
        Case::new(
            "weight 50 by a dry run",
            migrated(),
            format!("{} --dry-run=server", set(&[("weight", Some("50"))])),
            Refused,
        ),
        Case::new(
            "weight 0 and another group",
            migrated(),
            set(&[zero, ("vgroup-port", Some("rsp-bp1other:80"))]),
            Refused,
        ),
        Case::new(
            "weight 0 and no group",
            migrated(),
            set(&[zero, ("vgroup-port", None)]),
            Refused,
        ),
        Case::new("weight 0 and another policy", migrated(), patch(&with_port), Refused),
        Case::new(
            "weight 0 and an exemption",
            migrated(),
            set(&[zero, ("clbmigrate.io/allow", Some("CLB001"))]),
            Refused,
        ),
        Case::new(
            "weight 50 and the record",
            migrated(),
            set(&[("weight", Some("50")), record]),
            Refused,
        ),
    ]
}

fn other_edits() -> Vec<Case> {
    let port = json!({"spec": {"ports": [{"name": "http", "port": 81, "targetPort": 8080}]}});
    let none = json!({"metadata": {"annotations": null}});
    vec![
        Case::new("a label", migrated(), "label service NAME tier=front", Passes),
        Case::new(
            "a label among 1,000 annotations",
            decorated(1000),
            "label service NAME tier=front",
            Passes,
        ),
        Case::new("the same again by kubectl apply", migrated(), "apply", Passes).with(migrated()),
        Case::new("the same again by kubectl replace", migrated(), "replace", Passes)
            .with(migrated()),
        Case::new(
            "a key that may be meant for CCM",
            migrated(),
            set(&[("example.com/load-balancer", Some("lb-bp1example"))]),
            Refused,
        ),
        Case::new(
            "another key of CCM's prefix",
            migrated(),
            set(&[("service.beta.kubernetes.io/backend-type", Some("eni"))]),
            Refused,
        ),
        Case::new(
            "what it is exempt from",
            migrated(),
            set(&[("clbmigrate.io/allow", Some("CLB404"))]),
            Refused,
        ),
        Case::new(
            "what it was exempt from",
            annotated(service(&[("weight", "20")]), "clbmigrate.io/allow", "CLB404").to_string(),
            set(&[("clbmigrate.io/allow", None)]),
            Refused,
        ),
        Case::new("another port", migrated(), patch(&port), Refused),
        Case::new("all annotations away", migrated(), patch(&none), Refused),
        Case::new(
            "all annotations away by a status patch",
            migrated(),
            patch_status(&none),
            Refused,
        ),
        Case::new(
            "first keys on a Service that had none",
            plain().to_string(),
            set(&[("id", Some("lb-bp1example"))]),
            Refused,
        ),
        Case::new(
            "a misspelt key",
            plain().to_string(),
            set(&[("example.com/alibaba-clb-id", Some("lb-bp1example"))]),
            Refused,
        ),
    ]
}

/// What others write, which no CCM reads.
fn foreign_keys() -> Vec<Case> {
    let keys = [
        ("argocd.argoproj.io/tracking-id", "shop:/Service:shop/web"),
        ("meta.helm.sh/release-name", "web"),
        ("field.cattle.io/publicEndpoints", "[]"),
        ("example.com/note", "a"),
        ("clbmigrate.io/history", "[]"),
    ];
    let mut cases = Vec::new();
    for (key, value) in keys {
        let noted = || annotated(service(&[("weight", "20")]), key, value).to_string();
        let text = |value: Option<&str>| set(&[(key, value)]);
        cases.extend([
            Case::new("a key of another system", migrated(), text(Some(value)), Passes),
            Case::new("another value of it", noted(), text(Some("b")), Passes),
            Case::new("without it", noted(), text(None), Passes),
            Case::new(
                "weight 0 with it",
                migrated(),
                set(&[("weight", Some("0")), (key, Some(value))]),
                Passes,
            ),
            Case::new(
                "weight 50 with it",
                migrated(),
                set(&[("weight", Some("50")), (key, Some(value))]),
                Refused,
            ),
        ]);
    }
    cases
}

fn controllers() -> Vec<Case> {
    let finalizers = json!({"metadata": {"finalizers": [FINALIZER]}});
    let freed = json!({"metadata": {"finalizers": null}});
    let labels = json!({"metadata": {"labels": {"service.beta.kubernetes.io/hash": "abc"}}});
    let address = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}});
    let owner = json!({"metadata": {"ownerReferences": [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "00000000-0000-0000-0000-000000000001"}]}});
    vec![
        Case::new("CCM's finalizer", migrated(), patch(&finalizers), Passes),
        Case::new("the finalizer away", held(), patch(&freed), Passes),
        Case::new("CCM's labels", migrated(), patch_status(&labels), Passes),
        Case::new("CCM's address", migrated(), patch_status(&address), Passes),
        Case::new("an owner", migrated(), patch(&owner), Passes),
    ]
}

fn types() -> Vec<Case> {
    let kind = |name: &str| patch(&json!({"spec": {"type": name}}));
    vec![
        Case::new("LoadBalancer to ClusterIP", migrated(), kind("ClusterIP"), Refused),
        Case::new("LoadBalancer to NodePort", migrated(), kind("NodePort"), Refused),
        Case::new("ClusterIP to LoadBalancer", inner(), kind("LoadBalancer"), Refused),
        Case::new("ClusterIP to NodePort", inner(), kind("NodePort"), Passes),
        Case::new(
            "an edit of a ClusterIP Service",
            inner(),
            set(&[("weight", Some("101"))]),
            Passes,
        ),
        Case::new(
            "an edit of a Service without CCM's keys",
            plain().to_string(),
            "annotate service NAME example.com/other=a",
            Passes,
        ),
        Case::new(
            "another type of a Service without CCM's keys",
            plain().to_string(),
            kind("NodePort"),
            Passes,
        ),
    ]
}

fn ends() -> Vec<Case> {
    let delete = "delete service NAME --wait=false";
    let by = |user: &str, group: &str| format!("{delete} --as={user} --as-group={group}");
    let account = |name: &str| {
        by(&format!("system:serviceaccount:kube-system:{name}"), "system:serviceaccounts")
    };
    let all =
        format!("delete --raw /api/v1/namespaces/{NAMESPACE}/services?labelSelector=whole%3DNAME");
    let labels = |service: Value| with(service, "/metadata/labels", json!({"whole": "NAME"}));
    vec![
        Case::new("a deletion", migrated(), delete, Refused),
        Case::new("a deletion at weight 0", with_weight("0"), delete, Refused),
        Case::new(
            "a deletion of many",
            labels(service(&[("weight", "20")])).to_string(),
            all.clone(),
            Refused,
        ),
        Case::new(
            "a deletion of many without CCM's keys",
            labels(plain()).to_string(),
            all,
            Passes,
        ),
        Case::new("a deletion of one without CCM's keys", plain().to_string(), delete, Passes),
        Case::new("a deletion of a ClusterIP Service", inner(), delete, Passes),
        Case::new(
            "a deletion with its namespace",
            migrated(),
            account("namespace-controller"),
            Passes,
        ),
        Case::new(
            "a deletion with its owner",
            migrated(),
            account("generic-garbage-collector"),
            Passes,
        ),
        Case::new(
            "a deletion by controllers without accounts",
            migrated(),
            by("system:kube-controller-manager", "system:masters"),
            Passes,
        ),
        Case::new(
            "a deletion by another controller",
            migrated(),
            by("system:serviceaccount:kube-system:replicaset-controller", "system:masters"),
            Refused,
        ),
        Case::new(
            "an edit by who may delete",
            migrated(),
            format!(
                "{} --as=system:serviceaccount:kube-system:namespace-controller --as-group=system:masters",
                set(&[("weight", Some("50"))])
            ),
            Refused,
        ),
        Case::new("a second deletion", held(), delete, Passes)
            .after("delete service NAME --wait=false"),
        Case::new(
            "the finalizer of what is being deleted",
            held(),
            patch(&json!({"metadata": {"finalizers": null}})),
            Passes,
        )
        .after("delete service NAME --wait=false"),
        Case::new(
            "an edit of what is being deleted",
            held(),
            set(&[("vgroup-port", Some("rsp-bp1other:80"))]),
            Passes,
        )
        .after("delete service NAME --wait=false"),
    ]
}

fn beginnings() -> Vec<Case> {
    let class = migrated_with("/spec/loadBalancerClass", "example.com/other");
    vec![
        Case::new("a new migrated Service", "", "create", Refused).with(migrated()),
        Case::new("a new migrated Service by kubectl apply", "", "apply", Refused).with(migrated()),
        Case::new("a new Service of weight 0", "", "create", Refused).with(with_weight("0")),
        Case::new("a new Service of another class", "", "create", Refused).with(class),
        Case::new("a new Service without CCM's keys", "", "create", Passes)
            .with(plain().to_string()),
        Case::new("a new ClusterIP Service", "", "create", Passes).with(inner()),
    ]
}

fn namespace(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let leaving = "dead-namespace";
    let finalizers = json!([FINALIZER]);
    let service = |name: &str| service_in(leaving, name, &[("weight", "20")]);
    let objects = list(&[
        manifests::namespace(leaving, &json!({})),
        service("web"),
        with(service("held"), "/metadata/finalizers", finalizers),
    ]);
    cluster.apply(&objects.to_string())?;
    let deletes =
        Case::new("the namespace", "", format!("delete namespace {leaving} --wait=false"), Passes);
    let frees = Case::new(
        "CCM's part in it",
        "",
        format!(
            "patch service held --type=merge -p {{\"metadata\":{{\"finalizers\":null}}}} -n {leaving}"
        ),
        Passes,
    );
    let waits = Case::new(
        "its end",
        "",
        format!("wait --for=delete namespace/{leaving} --timeout=60s"),
        Passes,
    );
    check_requests(cluster, "validate-services", NAMESPACE, &migrated(), &[deletes, frees, waits])
}
