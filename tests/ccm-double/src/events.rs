//! Events as client-go's recorder writes them: equal ones are one object with a count.
//!
//! The recorder's limits (25 events at once per object, then one in five minutes; more than ten similar
//! ones joined) are left out, so that a test sees every event of a long run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use crate::service::Key;

/// CCM's name in its events.
pub const COMPONENT: &str = "service-controller";

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    /// For information.
    Normal,
    /// For a problem.
    Warning,
}

impl EventType {
    /// The value of the event's field `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// An event about a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEvent {
    /// Normal or Warning.
    pub kind: EventType,
    /// The value of the field `reason`, such as `EnsuredLoadBalancer`.
    pub reason: &'static str,
    /// The value of the field `message`.
    pub message: String,
}

impl ServiceEvent {
    pub(crate) fn normal(reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind: EventType::Normal, reason, message: message.into() }
    }

    pub(crate) fn warning(reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind: EventType::Warning, reason, message: message.into() }
    }
}

/// What makes two events equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct EventKey {
    service: Key,
    uid: Option<String>,
    kind: EventType,
    reason: &'static str,
    message: String,
}

#[derive(Debug, Clone)]
struct WrittenEvent {
    name: String,
    count: i32,
}

/// Writes events, and remembers them to count equal ones, for as long as it lives.
pub(crate) struct Recorder {
    client: Client,
    written: Mutex<HashMap<EventKey, WrittenEvent>>,
}

impl Recorder {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, written: Mutex::default() }
    }

    /// Writes an event, or counts it up. A lost event is lost, as with client-go: no round depends on it.
    pub(crate) async fn record(&self, service: &Service, event: ServiceEvent) {
        let key = EventKey {
            service: Key::from_object(service),
            uid: service.metadata.uid.clone(),
            kind: event.kind,
            reason: event.reason,
            message: event.message,
        };
        let events: Api<Event> = Api::namespaced(self.client.clone(), &key.service.namespace);
        let known = self.known(&key);
        if let Some(written) = known {
            let counted = WrittenEvent { count: written.count + 1, ..written };
            match count_up(&events, &counted).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Ok(_) => return self.remember(key, counted),
                Err(_) => return,
            }
        }
        let event = new_event(service, &key);
        let name = event.metadata.name.clone().unwrap_or_default();
        if events.create(&PostParams::default(), &event).await.is_ok() {
            self.remember(key, WrittenEvent { name, count: 1 });
        }
    }

    fn known(&self, key: &EventKey) -> Option<WrittenEvent> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn remember(&self, key: EventKey, written: WrittenEvent) {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(key, written);
    }
}

async fn count_up(events: &Api<Event>, counted: &WrittenEvent) -> kube::Result<Event> {
    let patch = json!({"count": counted.count, "lastTimestamp": Time(Timestamp::now())});
    events.patch(&counted.name, &PatchParams::default(), &Patch::Strategic(patch)).await
}

fn new_event(service: &Service, key: &EventKey) -> Event {
    let now = Timestamp::now();
    let Key { namespace, name } = &key.service;
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{:x}", now.as_nanosecond())),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Service".to_owned()),
            namespace: Some(namespace.clone()),
            name: Some(name.clone()),
            uid: key.uid.clone(),
            resource_version: service.metadata.resource_version.clone(),
            ..ObjectReference::default()
        },
        type_: Some(key.kind.as_str().to_owned()),
        reason: Some(key.reason.to_owned()),
        message: Some(key.message.clone()),
        source: Some(EventSource { component: Some(COMPONENT.to_owned()), host: None }),
        reporting_component: Some(COMPONENT.to_owned()),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        ..Event::default()
    }
}
