//! Snapshots as they would be after a change that has not been made.

use std::sync::Arc;

use crate::{
    clb_answers::{ClbAnswer, ClbAnswers, RegisteredBackend},
    object::Service,
    patch::{AnnotationEdit, ServiceEdit},
    snapshot::{Cluster, Snapshot},
};

impl Snapshot {
    /// This snapshot with one annotation of one Service set to `value`, or removed. The same
    /// snapshot where the cluster of that index has no such Service.
    #[must_use]
    pub fn with_annotation(
        &self,
        cluster: usize,
        namespace: &str,
        name: &str,
        key: &str,
        value: Option<&str>,
    ) -> Self {
        let (key, new) = (key.to_owned(), value.map(str::to_owned));
        let edit = ServiceEdit::from(vec![AnnotationEdit { key, old: None, new }]);
        self.with_edit(cluster, namespace, name, &edit)
    }

    /// This snapshot with an edit of one Service made, whatever its values are. The same snapshot
    /// where the cluster of that index has no such Service.
    #[must_use]
    pub fn with_edit(
        &self,
        cluster: usize,
        namespace: &str,
        name: &str,
        edit: &ServiceEdit,
    ) -> Self {
        let mut snapshot = self.clone();
        if let Some(cluster) = snapshot.clusters.get_mut(cluster)
            && let Some(mut service) = cluster.remove_service(namespace, name)
        {
            Arc::make_mut(&mut service).apply(edit);
            cluster.replace_service(service);
        }
        snapshot
    }

    /// This snapshot with a Service more, or in the place of the one of its name. The same snapshot
    /// where there is no cluster of that index.
    #[must_use]
    pub fn with_service(&self, cluster: usize, service: Service) -> Self {
        let mut snapshot = self.clone();
        if let Some(cluster) = snapshot.clusters.get_mut(cluster) {
            cluster.replace_service(service);
        }
        snapshot
    }

    /// This snapshot with the backends of some Services as a later look at the cluster of that index
    /// has read them: the Services, their EndpointSlices and pods, and all nodes. The same snapshot
    /// where there is no such cluster.
    #[must_use]
    pub fn with_fresh_backends(&self, cluster: usize, newer: &Cluster) -> Self {
        let mut snapshot = self.clone();
        if let Some(cluster) = snapshot.clusters.get_mut(cluster) {
            cluster.refresh(newer);
        }
        snapshot
    }

    /// This snapshot with the weight of one server of a group set, 0..=100. The same snapshot where
    /// the group has no such server.
    #[must_use]
    pub fn with_server_weight(mut self, vgroup: &str, id: &str, port: u16, weight: u32) -> Self {
        if let Some(group) = self.clb_answers.groups.get_mut(vgroup) {
            let is_it = |of: &&mut RegisteredBackend| of.is_server(id, port);
            for backend in group.backends.iter_mut().filter(is_it) {
                backend.weight = weight;
            }
        }
        self
    }

    /// This snapshot with the objects of `newer` in the place of those of the same name, as if they
    /// were applied. With `prune`, Services that a cluster of `newer` does not have are gone.
    ///
    /// A cluster of `newer` without a name stands for the only cluster of this snapshot.
    #[must_use]
    pub fn overlaid(&self, newer: &Self, prune: bool) -> Self {
        let mut snapshot = self.clone();
        for cluster in &newer.clusters {
            match self.counterpart(cluster).and_then(|index| snapshot.clusters.get_mut(index)) {
                Some(known) => known.overlay(cluster, prune),
                None => snapshot.clusters.push(cluster.clone()),
            }
        }
        snapshot.clb_answers.overlay(&newer.clb_answers);
        snapshot
    }

    /// The candidates of this snapshot that `newer` does not have, in the clusters that both have.
    pub fn left_out_by<'w>(&'w self, newer: &'w Self) -> impl Iterator<Item = &'w Service> {
        newer.clusters.iter().flat_map(|cluster| {
            let known = self.counterpart(cluster).and_then(|index| self.clusters.get(index));
            known.into_iter().flat_map(Cluster::services).filter(|service| {
                let meta = &service.metadata;
                let is_there = cluster.service(meta.namespace(), &meta.name).is_some();
                service.is_candidate() && !is_there
            })
        })
    }

    /// The cluster of this snapshot that one of another stands for: the one of its name, or the only
    /// one there is for one without.
    fn counterpart(&self, cluster: &Cluster) -> Option<usize> {
        let only = self.clusters.len() == 1;
        self.clusters.iter().position(|known| {
            known.context == cluster.context || (only && cluster.context.is_none())
        })
    }
}

impl Service {
    /// Makes an edit, whatever the values are.
    fn apply(&mut self, edit: &ServiceEdit) {
        for AnnotationEdit { key, new, .. } in &edit.annotations {
            match new {
                Some(new) => self.metadata.annotations.set(key, new),
                None => drop(self.metadata.annotations.remove(key)),
            }
        }
        if let Some(edit) = &edit.service_type {
            self.spec.kind = Some(edit.new.clone());
            // The API server takes the node ports from a Service that becomes of this type
            // (Kubernetes 1.21: `dropTypeDependentFields`).
            if edit.new == "ClusterIP" {
                self.spec.ports.iter_mut().for_each(|port| port.node_port = 0);
            }
        }
    }
}

impl ClbAnswers {
    fn overlay(&mut self, newer: &Self) {
        self.groups.extend(newer.groups.iter().map(|(id, group)| (id.clone(), group.clone())));
        self.lists.extend(newer.lists.iter().cloned());
        self.listeners.extend(newer.listeners.iter().cloned());
        for health in &newer.health {
            self.insert(ClbAnswer::Health(health.clone()));
        }
        for balancer in newer.balancers.values() {
            self.insert(ClbAnswer::LoadBalancer(Box::new(balancer.clone())));
        }
        for clb in newer.unshown.unknown.values() {
            self.insert_unknown(clb.clone());
        }
        for (id, why) in &newer.unshown.unread {
            self.insert_unread(id, why);
        }
    }
}
