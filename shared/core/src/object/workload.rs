use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use super::{
    ObjectMeta, ObjectRef, Pod, PodTemplate, RolloutStrategy, WorkloadReference, nullable,
    strategy::WireStrategy,
};

/// The kinds of workload that the rules judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    /// apps Deployment.
    Deployment,
    /// apps `StatefulSet`.
    StatefulSet,
    /// apps `DaemonSet`.
    DaemonSet,
    /// argoproj.io Rollout.
    Rollout,
    /// apps.kruise.io `CloneSet`.
    CloneSet,
    /// apps.kruise.io `StatefulSet`.
    AdvancedStatefulSet,
    /// apps.kruise.io `DaemonSet`.
    AdvancedDaemonSet,
    /// Another kind that has a pod template at `spec.template`.
    Other,
    /// A Pod, judged for itself.
    Pod,
}

impl WorkloadKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::Rollout,
        Self::CloneSet,
        Self::AdvancedStatefulSet,
        Self::AdvancedDaemonSet,
        Self::Other,
        Self::Pod,
    ];

    /// The kind of this name in an API group; without a group, Kubernetes' own or the only one of
    /// this name. `None` for kinds that are none of these, which may be [`Self::Other`].
    pub fn of(group: Option<&str>, kind: &str) -> Option<Self> {
        Some(match (group, kind) {
            (None | Some("apps" | "extensions"), "Deployment") => Self::Deployment,
            (None | Some("apps"), "StatefulSet") => Self::StatefulSet,
            (None | Some("apps" | "extensions"), "DaemonSet") => Self::DaemonSet,
            (None | Some("argoproj.io"), "Rollout") => Self::Rollout,
            (None | Some("apps.kruise.io"), "CloneSet") => Self::CloneSet,
            (Some("apps.kruise.io"), "StatefulSet") => Self::AdvancedStatefulSet,
            (Some("apps.kruise.io"), "DaemonSet") => Self::AdvancedDaemonSet,
            (None | Some(""), "Pod") => Self::Pod,
            _ => return None,
        })
    }

    /// The kind's name; empty for [`Self::Other`], whose workloads tell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet | Self::AdvancedStatefulSet => "StatefulSet",
            Self::DaemonSet | Self::AdvancedDaemonSet => "DaemonSet",
            Self::Rollout => "Rollout",
            Self::CloneSet => "CloneSet",
            Self::Other => "",
            Self::Pod => "Pod",
        }
    }

    /// The path of the pod's spec in an object of that kind.
    pub fn pod_path(self) -> &'static str {
        if self == Self::Pod { "spec" } else { "spec.template.spec" }
    }

    /// Whether a workload of that kind has a pod on each of its nodes, in the place of replicas.
    pub fn is_daemon(self) -> bool {
        matches!(self, Self::DaemonSet | Self::AdvancedDaemonSet)
    }
}

/// A Deployment or another kind with a pod template, or a Pod that is judged for itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The workload's kind.
    pub kind: WorkloadKind,
    /// The kind's name where the kind is [`WorkloadKind::Other`].
    pub other_kind: Option<Box<str>>,
    /// `metadata`.
    pub metadata: ObjectMeta,
    /// `spec.replicas`; `None` where left out or where the kind has none.
    pub replicas: Option<u32>,
    /// How a rollout replaces its pods.
    pub strategy: RolloutStrategy,
    /// The template of its pods; empty where it takes that from another workload.
    pub template: PodTemplate,
    /// The workload whose template it takes: `spec.workloadRef` of a Rollout.
    pub template_of: Option<WorkloadReference>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    #[serde(deserialize_with = "nullable")]
    metadata: ObjectMeta,
    #[serde(deserialize_with = "nullable")]
    spec: Spec,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    replicas: Option<u32>,
    #[serde(deserialize_with = "nullable")]
    strategy: WireStrategy,
    #[serde(deserialize_with = "nullable")]
    update_strategy: WireStrategy,
    #[serde(deserialize_with = "nullable")]
    template: PodTemplate,
    workload_ref: Option<WorkloadReference>,
}

impl Workload {
    /// Reads a workload of any kind but a Pod.
    pub fn deserialize<'de, D>(kind: WorkloadKind, deserializer: D) -> Result<Self, D::Error>
    where
        D: Deserializer<'de>,
    {
        let Wire { metadata, spec } = Wire::deserialize(deserializer)?;
        let strategy = match kind {
            WorkloadKind::Deployment | WorkloadKind::Rollout => spec.strategy,
            _ => spec.update_strategy,
        };
        Ok(Self {
            kind,
            other_kind: None,
            metadata,
            replicas: spec.replicas,
            strategy: strategy.of_kind(kind),
            template: spec.template,
            template_of: spec.workload_ref.filter(|_| kind == WorkloadKind::Rollout),
        })
    }

    /// A Pod, to be judged for itself.
    pub fn from_pod(pod: &Pod) -> Self {
        Self {
            kind: WorkloadKind::Pod,
            other_kind: None,
            metadata: pod.metadata.clone(),
            replicas: None,
            strategy: RolloutStrategy::default(),
            template: PodTemplate { metadata: pod.metadata.clone(), spec: pod.spec.clone() },
            template_of: None,
        }
    }

    /// The name of its kind, for example `Deployment`.
    pub fn kind_name(&self) -> &str {
        self.other_kind.as_deref().unwrap_or(self.kind.as_str())
    }

    /// Whether it is the workload of that kind and name.
    pub fn is(&self, kind: &str, name: &str) -> bool {
        self.kind_name() == kind && self.metadata.name == name
    }

    /// The workload's name in findings, in the cluster of that context.
    pub fn object_ref(&self, context: Option<&Arc<str>>) -> ObjectRef {
        ObjectRef {
            context: context.cloned(),
            kind: self.kind_name().to_owned(),
            namespace: Some(self.metadata.namespace().to_owned()),
            name: self.metadata.name.clone(),
        }
    }
}
