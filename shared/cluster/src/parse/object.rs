//! Kubernetes objects, each from its own JSON text.

use std::{marker::PhantomData, sync::Arc};

use clbmigrate_core::{
    object::{
        EndpointSlice, HorizontalPodAutoscaler, Meta, Node, Origin, Other, Place, Pod, Service,
        Workload, WorkloadKind,
    },
    snapshot::Object,
};
use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer},
};
use serde_json::Value;
use serde_path_to_error::Track;

use super::{
    fault::{Fault, message_of},
    kind::Kind,
    layout,
    piece::Piece,
};

/// What CCM's keys, those of other controllers of its kind and misspelt ones start with.
const SERVICE_KEYS: &str = "service.beta.kubernetes.io/";

/// Where ACK keeps the cluster's id: namespace, name.
const PROFILE: (&str, &str) = ("kube-system", "ack-cluster-profile");

/// The configuration of the hook that gives workloads their preStop.
const INJECTION_HOOK: &str = "clbmigrate-mutate-workloads";

/// Reads objects of one file, or of an API server.
pub(crate) struct ObjectReader<'f> {
    /// The file; `None` for objects that an API server gave.
    pub file: Option<&'f Arc<str>>,
    /// The namespace of objects that name none.
    pub default_namespace: &'f str,
}

#[derive(Deserialize)]
struct Named {
    metadata: Option<Meta>,
}

impl Named {
    fn of(piece: &Piece<'_>) -> Result<Meta, Fault> {
        typed(piece).map(|named: Self| named.metadata.unwrap_or_default())
    }
}

impl ObjectReader<'_> {
    /// Reads an object; nothing where nobody needs it.
    pub fn read(&self, kind: Kind, piece: &Piece<'_>) -> Result<Option<Object>, Fault> {
        Ok(Some(match kind {
            Kind::Service => {
                let mut service: Box<Service> = typed(piece)?;
                self.settle(piece, kind, &mut service.metadata)?;
                Object::Service(service)
            }
            Kind::Node => {
                let mut node: Box<Node> = typed(piece)?;
                self.settle(piece, kind, &mut node.metadata)?;
                Object::Node(node)
            }
            Kind::EndpointSlice => {
                let mut slice: Box<EndpointSlice> = typed(piece)?;
                self.settle(piece, kind, &mut slice.metadata)?;
                Object::EndpointSlice(slice)
            }
            Kind::Pod => {
                let mut pod: Box<Pod> = typed(piece)?;
                self.settle(piece, kind, &mut pod.metadata)?;
                Object::Pod(pod)
            }
            Kind::Workload(which) => {
                let mut workload = Box::new(read(piece, WorkloadSeed(which))?);
                self.settle(piece, kind, &mut workload.metadata)?;
                Object::Workload(workload)
            }
            Kind::Autoscaler => {
                let mut scaler: Box<HorizontalPodAutoscaler> = typed(piece)?;
                self.settle(piece, kind, &mut scaler.metadata)?;
                Object::Autoscaler(scaler)
            }
            Kind::Namespace => {
                let mut meta = Named::of(piece)?;
                self.settle(piece, kind, &mut meta)?;
                Object::Namespace(Box::new(meta))
            }
            Kind::ConfigMap => match self.cluster_id(piece)? {
                Some(id) => Object::ClusterProfile { id, place: self.place(piece, false) },
                None => return Ok(self.other(piece)),
            },
            Kind::MutatingHooks if Named::of(piece)?.name == INJECTION_HOOK => {
                Object::InjectionHook
            }
            Kind::MutatingHooks | Kind::Other => return Ok(self.other(piece)),
        }))
    }

    fn cluster_id(&self, piece: &Piece<'_>) -> Result<Option<String>, Fault> {
        #[derive(Deserialize)]
        struct Profile {
            data: Option<Data>,
        }
        #[derive(Deserialize)]
        struct Data {
            clusterid: Option<String>,
        }
        let meta = Named::of(piece)?;
        let namespace = meta.namespace.as_deref().unwrap_or(self.default_namespace);
        if (namespace, meta.name.as_str()) != PROFILE {
            return Ok(None);
        }
        let data = typed::<Profile>(piece)?.data;
        Ok(data.and_then(|data| data.clusterid).filter(|id| !id.is_empty()))
    }

    /// An object of a kind that nobody computes with, if a rule has something to say about it. It
    /// keeps its namespace as written, for whether its kind has one is not known here.
    fn other(&self, piece: &Piece<'_>) -> Option<Object> {
        let mut meta = serde_json::from_str::<Named>(piece.text).ok()?.metadata?;
        let annotations = &meta.annotations;
        let is_named_in_rules = annotations.not_strings().next().is_some()
            || (!meta.controlled && annotations.keys().any(|key| key.starts_with(SERVICE_KEYS)));
        if !is_named_in_rules {
            return None;
        }
        meta.origin = self.place(piece, true);
        Some(Object::Other(Box::new(Other { kind: piece.kind?.to_owned(), meta })))
    }

    /// Sets what an object's own text does not say.
    fn settle(&self, piece: &Piece<'_>, kind: Kind, meta: &mut Meta) -> Result<(), Fault> {
        if meta.name.is_empty() {
            return Err(Fault::NoName(describe(piece)));
        }
        if matches!(kind, Kind::Node | Kind::Namespace) {
            meta.namespace = None;
        } else if meta.namespace().is_empty() {
            meta.namespace = Some(self.default_namespace.to_owned());
        }
        // Of these, nothing inside is ever pointed to, and there are many.
        let is_plain = matches!(kind, Kind::Node | Kind::Pod | Kind::EndpointSlice);
        meta.origin = self.place(piece, !is_plain);
        Ok(())
    }

    fn place(&self, piece: &Piece<'_>, with_keys: bool) -> Place {
        Place(self.file.map(|file| {
            let keys = if with_keys { layout::lines_of(piece) } else { Vec::new() };
            Arc::new(Origin { file: Arc::clone(file), line: piece.line, keys })
        }))
    }
}

#[derive(Clone, Copy)]
struct WorkloadSeed(WorkloadKind);

impl<'de> DeserializeSeed<'de> for WorkloadSeed {
    type Value = Workload;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Workload, D::Error> {
        Workload::deserialize(self.0, deserializer)
    }
}

/// Reads a piece as a type.
pub(crate) fn typed<'a, T: Deserialize<'a>>(piece: &Piece<'a>) -> Result<T, Fault> {
    read(piece, PhantomData)
}

/// Reads fast; only what fails is read once more, with an eye on where.
fn read<'a, S: DeserializeSeed<'a> + Copy>(piece: &Piece<'a>, seed: S) -> Result<S::Value, Fault> {
    if let Ok(value) = seed.deserialize(&mut serde_json::Deserializer::from_str(piece.text)) {
        return Ok(value);
    }
    let mut json = serde_json::Deserializer::from_str(piece.text);
    let mut track = Track::new();
    seed.deserialize(serde_path_to_error::Deserializer::new(&mut json, &mut track)).map_err(
        |error| {
            let line = u32::try_from(error.line()).unwrap_or(u32::MAX).saturating_sub(1);
            let object = describe(piece);
            let path = track.path();
            let is_inside = path.iter().next().is_some();
            Fault::Field {
                line: piece.line.saturating_add(line),
                place: if is_inside { format!("{object}: {path}") } else { object },
                message: message_of(&error),
            }
        },
    )
}

/// Kind, namespace and name of an object, as far as it says.
pub(crate) fn describe(piece: &Piece<'_>) -> String {
    let kind = piece.kind.unwrap_or("answer");
    let object: Value = serde_json::from_str(piece.text).unwrap_or_default();
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
