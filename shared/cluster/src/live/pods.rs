//! The listings of pods that are needed, in few requests.

use std::collections::{BTreeMap, BTreeSet};

use clbmigrate_core::{object::Service, snapshot::Cluster};

/// How long a selector may become, in bytes: proxies refuse addresses of more than 8 KiB.
const LONGEST: usize = 4 << 10;

/// The paths that list the pods of Services for which pods are needed. Services of one namespace
/// whose selectors have the same keys share a path with all their values, as in `app in (a,b)`.
/// With several keys this may also list pods of no Service.
pub(super) fn paths(cluster: &Cluster) -> Vec<String> {
    let mut together: BTreeMap<(&str, Vec<&str>), Vec<&Service>> = BTreeMap::new();
    for service in cluster.services().filter(|service| needs_pods(cluster, service)) {
        let keys = service.spec.selector.keys().map(String::as_str).collect();
        together.entry((service.metadata.namespace(), keys)).or_default().push(service);
    }
    let mut paths = Vec::new();
    for ((namespace, _), services) in together {
        let mut selector = Selector::default();
        for service in services {
            if selector.length > LONGEST {
                paths.push(std::mem::take(&mut selector).path(namespace));
            }
            selector.add(service);
        }
        paths.push(selector.path(namespace));
    }
    paths
}

/// Whether a Service needs its pods: endpoints are not ready and may be gated, or no listed
/// workload matches.
fn needs_pods(cluster: &Cluster, service: &Service) -> bool {
    let may_have = service.is_candidate() && !service.spec.selector.is_empty();
    may_have && (awaits_gates(cluster, service) || cluster.workloads_of(service).next().is_none())
}

/// Whether endpoints of a Service are not ready, and may be gated.
pub(super) fn awaits_gates(cluster: &Cluster, service: &Service) -> bool {
    let slices = cluster.slices_of(service).unwrap_or_default();
    let mut endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    endpoints.any(|endpoint| {
        let conditions = &endpoint.conditions;
        conditions.ready != Some(true) && conditions.terminating != Some(true)
    }) && !service.spec.selector.is_empty()
}

/// The path that lists the pods of one Service.
pub(super) fn path_of(service: &Service) -> String {
    let mut selector = Selector::default();
    selector.add(service);
    selector.path(service.metadata.namespace())
}

/// The values of selectors, by key.
#[derive(Default)]
struct Selector<'s> {
    values: BTreeMap<&'s str, BTreeSet<&'s str>>,
    /// Of all keys and values, in bytes.
    length: usize,
}

impl<'s> Selector<'s> {
    fn add(&mut self, service: &'s Service) {
        for (key, value) in &service.spec.selector {
            let values = self.values.entry(key).or_insert_with(|| {
                self.length += key.len();
                BTreeSet::new()
            });
            if values.insert(value) {
                self.length += value.len() + "%2C".len();
            }
        }
    }

    fn path(self, namespace: &str) -> String {
        let keys = self.values.into_iter().map(|(key, values)| {
            format!("{key} in ({})", values.into_iter().collect::<Vec<_>>().join(","))
        });
        let selector = keys.collect::<Vec<_>>().join(",");
        let encoded: String = selector.bytes().map(percent).collect();
        format!("/api/v1/namespaces/{namespace}/pods?labelSelector={encoded}")
    }
}

/// A byte as a query may hold it.
fn percent(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use clbmigrate_core::snapshot::{Cluster, Object};
    use serde_json::json;

    use super::{LONGEST, paths};

    /// A cluster of migrated Services with these selectors and no workloads.
    fn cluster(selectors: &[serde_json::Value]) -> Cluster {
        let mut cluster = Cluster::default();
        for (index, selector) in selectors.iter().enumerate() {
            let service = serde_json::from_value(json!({
                "metadata": {"name": format!("web-{index:04}"), "namespace": "shop", "annotations": {
                    "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id": "lb-bp1example",
                }},
                "spec": {"type": "LoadBalancer", "selector": selector},
            }));
            cluster.insert(Object::Service(Box::new(service.expect("a Service"))));
        }
        cluster
    }

    #[test]
    fn services_with_the_same_keys_are_asked_for_together() {
        let selectors =
            [json!({"app": "b"}), json!({"app": "a", "tier": "x"}), json!({"app": "a"}), json!({})];
        let start = "/api/v1/namespaces/shop/pods?labelSelector=";
        assert_eq!(
            paths(&cluster(&selectors)),
            [
                format!("{start}app%20in%20%28a%2Cb%29"),
                format!("{start}app%20in%20%28a%29%2Ctier%20in%20%28x%29"),
            ]
        );
    }

    #[test]
    fn no_address_is_longer_than_proxies_take_and_no_value_is_left_out() {
        let selectors: Vec<_> = (0..500).map(|n| json!({"app": format!("{n:063}")})).collect();
        let paths = paths(&cluster(&selectors));
        assert!(paths.len() > 1 && paths.iter().all(|path| path.len() < 2 * LONGEST));
        let values = paths.iter().filter_map(|path| path.split("%28").last()).flat_map(|list| {
            list.trim_end_matches("%29").split("%2C").map(str::to_owned).collect::<Vec<_>>()
        });
        let expected: Vec<String> = (0..500).map(|n| format!("{n:063}")).collect();
        assert_eq!(values.collect::<Vec<_>>(), expected);
    }
}
