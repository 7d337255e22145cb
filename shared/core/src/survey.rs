//! A world with its indexes: who is bound to what, so that a question about one Service costs the
//! same in a small cluster and in a large one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use crate::{
    annotation,
    backends::{self, Mode},
    object::Service,
    outcome::{self, Round},
    route::RouteKey,
    snapshot::{Cluster, World},
};

/// A world, indexed.
pub struct Survey<'a> {
    /// What is at hand.
    pub world: &'a World,
    bindings: Vec<Binding<'a>>,
    by_vgroup: HashMap<&'a str, Vec<usize>>,
    by_clb: HashMap<&'a str, Vec<Seat<'a>>>,
    routes: BTreeMap<RouteKey<'a>, Vec<Member<'a>>>,
    instances: HashMap<&'a str, usize>,
    sole_clb: bool,
}

/// A Service in its cluster.
#[derive(Clone, Copy)]
pub struct Seat<'a> {
    /// Index of the cluster in the world.
    pub index: usize,
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The Service.
    pub service: &'a Service,
}

impl fmt::Debug for Seat<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}

impl Seat<'_> {
    /// Whether both are the same Service of the same cluster.
    pub fn is(&self, other: &Seat<'_>) -> bool {
        self.index == other.index
            && self.service.metadata.name == other.service.metadata.name
            && self.service.metadata.namespace == other.service.metadata.namespace
    }

    /// `namespace/name`, with the context where there is one.
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
    pub seat: Seat<'a>,
    /// The CLB.
    pub clb: &'a str,
    /// The group.
    pub vgroup: &'a str,
    /// The Service port.
    pub port: u16,
}

/// A Service whose mapping means a route.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    /// The Service.
    pub seat: Seat<'a>,
    /// Its port of that number, if it has one.
    pub port: u16,
}

impl<'a> Survey<'a> {
    /// Indexes a world.
    pub fn new(world: &'a World) -> Self {
        let mut survey = Self {
            world,
            bindings: Vec::new(),
            by_vgroup: HashMap::new(),
            by_clb: HashMap::new(),
            routes: BTreeMap::new(),
            instances: HashMap::new(),
            sole_clb: false,
        };
        for (index, cluster) in world.clusters.iter().enumerate() {
            for service in cluster.services().filter(|service| service.is_taken_by_ccm()) {
                survey.add(Seat { index, cluster, service });
            }
            let ids = cluster.nodes().iter().filter_map(|node| node.instance().ok());
            survey.instances.extend(ids.map(|id| (id, index)));
        }
        let mapped: BTreeSet<&str> = survey.routes.keys().map(|key| key.vgroup).collect();
        for (id, group) in &world.cloud.groups {
            if !mapped.contains(id.as_str()) {
                let listeners = world.cloud.listeners.iter().flat_map(|list| &list.listeners);
                let port = listeners.filter(|l| l.vgroup == *id).map(|l| l.port).next();
                let clb = group.clb.as_deref().unwrap_or_default();
                survey.routes.entry(RouteKey { clb, vgroup: id, port }).or_default();
            }
        }
        let named = world.cloud.groups.values().filter_map(|group| group.clb.as_deref());
        let clbs: BTreeSet<&str> = survey.by_clb.keys().copied().chain(named).collect();
        survey.sole_clb = clbs.len() == 1;
        survey
    }

    fn add(&mut self, seat: Seat<'a>) {
        let clb = seat.service.metadata.annotations.text(annotation::ID);
        if clb.is_empty() {
            return;
        }
        self.by_clb.entry(clb).or_default().push(seat);
        let Some(mapping) = backends::mapping(seat.service) else { return };
        for port in seat.service.spec.ports.iter().map(|port| port.port) {
            if let Ok(Some(vgroup)) = mapping.group_of(port) {
                self.by_vgroup.entry(vgroup).or_default().push(self.bindings.len());
                self.bindings.push(Binding { seat, clb, vgroup, port });
            }
        }
        for (vgroup, port) in routes_of(seat.service) {
            let key = RouteKey { clb, vgroup, port: Some(port) };
            self.routes.entry(key).or_default().push(Member { seat, port });
        }
    }

    /// Every Service that CCM takes, with its cluster.
    pub fn seats(&self) -> impl Iterator<Item = Seat<'a>> {
        self.world.clusters.iter().enumerate().flat_map(|(index, cluster)| {
            let taken = cluster.services().filter(|service| service.is_taken_by_ccm());
            taken.map(move |service| Seat { index, cluster, service })
        })
    }

    /// All routes, by CLB, group and port.
    pub fn routes(&self) -> impl Iterator<Item = (&RouteKey<'a>, &[Member<'a>])> {
        self.routes.iter().map(|(key, members)| (key, members.as_slice()))
    }

    /// The Services of a route.
    pub fn members(&self, key: &RouteKey<'a>) -> &[Member<'a>] {
        self.routes.get(key).map_or(&[], Vec::as_slice)
    }

    /// The Services that CCM binds to a group, in any CLB.
    pub fn bound_to(&self, vgroup: &str) -> impl Iterator<Item = &Binding<'a>> {
        let indexes = self.by_vgroup.get(vgroup).into_iter().flatten();
        indexes.filter_map(|index| self.bindings.get(*index))
    }

    /// The Services that name a CLB, with or without mapping.
    pub fn on_clb(&self, clb: &str) -> &[Seat<'a>] {
        self.by_clb.get(clb).map_or(&[], Vec::as_slice)
    }

    /// The cluster whose node an ECS instance is.
    pub fn cluster_of_instance(&self, server_id: &str) -> Option<usize> {
        self.instances.get(server_id).copied()
    }

    /// All groups of a CLB as `(id, name)`; `None` where their list is not at hand.
    pub fn groups_of(&self, clb: &str) -> Option<Vec<(&'a str, &'a str)>> {
        self.world.cloud.groups_of(clb, self.sole_clb)
    }

    /// What a round of CCM makes of a Service.
    pub fn round(&self, seat: &Seat<'a>) -> Round<'a> {
        outcome::round(seat.cluster, seat.service, &self.world.cloud, self.sole_clb)
    }

    /// The sum of the weights CCM would write for a Service port if the weight were `total`; 0 where
    /// that cannot be computed.
    pub fn sum_with(&self, seat: &Seat<'_>, port: u16, total: u32) -> u64 {
        let mut service = seat.service.clone();
        let key = service.metadata.annotations.key_of(annotation::WEIGHT);
        service.metadata.annotations.set(key, total.to_string());
        let round = outcome::round(seat.cluster, &service, &self.world.cloud, self.sole_clb);
        let backends = round.port(port).and_then(|result| result.expected()).unwrap_or_default();
        backends.iter().map(|backend| u64::from(backend.weight)).sum()
    }

    /// The mode of a Service.
    pub fn mode(seat: &Seat<'_>) -> Mode {
        backends::mode(seat.service, seat.cluster.eni_by_default)
    }
}

/// The routes a Service's mapping means, as `(group, port)`: what CCM maps, and for what it does not
/// map, what was probably meant. A port is in one route only, for its first entry wins.
pub fn routes_of(service: &Service) -> Vec<(&str, u16)> {
    let Some(mapping) = backends::mapping(service) else { return Vec::new() };
    let ports = &service.spec.ports;
    let exact = mapping.entries().iter().filter_map(|entry| {
        let port = ports.iter().find(|port| Some(port.port.to_string().as_str()) == entry.port)?;
        entry.meant(ports).map(|(group, _)| (group, port.port))
    });
    let meant = mapping.entries().iter().filter_map(|entry| entry.meant(ports));
    let mut taken = BTreeSet::new();
    exact.chain(meant).filter(|(_, port)| taken.insert(*port)).collect()
}
