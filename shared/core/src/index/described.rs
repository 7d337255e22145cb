//! What the CLB API's answers tell of Services by name: the groups that CCM made for them, and
//! what their backends are.

use std::collections::HashMap;

use super::{Index, ServiceRef};
use crate::{
    backends::{self, Mode},
    clb_answers::{ClbAnswers, RegisteredBackend},
    identity::NamedKey,
    outcome::clb_of,
};

/// A group that CCM made for a Service.
#[derive(Debug, Clone, Copy)]
pub struct OwnGroup<'a> {
    /// The group's id.
    pub id: &'a str,
    /// The id of its CLB; `None` where no answer tells.
    pub clb: Option<&'a str>,
    /// The group's name, in parts.
    pub key: NamedKey<'a>,
}

/// Namespace and name of a Service.
type Name<'a> = (&'a str, &'a str);

/// What is told, by the Service's namespace and name.
#[derive(Default)]
pub(super) struct DescribedServices<'a> {
    own: HashMap<Name<'a>, Vec<OwnGroup<'a>>>,
    /// The cluster's id, and whether the backend is a pod.
    kinds: HashMap<Name<'a>, Vec<(&'a str, bool)>>,
}

impl<'a> DescribedServices<'a> {
    pub(super) fn new(answers: &'a ClbAnswers) -> Self {
        let mut described = Self::default();
        for (id, group) in &answers.groups {
            described.add_group(id, &group.name, group.clb.as_deref());
            for backend in &group.backends {
                if let Some(key) = NamedKey::parse(&backend.description) {
                    let kinds = described.kinds.entry((key.namespace, key.service)).or_default();
                    let kind = (key.cluster_id, backend.kind != "ecs");
                    if !kinds.contains(&kind) {
                        kinds.push(kind);
                    }
                }
            }
        }
        for list in &answers.lists {
            for group in &list.groups {
                described.add_group(&group.id, &group.name, list.clb.as_deref());
            }
        }
        described
    }

    fn add_group(&mut self, id: &'a str, name: &'a str, clb: Option<&'a str>) {
        let Some(key) = NamedKey::parse(name) else { return };
        let own = self.own.entry((key.namespace, key.service)).or_default();
        match own.iter_mut().find(|known| known.id == id) {
            Some(known) => known.clb = known.clb.or(clb),
            None => own.push(OwnGroup { id, clb, key }),
        }
    }
}

/// Stand-ins for the ids of clusters that are not known, so that descriptions tell them apart. No
/// real id has a question mark.
const STAND_INS: [&str; 16] = [
    "?0", "?1", "?2", "?3", "?4", "?5", "?6", "?7", "?8", "?9", "?10", "?11", "?12", "?13", "?14",
    "?15",
];

/// A description as reports show it: a cluster whose id is not known is `?`.
pub(crate) fn shown(description: &str) -> &str {
    match description.rfind("/?") {
        Some(at) => description.get(..at + 2).unwrap_or(description),
        None => description,
    }
}

impl<'a> Index<'a> {
    /// The id of a cluster, or what stands for it in descriptions where it is not known.
    pub fn cluster_id(&self, cluster_index: usize) -> &'a str {
        let id =
            self.snapshot.clusters.get(cluster_index).and_then(|cluster| cluster.id.as_deref());
        id.unwrap_or_else(|| STAND_INS.get(cluster_index).copied().unwrap_or("?"))
    }

    /// Whether a description or name of that cluster id can be one of a cluster at hand.
    fn is_of_cluster(&self, id: &str, cluster_index: usize) -> bool {
        let clusters = &self.snapshot.clusters;
        match clusters.get(cluster_index).and_then(|cluster| cluster.id.as_deref()) {
            Some(known) => known == id,
            None => clusters.iter().all(|cluster| cluster.id.as_deref() != Some(id)),
        }
    }

    /// The groups that CCM made for a Service on the CLB that it names, as far as answers show them.
    pub fn own_groups(&self, service_ref: &ServiceRef<'_>) -> Vec<OwnGroup<'a>> {
        if self.snapshot.clb_answers.groups.is_empty() && self.snapshot.clb_answers.lists.is_empty()
        {
            return Vec::new();
        }
        let meta = &service_ref.service.metadata;
        let clb = clb_of(service_ref.service);
        let own = self.described.own.get(&(meta.namespace(), meta.name.as_str()));
        let own = own.into_iter().flatten().filter(|group| {
            group.clb.is_none_or(|known| known == clb)
                && self.is_of_cluster(group.key.cluster_id, service_ref.cluster_index)
        });
        own.copied().collect()
    }

    /// What the backends of a Service are: as its annotation says, else as its backends in the
    /// groups show, else as its cluster has it. `None` where nothing tells.
    pub fn mode(&self, service_ref: &ServiceRef<'_>) -> Option<Mode> {
        let (service, cluster) = (service_ref.service, service_ref.cluster);
        if backends::has_backend_type(service) {
            return Some(backends::mode(service, false));
        }
        let shown = || {
            if self.snapshot.clb_answers.groups.is_empty() || self.said_its_mode(service_ref) {
                return None;
            }
            let meta = &service.metadata;
            let kinds = self.described.kinds.get(&(meta.namespace(), meta.name.as_str()))?;
            let mut own = kinds
                .iter()
                .filter(|(id, _)| self.is_of_cluster(id, service_ref.cluster_index))
                .peekable();
            own.peek()?;
            // Pods on virtual nodes stand beside nodes.
            Some(own.all(|(_, is_pod)| *is_pod))
        };
        let pods_by_default = shown().or_else(|| cluster.pods_by_default())?;
        Some(backends::mode(service, pods_by_default))
    }

    /// Notes which Services said in the snapshot before a change what their backends are. What is
    /// registered for these tells nothing of what their cluster does by default.
    pub(crate) fn follows(&self, before: &Index<'_>) {
        if self.snapshot.clb_answers.groups.is_empty() {
            // Nothing is registered.
            return;
        }
        self.said_before.get_or_init(|| {
            let said = before.services().filter(|of| backends::has_backend_type(of.service));
            said.map(|of| {
                let meta = &of.service.metadata;
                (of.cluster_index, meta.namespace().to_owned(), meta.name.clone())
            })
            .collect()
        });
    }

    fn said_its_mode(&self, service_ref: &ServiceRef<'_>) -> bool {
        let Some(said) = self.said_before.get().filter(|said| !said.is_empty()) else {
            return false;
        };
        let meta = &service_ref.service.metadata;
        said.contains(&(service_ref.cluster_index, meta.namespace().to_owned(), meta.name.clone()))
    }

    /// The index of the cluster that registered a backend; `None` for servers of nobody's cluster,
    /// and where the cluster is not at hand.
    pub fn cluster_of(&self, backend: &RegisteredBackend) -> Option<usize> {
        let key = NamedKey::parse(&backend.description)?;
        if let Some(stand_in) = STAND_INS.iter().position(|id| *id == key.cluster_id) {
            return Some(stand_in);
        }
        let clusters = self.snapshot.clusters.iter().enumerate();
        let mut candidates = clusters
            .filter(|(_, cluster)| match &cluster.id {
                Some(id) => id == key.cluster_id,
                None => cluster.service(key.namespace, key.service).is_some_and(|service| {
                    cluster.owns_server(&backend.server_id, &backend.server_ip, service)
                }),
            })
            .map(|(index, _)| index);
        let first = candidates.next()?;
        // Clusters that share an id (rule CLB201) are told apart by their instances.
        Some(match candidates.next() {
            None => first,
            Some(_) => self.cluster_of_instance(&backend.server_id).unwrap_or(first),
        })
    }
}
