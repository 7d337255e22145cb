//! What stands behind the CLBs before the rounds that follow from a change.

use std::{cell::OnceCell, collections::HashMap};

use super::Prediction;
use crate::{
    backends::{self, BackendTarget, VServerGroup},
    change::ServiceChange,
    clb_answers::RegisteredBackend,
    index::{Index, ServiceRef},
    known_cloud,
    object::Service,
    outcome::{PortOutcome, PortResult, clb_of},
    round::{Cloud, ServerGroup},
    version::CcmVersion,
};

/// The id of the server that stands for backends of which nothing is known.
pub(crate) const UNKNOWN_SERVER: &str = "?";

/// Whether a backend stands for others of which nothing is known.
pub(crate) fn is_unknown(backend: &RegisteredBackend) -> bool {
    backend.server_id == UNKNOWN_SERVER
}

/// Puts together the cloud that the rounds start from.
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

    /// The CLBs that the changed Services name or named, with the groups that their rounds may touch.
    pub(super) fn build(&self, changes: &[&ServiceChange<'_>]) -> Cloud {
        let mut cloud = Cloud::default();
        for (index, service_ref) in changes.iter().flat_map(|change| self.versions(change)) {
            let clb = clb_of(service_ref.service);
            if clb.is_empty() {
                Self::add_own_clb(&mut cloud, changes, &service_ref);
                continue;
            }
            if cloud.balancer(clb).is_none() {
                let answers = &self.after.snapshot.clb_answers;
                let answers = if answers.balancers.contains_key(clb) {
                    answers
                } else {
                    &self.before.snapshot.clb_answers
                };
                cloud.balancers.push(known_cloud::balancer(answers, clb));
                cloud.listeners.extend(known_cloud::listeners(&index.snapshot.clb_answers, clb));
            }
            for group in known_cloud::groups_of(index, &service_ref) {
                if cloud.group(&group.id).is_none() {
                    let backends = self.standing(clb, &group.id).unwrap_or(group.backends);
                    cloud.groups.push(ServerGroup { backends, ..group });
                }
            }
        }
        cloud
    }

    /// The CLB of a Service that names none. One that named another before has none of its own.
    fn add_own_clb(
        cloud: &mut Cloud,
        changes: &[&ServiceChange<'_>],
        service_ref: &ServiceRef<'_>,
    ) {
        let named = changes.iter().any(|change| {
            let versions = [change.old, change.new].into_iter().flatten();
            let is_it = |service: &Service| {
                service.metadata.name == service_ref.service.metadata.name
                    && service.metadata.namespace == service_ref.service.metadata.namespace
                    && change.cluster == service_ref.cluster_index
            };
            versions.clone().any(is_it) && versions.into_iter().any(|of| !clb_of(of).is_empty())
        });
        if !named {
            cloud.balancers.push(known_cloud::made_for(service_ref.service));
        }
    }

    /// What stands in a group: as its answer shows, else as CCM would have written it for all
    /// Services that are mapped to it.
    fn standing(&self, clb: &str, vgroup: &str) -> Option<Vec<RegisteredBackend>> {
        for index in [self.after, self.before] {
            if let Some(answer) = index.snapshot.clb_answers.groups.get(vgroup) {
                return Some(known_cloud::backends_of(index, answer));
            }
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
        let entries = group.backends.iter().map(|backend| {
            let (kind, server_id, address) = match backend.target {
                BackendTarget::Ecs(id) => ("ecs", id.to_owned(), String::new()),
                BackendTarget::Pod(ip) => ("eni", self.interface(ip), ip.to_owned()),
            };
            RegisteredBackend {
                server_id,
                server_ip: address,
                port: backend.port,
                weight: backend.weight,
                kind: kind.to_owned(),
                description: group.key.clone(),
            }
        });
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
