use serde::{Deserialize, Deserializer};

use super::{ObjectMeta, PreStopHook, nullable, pre_stop::pre_stop};

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

    /// The longest preStop hook of a long-running container. Hooks of which nothing tells how long
    /// they take do not count; `None` where none counts.
    pub fn longest_hook(&self) -> Option<PreStopHook> {
        let hooks = self.long_running().filter_map(|container| container.pre_stop);
        hooks.filter(|hook| hook.seconds().is_some()).max_by_key(|hook| hook.seconds())
    }

    /// How long that hook takes at the least, in seconds.
    pub fn longest_sleep(&self) -> Option<u64> {
        self.longest_hook().and_then(PreStopHook::seconds)
    }

    /// The field of the pod's spec in which a container stands: `containers[app]`, or
    /// `initContainers[edge]` for a native sidecar.
    pub fn field_of(&self, container: &Container) -> String {
        let is_it = |known: &Container| std::ptr::eq(known, container);
        let list =
            if self.init_containers.iter().any(is_it) { "initContainers" } else { "containers" };
        format!("{list}[{}]", container.name)
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

fn is_set<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<serde::de::IgnoredAny>::deserialize(deserializer)?.is_some())
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

/// A pod's status, as far as CCM and the rules read it.
#[derive(Debug, Clone, PartialEq, Copy, Default, Deserialize)]
#[serde(default)]
pub struct PodStatus {
    /// Whether the condition `ContainersReady` is `True`.
    #[serde(rename = "conditions", deserialize_with = "containers_ready")]
    pub containers_ready: bool,
    /// Whether it has run to its end: `phase` is `Succeeded` or `Failed`.
    #[serde(rename = "phase", deserialize_with = "is_finished")]
    pub is_finished: bool,
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

fn is_finished<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let phase = Option::<String>::deserialize(deserializer)?;
    Ok(matches!(phase.as_deref(), Some("Succeeded" | "Failed")))
}
