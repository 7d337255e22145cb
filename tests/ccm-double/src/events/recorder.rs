//! Writes events to the API server.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use super::correlator::{Correlated, Correlator, Occurrence, Subject};
use super::{COMPONENT, ServiceEvent};
use crate::behaviour::SharedBehaviour;
use crate::service::Key;

/// Writes events, and remembers them to count equal ones, for as long as it lives.
pub(crate) struct Recorder {
    client: Client,
    control: SharedBehaviour,
    /// Where the events are that it lets expire; `None`: everywhere.
    namespace: Option<String>,
    correlator: Mutex<Correlator>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Recorder {
    pub(crate) fn new(client: Client, control: SharedBehaviour, namespace: Option<&str>) -> Self {
        let namespace = namespace.map(str::to_owned);
        Self { client, control, namespace, correlator: Mutex::default() }
    }

    /// Writes an event, counts it up, or drops it where the Service has no token left. A lost event is lost: no round
    /// depends on it.
    pub(crate) async fn record(&self, service: &Service, event: ServiceEvent) {
        let ServiceEvent { kind, reason, message } = event;
        let subject =
            Subject { service: Key::from_object(service), uid: service.metadata.uid.clone() };
        let occurrence = Occurrence { subject, kind, reason, message };
        let Some(correlated) = self.correlate(occurrence.clone()) else { return };
        let namespace = &occurrence.subject.service.namespace;
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        if correlated.count > 1 {
            match count_up(&events, &correlated).await {
                // It has expired, or was never written: the count goes on in a new object of the same name.
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Ok(_) | Err(_) => return,
            }
        }
        let event = new_event(service, &occurrence, correlated);
        // client-go logs what the API server refuses, and goes on.
        let _ = events.create(&PostParams::default(), &event).await;
    }

    /// Deletes CCM's events about Services, as the API server does after their time to live (1 h), and says how many
    /// there were. Counts and tokens stay as they are.
    pub(crate) async fn expire(&self) -> kube::Result<usize> {
        let events: Api<Event> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let own = format!("involvedObject.kind=Service,source={COMPONENT}");
        let found = events.list(&ListParams::default().fields(&own)).await?.items;
        for event in &found {
            let namespace = event.namespace().unwrap_or_default();
            let events: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
            match events.delete(&event.name_any(), &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                deleted => drop(deleted?),
            }
        }
        Ok(found.len())
    }

    fn correlate(&self, event: Occurrence) -> Option<Correlated> {
        let tokens = self.control.get().event_tokens;
        let mut correlator = self.correlator.lock().unwrap_or_else(PoisonError::into_inner);
        correlator.correlate(event, tokens, Timestamp::now())
    }
}

async fn count_up(events: &Api<Event>, correlated: &Correlated) -> kube::Result<Event> {
    let Correlated { count, message, last, .. } = correlated;
    let patch = json!({"count": count, "message": message, "lastTimestamp": Time(*last)});
    events.patch(&correlated.name, &PatchParams::default(), &Patch::Strategic(patch)).await
}

fn new_event(service: &Service, occurrence: &Occurrence, correlated: Correlated) -> Event {
    let Correlated { name, count, first, last, message, is_combined } = correlated;
    let Subject { service: Key { namespace, name: of_service }, uid } = &occurrence.subject;
    Event {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Service".to_owned()),
            namespace: Some(namespace.clone()),
            name: Some(of_service.clone()),
            uid: uid.clone(),
            resource_version: service.metadata.resource_version.clone(),
            ..ObjectReference::default()
        },
        type_: Some(occurrence.kind.as_str().to_owned()),
        reason: Some(occurrence.reason.to_owned()),
        message: Some(message),
        source: Some(EventSource { component: Some(COMPONENT.to_owned()), host: None }),
        // client-go leaves it out of joined events.
        reporting_component: (!is_combined).then(|| COMPONENT.to_owned()),
        first_timestamp: Some(Time(first)),
        last_timestamp: Some(Time(last)),
        count: Some(count),
        ..Event::default()
    }
}
