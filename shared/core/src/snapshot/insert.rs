//! Objects on their way into a cluster.

use std::{collections::btree_map::Entry, sync::Arc};

use super::{
    CLOUD_CONFIG_NAME, CcmWorkload, Cluster, Contradiction, PROFILE_NAME, SYSTEM_NAMESPACE, ccm,
    key,
};
use crate::object::{
    Annotations, EndpointSlice, HorizontalPodAutoscaler, Node, ObjectMeta, ObjectRef, OtherObject,
    Pod, Service, SourceLocation, Workload,
};

/// An object to be inserted into a [`Cluster`].
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// v1 Service.
    Service(Box<Service>),
    /// v1 Node.
    Node(Box<Node>),
    /// discovery.k8s.io/v1 EndpointSlice.
    EndpointSlice(Box<EndpointSlice>),
    /// v1 Pod.
    Pod(Box<Pod>),
    /// A Deployment or another kind with a pod template.
    Workload(Box<Workload>),
    /// CCM's Deployment or DaemonSet `kube-system/cloud-controller-manager`.
    Ccm {
        /// The workload itself.
        workload: Box<Workload>,
        /// What it tells of CCM.
        found: CcmWorkload,
    },
    /// ConfigMap `kube-system/cloud-config`.
    CloudConfig {
        /// `Global.serviceBackendType` of CCM's configuration, empty where it is not set.
        backend_type: String,
        /// Where the ConfigMap was read.
        place: SourceLocation,
    },
    /// ConfigMap `kube-system/eni-config`: Terway runs in the cluster.
    TerwayConfig,
    /// `HorizontalPodAutoscaler` of any autoscaling version.
    Autoscaler(Box<HorizontalPodAutoscaler>),
    /// v1 Namespace, reduced to its metadata.
    Namespace(Box<ObjectMeta>),
    /// ConfigMap `kube-system/ack-cluster-profile`: the cluster's id and VPC.
    ClusterProfile {
        /// The id.
        id: String,
        /// The id of its VPC, where the profile states one.
        vpc: Option<String>,
        /// Where the ConfigMap was read.
        place: SourceLocation,
    },
    /// The configuration of this project's mutating webhook.
    InjectionWebhook,
    /// An object of any other kind, kept for the rules that judge objects of any kind.
    Other(Box<OtherObject>),
}

/// What [`Cluster::insert`] did.
#[derive(Debug, Clone, PartialEq)]
pub enum Inserted {
    /// The object was added.
    New,
    /// The same object was there already.
    Same,
    /// An object of the same kind and name but with other content was there already and stays. An API
    /// server that changes while it is read shows that, too; [`Cluster::contradict`] says that no
    /// such thing explains it.
    Conflict(Contradiction),
}

impl Cluster {
    /// Adds an object. One of the same kind and name that is there already stays.
    pub fn insert(&mut self, object: Object) -> Inserted {
        self.forget_derived();
        match object {
            Object::Service(service) => {
                let key = key(&service.metadata);
                match self.services.entry(key) {
                    Entry::Occupied(known) if is_same(known.get(), &service) => Inserted::Same,
                    entry => into_vacant("Service", entry, *service, |service| &service.metadata),
                }
            }
            Object::Node(node) => match self.nodes.by_name(&node.metadata.name) {
                Some(known) => compare("Node", known, &node, |node| &node.metadata),
                None => {
                    Arc::make_mut(&mut self.nodes).insert(*node);
                    Inserted::New
                }
            },
            Object::EndpointSlice(slice) => self.insert_slice(*slice),
            Object::Pod(pod) => self.insert_pod(*pod),
            Object::Workload(workload) => self.insert_workload(*workload),
            Object::Ccm { workload, found } => {
                let inserted = self.insert_workload(*workload);
                if !matches!(inserted, Inserted::Conflict(_)) {
                    self.insert_ccm(&found);
                }
                inserted
            }
            Object::CloudConfig { backend_type, place } => match &self.cloud_config {
                Some((known, _)) if *known == backend_type => Inserted::Same,
                Some((_, known)) => conflict(config_map(CLOUD_CONFIG_NAME), known, &place),
                None => {
                    let known = &mut self.backends_evidence.service_backend_type;
                    known.get_or_insert_with(|| backend_type.clone());
                    self.cloud_config = Some((backend_type, place));
                    Inserted::New
                }
            },
            Object::TerwayConfig => {
                self.backends_evidence.has_terway = Some(true);
                Inserted::New
            }
            Object::Autoscaler(hpa) => {
                self.workloads.insert_autoscaler(*hpa);
                Inserted::New
            }
            Object::Namespace(meta) => self.insert_namespace(*meta),
            Object::ClusterProfile { id, vpc, place } => match &self.profile {
                Some((known, _)) if *known == id => Inserted::Same,
                Some((_, known)) => conflict(config_map(PROFILE_NAME), known, &place),
                None => {
                    self.id.get_or_insert_with(|| id.clone());
                    self.vpc = vpc;
                    self.profile = Some((id, place));
                    Inserted::New
                }
            },
            Object::InjectionWebhook => {
                self.injects_pre_stop_hooks = true;
                Inserted::New
            }
            Object::Other(other) => {
                self.others.push(*other);
                Inserted::New
            }
        }
    }

    fn insert_namespace(&mut self, meta: ObjectMeta) -> Inserted {
        if meta.name == SYSTEM_NAMESPACE && !meta.uid.is_empty() {
            let known = self.uid.get_or_insert_with(|| meta.uid.clone());
            if *known != meta.uid {
                let place = self.namespaces.get(&meta.name).map(|of| of.origin.clone());
                let object = ObjectRef {
                    context: None,
                    kind: "Namespace".to_owned(),
                    namespace: None,
                    name: meta.name.clone(),
                };
                return conflict(object, &place.unwrap_or_default(), &meta.origin);
            }
        }
        self.namespaces.insert(meta.name.clone(), meta);
        Inserted::New
    }

    fn insert_slice(&mut self, slice: EndpointSlice) -> Inserted {
        // A slice without the label belongs to no Service, and CCM does not find it either.
        let Some(service) = slice.service() else { return Inserted::New };
        let key = (slice.metadata.namespace().to_owned(), service.to_owned());
        // Most Services have one.
        let slices = self.slices.entry(key).or_insert_with(|| Vec::with_capacity(1));
        push("EndpointSlice", slices, slice, |slice| &slice.metadata)
    }

    fn insert_pod(&mut self, mut pod: Pod) -> Inserted {
        let meta = &pod.metadata;
        let is_owned = meta.controller.is_some();
        if self.pods.get(meta.namespace(), &meta.name).is_none() && !pod.status.is_finished {
            self.workloads.insert_pod(&pod);
        }
        if is_owned {
            // Pods of one workload are alike and many; of each, only gates and readiness count.
            pod.spec.containers = Vec::new();
            pod.spec.init_containers = Vec::new();
            pod.metadata.labels.clear();
            pod.metadata.annotations = Annotations::default();
            pod.metadata.controller = None;
        }
        let meta = &pod.metadata;
        if let Some(known) = self.pods.get(meta.namespace(), &meta.name) {
            return compare("Pod", known, &pod, |pod| &pod.metadata);
        }
        self.pods.insert(pod);
        Inserted::New
    }

    fn insert_workload(&mut self, workload: Workload) -> Inserted {
        if ccm::is_terway(workload.kind, &workload.metadata) {
            self.backends_evidence.has_terway = Some(true);
        }
        let kind = workload.kind_name().to_owned();
        into_vacant(&kind, self.workloads.entry(&workload), workload, |workload| &workload.metadata)
    }
}

/// Whether two readings of a Service differ in nothing but what others than its owner write. Two ids
/// are two Services, whatever else they have in common.
fn is_same(known: &Service, new: &Service) -> bool {
    let mut new = new.clone();
    new.status.clone_from(&known.status);
    if known.metadata.uid.is_empty() || new.metadata.uid.is_empty() {
        new.metadata.uid.clone_from(&known.metadata.uid);
    }
    new.metadata.finalizers.clone_from(&known.metadata.finalizers);
    *known == new
}

fn compare<T: PartialEq>(
    kind: &str,
    known: &T,
    new: &T,
    meta: impl Fn(&T) -> &ObjectMeta,
) -> Inserted {
    if known == new {
        return Inserted::Same;
    }
    let (known, new) = (meta(known), meta(new));
    let object = ObjectRef {
        context: None,
        kind: kind.to_owned(),
        namespace: known.namespace.clone(),
        name: known.name.clone(),
    };
    conflict(object, &known.origin, &new.origin)
}

fn conflict(object: ObjectRef, known: &SourceLocation, new: &SourceLocation) -> Inserted {
    Inserted::Conflict(Contradiction { object, places: vec![known.clone(), new.clone()] })
}

fn config_map(name: &str) -> ObjectRef {
    ObjectRef {
        context: None,
        kind: "ConfigMap".to_owned(),
        namespace: Some(SYSTEM_NAMESPACE.to_owned()),
        name: name.to_owned(),
    }
}

fn into_vacant<K: Ord, T: PartialEq>(
    kind: &str,
    entry: Entry<'_, K, Arc<T>>,
    object: T,
    meta: impl Fn(&T) -> &ObjectMeta,
) -> Inserted {
    match entry {
        Entry::Occupied(known) => compare(kind, known.get().as_ref(), &object, meta),
        Entry::Vacant(place) => {
            place.insert(Arc::new(object));
            Inserted::New
        }
    }
}

fn push<T: PartialEq>(
    kind: &str,
    list: &mut Vec<T>,
    object: T,
    meta: impl Fn(&T) -> &ObjectMeta,
) -> Inserted {
    match list.iter().find(|known| meta(known).name == meta(&object).name) {
        Some(known) => compare(kind, known, &object, meta),
        None => {
            list.push(object);
            Inserted::New
        }
    }
}
