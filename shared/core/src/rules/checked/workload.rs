//! A workload that a rule judges.

use super::CheckedService;
use crate::{
    backends::NodeSet,
    object::{Workload, WorkloadKind},
    rules::{Evidence, FindingBuilder, Findings},
};

/// A workload that a rule judges, with the Service that selects it.
pub struct CheckedWorkload<'s, 'a> {
    /// The Service.
    pub service: CheckedService<'s, 'a>,
    /// The workload.
    pub workload: &'a Workload,
}

impl<'a> CheckedWorkload<'_, 'a> {
    /// The nodes of its cluster that were read, whether or not these are all.
    pub fn nodes_read(&self) -> Option<&'a NodeSet> {
        self.service.sees(Evidence::Nodes).then(|| self.service.cluster().nodes())
    }

    /// Whether an autoscaler sets its replicas.
    pub fn is_autoscaled(&self) -> bool {
        self.service.sees(Evidence::Workloads)
            && self.service.cluster().is_autoscaled(self.workload)
    }

    /// Whether this project's webhook gives hooks to workloads of its cluster, and where it is a
    /// bare Pod, also to those of its namespace.
    pub fn may_be_injected(&self) -> bool {
        let cluster = self.service.cluster();
        self.service.sees(Evidence::Workloads)
            && cluster.injects_pre_stop_hooks
            && (self.workload.kind != WorkloadKind::Pod
                || cluster.injects_into_pods_of(self.workload.metadata.namespace()))
    }

    /// Begins a finding about the workload.
    pub fn finding<'f>(&self, out: &'f mut Findings<'_>) -> FindingBuilder<'f>
    where
        'a: 'f,
    {
        let object = self.workload.object_ref(self.service.object().context.as_ref());
        out.finding(&self.workload.metadata, object)
    }
}
