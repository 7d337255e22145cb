//! What is at hand: clusters with their objects, and the answers of the CLB's API.

mod ccm;
mod contradiction;
mod insert;
mod workloads;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, OnceLock},
};

use crate::{
    annotation,
    backends::{Mode, NodeSet, PodSet},
    clb_answers::ClbAnswers,
    identity::NamedKey,
    object::{EndpointSlice, ObjectMeta, OtherObject, Service, SourceLocation},
    version::CcmVersion,
};

pub use self::{
    ccm::{
        CCM_NAME, CLOUD_CONFIG_NAME, CcmNote, CcmSource, CcmWorkload, DefaultBackends,
        DefaultBackendsSource, SYSTEM_NAMESPACE, TERWAY_CONFIG_NAME, TERWAY_NAMES, is_ccm,
    },
    contradiction::Contradiction,
    insert::{Inserted, Object},
};

use self::workloads::Workloads;

/// The name of the ConfigMap in which ACK says the ids of the cluster and of its VPC.
pub const PROFILE_NAME: &str = "ack-cluster-profile";

/// Everything that is judged together: the clusters of one migration, and their CLBs.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The clusters, in the order they were named.
    pub clusters: Vec<Cluster>,
    /// The answers of the CLB's API, which belong to all clusters.
    pub clb_answers: ClbAnswers,
}

/// Of which namespaces a cluster's Services are all at hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ListedServices {
    /// Of all.
    #[default]
    All,
    /// Of this one, for the user may list no more.
    OfNamespace(String),
    /// Of none: they could not be listed.
    Unlisted,
}

/// A cluster and its objects.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    /// The name of its context; `None` for files that were read without one.
    pub context: Option<Arc<str>>,
    /// The UID of its namespace `kube-system`, which tells it from every other cluster; `None` where
    /// that was not read.
    pub uid: Option<String>,
    /// Its id, where it is known. See [`Snapshot::infer_cluster_ids`].
    pub id: Option<String>,
    /// The id of its VPC, where its own profile states one.
    pub vpc: Option<String>,
    /// What the names of its Services end in, for clusters whose ids cannot differ.
    pub suffix: Option<String>,
    /// Whether pods are the backends of a Service without `backend-type`, as a flag or the
    /// configuration says; `None` where neither does. See [`Cluster::pods_by_default`].
    pub eni_by_default: Option<bool>,
    /// The traces in the cluster of what CCM takes as backends by default.
    pub backends_evidence: DefaultBackends,
    /// The release of its CCM; the newest where it is not known.
    pub ccm_version: CcmVersion,
    /// How that release is known.
    pub ccm_source: CcmSource,
    /// Why the release is judged as another one than the one that was named.
    pub ccm_note: Option<CcmNote>,
    /// Of which namespaces all Services are at hand.
    pub services_listed: ListedServices,
    /// Whether all nodes were listed, by an API server or in a List.
    pub nodes_listed: bool,
    /// The namespaces whose EndpointSlices were all listed. A Service there without slices has no
    /// endpoints.
    pub endpoints_listed: BTreeSet<String>,
    /// Whether this project's webhook gives workloads their preStop hook.
    pub injects_pre_stop_hooks: bool,
    services: BTreeMap<(String, String), Arc<Service>>,
    nodes: Arc<NodeSet>,
    slices: HashMap<(String, String), Vec<EndpointSlice>>,
    pods: PodSet,
    workloads: Workloads,
    namespaces: HashMap<String, ObjectMeta>,
    others: Vec<OtherObject>,
    /// The id that the cluster's own profile states, and where.
    profile: Option<(String, SourceLocation)>,
    /// What its ConfigMap `cloud-config` says of backends, and where.
    cloud_config: Option<(String, SourceLocation)>,
    /// The objects that were read with several contents.
    contradictions: Vec<Contradiction>,
    /// The instances behind the nodes.
    instances: OnceLock<HashSet<String>>,
    /// Whether a node shows that Terway runs on it.
    shows_terway: OnceLock<bool>,
}

impl Cluster {
    fn forget_derived(&mut self) {
        self.instances = OnceLock::new();
        self.shows_terway = OnceLock::new();
    }

    /// Adds a Service in the place of the one of its namespace and name, and returns that one.
    pub fn replace_service(&mut self, service: impl Into<Arc<Service>>) -> Option<Arc<Service>> {
        let service = service.into();
        self.services.insert(key(&service.metadata), service)
    }

    /// Removes a Service and returns it; `None` where there is none of that name.
    pub fn remove_service(&mut self, namespace: &str, name: &str) -> Option<Arc<Service>> {
        self.services.remove(&(namespace.to_owned(), name.to_owned()))
    }

    /// Replaces all nodes. From then on they count as listed.
    pub fn replace_nodes(&mut self, nodes: impl Into<Arc<NodeSet>>) {
        self.forget_derived();
        self.nodes = nodes.into();
        self.nodes_listed = true;
    }

    /// Puts every object of `newer` in place of the one of its name.
    pub(crate) fn overlay(&mut self, newer: &Self, prune: bool) {
        self.forget_derived();
        if prune {
            self.services.retain(|key, _| newer.services.contains_key(key));
        }
        for (key, service) in &newer.services {
            let mut service = Arc::clone(service);
            if let Some(old) = self.services.get(key) {
                Arc::make_mut(&mut service).keep_what_others_write(old);
            }
            self.services.insert(key.clone(), service);
        }
        self.slices.extend(newer.slices.iter().map(|(key, slices)| (key.clone(), slices.clone())));
        self.pods.extend(&newer.pods);
        self.workloads.overlay(&newer.workloads);
        if newer.nodes_listed {
            self.nodes = Arc::clone(&newer.nodes);
        } else {
            let nodes = Arc::make_mut(&mut self.nodes);
            newer.nodes.iter().for_each(|node| nodes.insert(node.clone()));
        }
        self.nodes_listed |= newer.nodes_listed;
        self.uid = self.uid.take().or_else(|| newer.uid.clone());
        self.vpc = newer.vpc.clone().or_else(|| self.vpc.take());
        self.endpoints_listed.extend(newer.endpoints_listed.iter().cloned());
        self.namespaces.extend(newer.namespaces.iter().map(|(name, m)| (name.clone(), m.clone())));
        self.others.extend(newer.others.iter().cloned());
        self.injects_pre_stop_hooks |= newer.injects_pre_stop_hooks;
        self.id = self.id.take().or_else(|| newer.id.clone());
        self.suffix = self.suffix.take().or_else(|| newer.suffix.clone());
        self.overlay_ccm(newer);
        newer.contradictions.iter().for_each(|contradiction| self.contradict(contradiction));
    }

    /// Puts what a later look at some Services has read in place of what is here: the Services
    /// themselves, their EndpointSlices, the pods that were read with them, and all nodes where they
    /// were listed. Everything else stays.
    pub(crate) fn refresh(&mut self, newer: &Self) {
        self.forget_derived();
        for (key, service) in &newer.services {
            self.services.insert(key.clone(), Arc::clone(service));
            match newer.slices_of(service) {
                Some(slices) => drop(self.slices.insert(key.clone(), slices.to_vec())),
                None => drop(self.slices.remove(key)),
            }
        }
        self.pods.extend(&newer.pods);
        if newer.nodes_listed {
            self.replace_nodes(Arc::clone(&newer.nodes));
        }
        if newer.uid.is_some() {
            self.uid.clone_from(&newer.uid);
        }
    }

    /// All Services, by namespace and name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values().map(Arc::as_ref)
    }

    /// Whether a Service of that namespace that is not at hand is not there.
    pub fn knows_services_of(&self, namespace: &str) -> bool {
        match &self.services_listed {
            ListedServices::All => true,
            ListedServices::OfNamespace(only) => only == namespace,
            ListedServices::Unlisted => false,
        }
    }

    /// The Service of that name; `None` where there is none.
    pub fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.services.get(&(namespace.to_owned(), name.to_owned())).map(Arc::as_ref)
    }

    /// The nodes that were read, whether or not these are all.
    pub fn nodes(&self) -> &NodeSet {
        &self.nodes
    }

    /// All nodes; `None` where they were not listed, so that there may be others.
    pub fn all_nodes(&self) -> Option<&NodeSet> {
        self.nodes_listed.then_some(self.nodes.as_ref())
    }

    /// The nodes that decide about the backends of a Service in a mode; `None` where one of them may
    /// be missing. In Local mode these are the nodes that the Service's own EndpointSlices name, so
    /// that no List is needed where each of them was read.
    pub fn nodes_for(&self, service: &Service, mode: Option<Mode>) -> Option<&NodeSet> {
        let names_known_nodes = || {
            let slices = self.slices_of(service)?;
            let mut named = EndpointSlice::endpoints_of(slices)
                .filter_map(|endpoint| endpoint.node_name.as_deref());
            let is_complete =
                !self.nodes.is_empty() && named.all(|name| self.nodes.by_name(name).is_some());
            is_complete.then_some(self.nodes.as_ref())
        };
        self.all_nodes()
            .or_else(|| if mode == Some(Mode::Local) { names_known_nodes() } else { None })
    }

    /// The EndpointSlices of a Service, which may be none. `None` where they are not at hand: no
    /// slice of it was read, and those of its namespace were not listed.
    pub fn slices_of(&self, service: &Service) -> Option<&[EndpointSlice]> {
        let meta = &service.metadata;
        if self.slices.is_empty() && self.endpoints_listed.is_empty() {
            return None;
        }
        let key = (meta.namespace().to_owned(), meta.name.clone());
        let none = || self.endpoints_listed.contains(meta.namespace()).then_some(&[][..]);
        self.slices.get(&key).map(Vec::as_slice).or_else(none)
    }

    /// The pods that were read.
    pub fn pods(&self) -> &PodSet {
        &self.pods
    }

    /// Whether a namespace has the label `clbmigrate.io/inject=enabled`, so that Pods without a
    /// controller get hooks.
    pub fn injects_into_pods_of(&self, namespace: &str) -> bool {
        self.namespaces
            .get(namespace)
            .and_then(|meta| meta.labels.get(annotation::INJECT))
            .is_some_and(|value| value == "enabled")
    }

    /// The objects of other kinds.
    pub fn others(&self) -> &[OtherObject] {
        &self.others
    }

    /// Whether `server_id` is the instance of one of the cluster's nodes, or `ip` an address in the
    /// EndpointSlices of `service`, as far as these were read.
    pub fn owns_server(&self, server_id: &str, ip: &str, service: &Service) -> bool {
        self.owns_instance(server_id)
            || (!ip.is_empty()
                && self.slices_of(service).into_iter().flatten().any(|slice| {
                    slice
                        .endpoints
                        .iter()
                        .any(|endpoint| endpoint.addresses.iter().any(|a| a == ip))
                }))
    }

    /// Whether an ECS instance is one of the nodes that were read.
    pub fn owns_instance(&self, server_id: &str) -> bool {
        let instances = self.instances.get_or_init(|| {
            let ids = self.nodes.iter().filter_map(|node| node.instance().ok());
            ids.map(str::to_owned).collect()
        });
        instances.contains(server_id)
    }
}

fn key(meta: &ObjectMeta) -> (String, String) {
    (meta.namespace().to_owned(), meta.name.clone())
}

impl Snapshot {
    /// Sets the ids of clusters that have none yet, from the groups' answers. A backend carries the
    /// id of its cluster if its server belongs to the cluster and its description names one of the
    /// cluster's Services. Where such backends carry different ids, the id stays unknown.
    pub fn infer_cluster_ids(&mut self) {
        let clb_answers = &self.clb_answers;
        for cluster in self.clusters.iter_mut().filter(|cluster| cluster.id.is_none()) {
            let mut ids = clb_answers.groups.values().flat_map(|group| &group.backends).filter_map(
                |backend| {
                    let key = NamedKey::parse(&backend.description)?;
                    let service = cluster.service(key.namespace, key.service)?;
                    cluster
                        .owns_server(&backend.server_id, &backend.server_ip, service)
                        .then_some(key.cluster_id)
                },
            );
            let first = ids.next().map(str::to_owned);
            let agree = ids.all(|id| Some(id) == first.as_deref());
            cluster.id = first.filter(|_| agree);
        }
    }
}
