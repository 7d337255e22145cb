//! What rules judge. A rule is handed the evidence that its entry declares, and no other.

mod change;
mod clb_backends;
mod evidence;
mod facts;
mod service;
mod workload;

pub use self::{change::CheckedChange, service::CheckedService, workload::CheckedWorkload};
pub(super) use self::{clb_backends::BackendCounts, facts::ServiceFacts};
use super::Findings;
use crate::{finding::Need, snapshot::Cluster};

pub(super) fn of_context(cluster: &Cluster) -> String {
    match &cluster.context {
        Some(context) => format!(" of {context}"),
        None => String::new(),
    }
}

/// Notes that a cluster's id is missing.
pub(super) fn missing_cluster_id(cluster: &Cluster, out: &mut Findings<'_>) {
    out.missing(
        Need::ClusterId,
        || format!("cluster id{}", of_context(cluster)),
        "neither --cluster-id, nor the ConfigMap kube-system/ack-cluster-profile, nor a group's answer tells it",
    );
}

/// Notes that a group's answer is missing.
pub(super) fn missing_answer(vgroup: &str, out: &mut Findings<'_>) {
    out.missing(
        Need::ClbApi,
        || format!("group {vgroup}"),
        "the answer of DescribeVServerGroupAttribute is not at hand",
    );
}
