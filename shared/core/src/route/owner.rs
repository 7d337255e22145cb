use crate::{
    clb_answers::{GroupAnswer, RegisteredBackend},
    identity::NamedKey,
    index::{Index, Member},
    prediction::Prediction,
};

/// Whom a backend belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner<'b> {
    /// A member of the route, by index.
    Member(usize),
    /// A cluster at hand, by index, though not a member.
    Orphan(usize, NamedKey<'b>),
    /// A cluster that is not at hand.
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

/// Every backend of a group with its owner.
pub(super) fn owners<'b>(
    index: &Index<'_>,
    members: &[Member<'_>],
    answer: Option<&'b GroupAnswer>,
) -> Vec<(&'b RegisteredBackend, Owner<'b>)> {
    let backends = answer.into_iter().flat_map(|answer| &answer.backends);
    backends.map(|backend| (backend, owner(index, members, backend))).collect()
}

fn owner<'b>(
    index: &Index<'_>,
    members: &[Member<'_>],
    backend: &'b RegisteredBackend,
) -> Owner<'b> {
    let Some(key) = NamedKey::parse(&backend.description) else {
        return Owner::External(&backend.server_id, backend.id());
    };
    let clusters = index.snapshot.clusters.iter().enumerate();
    let mut candidates = clusters
        .filter(|(_, cluster)| match &cluster.id {
            Some(id) => id == key.cluster_id,
            None => cluster.service(key.namespace, key.service).is_some_and(|service| {
                cluster.owns_server(&backend.server_id, &backend.server_ip, service)
            }),
        })
        .map(|(index, _)| index);
    let Some(first) = candidates.next() else { return Owner::Remote(key) };
    // Clusters that share an id (rule CLB201) are told apart by their instances.
    let index = match candidates.next() {
        None => first,
        Some(_) => index.cluster_of_instance(&backend.server_id).unwrap_or(first),
    };
    let is_same = |member: &Member<'_>| {
        let meta = &member.service_ref.service.metadata;
        member.service_ref.cluster_index == index
            && meta.name == key.service
            && meta.namespace() == key.namespace
    };
    match members.iter().position(is_same) {
        Some(member) => Owner::Member(member),
        None => Owner::Orphan(index, key),
    }
}

/// Why backends that look like another cluster's may be those of a Service that changes: its
/// cluster's id is unknown, and there is nothing to know its servers by.
pub(super) fn may_be_changed(
    index: &Index<'_>,
    key: &NamedKey<'_>,
    prediction: &Prediction,
) -> Option<String> {
    let mut clusters = index.snapshot.clusters.iter().enumerate();
    clusters.find(|(index, cluster)| {
        cluster.id.is_none()
            && cluster.all_nodes().is_none()
            && prediction.touches(*index, key.namespace, key.service)
    })?;
    Some(format!("{}/{}: {UNCERTAIN}", key.namespace, key.service))
}
