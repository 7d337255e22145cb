//! What `status` answers about CLBs.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use clbmigrate_core::{
    clb_answers::{self, Health, LoadBalancer, RegisteredBackend},
    finding::Finding,
    index::{Index, RouteKey},
    prediction::Prediction,
    route::Route,
};

use super::routes::RouteDocumentBuilder;
use crate::{
    clb::{MOST_GROUPS, WholeClb},
    output::{
        Detail, Printable, Terminal,
        human::{self, TableOptions},
        json::{
            self, ApiVersion, CcmRelease, DefaultServer, Group, Listener, LoadBalancerList,
            LoadBalancerListKind, Target, TargetKind,
        },
    },
};

/// What `status` answers about CLBs.
pub struct ClbStatusAnswer {
    document: LoadBalancerList,
    has_contexts: bool,
    has_clusters: bool,
    is_live: bool,
}

impl ClbStatusAnswer {
    /// The answer about these CLBs. `is_live` is whether the CLB API was asked, and no files were read.
    pub fn new<'a>(
        index: &Index<'a>,
        findings: &[Finding],
        clbs: &'a [WholeClb],
        is_live: bool,
    ) -> Self {
        let builder =
            ClbDocumentBuilder { index, routes: RouteDocumentBuilder::new(index, findings) };
        // Files of answers are read into a cluster of which nothing is known.
        let clusters = &index.snapshot.clusters;
        let has_clusters = clusters.iter().any(|of| of.services().next().is_some());
        let document = LoadBalancerList {
            api_version: ApiVersion::V1Alpha1,
            kind: LoadBalancerListKind::LoadBalancerList,
            ccm: if has_clusters { CcmRelease::all(index.snapshot) } else { Vec::new() },
            load_balancers: clbs.iter().map(|clb| builder.load_balancer(clb)).collect(),
        };
        Self { document, has_contexts: clusters.len() > 1, has_clusters, is_live }
    }
}

impl Printable for ClbStatusAnswer {
    type Document = LoadBalancerList;

    fn document(&self) -> &LoadBalancerList {
        &self.document
    }

    fn write_text(
        &self,
        terminal: Terminal,
        detail: Detail,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let Self { has_contexts, is_live, .. } = *self;
        let options = TableOptions { detail, has_contexts, is_live };
        human::load_balancers(&self.document, self.has_clusters, (terminal, options), out)
    }

    fn names(&self) -> Vec<String> {
        self.document.load_balancers.iter().map(|of| of.clb.clone()).collect()
    }
}

struct ClbDocumentBuilder<'v, 'a> {
    index: &'v Index<'a>,
    routes: RouteDocumentBuilder<'v, 'a>,
}

impl<'a> ClbDocumentBuilder<'_, 'a> {
    fn load_balancer(&self, whole: &'a WholeClb) -> json::LoadBalancer {
        let index = self.index;
        let balancer = index.snapshot.clb_answers.balancers.get(&whole.id);
        let listeners = index.listeners_of(&whole.id);
        let listed = index.groups_of(&whole.id);
        let mut unknown: Vec<String> =
            whole.unread.iter().map(|part| format!("{}: {}", part.what, part.why)).collect();
        if !whole.left_out.is_empty() {
            unknown.push(format!(
                "{} of its groups: no more than {MOST_GROUPS} are asked about",
                whole.left_out.len()
            ));
        }
        let of_balancer = |value: fn(&LoadBalancer) -> Option<&str>| {
            let value = balancer.and_then(value).filter(|value| !value.is_empty());
            value.map(str::to_owned)
        };
        json::LoadBalancer {
            clb: whole.id.clone(),
            clb_name: of_balancer(|of| Some(&of.name)),
            clb_address: of_balancer(|of| Some(&of.address)),
            address_type: of_balancer(|of| of.address_type.as_deref()),
            status: of_balancer(|of| of.status.as_deref()),
            region: of_balancer(|of| of.region.as_deref()),
            spec: of_balancer(|of| of.spec.as_deref()),
            charge_type: of_balancer(|of| of.charge_type.as_deref()),
            listeners: listeners.as_ref().map(|listeners| {
                let mut listeners: Vec<Listener> =
                    listeners.iter().map(|of| listener(of)).collect();
                listeners.sort_by(|a, b| (a.port, &a.protocol).cmp(&(b.port, &b.protocol)));
                listeners
            }),
            groups: self.groups(whole),
            groups_left_out: listed.is_some().then_some(whole.left_out.len()),
            default_servers: balancer.map(|of| self.default_servers(of)),
            unknown,
        }
    }

    /// The groups: those that a listener sends to, in the order of the listeners, then the others.
    fn groups(&self, whole: &'a WholeClb) -> Vec<Group> {
        let index = self.index;
        let id = whole.id.as_str();
        let mut keys: BTreeMap<&str, RouteKey<'a>> = BTreeMap::new();
        for key in index.routes_behind(id) {
            keys.entry(key.vgroup).or_insert(key);
        }
        let mut listeners = index.listeners_of(id).unwrap_or_default();
        listeners.sort_by_key(|of| of.name());
        let listed = index.groups_of(id).unwrap_or_default();
        let names: BTreeMap<&str, &str> = listed.iter().copied().collect();
        let sending = listeners.iter().map(|of| of.vgroup.as_str());
        let others = listed.iter().map(|(group, _)| *group);
        let all = sending.chain(others).chain(keys.keys().copied()).collect::<Vec<_>>();
        let mut seen = BTreeSet::new();
        let shown = all.into_iter().filter(|group| {
            !group.is_empty() && !whole.left_out.contains(*group) && seen.insert(*group)
        });
        let groups = shown.map(|vgroup| {
            let key = keys.get(vgroup).copied();
            let key = key.unwrap_or(RouteKey { clb: id, vgroup, port: None });
            let mut group = self.group(key);
            let name = names.get(vgroup).filter(|name| !name.is_empty());
            group.vserver_group_name =
                group.vserver_group_name.or_else(|| name.map(|name| (*name).to_owned()));
            group
        });
        groups.collect()
    }

    fn group(&self, key: RouteKey<'a>) -> Group {
        let route = Route::build(self.index, key, &Prediction::default());
        let document = self.routes.route(&route);
        let answer = self.index.snapshot.clb_answers.groups.get(key.vgroup);
        // Who has no backend has none of which nothing is known.
        let with_backends = document.participants.iter().filter(|of| of.backends != Some(0));
        let healthy: Option<usize> = with_backends.map(|of| of.healthy).sum();
        let healthy = healthy.filter(|_| answer.is_some());
        let backends = answer.map(|of| of.backends.len());
        // That no listener sends to it is told by the list of its listeners.
        let unreached = route.why_unreached();
        let unknown = || route.unknown.iter().filter(|of| Some(*of) != unreached.as_ref());
        Group {
            vserver_group: document.vserver_group,
            vserver_group_name: document.vserver_group_name,
            listeners: document.listeners.map(|mut listeners| {
                listeners.sort_by(|a, b| (a.port, &a.protocol).cmp(&(b.port, &b.protocol)));
                listeners
            }),
            complete: document.complete,
            unknown: unknown().map(ToString::to_string).collect(),
            unknown_parts: unknown().map(json::UnknownPart::from).collect(),
            backends,
            healthy,
            abnormal: backends.zip(healthy).map(|(all, healthy)| all.saturating_sub(healthy)),
            weight_sum: answer.map(|of| of.backends.iter().map(|of| u64::from(of.weight)).sum()),
            participants: document.participants,
            problems: document.problems,
        }
    }

    fn default_servers(&self, balancer: &LoadBalancer) -> Vec<DefaultServer> {
        let sum: u32 = balancer.default_servers.iter().map(|of| of.weight).sum();
        let servers = balancer.default_servers.iter().map(|of| DefaultServer {
            server: if of.server_ip.is_empty() { &of.server_id } else { &of.server_ip }.clone(),
            weight: of.weight,
            share: if sum == 0 { 0.0 } else { f64::from(of.weight) / f64::from(sum) },
            healthy: self.is_healthy(balancer, of),
        });
        servers.collect()
    }

    /// Whether all running listeners that send to a default server call it healthy.
    fn is_healthy(
        &self,
        balancer: &LoadBalancer,
        server: &clb_answers::DefaultServer,
    ) -> Option<bool> {
        let listeners = self.index.listeners_of(&balancer.id)?;
        let sending = listeners.iter().filter(|of| of.is_running() && of.sends_to_default_group());
        let told = sending.map(|listener| {
            let backend = RegisteredBackend {
                server_id: server.server_id.clone(),
                server_ip: server.server_ip.clone(),
                port: listener.backend_port,
                weight: server.weight,
                kind: server.kind.clone(),
                description: String::new(),
            };
            let mut entries = self.index.health_of(&balancer.id, &backend);
            entries.find(|entry| entry.is_at(&listener.name())).and_then(|entry| entry.health)
        });
        let told: Vec<Option<Health>> = told.collect();
        if told.contains(&Some(Health::Abnormal)) {
            return Some(false);
        }
        let is_normal = |health: &Option<Health>| *health == Some(Health::Normal);
        (!told.is_empty() && told.iter().all(is_normal)).then_some(true)
    }
}

fn listener(of: &clb_answers::Listener) -> Listener {
    let known = |word: &str| (!word.is_empty()).then(|| word.to_owned());
    let target = target(of);
    let has_backends = !target.kind.is_redirect();
    Listener {
        port: of.port,
        protocol: known(&of.protocol),
        status: known(&of.status),
        scheduler: known(&of.scheduler).filter(|_| has_backends),
        health_check: of.checks_health().filter(|_| has_backends),
        connection_drain_seconds: of.drain().map(|time| time.as_secs()),
        persistence: of.persistence(),
        description: of.description.clone(),
        target,
    }
}

fn target(of: &clb_answers::Listener) -> Target {
    let group = |kind, id: &str| Target { kind, group: Some(id.to_owned()), port: None };
    if let Some(port) = of.forward_port() {
        Target { kind: TargetKind::Redirect, group: None, port: Some(port) }
    } else if !of.vgroup.is_empty() {
        group(TargetKind::VServerGroup, &of.vgroup)
    } else if let Some(id) = of.master_slave_group() {
        group(TargetKind::MasterSlaveServerGroup, id)
    } else {
        let port = Some(of.backend_port).filter(|port| *port > 0);
        Target { kind: TargetKind::DefaultServerGroup, group: None, port }
    }
}

#[cfg(test)]
mod tests {
    use clbmigrate_core::{clb_answers::ClbAnswer, snapshot::Snapshot};
    use proptest::{collection::vec, prelude::*};
    use serde_json::{Value, json};

    use super::*;

    const CLB: &str = "lb-bp1example";

    /// A snapshot with a CLB that has a group of these backends, each with its owner's number, and
    /// default servers of the same weights.
    fn snapshot(backends: &[(u8, u32)]) -> Snapshot {
        let group = backends.iter().enumerate().map(|(index, (owner, weight))| {
            let description = match owner {
                0 => String::new(),
                owner => format!("k8s/30080/web-{owner}/shop/c0a0"),
            };
            json!({"ServerId": format!("i-bp1n{index}"), "Port": 80, "Weight": weight,
                   "Description": description})
        });
        let group: Vec<Value> = group.collect();
        let balancer = json!({"LoadBalancerId": CLB, "BackendServers": {"BackendServer": group}});
        let group = json!({"VServerGroupId": "rsp-bp1example", "LoadBalancerId": CLB,
                           "BackendServers": {"BackendServer": group}});
        let mut snapshot = Snapshot::default();
        let answers = &mut snapshot.clb_answers;
        answers.insert(ClbAnswer::Group(serde_json::from_value(group).expect("a group")));
        let balancer = serde_json::from_value(balancer).expect("a CLB");
        answers.insert(ClbAnswer::LoadBalancer(balancer));
        snapshot
    }

    proptest! {
        #[test]
        fn shares_sum_up_to_1_or_are_all_0(backends in vec((0..4_u8, 0..=100_u32), 0..40)) {
            let snapshot = snapshot(&backends);
            let index = Index::new(&snapshot);
            let clbs = [WholeClb { id: CLB.to_owned(), ..WholeClb::default() }];
            let answer = ClbStatusAnswer::new(&index, &[], &clbs, true);
            let clb = &answer.document.load_balancers[0];
            let group = &clb.groups[0];
            let shares: Option<Vec<f64>> = group.participants.iter().map(|of| of.share).collect();
            let sum: u32 = backends.iter().map(|(_, weight)| weight).sum();
            prop_assert_eq!(group.weight_sum, Some(u64::from(sum)));
            let default: Vec<f64> =
                clb.default_servers.iter().flatten().map(|of| of.share).collect();
            for shares in [shares.expect("all is known"), default] {
                let total: f64 = shares.iter().sum();
                if sum == 0 {
                    prop_assert!(shares.iter().all(|share| *share == 0.0));
                } else {
                    prop_assert!((total - 1.0).abs() < 1e-9, "{total}");
                }
            }
        }
    }
}
