//! A new Service like another one.

use clbmigrate_core::{annotation, hash};
use serde_json::{Map, Value, json};

/// What a new Service takes over of the spec. Addresses, node ports and the class are its own.
const SPEC: &[&str] = &[
    "selector",
    "ports",
    "externalTrafficPolicy",
    "internalTrafficPolicy",
    "trafficDistribution",
    "sessionAffinity",
    "sessionAffinityConfig",
    "publishNotReadyAddresses",
    "ipFamilies",
    "ipFamilyPolicy",
    "allocateLoadBalancerNodePorts",
    "loadBalancerSourceRanges",
];

/// What tells `GitOps` tools and package managers that an object is theirs. They would delete one that
/// their repository does not have. The label of Argo CD is `app.kubernetes.io/instance` by default.
const TRACKING: &[&str] = &["app.kubernetes.io/instance", "app.kubernetes.io/managed-by"];

/// The domains of such keys. Those of Flux are below `fluxcd.io`.
const TRACKING_DOMAINS: &[&str] = &[
    "argocd.argoproj.io",
    "fluxcd.io",
    "helm.sh",
    "kapp.k14s.io",
    "applyset.kubernetes.io",
    "config.k8s.io",
    "objectset.rio.cattle.io",
];

/// The domains of keys that say what a cloud has made, or is to make.
const CLOUD_DOMAINS: &[&str] =
    &["service.beta.kubernetes.io", "k8s.alibaba", "alibabacloud.com", "aliyun.com"];

/// Two Services that publish one name in the DNS would share its traffic at once.
const DNS_DOMAIN: &str = "external-dns.alpha.kubernetes.io";

/// What kubectl keeps of the last apply.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A new Service, and the labels and annotations that it is made without and that the user should
/// know of.
pub(super) struct Copy {
    /// The manifest, of type `ClusterIP`.
    pub(super) manifest: Value,
    pub(super) left_out: Vec<String>,
}

impl Copy {
    /// A Service of that name like the object of another.
    pub(super) fn of(source: &Value, name: &str) -> Self {
        let mut left_out = Vec::new();
        let labels = kept(source, "labels", &mut left_out);
        let annotations = kept(source, "annotations", &mut left_out);
        let mut metadata = Map::new();
        metadata.insert("name".to_owned(), json!(name));
        metadata.insert("namespace".to_owned(), json!(source.pointer("/metadata/namespace")));
        for (field, map) in [("labels", labels), ("annotations", annotations)] {
            if !map.is_empty() {
                metadata.insert(field.to_owned(), Value::Object(map));
            }
        }
        let spec = source.get("spec");
        let taken = SPEC.iter().filter_map(|field| {
            let value = spec?.get(field)?;
            Some(((*field).to_owned(), value.clone()))
        });
        let mut spec: Map<String, Value> = taken.collect();
        let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
            port.remove("nodePort");
        }
        let manifest =
            json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec});
        Self { manifest, left_out }
    }
}

/// The labels or annotations of an object that a new one takes over.
fn kept(source: &Value, field: &str, left_out: &mut Vec<String>) -> Map<String, Value> {
    let map = source.pointer(&format!("/metadata/{field}")).and_then(Value::as_object);
    let mut kept = Map::new();
    for (key, value) in map.into_iter().flatten() {
        if is_kept(key) {
            kept.insert(key.clone(), value.clone());
        } else if is_told(key) {
            left_out.push(key.clone());
        }
    }
    kept
}

/// Whether the new Service has that label or annotation as well. Which nodes or Pods are backends is
/// no question of the CLB.
fn is_kept(key: &str) -> bool {
    let chooses_backends = key == annotation::BACKEND_TYPE
        || annotation::suffix_of(key).is_some_and(|suffix| {
            [annotation::BACKEND_LABEL, annotation::REMOVE_UNSCHEDULED].contains(&suffix)
        });
    let is_dropped = TRACKING.contains(&key)
        || [LAST_APPLIED, hash::LABEL, annotation::CLB_LABEL].contains(&key)
        || key.starts_with(annotation::OWN_DOMAIN)
        || is_in(key, TRACKING_DOMAINS)
        || is_in(key, CLOUD_DOMAINS)
        || is_in(key, &[DNS_DOMAIN]);
    chooses_backends || !is_dropped
}

/// Whether the user is told that it is left out: somebody wrote it.
fn is_told(key: &str) -> bool {
    let is_of_a_machine = [LAST_APPLIED, hash::LABEL, annotation::CLB_LABEL].contains(&key);
    !is_of_a_machine && !key.starts_with(annotation::OWN_DOMAIN)
}

/// Whether the key is of one of these domains, or of one below.
fn is_in(key: &str, domains: &[&str]) -> bool {
    let Some((of, _)) = key.split_once('/') else { return false };
    domains.iter().any(|domain| {
        of.strip_suffix(domain).is_some_and(|above| above.is_empty() || above.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Service with a CLB of CCM's own, as an API server has it.
    fn source() -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "web",
                "namespace": "shop",
                "uid": "1",
                "resourceVersion": "7",
                "creationTimestamp": "2026-11-21T01:02:03Z",
                "generation": 1,
                "finalizers": ["service.k8s.alibaba/resources"],
                "ownerReferences": [{"kind": "Deployment", "name": "web"}],
                "managedFields": [{"manager": "kubectl"}],
                "labels": {
                    "app": "web",
                    "app.kubernetes.io/name": "web",
                    "app.kubernetes.io/instance": "shop",
                    "app.kubernetes.io/managed-by": "Helm",
                    "helm.sh/chart": "shop-1.0",
                    "kustomize.toolkit.fluxcd.io/name": "shop",
                    "service.beta.kubernetes.io/hash": "abc",
                    "service.k8s.alibaba/loadbalancer-id": "lb-bp1own",
                },
                "annotations": {
                    "example.com/owner": "shop",
                    "kubectl.kubernetes.io/last-applied-configuration": "{}",
                    "clbmigrate.io/history": "[]",
                    "argocd.argoproj.io/tracking-id": "shop:/Service:shop/web",
                    "meta.helm.sh/release-name": "shop",
                    "external-dns.alpha.kubernetes.io/hostname": "shop.example.com",
                    "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-spec": "slb.s1.small",
                    "service.beta.kubernetes.io/alicloud-loadbalancer-address-type": "internet",
                    "service.beta.kubernetes.io/alicloud-loadbalancer-remove-unscheduled-backend": "on",
                    "service.beta.kubernetes.io/backend-type": "eni",
                    "service.beta.kubernetes.io/class": "other",
                },
            },
            "spec": {
                "type": "LoadBalancer",
                "loadBalancerClass": "example.com/lb",
                "clusterIP": "10.96.0.7",
                "clusterIPs": ["10.96.0.7"],
                "externalIPs": ["192.0.2.1"],
                "loadBalancerIP": "192.0.2.2",
                "healthCheckNodePort": 30999,
                "externalTrafficPolicy": "Local",
                "sessionAffinity": "ClientIP",
                "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
                "publishNotReadyAddresses": true,
                "selector": {"app": "web"},
                "ports": [
                    {"name": "http", "port": 80, "targetPort": "web", "nodePort": 30080, "protocol": "TCP"},
                    {"name": "dns", "port": 53, "targetPort": 53, "nodePort": 30053, "protocol": "UDP"},
                ],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}},
        })
    }

    #[test]
    fn a_new_service_is_like_the_old_one_without_what_is_the_old_ones_own() {
        let copy = Copy::of(&source(), "shared");
        assert_eq!(
            copy.manifest,
            json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {
                    "name": "shared",
                    "namespace": "shop",
                    "labels": {"app": "web", "app.kubernetes.io/name": "web"},
                    "annotations": {
                        "example.com/owner": "shop",
                        "service.beta.kubernetes.io/alicloud-loadbalancer-remove-unscheduled-backend": "on",
                        "service.beta.kubernetes.io/backend-type": "eni",
                    },
                },
                "spec": {
                    "externalTrafficPolicy": "Local",
                    "sessionAffinity": "ClientIP",
                    "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
                    "publishNotReadyAddresses": true,
                    "selector": {"app": "web"},
                    "ports": [
                        {"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"},
                        {"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"},
                    ],
                },
            })
        );
    }

    #[test]
    fn what_somebody_wrote_and_is_left_out_is_told() {
        let mut told = Copy::of(&source(), "shared").left_out;
        told.sort();
        let mut wanted = [
            "app.kubernetes.io/instance",
            "app.kubernetes.io/managed-by",
            "helm.sh/chart",
            "kustomize.toolkit.fluxcd.io/name",
            "argocd.argoproj.io/tracking-id",
            "meta.helm.sh/release-name",
            "external-dns.alpha.kubernetes.io/hostname",
            "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-spec",
            "service.beta.kubernetes.io/alicloud-loadbalancer-address-type",
            "service.beta.kubernetes.io/class",
        ];
        wanted.sort_unstable();
        assert_eq!(told, wanted);
    }

    #[test]
    fn a_service_without_labels_and_annotations_makes_one_without() {
        let source = json!({
            "metadata": {"name": "web", "namespace": "shop", "labels": null},
            "spec": {"selector": {"app": "web"}, "ports": null},
        });
        let copy = Copy::of(&source, "shared");
        assert_eq!(copy.manifest["metadata"], json!({"name": "shared", "namespace": "shop"}));
        assert!(copy.left_out.is_empty());
    }
}
