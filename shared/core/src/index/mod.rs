//! A snapshot with indexes over it: which Services name a CLB, which are bound to a group, which
//! share a route. With them a question about one Service costs the same in a large cluster as in a
//! small one.

mod computed;
mod described;
mod listeners;

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
};

pub use self::described::OwnGroup;
pub(crate) use self::described::shown;
use self::{described::DescribedServices, listeners::KnownHealth};
use crate::{
    annotation, backends,
    mapping::{Mapping, is_decimal},
    object::{ObjectRef, Service, ServicePort},
    snapshot::{Cluster, Snapshot},
};

/// A snapshot with indexes over it.
pub struct Index<'a> {
    /// The snapshot.
    pub snapshot: &'a Snapshot,
    /// By group.
    bindings: Vec<Binding<'a>>,
    /// By CLB.
    on_clbs: Vec<(&'a str, ServiceRef<'a>)>,
    routes: BTreeMap<RouteKey<'a>, Vec<Member<'a>>>,
    /// Which cluster's node an instance is; found out when a group's answer names one.
    instances: OnceCell<HashMap<String, usize>>,
    /// What the answers show of Services by their names.
    described: DescribedServices<'a>,
    /// The Services that said before a change what their backends are, by cluster, namespace and
    /// name.
    said_before: OnceCell<HashSet<(usize, String, String)>>,
    /// What the answers tell of the health of backends.
    health: KnownHealth<'a>,
    /// The Services with a CLB that CCM made for them, by CLB. `None` for a CLB that CCM reuses.
    makers: HashMap<&'a str, Option<&'a Service>>,
    /// Whether one CLB is known, and no other.
    sole_clb: bool,
}

/// A Service with the cluster that it lives in.
#[derive(Clone, Copy)]
pub struct ServiceRef<'a> {
    /// The index of the cluster in the snapshot.
    pub cluster_index: usize,
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The Service.
    pub service: &'a Service,
}

impl fmt::Debug for ServiceRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}

impl ServiceRef<'_> {
    /// Whether both name the same Service: by cluster, namespace and name.
    pub fn is_same(&self, other: &ServiceRef<'_>) -> bool {
        self.cluster_index == other.cluster_index
            && self.service.metadata.name == other.service.metadata.name
            && self.service.metadata.namespace == other.service.metadata.namespace
    }

    /// `namespace/name`, with the context in brackets where the cluster has one.
    pub fn label(&self) -> String {
        let meta = &self.service.metadata;
        match &self.cluster.context {
            Some(context) => format!("{}/{} ({context})", meta.namespace(), meta.name),
            None => format!("{}/{}", meta.namespace(), meta.name),
        }
    }
}

/// A Service port that CCM maps to a group.
#[derive(Clone, Copy)]
pub struct Binding<'a> {
    /// The Service.
    pub service_ref: ServiceRef<'a>,
    /// The id of the CLB that the Service names.
    pub clb: &'a str,
    /// The id of the group.
    pub vgroup: &'a str,
    /// The number of the Service port.
    pub port: u16,
}

/// What names a route: a group behind a port of a CLB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey<'a> {
    /// The CLB's id; empty where the group's answer does not name it.
    pub clb: &'a str,
    /// The vServer group's id.
    pub vgroup: &'a str,
    /// The port; `None` for a group that no Service is mapped to and no listener forwards to.
    pub port: Option<u16>,
}

/// A Service whose mapping names a route.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    /// The Service.
    pub service_ref: ServiceRef<'a>,
    /// The number that the mapping names; the Service need not have such a port.
    pub port: u16,
}

impl<'a> Index<'a> {
    /// Builds the indexes of a snapshot.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let mut index = Self {
            snapshot,
            bindings: Vec::new(),
            on_clbs: Vec::new(),
            routes: BTreeMap::new(),
            instances: OnceCell::new(),
            said_before: OnceCell::new(),
            described: DescribedServices::new(&snapshot.clb_answers),
            health: KnownHealth::new(&snapshot.clb_answers),
            makers: HashMap::new(),
            sole_clb: false,
        };
        for service_ref in taken_services(snapshot) {
            index.add(service_ref);
        }
        index.bindings.sort_by_key(|binding| binding.vgroup);
        index.on_clbs.sort_by_key(|(clb, _)| *clb);
        index.add_unmapped();
        let mut clbs =
            index.on_clbs.iter().map(|(clb, _)| *clb).chain(snapshot.clb_answers.named_clbs());
        let first = clbs.next();
        index.sole_clb = first.is_some_and(|first| clbs.all(|clb| clb == first));
        index
    }

    fn add(&mut self, service_ref: ServiceRef<'a>) {
        let clb = service_ref.service.metadata.annotations.text(annotation::ID);
        self.add_maker(service_ref.service, clb);
        if clb.is_empty() {
            return;
        }
        self.on_clbs.push((clb, service_ref));
        let Some(mapping) = backends::mapping(service_ref.service) else {
            self.add_own(service_ref, clb);
            return;
        };
        let ports = &service_ref.service.spec.ports;
        let bound = bindings_in(&mapping, ports);
        self.bindings.extend(bound.map(|(vgroup, port)| Binding {
            service_ref,
            clb,
            vgroup,
            port,
        }));
        for (vgroup, port) in routes_in(&mapping, ports) {
            let key = RouteKey { clb, vgroup, port: Some(port) };
            self.routes.entry(key).or_default().push(Member { service_ref, port });
        }
    }

    /// Notes what a Service's label says of a CLB. CCM writes the label when it has a CLB: beside an
    /// id it has accepted the CLB, without one it has made it. A mapping without id is one that has
    /// lost its id, and CCM keeps the label then.
    fn add_maker(&mut self, service: &'a Service, clb: &str) {
        let labels = &service.metadata.labels;
        let Some(label) = labels.get(annotation::CLB_LABEL).filter(|label| !label.is_empty())
        else {
            return;
        };
        if clb == label {
            self.makers.insert(label, None);
        } else if clb.is_empty()
            && service.metadata.annotations.text(annotation::VGROUP_PORT).is_empty()
        {
            self.makers.entry(label).or_insert(Some(service));
        }
    }

    /// The Service that CCM made a CLB for, as labels tell; `None` where they do not, and where CCM
    /// has accepted the CLB for a Service that names it.
    pub(crate) fn maker_of(&self, clb: &str) -> Option<&'a Service> {
        self.makers.get(clb).copied().flatten()
    }

    /// The routes of a Service without mapping: the groups that CCM made for its ports. A group whose
    /// id no answer tells has an empty id.
    fn add_own(&mut self, service_ref: ServiceRef<'a>, clb: &'a str) {
        let own = self.own_groups(&service_ref);
        let is_listed = self.snapshot.clb_answers.groups_of(clb, true).is_some();
        for port in &service_ref.service.spec.ports {
            let names = [port.node_port.to_string(), port.target().to_string()];
            let group = own.iter().find(|group| names.iter().any(|name| name == group.key.port));
            let Some(vgroup) = group.map(|group| group.id).or((!is_listed).then_some("")) else {
                continue;
            };
            let key = RouteKey { clb, vgroup, port: Some(port.port) };
            let members = self.routes.entry(key).or_default();
            // TCP and UDP may have one number.
            if members.last().is_none_or(|last| !last.service_ref.is_same(&service_ref)) {
                members.push(Member { service_ref, port: port.port });
            }
        }
    }

    /// The groups whose answers are at hand, though no Service maps them.
    fn add_unmapped(&mut self) {
        let clb_answers = &self.snapshot.clb_answers;
        if clb_answers.groups.is_empty() {
            return;
        }
        let mapped: BTreeSet<&str> = self.routes.keys().map(|key| key.vgroup).collect();
        for (id, group) in clb_answers.groups.iter().filter(|(id, _)| !mapped.contains(id.as_str()))
        {
            let listeners = clb_answers.listeners.iter().flat_map(|list| &list.listeners);
            let port = listeners.filter(|l| l.vgroup == *id).map(|l| l.port).next();
            let clb = group.clb.as_deref().unwrap_or_default();
            self.routes.entry(RouteKey { clb, vgroup: id, port }).or_default();
        }
    }

    /// The Service of that name, whoever takes it; `None` where there is none.
    pub fn service_ref(&self, object: &ObjectRef) -> Option<ServiceRef<'a>> {
        let mut clusters = self.snapshot.clusters.iter().enumerate();
        clusters.find_map(|(cluster_index, cluster)| {
            let namespace = object.namespace.as_deref().unwrap_or_default();
            let service = cluster.service(namespace, &object.name)?;
            (cluster.context == object.context).then_some(ServiceRef {
                cluster_index,
                cluster,
                service,
            })
        })
    }

    /// Every Service that CCM takes, by cluster, namespace and name.
    pub fn services(&self) -> impl Iterator<Item = ServiceRef<'a>> {
        taken_services(self.snapshot)
    }

    /// All routes with their members, by CLB, group and port. A group whose answer is at hand and
    /// that no Service maps is a route without members.
    pub fn routes(&self) -> impl Iterator<Item = (&RouteKey<'a>, &[Member<'a>])> {
        self.routes.iter().map(|(key, members)| (key, members.as_slice()))
    }

    /// The routes behind a CLB, by group and port.
    pub fn routes_behind(&self, clb: &'a str) -> impl Iterator<Item = RouteKey<'a>> {
        let first = RouteKey { clb, vgroup: "", port: None };
        self.routes.range(first..).map(|(key, _)| *key).take_while(move |key| key.clb == clb)
    }

    /// The routes that a Service is a member of.
    pub fn routes_with(&self, service_ref: &ServiceRef<'_>) -> impl Iterator<Item = RouteKey<'a>> {
        let routes = self.routes.iter();
        let its = routes
            .filter(|(_, members)| members.iter().any(|of| of.service_ref.is_same(service_ref)));
        its.map(|(key, _)| *key)
    }

    /// The members of a route; none where there is no such route.
    pub fn members(&self, key: &RouteKey<'a>) -> &[Member<'a>] {
        self.routes.get(key).map_or(&[], Vec::as_slice)
    }

    /// The Services that share a route's group, each once, with the numbers of the ports by which they
    /// do. Most often those are the route's members.
    pub fn sharing(&self, key: &RouteKey<'a>) -> Vec<(ServiceRef<'a>, Vec<u16>)> {
        let bounds = RouteKey { port: None, ..*key }..=RouteKey { port: Some(u16::MAX), ..*key };
        // Whose groups they are is not known where their ids are not.
        let routes =
            self.routes.range(bounds).filter(|(of, _)| !key.vgroup.is_empty() || *of == key);
        let mut sharing: Vec<(ServiceRef<'a>, Vec<u16>)> = Vec::new();
        for member in routes.flat_map(|(_, members)| members) {
            match sharing.iter_mut().find(|(known, _)| known.is_same(&member.service_ref)) {
                Some((_, ports)) if ports.contains(&member.port) => {}
                Some((_, ports)) => ports.push(member.port),
                None => sharing.push((member.service_ref, vec![member.port])),
            }
        }
        sharing
    }

    /// The Service ports that CCM maps to a group, under any CLB.
    pub fn bound_to(&self, vgroup: &str) -> impl Iterator<Item = &Binding<'a>> {
        let start = self.bindings.partition_point(|binding| binding.vgroup < vgroup);
        let bindings = self.bindings.get(start..).unwrap_or_default();
        bindings.iter().take_while(move |binding| binding.vgroup == vgroup)
    }

    /// The Services that name a CLB, with or without a mapping.
    pub fn on_clb(&self, clb: &str) -> impl Iterator<Item = &ServiceRef<'a>> {
        let start = self.on_clbs.partition_point(|(known, _)| *known < clb);
        let service_refs = self.on_clbs.get(start..).unwrap_or_default();
        service_refs
            .iter()
            .take_while(move |(known, _)| *known == clb)
            .map(|(_, service_ref)| service_ref)
    }

    /// The index of the cluster that has a node on that ECS instance; `None` where none has.
    pub fn cluster_of_instance(&self, server_id: &str) -> Option<usize> {
        let instances = self.instances.get_or_init(|| {
            let clusters = self.snapshot.clusters.iter().enumerate();
            let nodes = clusters
                .flat_map(|(cluster_index, c)| c.nodes().iter().map(move |n| (n, cluster_index)));
            nodes
                .filter_map(|(node, cluster_index)| {
                    Some((node.instance().ok()?.to_owned(), cluster_index))
                })
                .collect()
        });
        instances.get(server_id).copied()
    }

    /// All groups of a CLB as `(id, name)`; `None` where their list is not at hand.
    pub fn groups_of(&self, clb: &str) -> Option<Vec<(&'a str, &'a str)>> {
        self.snapshot.clb_answers.groups_of(clb, self.sole_clb)
    }
}

fn taken_services(snapshot: &Snapshot) -> impl Iterator<Item = ServiceRef<'_>> {
    snapshot.clusters.iter().enumerate().flat_map(|(cluster_index, cluster)| {
        let taken = cluster.services().filter(|service| service.is_taken_by(cluster.ccm_version));
        taken.map(move |service| ServiceRef { cluster_index, cluster, service })
    })
}

/// The groups that CCM maps a Service's ports to, as `(group, port)`, in the order of the ports.
pub fn bindings_of(service: &Service) -> Vec<(&str, u16)> {
    let Some(mapping) = backends::mapping(service) else { return Vec::new() };
    bindings_in(&mapping, &service.spec.ports).collect()
}

fn bindings_in<'a>(
    mapping: &Mapping<'a>,
    ports: &[ServicePort],
) -> impl Iterator<Item = (&'a str, u16)> {
    let ports = ports.iter().map(|port| port.port);
    ports.filter_map(|port| Some((mapping.group_of(port).ok().flatten()?, port)))
}

/// The routes that a Service's mapping names, as `(group, port)`. An entry that CCM does not map
/// counts as what was probably meant. Each port is in one route, for its first entry wins.
pub fn routes_of(service: &Service) -> Vec<(&str, u16)> {
    let mapping = backends::mapping(service);
    mapping.map(|mapping| routes_in(&mapping, &service.spec.ports)).unwrap_or_default()
}

fn routes_in<'a>(mapping: &Mapping<'a>, ports: &[ServicePort]) -> Vec<(&'a str, u16)> {
    let exact = mapping.entries().iter().filter_map(|entry| {
        let port =
            ports.iter().find(|port| entry.port.is_some_and(|t| is_decimal(t, port.port)))?;
        entry.meant(ports).map(|(group, _)| (group, port.port))
    });
    let meant = mapping.entries().iter().filter_map(|entry| entry.meant(ports));
    let mut routes: Vec<(&str, u16)> = Vec::with_capacity(ports.len());
    for (group, port) in exact.chain(meant) {
        if !routes.iter().any(|(_, taken)| *taken == port) {
            routes.push((group, port));
        }
    }
    routes
}
