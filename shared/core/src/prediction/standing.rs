//! What stands behind the CLBs before the rounds that follow from a change.

use std::{
    cell::OnceCell,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::Prediction;
use crate::{
    annotation,
    backends::{self, VServerGroup},
    change::ServiceChange,
    clb_answers::RegisteredBackend,
    index::{Index, RouteKey, ServiceRef},
    known_cloud,
    mapping::Mapping,
    object::Service,
    outcome::{PortOutcome, PortResult, clb_of},
    round::{Balancer, Cloud, Listener, Network, ServerGroup},
    version::CcmVersion,
};

/// The id of the server that stands for backends of which nothing is known.
pub(crate) const UNKNOWN_SERVER: &str = "?";

/// Whether a backend stands for others of which nothing is known.
pub(crate) fn is_unknown(backend: &RegisteredBackend) -> bool {
    backend.server_id == UNKNOWN_SERVER
}

/// What groups hold, by id.
pub(super) type GroupContents = HashMap<String, Arc<Vec<RegisteredBackend>>>;

/// What stands behind the CLBs while one round follows another.
#[derive(Default)]
pub(super) struct StandingCloud {
    balancers: HashMap<String, Balancer>,
    /// By CLB.
    listeners: HashMap<String, Vec<Listener>>,
    groups: HashMap<String, ServerGroup>,
    /// The ids of the CLBs that were looked up.
    known_clbs: HashSet<String>,
    /// The ids of the groups that were looked up. One that is not there any more was deleted.
    known_groups: HashSet<String>,
}

impl StandingCloud {
    /// Takes out the part that the rounds over one changed Service may touch.
    pub(super) fn take(
        &mut self,
        builder: &CloudBuilder<'_, '_>,
        change: &ServiceChange<'_>,
    ) -> Cloud {
        let mut cloud = Cloud { network: builder.network(change.cluster), ..Cloud::default() };
        let mut versions = [change.old, change.new].into_iter().flatten();
        let names_clb = versions.any(|service| !clb_of(service).is_empty());
        for (index, service_ref) in builder.versions(change) {
            let clb = clb_of(service_ref.service);
            if clb.is_empty() {
                let made = known_cloud::made_for(service_ref.service);
                // A Service that named another CLB before has none of its own.
                if !names_clb && cloud.balancer(&made.id).is_none() {
                    cloud.balancers.push(made);
                }
                continue;
            }
            if cloud.balancer(clb).is_none() {
                self.take_clb(builder, clb, &mut cloud);
            }
            for group in known_cloud::groups_of(index, &service_ref) {
                if cloud.group(&group.id).is_some() {
                    continue;
                }
                if self.known_groups.insert(group.id.clone()) {
                    let backends = builder.standing(clb, &group.id).unwrap_or(group.backends);
                    cloud.groups.push(ServerGroup { backends, ..group });
                } else {
                    cloud.groups.extend(self.groups.remove(&group.id));
                }
            }
        }
        cloud
    }

    fn take_clb(&mut self, builder: &CloudBuilder<'_, '_>, clb: &str, cloud: &mut Cloud) {
        if self.known_clbs.insert(clb.to_owned()) {
            let (balancer, listeners) = builder.clb(clb);
            cloud.balancers.push(balancer);
            cloud.listeners.extend(listeners);
        } else {
            cloud.balancers.extend(self.balancers.remove(clb));
            cloud.listeners.extend(self.listeners.remove(clb).into_iter().flatten());
        }
    }

    /// Takes back what rounds have left.
    pub(super) fn put_back(&mut self, cloud: Cloud) {
        for balancer in cloud.balancers {
            self.listeners.entry(balancer.id.clone()).or_default();
            self.balancers.insert(balancer.id.clone(), balancer);
        }
        for listener in cloud.listeners {
            self.listeners.entry(listener.clb.clone()).or_default().push(listener);
        }
        for group in cloud.groups {
            self.groups.insert(group.id.clone(), group);
        }
    }

    /// What each group that was looked up holds, nothing where it was deleted; and the listeners of
    /// each CLB.
    pub(super) fn into_parts(self) -> (GroupContents, HashMap<String, Vec<Listener>>) {
        let gone = self.known_groups.into_iter().map(|id| (id, Arc::default()));
        let groups = self.groups.into_iter().map(|(id, group)| (id, Arc::new(group.backends)));
        (gone.chain(groups).collect(), self.listeners)
    }
}

/// Tells what stands behind the CLBs before the first round.
pub(super) struct CloudBuilder<'p, 'a> {
    pub before: &'p Index<'a>,
    pub after: &'p Index<'a>,
    pub interfaces: OnceCell<HashMap<&'a str, &'a str>>,
}

impl<'p, 'a> CloudBuilder<'p, 'a> {
    pub(super) fn new(before: &'p Index<'a>, after: &'p Index<'a>) -> Self {
        Self { before, after, interfaces: OnceCell::new() }
    }

    pub(super) fn version(&self, cluster: usize) -> CcmVersion {
        let cluster = self.after.snapshot.clusters.get(cluster);
        cluster.map_or(CcmVersion::NEWEST, |cluster| cluster.ccm_version)
    }

    /// The VPC of a cluster.
    fn network(&self, cluster: usize) -> Network {
        let both = [self.after, self.before].into_iter();
        let mut clusters = both.filter_map(|index| index.snapshot.clusters.get(cluster));
        clusters.next().map(known_cloud::network).unwrap_or_default()
    }

    /// The id of the network interface that has an address, as far as the groups' answers tell.
    pub(super) fn interface(&self, ip: &str) -> String {
        let interfaces = self.interfaces.get_or_init(|| {
            let groups = self.before.snapshot.clb_answers.groups.values();
            let groups = groups.chain(self.after.snapshot.clb_answers.groups.values());
            let pods = groups.flat_map(|group| &group.backends).filter(|backend| backend.is_pod());
            pods.map(|pod| (pod.server_ip.as_str(), pod.server_id.as_str())).collect()
        });
        interfaces.get(ip).map_or_else(|| format!("interface of {ip}"), |id| (*id).to_owned())
    }

    /// The versions of a change's Service, each in its snapshot.
    fn versions<'c>(
        &self,
        change: &ServiceChange<'c>,
    ) -> impl Iterator<Item = (&'p Index<'a>, ServiceRef<'c>)>
    where
        'a: 'c,
    {
        let both = [(self.before, change.old), (self.after, change.new)];
        let cluster_index = change.cluster;
        both.into_iter().filter_map(move |(index, service)| {
            let cluster = index.snapshot.clusters.get(cluster_index)?;
            Some((index, ServiceRef { cluster_index, cluster, service: service? }))
        })
    }

    /// The CLB of that id with its listeners, as answers show it.
    fn clb(&self, clb: &str) -> (Balancer, Vec<Listener>) {
        let both = [self.after, self.before];
        let has_balancer =
            |index: &&&Index<'_>| index.snapshot.clb_answers.balancers.contains_key(clb);
        let index = both.iter().find(has_balancer).unwrap_or(&self.after);
        let maker = self.before.maker_of(clb).or_else(|| self.after.maker_of(clb));
        let balancer = known_cloud::balancer(&index.snapshot.clb_answers, clb, maker);
        let has_listeners = |index: &&&Index<'_>| index.listeners_of(clb).is_some();
        let listeners = both.iter().find(has_listeners);
        let listeners = listeners.map(|index| known_cloud::listeners(index, clb));
        (balancer, listeners.unwrap_or_default())
    }

    /// Whether what the rounds leave in a Service's groups is what CCM computes for the Service as it
    /// is afterwards: no answer shows the groups, nobody shares them, and the Service stays in them.
    pub(super) fn is_plain(&self, change: &ServiceChange<'a>) -> bool {
        let Some(new) = change.new else { return false };
        let old = change.old.unwrap_or(new);
        let version = self.version(change.cluster);
        let text = |service: &'a Service| {
            let annotations = &service.metadata.annotations;
            (annotations.text(annotation::ID), annotations.text(annotation::VGROUP_PORT))
        };
        let ports = |service: &Service| -> Vec<u16> {
            service.spec.ports.iter().map(|port| port.port).collect()
        };
        let (clb, mapping) = text(new);
        let is_taken =
            |service: &Service| service.is_taken_by(version) && !service.needs_clean_up();
        let is_alone = |vgroup: &str| {
            [self.before, self.after].into_iter().all(|index| {
                let key = RouteKey { clb, vgroup, port: None };
                !index.snapshot.clb_answers.groups.contains_key(vgroup)
                    && index.sharing(&key).len() < 2
            })
        };
        // With override the round makes listeners, which answers may show.
        let keeps_listeners = |service: &Service| {
            service.metadata.annotations.text(annotation::FORCE_OVERRIDE) != "true"
                || self.after.listeners_of(clb).is_none()
        };
        text(old) == (clb, mapping)
            && keeps_listeners(new)
            && backends::is_mapped(new)
            && ports(old) == ports(new)
            && [old, new].into_iter().all(is_taken)
            && Mapping::parse(mapping).entries().iter().all(|entry| is_alone(entry.group))
    }

    /// What stands in a group: as its answer shows, else as CCM would have written it for all
    /// Services that are mapped to it.
    fn standing(&self, clb: &str, vgroup: &str) -> Option<Vec<RegisteredBackend>> {
        for index in [self.after, self.before] {
            if let Some(answer) = index.snapshot.clb_answers.groups.get(vgroup) {
                // A Service that the change takes away, or creates, is in one of the two alone.
                let backends = known_cloud::backends_of(self.before, &answer.backends);
                return Some(known_cloud::backends_of(self.after, &backends));
            }
        }
        if annotation::clb_id_problem(clb).is_some() {
            return Some(Vec::new());
        }
        let (key, _) =
            self.before.routes().find(|(key, _)| key.clb == clb && key.vgroup == vgroup)?;
        let mut backends = Vec::new();
        for (service_ref, ports) in self.before.sharing(key) {
            backends.extend(self.registered(&service_ref, &ports));
        }
        Some(backends)
    }

    /// What CCM has registered for a Service in a group, by its ports there.
    fn registered(&self, service_ref: &ServiceRef<'a>, ports: &[u16]) -> Vec<RegisteredBackend> {
        let outcome = self.before.outcome_of(service_ref, &Prediction::default());
        let here: Vec<&PortOutcome<'_>> =
            ports.iter().flat_map(|port| outcome.ports_numbered(*port)).collect();
        let ignores = backends::ignores_weight_update(
            service_ref.service,
            self.version(service_ref.cluster_index),
        );
        let of_port = |of: &&PortOutcome<'_>| match &of.result {
            PortResult::Applied(group) if !ignores => Some(self.entries(group)),
            PortResult::Skipped(_)
            | PortResult::NoNode(_)
            | PortResult::Own(_)
            | PortResult::Refused(_) => Some(Vec::new()),
            _ => None,
        };
        let mut contents = here.iter().map(of_port);
        let first = contents.next().unwrap_or_else(|| Some(Vec::new()));
        match first {
            Some(first) if contents.all(|other| other.as_ref() == Some(&first)) => first,
            _ => here.first().map(|of| self.unknown(service_ref, of)).into_iter().collect(),
        }
    }

    fn entries(&self, group: &VServerGroup<'_>) -> Vec<RegisteredBackend> {
        let interface = |ip: &str| self.interface(ip);
        let entries =
            group.backends.iter().map(|backend| backend.registered(&group.key, interface));
        entries.collect()
    }

    /// What stands for a Service's backends where nothing is known of them.
    fn unknown(&self, service_ref: &ServiceRef<'_>, of: &PortOutcome<'_>) -> RegisteredBackend {
        let mode = self.before.mode(service_ref).unwrap_or(backends::Mode::Cluster);
        let cluster_id = self.before.cluster_id(service_ref.cluster_index);
        RegisteredBackend {
            server_id: UNKNOWN_SERVER.to_owned(),
            server_ip: String::new(),
            port: 1,
            weight: 0,
            kind: "ecs".to_owned(),
            description: backends::backend_description(
                service_ref.service,
                of.port,
                mode,
                cluster_id,
            ),
        }
    }
}
