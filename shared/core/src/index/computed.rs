//! What CCM computes of the Services of a snapshot.

use super::{Index, ServiceRef};
use crate::{
    annotation,
    backends::{
        self, BackendLabelError, BackendTarget, Backends, LocalModel, Mode, ModelInputs, NodeSet,
    },
    known_cloud,
    outcome::{self, ServiceInputs, ServiceOutcome, clb_of},
    prediction::Prediction,
    solver::BackendLayout,
};

impl<'a> Index<'a> {
    /// What a round of CCM makes of a Service as it is, or as `prediction` has it carried out.
    pub fn outcome_of<'s>(
        &self,
        service_ref: &ServiceRef<'s>,
        prediction: &Prediction,
    ) -> ServiceOutcome<'s>
    where
        'a: 's,
    {
        let is_changed = prediction.hash_changed(service_ref);
        let is_hash_current = !is_changed.unwrap_or(!outcome::has_hash(service_ref.service));
        self.computed(service_ref, is_hash_current)
    }

    fn computed<'s>(
        &self,
        service_ref: &ServiceRef<'s>,
        is_hash_current: bool,
    ) -> ServiceOutcome<'s>
    where
        'a: 's,
    {
        let groups = self.groups_of(clb_of(service_ref.service));
        outcome::of_service(ServiceInputs {
            cluster: service_ref.cluster,
            service: service_ref.service,
            mode: self.mode(service_ref),
            cluster_id: self.cluster_id(service_ref.cluster_index),
            groups: groups.map_or_else(Default::default, backends::KnownGroups::Listed),
            is_hash_current,
            cloud: &|| known_cloud::around(self, service_ref),
            is_clb_known: known_cloud::is_clb_known(self, service_ref),
        })
    }

    /// What CCM computes of a Service's backends for a round that changes the groups.
    pub(crate) fn local_model<'s>(
        &self,
        service_ref: &ServiceRef<'s>,
    ) -> Result<LocalModel<'s>, BackendLabelError>
    where
        'a: 's,
    {
        let (cluster, service) = (service_ref.cluster, service_ref.service);
        let mode = self.mode(service_ref);
        let groups = self.groups_of(clb_of(service));
        let nodes = cluster.nodes_for(service, mode);
        // CCM meets a malformed label with the first node; that there is one is certain.
        if let (None, Some(error)) = (nodes, backends::backend_label_error(service)) {
            return Err(error);
        }
        backends::local_model(&ModelInputs {
            service,
            nodes: nodes.unwrap_or(NodeSet::empty()),
            slices: cluster.slices_of(service).unwrap_or_default(),
            pods: cluster.pods(),
            groups: groups.map_or_else(Default::default, backends::KnownGroups::Listed),
            cluster_id: self.cluster_id(service_ref.cluster_index),
            eni_by_default: mode == Some(Mode::Eni),
            version: cluster.ccm_version,
        })
    }

    /// The sum of the weights that CCM would write for a Service port if the Service's weight were
    /// `total`, 0..=100. 0 where that cannot be computed.
    pub fn weight_sum_with(&self, service_ref: &ServiceRef<'_>, port: u16, total: u32) -> u64 {
        let mut service = service_ref.service.clone();
        let key = service.metadata.annotations.key_of(annotation::WEIGHT);
        service.metadata.annotations.set(key, total.to_string());
        let outcome = self.computed(&ServiceRef { service: &service, ..*service_ref }, false);
        let backends = outcome.port(port).and_then(|result| result.expected());
        backends.map_or(0, Backends::weight_sum)
    }

    /// The sum of the weights that CCM would write for all ports of a Service if its weight annotation
    /// had that value, or were not there. `None` where that cannot be computed.
    pub fn weight_sum_under(
        &self,
        service_ref: &ServiceRef<'_>,
        weight: Option<&str>,
    ) -> Option<u64> {
        let mut service = service_ref.service.clone();
        let annotations = &mut service.metadata.annotations;
        match weight {
            Some(weight) => annotations.set(annotations.key_of(annotation::WEIGHT), weight),
            None => annotations.remove_suffix(annotation::WEIGHT),
        }
        let outcome = self.computed(&ServiceRef { service: &service, ..*service_ref }, false);
        let sums = outcome.ports.iter().map(|of| of.result.expected().map(Backends::weight_sum));
        sums.sum()
    }

    /// How the backends of a Service port are laid out, which decides what sum a weight becomes.
    /// `None` where CCM would write none, or where nodes or endpoints are not at hand.
    pub fn backend_layout(&self, service_ref: &ServiceRef<'_>, port: u16) -> Option<BackendLayout> {
        let mut service = service_ref.service.clone();
        for suffix in [annotation::WEIGHT, annotation::DEFAULT_WEIGHT] {
            service.metadata.annotations.remove_suffix(suffix);
        }
        let outcome = self.computed(&ServiceRef { service: &service, ..*service_ref }, false);
        let backends = outcome.port(port).and_then(|result| result.computed())?;
        if outcome.mode != Some(Mode::Local) {
            return Some(BackendLayout::Even(backends.len()));
        }
        // Without any weight a node's is the number of its pods (CCM 2.14: `backend.go`).
        let (mut nodes, mut eci) = (Vec::new(), 0);
        for backend in backends.iter() {
            match backend.target {
                BackendTarget::Ecs(_) => nodes.push(usize::try_from(backend.weight).ok()?),
                BackendTarget::Pod(_) => eci += 1,
            }
        }
        Some(BackendLayout::Local { nodes, eci })
    }
}
