//! What CCM is told of the step from one state of the cluster to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clbmigrate_ccm_double::behaviour::BackendType;
use clbmigrate_ccm_double::cache::Change;
use clbmigrate_ccm_double::event_handlers::{self, Reaction};
use clbmigrate_ccm_double::events::ServiceEvent;
use clbmigrate_ccm_double::service::Key;
use k8s_openapi::api::core::v1::Service;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::case::{Case, ClusterState};

/// Whether the Service is queued for the step, and the events that are written about it.
pub fn reaction(case: &Case) -> (bool, Vec<ServiceEvent>) {
    let (before, after) = (&case.before, &case.after);
    let service: Service = read(after.service.as_ref().expect("a Service"));
    let key = Key::from_object(&service);
    let own = |state: &ClusterState| state.service.clone().into_iter().collect::<Vec<_>>();
    let mut events = Vec::new();
    let mut enqueued = false;
    for change in changes(&own(before), &own(after)) {
        if let Reaction::Enqueue(event) = event_handlers::on_service(&change) {
            enqueued = true;
            events.extend(event);
        }
    }
    let nodes = changes(&before.nodes, &after.nodes);
    let slices = changes(&before.endpoint_slices, &after.endpoint_slices);
    enqueued |= nodes.iter().any(event_handlers::on_node)
        && event_handlers::follows_nodes(&service, BackendType::Ecs);
    enqueued |= slices.iter().filter_map(event_handlers::on_slice).any(|of| of == key)
        && event_handlers::follows_slices(&service);
    (enqueued, events)
}

/// The objects that are created, updated and deleted between two lists.
fn changes<K: kube::Resource + DeserializeOwned + PartialEq>(
    before: &[Value],
    after: &[Value],
) -> Vec<Change<K>> {
    let by_key = |objects: &[Value]| -> BTreeMap<Key, Arc<K>> {
        let objects = objects.iter().map(read::<K>);
        objects.map(|object| (Key::from_object(&object), Arc::new(object))).collect()
    };
    let (before, after) = (by_key(before), by_key(after));
    let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
    let change = |key: &Key| match (before.get(key).cloned(), after.get(key).cloned()) {
        (Some(old), Some(new)) => (old != new).then_some(Change::Updated { old, new }),
        (None, Some(new)) => Some(Change::Created(new)),
        (Some(old), None) => Some(Change::Deleted(old)),
        (None, None) => None,
    };
    keys.into_iter().filter_map(change).collect()
}

fn read<K: DeserializeOwned>(object: &Value) -> K {
    serde_json::from_value(object.clone()).expect("an object of Kubernetes")
}
