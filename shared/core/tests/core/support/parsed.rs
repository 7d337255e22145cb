//! Objects of the core from JSON.

use clbmigrate_core::{
    object::{ObjectMeta, OtherObject, Workload, WorkloadKind},
    snapshot::Object,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An object of a known type.
pub fn from<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value:#}"))
}

/// An object of any kind.
pub fn read(object: &Value) -> Object {
    let of = |kind| {
        let workload = Workload::deserialize(kind, object.clone());
        Object::Workload(Box::new(workload.unwrap_or_else(|e| panic!("{e}: {object:#}"))))
    };
    match object["kind"].as_str().unwrap_or_default() {
        "Service" => Object::Service(Box::new(from(object))),
        "Node" => Object::Node(Box::new(from(object))),
        "EndpointSlice" => Object::EndpointSlice(Box::new(from(object))),
        "Pod" => Object::Pod(Box::new(from(object))),
        "HorizontalPodAutoscaler" => Object::Autoscaler(Box::new(from(object))),
        "Namespace" => Object::Namespace(Box::new(from(&object["metadata"]))),
        "InjectionHook" => Object::InjectionWebhook,
        kind => {
            let version = object["apiVersion"].as_str();
            let group = version.map(|text| text.split_once('/').map_or("", |(group, _)| group));
            if let Some(kind) = WorkloadKind::of(group, kind) {
                return of(kind);
            }
            let meta: ObjectMeta = from(&object["metadata"]);
            Object::Other(Box::new(OtherObject { kind: kind.to_owned(), meta }))
        }
    }
}
