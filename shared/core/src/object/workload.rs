use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Deserializer};

use super::{ObjectMeta, ObjectRef, nullable};

/// The kinds of workload that the rules judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    /// apps/v1 Deployment.
    Deployment,
    /// apps/v1 StatefulSet.
    StatefulSet,
    /// apps/v1 DaemonSet.
    DaemonSet,
    /// A Pod without a controller.
    Pod,
}

impl WorkloadKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet, Self::Pod];

    /// The kind's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Pod => "Pod",
        }
    }

    /// The path of the pod's spec in an object of that kind.
    pub fn pod_path(self) -> &'static str {
        if self == Self::Pod { "spec" } else { "spec.template.spec" }
    }
}

/// A Deployment, StatefulSet, DaemonSet, or a Pod without a controller.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The workload's kind.
    pub kind: WorkloadKind,
    /// `metadata`.
    pub metadata: ObjectMeta,
    /// `spec.replicas`; `None` where left out or where the kind has none.
    pub replicas: Option<u32>,
    /// How a rollout replaces its pods.
    pub strategy: RolloutStrategy,
    /// The template of its pods.
    pub template: PodTemplate,
}

/// How a rollout replaces pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RolloutStrategy {
    /// `Recreate`, `RollingUpdate`, …; empty where left out.
    pub kind: String,
    /// `maxUnavailable` of a rolling update, a number or a percentage, as written.
    pub max_unavailable: Option<String>,
}

/// A pod template, or the Pod itself.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct PodTemplate {
    /// Labels and annotations.
    #[serde(deserialize_with = "nullable")]
    pub metadata: ObjectMeta,
    /// The pod's spec.
    #[serde(deserialize_with = "nullable")]
    pub spec: PodSpec,
}

/// A pod's spec.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// Main containers.
    #[serde(deserialize_with = "nullable")]
    pub containers: Vec<Container>,
    /// Init containers; those with `restartPolicy: Always` are native sidecars.
    #[serde(deserialize_with = "nullable")]
    pub init_containers: Vec<Container>,
    /// Seconds; `None` where left out, which means 30.
    pub termination_grace_period_seconds: Option<u64>,
    /// The condition types of the readiness gates.
    #[serde(deserialize_with = "gates")]
    pub readiness_gates: Vec<String>,
}

/// Kubernetes' default of `terminationGracePeriodSeconds`.
pub const DEFAULT_GRACE_PERIOD_SECONDS: u32 = 30;

impl PodSpec {
    /// Main containers and native sidecars: those whose preStop hooks run when the pod ends.
    pub fn long_running(&self) -> impl Iterator<Item = &Container> {
        let sidecars = self.init_containers.iter();
        let sidecars = sidecars.filter(|c| c.restart_policy.as_deref() == Some("Always"));
        self.containers.iter().chain(sidecars)
    }

    /// How long the longest preStop hook of a long-running container takes, in seconds. Hooks whose
    /// length cannot be read do not count; `None` where none counts.
    pub fn longest_sleep(&self) -> Option<u64> {
        let hooks = self.long_running().filter_map(|container| container.pre_stop);
        let seconds = hooks.filter_map(|hook| match hook {
            PreStopHook::Sleep(seconds) => Some(seconds),
            PreStopHook::Other => None,
        });
        seconds.max()
    }
}

fn gates<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Gate {
        condition_type: String,
    }
    let gates = Option::<Vec<Gate>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(gates.into_iter().map(|gate| gate.condition_type).collect())
}

/// A container.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Its name.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    /// Declared ports.
    #[serde(deserialize_with = "nullable")]
    pub ports: Vec<ContainerPort>,
    /// Whether there is a readinessProbe.
    #[serde(rename = "readinessProbe", deserialize_with = "is_set")]
    pub has_readiness_probe: bool,
    /// The preStop hook.
    #[serde(rename = "lifecycle", deserialize_with = "pre_stop")]
    pub pre_stop: Option<PreStopHook>,
    /// `Always` makes an init container a native sidecar.
    pub restart_policy: Option<String>,
}

/// A declared container port.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerPort {
    /// Its name, empty where left out.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    /// Its number.
    pub container_port: u16,
}

/// What a container's preStop hook does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreStopHook {
    /// It waits that many seconds: a native `sleep`, or the command `sleep N`.
    Sleep(u64),
    /// It does something whose length cannot be read from it.
    Other,
}

fn is_set<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<serde::de::IgnoredAny>::deserialize(deserializer)?.is_some())
}

fn pre_stop<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PreStopHook>, D::Error> {
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Lifecycle {
        pre_stop: Option<Handler>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Handler {
        sleep: Option<Sleep>,
        exec: Option<Exec>,
    }
    #[derive(Deserialize)]
    struct Sleep {
        seconds: u64,
    }
    #[derive(Deserialize)]
    struct Exec {
        #[serde(default, deserialize_with = "nullable")]
        command: Vec<String>,
    }
    let lifecycle = Option::<Lifecycle>::deserialize(deserializer)?.unwrap_or_default();
    Ok(lifecycle.pre_stop.map(|handler| {
        let native = handler.sleep.map(|sleep| sleep.seconds);
        let seconds = native.or_else(|| handler.exec.and_then(|exec| sleep_of(&exec.command)));
        seconds.map_or(PreStopHook::Other, PreStopHook::Sleep)
    }))
}

/// The seconds of `sleep N`, called directly or as the only command of `sh -c`.
fn sleep_of(command: &[String]) -> Option<u64> {
    let words: Vec<&str> = match command {
        [_, flag, script] if flag == "-c" => script.split_whitespace().collect(),
        words => words.iter().map(String::as_str).collect(),
    };
    match words.as_slice() {
        [program, seconds] if program.rsplit('/').next() == Some("sleep") => {
            seconds.trim_end_matches('s').parse().ok()
        }
        _ => None,
    }
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
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireStrategy {
    #[serde(rename = "type", deserialize_with = "nullable")]
    kind: String,
    #[serde(deserialize_with = "nullable")]
    rolling_update: RollingUpdate,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RollingUpdate {
    max_unavailable: Option<serde_json::Value>,
}

impl Workload {
    /// Reads a Deployment, StatefulSet or DaemonSet.
    pub fn deserialize<'de, D>(kind: WorkloadKind, deserializer: D) -> Result<Self, D::Error>
    where
        D: Deserializer<'de>,
    {
        let Wire { metadata, spec } = Wire::deserialize(deserializer)?;
        let strategy =
            if spec.strategy.kind.is_empty() { spec.update_strategy } else { spec.strategy };
        Ok(Self {
            kind,
            metadata,
            replicas: spec.replicas,
            strategy: RolloutStrategy {
                kind: strategy.kind,
                max_unavailable: strategy.rolling_update.max_unavailable.map(|value| match value {
                    serde_json::Value::String(text) => text,
                    number => number.to_string(),
                }),
            },
            template: spec.template,
        })
    }

    /// A Pod without a controller, to be judged like a workload.
    pub fn from_pod(pod: &Pod) -> Self {
        Self {
            kind: WorkloadKind::Pod,
            metadata: pod.metadata.clone(),
            replicas: None,
            strategy: RolloutStrategy::default(),
            template: PodTemplate { metadata: pod.metadata.clone(), spec: pod.spec.clone() },
        }
    }

    /// The workload's name in findings, in the cluster of that context.
    pub fn object_ref(&self, context: Option<&Arc<str>>) -> ObjectRef {
        ObjectRef {
            context: context.cloned(),
            kind: self.kind.as_str().to_owned(),
            namespace: Some(self.metadata.namespace().to_owned()),
            name: self.metadata.name.clone(),
        }
    }

    /// The labels of its pods.
    pub fn pod_labels(&self) -> &BTreeMap<String, String> {
        match self.kind {
            WorkloadKind::Pod => &self.metadata.labels,
            _ => &self.template.metadata.labels,
        }
    }
}

/// A Pod.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// `metadata`.
    #[serde(deserialize_with = "nullable")]
    pub metadata: ObjectMeta,
    /// `spec`.
    #[serde(deserialize_with = "nullable")]
    pub spec: PodSpec,
    /// `status`.
    #[serde(deserialize_with = "nullable")]
    pub status: PodStatus,
}

/// A pod's status, as far as CCM reads it.
#[derive(Debug, Clone, PartialEq, Copy, Default, Deserialize)]
#[serde(default)]
pub struct PodStatus {
    /// Whether the condition `ContainersReady` is `True`.
    #[serde(rename = "conditions", deserialize_with = "containers_ready")]
    pub containers_ready: bool,
}

fn containers_ready<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    struct Condition {
        #[serde(rename = "type")]
        kind: String,
        status: String,
    }
    let conditions = Option::<Vec<Condition>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(conditions.iter().any(|c| c.kind == "ContainersReady" && c.status == "True"))
}

/// A `HorizontalPodAutoscaler` of any version, reduced to the workload that it scales.
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
    pub scale_target_ref: ScaleTarget,
}

/// A workload by kind and name, in the autoscaler's namespace.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ScaleTarget {
    /// For example `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
}
