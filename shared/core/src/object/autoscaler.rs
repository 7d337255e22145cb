use serde::Deserialize;

use super::ObjectMeta;

/// A `HorizontalPodAutoscaler` of any version, reduced to the workload that it scales and to how far
/// down.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct HorizontalPodAutoscaler {
    /// `metadata`.
    pub metadata: ObjectMeta,
    /// `spec`.
    pub spec: AutoscalerSpec,
}

/// `spec` of an autoscaler.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoscalerSpec {
    /// The workload whose replicas it sets.
    pub scale_target_ref: WorkloadReference,
    /// The fewest replicas that it leaves; `None` where left out, which means
    /// [`DEFAULT_MIN_REPLICAS`].
    #[serde(default)]
    pub min_replicas: Option<u32>,
}

/// Kubernetes' default of an autoscaler's `minReplicas`.
pub const DEFAULT_MIN_REPLICAS: u32 = 1;

impl AutoscalerSpec {
    /// The fewest replicas that it leaves.
    pub fn minimum(&self) -> u32 {
        self.min_replicas.unwrap_or(DEFAULT_MIN_REPLICAS)
    }
}

/// A workload by kind and name, in the namespace of the object that names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WorkloadReference {
    /// For example `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
}
