//! Readiness gates: a Pod is told that it is served, once the cloud has taken it. No health check is asked
//! (CCM 2.14: `service_controller.go:600-653`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::kubernetes::{Kubernetes, KubernetesError};
use super::run_concurrently;
use crate::cloud_client::backend::Backend;
use crate::model::{Group, endpoints};
use crate::service::Key;

/// What a Pod is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct GateStatus {
    status: &'static str,
    reason: &'static str,
    message: &'static str,
}

const REGISTERED: GateStatus = GateStatus {
    status: "True",
    reason: "ServerRegistered",
    message: "The backend has been added to the server group",
};
const INVALID: GateStatus = GateStatus {
    status: "False",
    reason: "ServerInvalidServer",
    message: "The backend is invalid",
};

/// Tells the Pods behind all groups of a Service.
pub(super) async fn update_conditions<K: Kubernetes>(
    kubernetes: &K,
    service: &str,
    groups: &[Group],
) -> Result<(), KubernetesError> {
    let gate = endpoints::gate(service);
    let gate = gate.as_str();
    let told = gate_statuses(groups).into_iter().map(|(key, status)| async move {
        match kubernetes.pod(&key).await? {
            Some(pod) if needs_update(&pod, gate, status) => {
                kubernetes.set_condition(&key, condition(gate, status)).await
            }
            _ => Ok(()),
        }
    });
    run_concurrently(told.collect()).await.into_iter().collect()
}

/// Where backends are Pods, they count; elsewhere those behind the nodes.
fn gate_statuses(groups: &[Group]) -> BTreeMap<Key, GateStatus> {
    let mut gate_statuses = BTreeMap::new();
    for group in groups {
        let served = if group.is_eni { &group.backends } else { &group.pods };
        let unknown = &group.unknown;
        for (pods, status) in [(served, REGISTERED), (unknown, INVALID)] {
            gate_statuses.extend(pods.iter().filter_map(key).map(|key| (key, status)));
        }
    }
    gate_statuses
}

fn key(backend: &Backend) -> Option<Key> {
    let pod = backend.target.as_ref()?;
    Some(Key { namespace: pod.namespace.clone(), name: pod.name.clone() })
}

fn needs_update(pod: &Pod, gate: &str, status: GateStatus) -> bool {
    let known = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let told = known.into_iter().any(|one| {
        one.type_ == gate
            && one.status == status.status
            && one.reason.as_deref() == Some(status.reason)
    });
    endpoints::has_gate(pod, gate) && !told
}

fn condition(gate: &str, status: GateStatus) -> PodCondition {
    PodCondition {
        type_: gate.to_owned(),
        status: status.status.to_owned(),
        reason: Some(status.reason.to_owned()),
        message: Some(status.message.to_owned()),
        last_transition_time: Some(Time(Timestamp::now())),
        ..PodCondition::default()
    }
}
