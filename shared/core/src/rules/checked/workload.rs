//! A workload that a rule judges.

use super::CheckedService;
use crate::{
    backends::NodeSet,
    object::{ControllerReference, Workload, WorkloadKind},
    rules::{Evidence, FindingBuilder, Findings},
};

/// A workload that a rule judges, with the Service that selects it.
pub struct CheckedWorkload<'s, 'a> {
    /// The Service.
    pub service: CheckedService<'s, 'a>,
    /// The workload.
    pub workload: &'a Workload,
}

impl<'s, 'a> CheckedWorkload<'s, 'a> {
    /// The nodes of its cluster that were read, whether or not these are all.
    pub fn nodes_read(&self) -> Option<&'a NodeSet> {
        self.service.sees(Evidence::Nodes).then(|| self.service.cluster().nodes())
    }

    /// The workload that runs the pods: a Rollout that takes its template from this one, else this
    /// one.
    #[must_use]
    pub fn running(&self) -> CheckedWorkload<'s, 'a> {
        let rollout = || self.service.cluster().rollout_over(self.workload);
        let rollout = self.service.sees(Evidence::Workloads).then(rollout).flatten();
        CheckedWorkload { service: self.service, workload: rollout.unwrap_or(self.workload) }
    }

    /// The kind and name of the workload behind it, where it is a Pod of one that is not at hand.
    pub fn owner(&self) -> Option<String> {
        let pod = Some(self.workload).filter(|workload| workload.kind == WorkloadKind::Pod)?;
        let ControllerReference { kind, name, .. } = ControllerReference::behind(&pod.metadata)?;
        Some(format!("{kind} {name}"))
    }

    /// The fewest replicas that autoscalers leave it; `None` where none scales it.
    pub fn autoscaler_minimum(&self) -> Option<u32> {
        let sees = self.service.sees(Evidence::Workloads);
        sees.then(|| self.service.cluster().autoscaler_minimum(self.workload)).flatten()
    }

    /// Whether this project's webhook gives hooks to workloads of its cluster, and to this one: in its
    /// template, or in each of its Pods where their namespace says so. It reviews no other kinds, and
    /// never changes a template that a controller writes.
    pub fn may_be_injected(&self) -> bool {
        use WorkloadKind::{DaemonSet, Deployment, StatefulSet};
        let cluster = self.service.cluster();
        let by_template = matches!(self.workload.kind, Deployment | StatefulSet | DaemonSet)
            && self.workload.metadata.controller.is_none();
        self.service.sees(Evidence::Workloads)
            && cluster.injects_pre_stop_hooks
            && (by_template || cluster.injects_into_pods_of(self.workload.metadata.namespace()))
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
