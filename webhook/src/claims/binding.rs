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

/// The groups that a change brings the Service into, each with all its bindings there after the change.
/// A group is among them where the change brings a binding that the old version did not have:
/// creation, another mapping, CLB or port, another type, class or tunnel. A change that keeps or gives
/// up bindings joins nothing.
pub fn joined_groups<'s>(
    old: Option<&Service>,
    new: &'s Service,
) -> BTreeMap<&'s str, BTreeSet<Binding>> {
    let before = old.map(bindings_by_group).unwrap_or_default();
    let mut joined = bindings_by_group(new);
    joined.retain(|group, bindings| match before.get(group) {
        Some(known) => !bindings.is_subset(known),
        None => true,
    });
    joined
}
