//! Events and pods, as far as they tell when a pod began to end and when CCM was done.

use clbmigrate_core::{deregistration::StoredSuccess, object::ObjectMeta};
use jiff::Timestamp;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct EventList {
    #[serde(default)]
    pub items: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    metadata: EventMeta,
    #[serde(default)]
    pub involved_object: Reference,
    #[serde(default)]
    pub message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventMeta {
    #[serde(default)]
    creation_timestamp: Option<String>,
    #[serde(default)]
    managed_fields: Vec<ManagedFields>,
}

/// Who wrote fields of the object, and when: the API server's own record.
#[derive(Deserialize)]
struct ManagedFields {
    #[serde(default)]
    time: Option<String>,
}

#[derive(Deserialize, Default)]
pub(super) struct Reference {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub uid: String,
}

impl Event {
    /// When the API server stored it first, in seconds since 1970.
    pub fn created(&self) -> Option<i64> {
        seconds(self.metadata.creation_timestamp.as_deref()?)
    }

    /// The same, and when it was written last.
    pub fn success(&self) -> Option<StoredSuccess> {
        let created = self.created()?;
        let writes = self.metadata.managed_fields.iter();
        let last = writes.filter_map(|of| seconds(of.time.as_deref()?)).max();
        Some(StoredSuccess { created, updated: last.unwrap_or(created).max(created) })
    }
}

#[derive(Deserialize)]
pub(super) struct PodList {
    #[serde(default)]
    pub items: Vec<Pod>,
}

#[derive(Deserialize)]
pub(super) struct Pod {
    pub metadata: ObjectMeta,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Deserialize, Default)]
struct PodStatus {
    #[serde(default)]
    phase: String,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    last_transition_time: Option<String>,
}

impl Pod {
    /// Whether it is neither being deleted nor at its end.
    pub fn is_staying(&self) -> bool {
        let is_finished = matches!(self.status.phase.as_str(), "Succeeded" | "Failed");
        self.metadata.deletion_timestamp.is_none() && !is_finished
    }

    /// When it became ready, or ceased to be, in seconds since 1970 by its kubelet's clock.
    pub fn ready_since(&self) -> Option<i64> {
        let ready = self.status.conditions.iter().find(|condition| condition.kind == "Ready");
        seconds(ready?.last_transition_time.as_deref()?)
    }
}

fn seconds(time: &str) -> Option<i64> {
    time.parse::<Timestamp>().ok().map(Timestamp::as_second)
}
