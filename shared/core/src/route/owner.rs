use super::Unknown;
use crate::{
    clb_answers::RegisteredBackend,
    finding::Need,
    identity::NamedKey,
    index::{Index, ServiceRef},
    prediction::Prediction,
};

/// Whom a backend belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner<'b> {
    /// One of the Services that share the group, by index.
    Member(usize),
    /// A cluster at hand, by index, though none of these Services.
    Orphan(usize, NamedKey<'b>),
    /// A cluster that is not at hand, or one whose Services of that namespace are not.
    Remote(NamedKey<'b>),
    /// Nobody's cluster: server id, and what names it.
    External(&'b str, &'b str),
}

impl Owner<'_> {
    /// Whether both belong to the same participant: CCM does not compare a description's port.
    pub(super) fn is_same(&self, other: &Owner<'_>) -> bool {
        match (self, other) {
            (Self::Orphan(a, x), Owner::Orphan(b, y)) => a == b && x.is_same_service(y),
            (Self::Remote(x), Owner::Remote(y)) => x.is_same_service(y),
            (a, b) => *a == *b,
        }
    }
}

/// Why it cannot be told whose backends are.
pub(super) const UNCERTAIN: &str = "its cluster's id is unknown, so its backends cannot be told from another cluster's; give --cluster-id";

/// The owner of a backend, given the Services that share its group.
pub(super) fn owner<'b>(
    index: &Index<'_>,
    members: &[ServiceRef<'_>],
    backend: &'b RegisteredBackend,
) -> Owner<'b> {
    let Some(key) = NamedKey::parse(&backend.description) else {
        return Owner::External(&backend.server_id, backend.id());
    };
    let Some(cluster) = index.cluster_of(backend) else { return Owner::Remote(key) };
    let is_same = |member: &ServiceRef<'_>| {
        let meta = &member.service.metadata;
        member.cluster_index == cluster
            && meta.name == key.service
            && meta.namespace() == key.namespace
    };
    match members.iter().position(is_same) {
        Some(member) => Owner::Member(member),
        None if !is_known(index, cluster, &key) => Owner::Remote(key),
        None => Owner::Orphan(cluster, key),
    }
}

/// Whether it is known which Services a cluster has in the namespace of a key.
fn is_known(index: &Index<'_>, cluster: usize, key: &NamedKey<'_>) -> bool {
    let cluster = index.snapshot.clusters.get(cluster);
    cluster.is_none_or(|cluster| cluster.knows_services_of(key.namespace))
}

/// Why backends that look like another cluster's may be those of a Service that changes: its
/// cluster's id is unknown, and there is nothing to know its servers by.
pub(super) fn may_be_changed(
    index: &Index<'_>,
    key: &NamedKey<'_>,
    prediction: &Prediction,
) -> Option<Unknown> {
    let mut clusters = index.snapshot.clusters.iter().enumerate();
    clusters.find(|(index, cluster)| {
        cluster.id.is_none()
            && cluster.all_nodes().is_none()
            && prediction.touches(*index, key.namespace, key.service)
    })?;
    let what = format!("{}/{}", key.namespace, key.service);
    Some(Unknown::new(what, UNCERTAIN).with(Need::ClusterId))
}
