//! Which Services CCM's next round is about after a change, and which groups it cleans.

use std::collections::BTreeSet;

use crate::{
    annotation, backends,
    change::ServiceChange,
    index::{Index, ServiceRef},
    object::Service,
};

/// The Services whose next round is taken as done, and the groups that it cleans. The default names
/// none: everything is as the snapshot has it.
#[derive(Debug, Default)]
pub struct Prediction {
    changed: BTreeSet<Name>,
    cleaned: BTreeSet<(Name, String)>,
}

/// Cluster, namespace and name of a Service.
type Name = (usize, String, String);

impl Prediction {
    /// The rounds that follow from `changes`: over the changed Services, and over those whose nodes
    /// or endpoints differ between the two snapshots.
    pub fn new(before: &Index<'_>, after: &Index<'_>, changes: &[ServiceChange<'_>]) -> Self {
        let mut prediction = Self::default();
        for change in changes {
            let Some(service) = change.new.or(change.old) else { continue };
            let name = name(change.cluster, service);
            let groups = cleaned(change);
            prediction.cleaned.extend(groups.into_iter().map(|group| (name.clone(), group)));
            prediction.changed.insert(name);
        }
        for service_ref in after.services() {
            if !is_same_ground(before, &service_ref) {
                prediction.changed.insert(name(service_ref.cluster_index, service_ref.service));
            }
        }
        prediction
    }

    /// Whether CCM's next round over the Service is taken as done.
    pub fn is_changed(&self, service_ref: &ServiceRef<'_>) -> bool {
        !self.changed.is_empty()
            && self.changed.contains(&name(service_ref.cluster_index, service_ref.service))
    }

    /// The same, by name: whether or not the Service still exists.
    pub fn touches(&self, cluster: usize, namespace: &str, service: &str) -> bool {
        self.changed.contains(&(cluster, namespace.to_owned(), service.to_owned()))
    }

    /// Whether that round removes the Service's backends from `vgroup`.
    pub fn cleans(&self, cluster: usize, namespace: &str, service: &str, vgroup: &str) -> bool {
        let name = (cluster, namespace.to_owned(), service.to_owned());
        self.cleaned.contains(&(name, vgroup.to_owned()))
    }
}

fn name(cluster: usize, service: &Service) -> Name {
    (cluster, service.metadata.namespace().to_owned(), service.metadata.name.clone())
}

/// Whether a Service stands on the same nodes and endpoints as before.
fn is_same_ground(before: &Index<'_>, service_ref: &ServiceRef<'_>) -> bool {
    let Some(cluster) = before.snapshot.clusters.get(service_ref.cluster_index) else {
        return true;
    };
    let (was, is) = (cluster.nodes(), service_ref.cluster.nodes());
    (std::ptr::eq(was, is) || was == is)
        && cluster.slices_of(service_ref.service)
            == service_ref.cluster.slices_of(service_ref.service)
}

/// Groups out of which CCM takes the Service's backends: those its mapping names at that moment
/// without mapping a port to them. When the Service goes, or is no load balancer any more, that is
/// every group it names (CCM 2.14: `model_applier.go`, `cleanup`).
fn cleaned(change: &ServiceChange<'_>) -> Vec<String> {
    let (reads, ports) = match (change.old, change.new) {
        (_, Some(new)) if new.is_taken_by_ccm() => (new, new.spec.ports.as_slice()),
        // Some other controller's from now on: CCM lets go of everything as it is.
        (_, Some(new)) if new.is_load_balancer() => return Vec::new(),
        (_, Some(new)) => (new, [].as_slice()),
        (Some(old), None) => (old, [].as_slice()),
        (None, None) => return Vec::new(),
    };
    if reads.metadata.annotations.text(annotation::ID).is_empty() {
        return Vec::new();
    }
    let Some(mapping) = backends::mapping(reads) else { return Vec::new() };
    if mapping.format_error().is_some() {
        return Vec::new();
    }
    let in_use: Vec<&str> =
        ports.iter().filter_map(|port| mapping.group_of(port.port).ok().flatten()).collect();
    let named = mapping.entries().iter().map(|entry| entry.group);
    named.filter(|group| !in_use.contains(group)).map(str::to_owned).collect()
}
