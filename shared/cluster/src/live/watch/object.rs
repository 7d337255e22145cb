//! Objects as watches bring them: text, of which the core's object is all that is kept.

use std::{borrow::Cow, sync::Arc};

use clbmigrate_core::{
    object::{Annotations, Node, Service},
    snapshot::Object,
};
use kube::{
    Resource as KubeResource,
    api::{ApiResource, ObjectMeta},
    core::{DynamicResourceScope, gvk::GroupVersionKind},
};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{
    live::namespaces::Resource,
    loaded::ParsedObject,
    parse::{Kind, LoadError, ObjectParser, RawObject},
};

/// Namespace and name of an object. The namespace of an object without one is empty.
pub(super) type Name = (String, String);

/// The text of an object, with as much of its metadata as a watch needs.
#[derive(Clone, Debug)]
pub(super) struct ObjectText {
    metadata: ObjectMeta,
    text: Box<RawValue>,
}

impl<'de> Deserialize<'de> for ObjectText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize, Default)]
        struct Head {
            metadata: Metadata,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Metadata {
            name: Option<String>,
            namespace: Option<String>,
            resource_version: Option<String>,
        }
        let text = Box::<RawValue>::deserialize(deserializer)?;
        // Whether the object can be used is told when it is parsed.
        let head: Head = serde_json::from_str(text.get()).unwrap_or_default();
        let Metadata { name, namespace, resource_version } = head.metadata;
        let metadata = ObjectMeta { name, namespace, resource_version, ..ObjectMeta::default() };
        Ok(Self { metadata, text })
    }
}

impl KubeResource for ObjectText {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(of: &ApiResource) -> Cow<'_, str> {
        of.kind.as_str().into()
    }

    fn group(of: &ApiResource) -> Cow<'_, str> {
        of.group.as_str().into()
    }

    fn version(of: &ApiResource) -> Cow<'_, str> {
        of.version.as_str().into()
    }

    fn api_version(of: &ApiResource) -> Cow<'_, str> {
        of.api_version.as_str().into()
    }

    fn plural(of: &ApiResource) -> Cow<'_, str> {
        of.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// What kube needs to know of a resource.
pub(super) fn api_resource(resource: &Resource) -> ApiResource {
    let (group, version) =
        resource.group_version.split_once('/').unwrap_or(("", &resource.group_version));
    let kind = kind_of(resource);
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), resource.name)
}

/// The kind of a resource's objects, which lists do not say of their items.
fn kind_of(resource: &Resource) -> &'static str {
    match resource.name {
        "services" => "Service",
        "nodes" => "Node",
        "namespaces" => "Namespace",
        "endpointslices" => "EndpointSlice",
        "deployments" => "Deployment",
        "statefulsets" => "StatefulSet",
        "daemonsets" => "DaemonSet",
        "horizontalpodautoscalers" => "HorizontalPodAutoscaler",
        "rollouts" => "Rollout",
        "clonesets" => "CloneSet",
        // An object of a kind that is not known is not used.
        _ => "",
    }
}

/// An object that is kept, or why it could not be parsed.
pub(super) type Held = Result<HeldObject, LoadError>;

/// An object that is kept. Services are shared with the snapshots that they are put into, for there
/// may be many.
#[derive(Debug, PartialEq)]
pub(super) enum HeldObject {
    Service(Arc<Service>),
    Other(ParsedObject),
}

impl ObjectText {
    /// Namespace and name.
    pub fn name(&self) -> Name {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        (text(&self.metadata.namespace), text(&self.metadata.name))
    }

    /// Parses the object.
    pub fn parse(&self, resource: &Resource) -> Held {
        let (version, kind) = (resource.group_version.as_str(), kind_of(resource));
        let raw = RawObject {
            text: self.text.get(),
            line: 1,
            api_version: Some(version),
            kind: Some(kind),
            is_item: true,
        };
        let parser = ObjectParser { file: None, default_namespace: "" };
        Ok(match ParsedObject::of(&parser, Kind::of(Some(version), kind), &raw)? {
            ParsedObject::Object(Object::Service(service)) => {
                HeldObject::Service(Arc::from(service))
            }
            other => HeldObject::Other(other),
        })
    }
}

impl HeldObject {
    /// A copy of the object.
    pub fn parsed(&self) -> ParsedObject {
        match self {
            Self::Service(service) => {
                ParsedObject::Object(Object::Service(Box::new(Service::clone(service))))
            }
            Self::Other(object) => object.clone(),
        }
    }
}

/// Whether a new reading of an object can change nothing that is shown. Of nodes nobody reads the
/// annotations, which agents on them write all the time. Of Services that do not concern CCM nobody
/// reads more than that they are there.
pub(super) fn shows_the_same(old: &Held, new: &Held) -> bool {
    use HeldObject::{Other, Service};
    match (old, new) {
        (Ok(Service(old)), Ok(Service(new))) => {
            old == new || !(concerns_ccm(old) || concerns_ccm(new))
        }
        (Ok(Other(old)), Ok(Other(new))) => match (node(old), node(new)) {
            (Some(old), Some(new)) => without_annotations(old) == without_annotations(new),
            _ => old == new,
        },
        (Err(old), Err(new)) => old.to_string() == new.to_string(),
        _ => false,
    }
}

/// Whether CCM takes a Service, or an annotation looks as if it should.
fn concerns_ccm(service: &Service) -> bool {
    let mut keys = service.metadata.annotations.keys().chain(service.spec.annotations.keys());
    service.is_load_balancer()
        || service.metadata.annotations.not_strings().next().is_some()
        || keys.any(|key| key.contains("service.beta.kubernetes.io") || key.contains("alibaba"))
}

fn node(object: &ParsedObject) -> Option<&Node> {
    if let ParsedObject::Object(Object::Node(node)) = object { Some(node) } else { None }
}

fn without_annotations(node: &Node) -> Node {
    let mut node = node.clone();
    node.metadata.annotations = Annotations::default();
    node
}
