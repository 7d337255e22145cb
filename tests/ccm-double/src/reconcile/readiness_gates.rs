//! Readiness gates: a Pod is told that it is served, once the cloud has taken it. No health check is asked
//! (CCM 2.14: `service_controller.go:600-653`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::at_once;
use super::kubernetes::{Denied, Kubernetes};
use crate::cloud::backend::Backend;
use crate::model::{Group, endpoints};
use crate::service::Key;

/// What a Pod is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Verdict {
    status: &'static str,
    reason: &'static str,
    message: &'static str,
}

const SERVED: Verdict = Verdict {
    status: "True",
    reason: "ServerRegistered",
    message: "The backend has been added to the server group",
};
const UNKNOWN: Verdict =
    Verdict { status: "False", reason: "ServerInvalidServer", message: "The backend is invalid" };

/// Tells the Pods behind all groups of a Service.
pub(super) async fn tell<K: Kubernetes>(
    kubernetes: &K,
    service: &str,
    groups: &[Group],
) -> Result<(), Denied> {
    let gate = endpoints::gate(service);
    let gate = gate.as_str();
    let told = verdicts(groups).into_iter().map(|(key, verdict)| async move {
        match kubernetes.pod(&key).await? {
            Some(pod) if needs(&pod, gate, verdict) => {
                kubernetes.set_condition(&key, condition(gate, verdict)).await
            }
            _ => Ok(()),
        }
    });
    at_once(told.collect()).await.into_iter().collect()
}

/// Where backends are Pods, they count; elsewhere those behind the nodes.
fn verdicts(groups: &[Group]) -> BTreeMap<Key, Verdict> {
    let mut verdicts = BTreeMap::new();
    for group in groups {
        let served = if group.is_eni { &group.backends } else { &group.pods };
        let unknown = &group.unknown;
        for (pods, verdict) in [(served, SERVED), (unknown, UNKNOWN)] {
            verdicts.extend(pods.iter().filter_map(key).map(|key| (key, verdict)));
        }
    }
    verdicts
}

fn key(backend: &Backend) -> Option<Key> {
    let pod = backend.target.as_ref()?;
    Some(Key { namespace: pod.namespace.clone(), name: pod.name.clone() })
}

fn needs(pod: &Pod, gate: &str, verdict: Verdict) -> bool {
    let known = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let told = known.into_iter().any(|one| {
        one.type_ == gate
            && one.status == verdict.status
            && one.reason.as_deref() == Some(verdict.reason)
    });
    endpoints::has_gate(pod, gate) && !told
}

fn condition(gate: &str, verdict: Verdict) -> PodCondition {
    PodCondition {
        type_: gate.to_owned(),
        status: verdict.status.to_owned(),
        reason: Some(verdict.reason.to_owned()),
        message: Some(verdict.message.to_owned()),
        last_transition_time: Some(Time(Timestamp::now())),
        ..PodCondition::default()
    }
}
