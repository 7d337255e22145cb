//! Which changes make CCM look at a Service again, and what it says about them (CCM 2.14: `event_handler.go`).

use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use crate::annotations;
use crate::behaviour::BackendType;
use crate::cache::Change;
use crate::events::ServiceEvent;
use crate::model::nodes;
use crate::service::{Key, ServiceExt};

/// The label by which a slice names its Service.
const SERVICE_OF_SLICE: &str = "kubernetes.io/service-name";

/// What a change of a Service leads to: a round, with an event before it where CCM writes one.
#[derive(Debug, PartialEq)]
pub enum Reaction {
    /// Nothing.
    Ignore,
    /// A round, and this event.
    Enqueue(Option<ServiceEvent>),
}

/// What CCM does about a change of a Service.
pub fn on_service(change: &Change<Service>) -> Reaction {
    match change {
        // Also after a restart: what has the finalizer was served once.
        Change::Created(new) if new.needs_clb() || new.has_finalizer() => Reaction::Enqueue(None),
        Change::Updated { old, new } => on_update(old, new),
        // The finalizer has turned deletion into an update before.
        Change::Created(_) | Change::Deleted(_) => Reaction::Ignore,
    }
}

fn on_update(old: &Service, new: &Service) -> Reaction {
    match (old.needs_clb(), new.needs_clb()) {
        (false, false) => return Reaction::Ignore,
        (true, true) => {}
        _ if belongs_to_another(new) => return Reaction::Ignore,
        _ => {
            let message = format!("type change {} - {}", old.spec_type(), new.spec_type());
            return Reaction::Enqueue(Some(ServiceEvent::normal("TypeChanged", message)));
        }
    }
    let says = |reason, what: &str| {
        let message = format!("The service will be updated because the {what} has been changed.");
        Reaction::Enqueue(Some(ServiceEvent::normal(reason, message)))
    };
    let is_deleted = |service: &Service| service.metadata.deletion_timestamp.is_some();
    let annotations = |service: &Service| service.metadata.annotations.clone().unwrap_or_default();
    if old.metadata.uid != new.metadata.uid {
        Reaction::Enqueue(None)
    } else if annotations(old) != annotations(new) {
        says("AnnotationChanged", "annotations")
    } else if old.spec != new.spec {
        says("ServiceSpecChanged", "spec")
    } else if is_deleted(old) != is_deleted(new) {
        says("DeleteTimestampChanged", "delete timestamp")
    } else {
        Reaction::Ignore
    }
}

/// Given away by annotation: the backends stay as they are.
fn belongs_to_another(service: &Service) -> bool {
    let annotations = service.annotations();
    !annotations.exact(annotations::CLASS).unwrap_or_default().is_empty()
        || annotations.exact(annotations::TUNNEL_TYPE).is_some()
}

/// Whether a change of a node makes CCM look at all Services whose backends are nodes.
pub fn on_node(change: &Change<Node>) -> bool {
    match change {
        Change::Created(node) | Change::Deleted(node) => !nodes::is_ignored(node),
        Change::Updated { old, new } => nodes::changed(old, new),
    }
}

/// Whether a Service is one of those that CCM looks at for a change of a node.
pub fn follows_nodes(service: &Service, default: BackendType) -> bool {
    service.needs_clb() && !service.is_eni(default)
}

/// Whether CCM looks at a Service for a change of one of its slices.
pub fn follows_slices(service: &Service) -> bool {
    service.needs_clb()
}

/// The Service that a change of a slice makes CCM look at, if it [follows its slices](follows_slices).
pub fn on_slice(change: &Change<EndpointSlice>) -> Option<Key> {
    let slice = match change {
        Change::Created(slice) | Change::Deleted(slice) => slice,
        Change::Updated { old, new }
            if old.endpoints != new.endpoints || old.ports != new.ports =>
        {
            old
        }
        Change::Updated { .. } => return None,
    };
    service_of(slice)
}

/// The Service that a slice names.
pub(crate) fn service_of(slice: &EndpointSlice) -> Option<Key> {
    let name = slice.metadata.labels.as_ref()?.get(SERVICE_OF_SLICE)?.clone();
    Some(Key { namespace: slice.metadata.namespace.clone().unwrap_or_default(), name })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn service(patch: &Value) -> Arc<Service> {
        let mut service = json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "1", "annotations": {"a": "b"}},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
        });
        json_patch::merge(&mut service, patch);
        Arc::new(serde_json::from_value(service).expect("a Service"))
    }

    fn reaction(patch: &Value) -> Reaction {
        on_service(&Change::Updated { old: service(&json!({})), new: service(patch) })
    }

    fn reason(reaction: Reaction) -> (&'static str, String) {
        match reaction {
            Reaction::Enqueue(Some(event)) => (event.reason, event.message),
            other => panic!("no event: {other:?}"),
        }
    }

    #[rstest]
    #[case(json!({"metadata": {"annotations": {"a": "c"}}}), "AnnotationChanged", "The service will be updated because the annotations has been changed.")]
    #[case(json!({"metadata": {"annotations": null}}), "AnnotationChanged", "The service will be updated because the annotations has been changed.")]
    #[case(json!({"spec": {"ports": [{"port": 81}]}}), "ServiceSpecChanged", "The service will be updated because the spec has been changed.")]
    #[case(json!({"metadata": {"deletionTimestamp": "2026-11-21T12:00:00Z"}}), "DeleteTimestampChanged", "The service will be updated because the delete timestamp has been changed.")]
    #[case(json!({"spec": {"type": "NodePort"}}), "TypeChanged", "type change LoadBalancer - NodePort")]
    #[case(json!({"spec": {"loadBalancerClass": "example.io/x"}}), "TypeChanged", "type change LoadBalancer - LoadBalancer")]
    #[case(json!({"metadata": {"annotations": {"a": "c"}}, "spec": {"ports": []}}), "AnnotationChanged", "The service will be updated because the annotations has been changed.")]
    fn a_change_is_announced(
        #[case] patch: Value,
        #[case] said: &'static str,
        #[case] message: &str,
    ) {
        assert_eq!(reason(reaction(&patch)), (said, message.to_owned()));
    }

    #[rstest]
    #[case::nothing(json!({}))]
    #[case::labels(json!({"metadata": {"labels": {"a": "b"}}}))]
    #[case::finalizers(json!({"metadata": {"finalizers": ["x.io/y"]}}))]
    #[case::status(json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}))]
    #[case::given_to_a_class(json!({"metadata": {"annotations": {annotations::CLASS: "edge"}}}))]
    #[case::given_to_a_tunnel(json!({"metadata": {"annotations": {annotations::TUNNEL_TYPE: ""}}}))]
    fn a_change_is_not_noticed(#[case] patch: Value) {
        assert_eq!(reaction(&patch), Reaction::Ignore);
    }

    #[test]
    fn a_new_uid_is_a_round_without_announcement() {
        assert_eq!(reaction(&json!({"metadata": {"uid": "2"}})), Reaction::Enqueue(None));
    }

    #[test]
    fn at_the_start_what_wants_or_had_a_clb_gets_a_round() {
        let created = |patch| on_service(&Change::Created(service(&patch)));
        assert_eq!(created(json!({})), Reaction::Enqueue(None));
        assert_eq!(created(json!({"spec": {"type": "ClusterIP"}})), Reaction::Ignore);
        let had = json!({"spec": {"type": "ClusterIP"}, "metadata": {"finalizers": [crate::service::FINALIZER]}});
        assert_eq!(created(had), Reaction::Enqueue(None));
    }

    fn slice(patch: &Value) -> Arc<EndpointSlice> {
        let mut slice = json!({
            "metadata": {"name": "web-1", "namespace": "shop", "labels": {SERVICE_OF_SLICE: "web"}},
            "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [],
        });
        json_patch::merge(&mut slice, patch);
        Arc::new(serde_json::from_value(slice).expect("an EndpointSlice"))
    }

    #[rstest]
    #[case::endpoints(json!({"endpoints": []}), true)]
    #[case::ports(json!({"ports": [{"port": 80}]}), true)]
    #[case::annotation(json!({"metadata": {"annotations": {"a": "b"}}}), false)]
    fn a_slice_counts_for_its_endpoints_and_ports(#[case] patch: Value, #[case] counts: bool) {
        let change = Change::Updated { old: slice(&json!({})), new: slice(&patch) };
        let web = Key { namespace: "shop".to_owned(), name: "web".to_owned() };
        assert_eq!(on_slice(&change), counts.then_some(web));
    }

    #[test]
    fn a_slice_that_names_no_service_counts_for_none() {
        assert_eq!(on_slice(&Change::Created(slice(&json!({"metadata": {"labels": null}})))), None);
    }
}
