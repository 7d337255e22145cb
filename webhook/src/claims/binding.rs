//! What a Service binds a vServer group to.

use std::collections::{BTreeMap, BTreeSet};

use clbmigrate_core::{annotation, index::bindings_of, object::Service};
use serde::{Deserialize, Serialize};

/// The CLB and the port that a Service binds a vServer group to. A group belongs to one CLB, and all
/// its backends serve clients of one port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Binding {
    /// The CLB's id, as the Service names it.
    pub clb: String,
    /// The Service's port.
    pub port: u16,
}

/// The name of a Service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceName {
    /// Its namespace.
    pub namespace: String,
    /// Its name in that namespace.
    pub name: String,
}

impl std::fmt::Display for ServiceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The bindings of a Service that CCM carries out, by group. Empty where CCM does not take the Service:
/// another type or class, a tunnel, no CLB, no mapping.
pub fn bindings_by_group(service: &Service) -> BTreeMap<&str, BTreeSet<Binding>> {
    let mut groups: BTreeMap<&str, BTreeSet<Binding>> = BTreeMap::new();
    if !service.is_taken_by_ccm() {
        return groups;
    }
    let clb = service.metadata.annotations.text(annotation::ID);
    for (group, port) in bindings_of(service) {
        groups.entry(group).or_default().insert(Binding { clb: clb.to_owned(), port });
    }
    groups
}

/// Whether a change leaves all that [`bindings_by_group`] looks at, as one of the weight does.
fn has_same_bindings(old: &Service, new: &Service) -> bool {
    let (was, is) = (&old.metadata.annotations, &new.metadata.annotations);
    let reads = [annotation::ID, annotation::VGROUP_PORT];
    let decides = [annotation::CLASS, annotation::TUNNEL_TYPE];
    old.spec == new.spec
        && reads.iter().all(|suffix| was.text(suffix) == is.text(suffix))
        && decides.iter().all(|key| was.get(key) == is.get(key))
}

/// The groups that a change brings the Service into, each with all its bindings there after the change.
/// A group is among them where the change brings a binding that the old version did not have:
/// creation, another mapping, CLB or port, another type, class or tunnel. A change that keeps or gives
/// up bindings joins nothing.
pub fn joined_groups<'s>(
    old: Option<&Service>,
    new: &'s Service,
) -> BTreeMap<&'s str, BTreeSet<Binding>> {
    if old.is_some_and(|old| has_same_bindings(old, new)) {
        return BTreeMap::new();
    }
    let before = old.map(bindings_by_group).unwrap_or_default();
    let mut joined = bindings_by_group(new);
    joined.retain(|group, bindings| match before.get(group) {
        Some(known) => !bindings.is_subset(known),
        None => true,
    });
    joined
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::select};
    use serde_json::json;

    use super::*;

    /// A Service of any type with some of the annotations that bindings depend on, and some others.
    fn services() -> impl Strategy<Value = Service> {
        let keys = vec![
            annotation::full_key(annotation::ID),
            annotation::full_key(annotation::VGROUP_PORT),
            format!("{}{}", annotation::LEGACY_PREFIX, annotation::VGROUP_PORT),
            annotation::full_key(annotation::WEIGHT),
            annotation::CLASS.to_owned(),
            annotation::TUNNEL_TYPE.to_owned(),
        ];
        let values = vec!["lb-bp1example", "rsp-a:80", "rsp-b:80,rsp-a:443", "other", ""];
        let annotations = proptest::collection::btree_map(select(keys), select(values), 0..5);
        let kind = prop_oneof![4 => Just("LoadBalancer"), 1 => Just("ClusterIP")];
        let ports = select(vec![json!([{"port": 80}]), json!([{"port": 80}, {"port": 443}])]);
        (kind, annotations, ports).prop_map(|(kind, annotations, ports)| {
            let service = json!({
                "metadata": {"name": "web", "namespace": "shop", "annotations": annotations},
                "spec": {"type": kind, "ports": ports},
            });
            serde_json::from_value(service).expect("a Service")
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_bindings_do_not_look_at_changes_none(old in services(), new in services()) {
            if has_same_bindings(&old, &new) {
                prop_assert_eq!(bindings_by_group(&old), bindings_by_group(&new));
            }
        }

        #[test]
        fn a_change_of_the_weight_leaves_all_bindings(service in services(), weight in 0_u32..=101) {
            let mut new = service.clone();
            let key = annotation::full_key(annotation::WEIGHT);
            new.metadata.annotations.set(key, weight.to_string());
            prop_assert!(has_same_bindings(&service, &new));
            prop_assert!(joined_groups(Some(&service), &new).is_empty());
        }
    }
}
