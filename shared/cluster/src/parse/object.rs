//! Kubernetes objects, each from its own JSON text.

use std::{marker::PhantomData, sync::Arc};

use clbmigrate_core::{
    object::{
        EndpointSlice, HorizontalPodAutoscaler, Node, ObjectMeta, Origin, OtherObject, Pod,
        PodTemplate, Service, SourceLocation, Workload, WorkloadKind, read_leniently,
    },
    snapshot::{
        CLOUD_CONFIG_NAME, Object, PROFILE_NAME, SYSTEM_NAMESPACE, TERWAY_CONFIG_NAME, is_ccm,
    },
};
use serde::{
    Deserialize,
    de::{DeserializeOwned, DeserializeSeed, Deserializer},
};
use serde_json::Value;
use serde_path_to_error::Track;

use super::{
    ccm,
    error::{LoadError, message_of},
    event::RawObject,
    kind::Kind,
    line_numbers,
    scan::{FirstValue, first_value},
};

/// The prefix of CCM's annotations, of other controllers' and of misspelt ones.
const SERVICE_KEYS: &str = "service.beta.kubernetes.io/";

/// The configuration of the webhook that injects `preStop` into workloads.
const INJECTION_CONFIGURATION: &str = "clbmigrate-mutate-workloads";

/// Parses objects of one file, or of an API server.
pub(crate) struct ObjectParser<'f> {
    /// The file; `None` for objects that an API server gave.
    pub file: Option<&'f Arc<str>>,
    /// The namespace of objects that name none.
    pub default_namespace: &'f str,
}

#[derive(Deserialize)]
struct ObjectMetadata {
    metadata: Option<ObjectMeta>,
}

impl ObjectMetadata {
    fn of(raw: &RawObject<'_>) -> Result<ObjectMeta, LoadError> {
        typed(raw).map(|named: Self| named.metadata.unwrap_or_default())
    }
}

impl ObjectParser<'_> {
    /// Parses an object; `None` where it is not used.
    pub fn read(&self, kind: Kind, raw: &RawObject<'_>) -> Result<Option<Object>, LoadError> {
        Ok(Some(match kind {
            Kind::Service => {
                let mut service: Box<Service> = typed(raw)?;
                self.complete_metadata(raw, kind, &mut service.metadata)?;
                Object::Service(service)
            }
            Kind::Node => {
                let mut node: Box<Node> = typed(raw)?;
                self.complete_metadata(raw, kind, &mut node.metadata)?;
                Object::Node(node)
            }
            Kind::EndpointSlice => {
                let mut slice: Box<EndpointSlice> = typed(raw)?;
                self.complete_metadata(raw, kind, &mut slice.metadata)?;
                Object::EndpointSlice(slice)
            }
            Kind::Pod => {
                let mut pod: Box<Pod> = typed(raw)?;
                self.complete_metadata(raw, kind, &mut pod.metadata)?;
                Object::Pod(pod)
            }
            Kind::Workload(which) => {
                let mut workload = Box::new(read(raw, WorkloadSeed(which))?);
                self.complete_metadata(raw, kind, &mut workload.metadata)?;
                if is_ccm(which, &workload.metadata) {
                    Object::Ccm { workload, found: ccm::of_workload(raw) }
                } else {
                    Object::Workload(workload)
                }
            }
            Kind::Autoscaler => {
                let mut scaler: Box<HorizontalPodAutoscaler> = typed(raw)?;
                self.complete_metadata(raw, kind, &mut scaler.metadata)?;
                Object::Autoscaler(scaler)
            }
            Kind::Namespace => {
                let mut meta = ObjectMetadata::of(raw)?;
                self.complete_metadata(raw, kind, &mut meta)?;
                Object::Namespace(Box::new(meta))
            }
            Kind::ConfigMap => match self.config_map(raw)? {
                Some(object) => object,
                None => return Ok(self.other(raw)),
            },
            Kind::MutatingWebhookConfiguration
                if ObjectMetadata::of(raw)?.name == INJECTION_CONFIGURATION =>
            {
                Object::InjectionWebhook
            }
            Kind::MutatingWebhookConfiguration => return Ok(self.other(raw)),
            Kind::Other => return Ok(self.other_workload(raw).or_else(|| self.other(raw))),
        }))
    }

    /// Parses a Service of which something cannot be read, as a later Kubernetes may write it: without
    /// that. `None` for other kinds, and where nothing is left that rules judge.
    pub fn read_in_part(&self, kind: Kind, raw: &RawObject<'_>) -> Option<Object> {
        if kind != Kind::Service {
            return None;
        }
        let (mut service, unread) = read_leniently::<Service>(raw.text).ok()?;
        if unread.iter().any(|field| field.touches("metadata.annotations")) {
            return None;
        }
        if unread.iter().any(|field| field.touches("spec.ports")) {
            service.add_mapped_ports();
        }
        self.complete_metadata(raw, kind, &mut service.metadata).ok()?;
        Some(Object::Service(Box::new(service)))
    }

    /// Parses the object that a text begins with, in one pass, and says where it ends. What of it is
    /// wrong, [`Self::read`] tells, which reads the other kinds, too.
    pub fn read_first(&self, kind: Kind, text: &[u8]) -> FirstValue<Object> {
        match kind {
            Kind::Service => {
                self.first(kind, text, |of: &mut Box<Service>| &mut of.metadata, Object::Service)
            }
            Kind::Node => {
                self.first(kind, text, |of: &mut Box<Node>| &mut of.metadata, Object::Node)
            }
            Kind::EndpointSlice => self.first(
                kind,
                text,
                |of: &mut Box<EndpointSlice>| &mut of.metadata,
                Object::EndpointSlice,
            ),
            Kind::Pod => self.first(kind, text, |of: &mut Box<Pod>| &mut of.metadata, Object::Pod),
            _ => FirstValue::Other,
        }
    }

    fn first<T: DeserializeOwned>(
        &self,
        kind: Kind,
        text: &[u8],
        metadata: fn(&mut T) -> &mut ObjectMeta,
        object: fn(T) -> Object,
    ) -> FirstValue<Object> {
        match first_value::<T>(text) {
            FirstValue::Whole((mut of, end)) => {
                let meta = metadata(&mut of);
                if meta.name.is_empty() {
                    return FirstValue::Other;
                }
                self.complete_namespace(kind, meta);
                FirstValue::Whole((object(of), end))
            }
            FirstValue::Cut => FirstValue::Cut,
            FirstValue::Other => FirstValue::Other,
        }
    }

    /// What a ConfigMap tells of the cluster; `None` for one that tells nothing.
    fn config_map(&self, raw: &RawObject<'_>) -> Result<Option<Object>, LoadError> {
        let meta = ObjectMetadata::of(raw)?;
        if meta.namespace.as_deref().unwrap_or(self.default_namespace) != SYSTEM_NAMESPACE {
            return Ok(None);
        }
        Ok(match meta.name.as_str() {
            PROFILE_NAME => profile(raw)?.map(|(id, vpc)| Object::ClusterProfile {
                id,
                vpc,
                place: self.place(raw, false),
            }),
            CLOUD_CONFIG_NAME => ccm::service_backend_type(raw).map(|backend_type| {
                Object::CloudConfig { backend_type, place: self.place(raw, false) }
            }),
            TERWAY_CONFIG_NAME => Some(Object::TerwayConfig),
            _ => None,
        })
    }

    /// An object of a kind that nothing here knows, if it has a pod template as a Deployment has it.
    /// Not one that another object owns: that one is judged, or the pods are. Not a Job either,
    /// whose pods end by themselves.
    fn other_workload(&self, raw: &RawObject<'_>) -> Option<Object> {
        let name = raw.kind.filter(|kind| *kind != "Job" && Kind::is_foreign(kind))?;
        if !raw.text.contains("\"template\"") {
            return None;
        }
        let mut json = serde_json::Deserializer::from_str(raw.text);
        let mut workload = Workload::deserialize(WorkloadKind::Other, &mut json).ok()?;
        let PodTemplate { metadata, spec } = &workload.template;
        let has_template = !metadata.labels.is_empty() && !spec.containers.is_empty();
        if !has_template || workload.metadata.controller.is_some() {
            return None;
        }
        workload.other_kind = Some(name.into());
        self.complete_metadata(raw, Kind::Workload(WorkloadKind::Other), &mut workload.metadata)
            .ok()?;
        Some(Object::Workload(Box::new(workload)))
    }

    /// An object of a kind that is not used, if a rule may report it: `None` for all others. Its
    /// namespace stays as written, for whether its kind has one is unknown.
    fn other(&self, raw: &RawObject<'_>) -> Option<Object> {
        let mut meta = serde_json::from_str::<ObjectMetadata>(raw.text).ok()?.metadata?;
        let annotations = &meta.annotations;
        let is_named_in_rules = annotations.not_strings().next().is_some()
            || (meta.controller.is_none()
                && annotations.keys().any(|key| key.starts_with(SERVICE_KEYS)));
        if !is_named_in_rules {
            return None;
        }
        meta.origin = self.place(raw, true);
        Some(Object::Other(Box::new(OtherObject { kind: raw.kind?.to_owned(), meta })))
    }

    /// Sets namespace and origin, which the object's text does not say.
    fn complete_metadata(
        &self,
        raw: &RawObject<'_>,
        kind: Kind,
        meta: &mut ObjectMeta,
    ) -> Result<(), LoadError> {
        if meta.name.is_empty() {
            return Err(LoadError::NoName(describe(raw)));
        }
        self.complete_namespace(kind, meta);
        // Of these, nothing inside is ever pointed to, and there are many.
        let is_plain = matches!(kind, Kind::Node | Kind::Pod | Kind::EndpointSlice);
        meta.origin = self.place(raw, !is_plain);
        Ok(())
    }

    fn complete_namespace(&self, kind: Kind, meta: &mut ObjectMeta) {
        if matches!(kind, Kind::Node | Kind::Namespace) {
            meta.namespace = None;
        } else if meta.namespace().is_empty() {
            meta.namespace = Some(self.default_namespace.to_owned());
        }
    }

    fn place(&self, raw: &RawObject<'_>, with_keys: bool) -> SourceLocation {
        SourceLocation(self.file.map(|file| {
            let keys = if with_keys { line_numbers::lines_of(raw) } else { Vec::new() };
            Arc::new(Origin { file: Arc::clone(file), line: raw.line, keys })
        }))
    }
}

/// The ids of the cluster and of its VPC in ACK's profile of the cluster; `None` for a profile
/// without the cluster's.
fn profile(raw: &RawObject<'_>) -> Result<Option<(String, Option<String>)>, LoadError> {
    #[derive(Deserialize)]
    struct Profile {
        data: Option<Data>,
    }
    #[derive(Deserialize)]
    struct Data {
        clusterid: Option<String>,
        vpcid: Option<String>,
    }
    let Some(data) = typed::<Profile>(raw)?.data else { return Ok(None) };
    let set = |id: Option<String>| id.filter(|id| !id.is_empty());
    Ok(set(data.clusterid).map(|id| (id, set(data.vpcid))))
}

#[derive(Clone, Copy)]
struct WorkloadSeed(WorkloadKind);

impl<'de> DeserializeSeed<'de> for WorkloadSeed {
    type Value = Workload;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Workload, D::Error> {
        Workload::deserialize(self.0, deserializer)
    }
}

/// Parses an object's text as a type.
pub(crate) fn typed<'a, T: Deserialize<'a>>(raw: &RawObject<'a>) -> Result<T, LoadError> {
    read(raw, PhantomData)
}

/// Parses fast, and after an error once more with its path tracked.
fn read<'a, S: DeserializeSeed<'a> + Copy>(
    raw: &RawObject<'a>,
    seed: S,
) -> Result<S::Value, LoadError> {
    if let Ok(value) = seed.deserialize(&mut serde_json::Deserializer::from_str(raw.text)) {
        return Ok(value);
    }
    let mut json = serde_json::Deserializer::from_str(raw.text);
    let mut track = Track::new();
    seed.deserialize(serde_path_to_error::Deserializer::new(&mut json, &mut track)).map_err(
        |error| {
            let line = u32::try_from(error.line()).unwrap_or(u32::MAX).saturating_sub(1);
            let object = describe(raw);
            let path = track.path();
            let is_inside = path.iter().next().is_some();
            LoadError::Field {
                line: raw.line.saturating_add(line),
                place: if is_inside { format!("{object}: {path}") } else { object },
                message: message_of(&error),
            }
        },
    )
}

/// Kind, namespace and name of an object, as far as it has them.
pub(crate) fn describe(raw: &RawObject<'_>) -> String {
    let kind = raw.kind.unwrap_or("answer");
    let object: Value = serde_json::from_str(raw.text).unwrap_or_default();
    let text = |path| object.pointer(path)?.as_str().filter(|text| !text.is_empty());
    match (text("/metadata/namespace"), text("/metadata/name")) {
        (Some(namespace), Some(name)) => format!("{kind} {namespace}/{name}"),
        (None, Some(name)) => format!("{kind} {name}"),
        _ => match text("/metadata/generateName") {
            Some(start) => format!("{kind} {start}…"),
            None => kind.to_owned(),
        },
    }
}
