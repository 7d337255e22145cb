//! Routes, their participants and the shares of traffic these carry.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    backends::{Backend, Mode, setting},
    cloud::{GroupAnswer, RemoteBackend},
    identity::Key,
    object::EndpointSlice,
    outcome::{Outcome, PortResult},
    prediction::Prediction,
    survey::{Member, Seat, Survey},
};

/// What names a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey<'a> {
    /// The CLB's id; empty where a group's answer does not name it.
    pub clb: &'a str,
    /// The vServer group's id.
    pub vgroup: &'a str,
    /// The port; `None` for a group that no Service at hand is mapped to and no listener names.
    pub port: Option<u16>,
}

/// One thing whose traffic is split.
#[derive(Debug, Clone)]
pub struct Route<'a> {
    /// Its name.
    pub key: RouteKey<'a>,
    /// Whether all that holds weight in it is known.
    pub complete: bool,
    /// What is not known, in words.
    pub unknown: Vec<String>,
    /// Who holds weight in it.
    pub participants: Vec<Participant<'a>>,
    /// All backends: as they stand in the group where its answer is at hand, else by the model.
    pub backends: Vec<RouteBackend>,
}

/// One holder of weight.
#[derive(Debug, Clone)]
pub struct Participant<'a> {
    /// The Service, if it is at hand and mapped here.
    pub seat: Option<Seat<'a>>,
    /// The context; `None` for files without a name, for clusters not at hand, for servers.
    pub context: Option<Arc<str>>,
    /// What it is.
    pub kind: ParticipantKind,
    /// The Service's namespace; empty for a server.
    pub namespace: String,
    /// The Service's name, or the server's id.
    pub name: String,
    /// The Service's mode; `None` for servers and where it cannot be told.
    pub mode: Option<Mode>,
    /// What a round of CCM makes of the Service here; `None` for whatever is not at hand.
    pub outcome: Option<Outcome>,
    /// Why it is not *applied*.
    pub reasons: Vec<String>,
    /// The nominal weight: the annotation's value, a server's own weight; `None` where not set.
    pub weight: Option<u32>,
    /// How many backends it has in the group.
    pub backends: Option<usize>,
    /// How many CCM would have registered.
    pub expected_backends: usize,
    /// Whether its numbers come from the group's answer.
    pub is_measured: bool,
    /// How many ready endpoints stand behind it.
    pub ready: Option<usize>,
    /// How many of its backends the CLB's health checks call healthy.
    pub healthy: Option<usize>,
    /// The sum of its backends' weights.
    pub weight_sum: Option<u64>,
    /// That sum as CCM would have written it.
    pub expected_weight_sum: Option<u64>,
    /// Its part of the route's traffic, 0..=1; `None` while a participant is unknown.
    pub share: Option<f64>,
    /// Its part of what is known, 0..=1.
    pub share_of_known: f64,
}

/// What a participant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParticipantKind {
    /// A Service at hand.
    Service,
    /// A Service known only from its backends' description.
    Remote,
    /// A Service of a cluster at hand that is gone, or not mapped here: its backends are left over.
    Orphan,
    /// A server that no cluster put there.
    External,
}

/// A backend of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteBackend {
    /// Instance id or pod address.
    pub id: String,
    /// 1..=65535; 0 where no node port is assigned yet.
    pub port: u16,
    /// 0..=100.
    pub weight: u32,
    /// Its description.
    pub description: String,
    /// Index of its participant in the route.
    pub participant: usize,
}

impl<'a> Route<'a> {
    /// Puts a route together: from the group's answer where that is at hand, except for the
    /// Services whose next round is predicted, else from the model.
    pub fn build(survey: &Survey<'a>, key: RouteKey<'a>, prediction: &Prediction) -> Self {
        let members = survey.members(&key);
        let answer = survey.world.cloud.groups.get(key.vgroup);
        let mut route = Self {
            key,
            complete: true,
            unknown: Vec::new(),
            participants: Vec::new(),
            backends: Vec::new(),
        };
        let owners = owners(survey, members, answer);
        let mut adopted = BTreeSet::new();
        for (index, member) in members.iter().enumerate() {
            let mine = owners.iter().filter(|(_, owner)| *owner == Owner::Member(index));
            let actual = answer.map(|_| mine.map(|(backend, _)| *backend).collect::<Vec<_>>());
            let is_predicted = prediction.is_changed(&member.seat);
            let found = member_of(survey, member, actual.as_deref(), is_predicted, &owners);
            if is_predicted {
                adopted.extend(found.backends.iter().map(|b| (b.id.clone(), b.port)));
            }
            route.unknown.extend(found.unknown);
            route.push(found.participant, found.backends);
        }
        route.add_others(survey, &owners, &adopted, prediction);
        if answer.is_none() {
            route.unknown.push(format!(
                "who else is in {}: its answer (DescribeVServerGroupAttribute) is not at hand",
                key.vgroup
            ));
        }
        route.complete = route.unknown.is_empty();
        route.share();
        route
    }

    /// Participants that no Service at hand accounts for.
    fn add_others(
        &mut self,
        survey: &Survey<'a>,
        owners: &[(&RemoteBackend, Owner<'_>)],
        adopted: &BTreeSet<(String, u16)>,
        prediction: &Prediction,
    ) {
        let mut others: Vec<(Owner<'_>, Vec<&RemoteBackend>)> = Vec::new();
        for (backend, owner) in owners {
            let is_gone = match owner {
                Owner::Member(_) => true,
                // CCM takes over a backend of the same server and port, whoever made it.
                Owner::External(..) => adopted.contains(&(backend.id().to_owned(), backend.port)),
                Owner::Orphan(cluster, key) => {
                    prediction.cleans(*cluster, key.namespace, key.service, self.key.vgroup)
                }
                Owner::Remote(_) => false,
            };
            if is_gone {
                continue;
            }
            match others.iter_mut().find(|(known, _)| known.is_same(owner)) {
                Some((_, backends)) => backends.push(backend),
                None => others.push((*owner, vec![backend])),
            }
        }
        others.sort_by_key(|(owner, _)| *owner);
        for (owner, backends) in others {
            let participant = other(survey, owner, &backends);
            self.push(participant, backends.into_iter().map(RouteBackend::from).collect());
        }
    }

    fn push(&mut self, participant: Participant<'a>, backends: Vec<RouteBackend>) {
        let index = self.participants.len();
        self.participants.push(participant);
        let owned =
            backends.into_iter().map(|backend| RouteBackend { participant: index, ..backend });
        self.backends.extend(owned);
    }

    /// Computes the shares; all are 0 where the sum is 0.
    fn share(&mut self) {
        let known: u64 = self.participants.iter().filter_map(|p| p.weight_sum).sum();
        for participant in &mut self.participants {
            let sum = participant.weight_sum.unwrap_or_default();
            #[allow(clippy::cast_precision_loss, reason = "sums of weights are far below 2^52")]
            let part = if known == 0 { 0.0 } else { sum as f64 / known as f64 };
            participant.share_of_known = part;
            participant.share = self.complete.then_some(part);
        }
    }

    /// The backends of one of its participants.
    pub fn backends_of(&self, index: usize) -> impl Iterator<Item = &RouteBackend> {
        self.backends.iter().filter(move |backend| backend.participant == index)
    }

    /// The sum of all known weights.
    pub fn weight_sum(&self) -> u64 {
        self.participants.iter().filter_map(|p| p.weight_sum).sum()
    }
}

impl Participant<'_> {
    /// `namespace/name` of a Service, id of a server, with the context where there is one.
    pub fn label(&self) -> String {
        let name = match self.kind {
            ParticipantKind::External => self.name.clone(),
            _ => format!("{}/{}", self.namespace, self.name),
        };
        match &self.context {
            Some(context) => format!("{name} ({context})"),
            None => name,
        }
    }

    /// Whether the group was emptied of this Service: CCM would have written backends, and the
    /// group's answer shows none.
    pub fn is_emptied(&self) -> bool {
        self.backends == Some(0) && self.is_measured && self.expected_backends > 0
    }
}

impl RouteBackend {
    fn expected(backend: &Backend<'_>, description: &str) -> Self {
        Self {
            id: backend.server.id().to_owned(),
            port: backend.port,
            weight: backend.weight,
            description: description.to_owned(),
            participant: 0,
        }
    }
}

impl From<&RemoteBackend> for RouteBackend {
    fn from(backend: &RemoteBackend) -> Self {
        Self {
            id: backend.id().to_owned(),
            port: backend.port,
            weight: backend.weight,
            description: backend.description.clone(),
            participant: 0,
        }
    }
}

/// Whom a backend belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner<'b> {
    /// A member of the route, by index.
    Member(usize),
    /// A cluster at hand, by index, though not a member.
    Orphan(usize, Key<'b>),
    /// A cluster that is not at hand.
    Remote(Key<'b>),
    /// Nobody's cluster: server id, and what names it.
    External(&'b str, &'b str),
}

impl Owner<'_> {
    /// Whether both belong to the same participant: CCM does not compare a description's port.
    fn is_same(&self, other: &Owner<'_>) -> bool {
        match (self, other) {
            (Self::Orphan(a, x), Owner::Orphan(b, y)) => a == b && x.is_same_service(y),
            (Self::Remote(x), Owner::Remote(y)) => x.is_same_service(y),
            (a, b) => *a == *b,
        }
    }
}

fn owners<'b>(
    survey: &Survey<'_>,
    members: &[Member<'_>],
    answer: Option<&'b GroupAnswer>,
) -> Vec<(&'b RemoteBackend, Owner<'b>)> {
    let backends = answer.into_iter().flat_map(|answer| &answer.backends);
    backends.map(|backend| (backend, owner(survey, members, backend))).collect()
}

fn owner<'b>(survey: &Survey<'_>, members: &[Member<'_>], backend: &'b RemoteBackend) -> Owner<'b> {
    let Some(key) = Key::parse(&backend.description) else {
        return Owner::External(&backend.server_id, backend.id());
    };
    let clusters = survey.world.clusters.iter().enumerate();
    let mut candidates = clusters
        .filter(|(_, cluster)| match &cluster.id {
            Some(id) => id == key.cluster_id,
            None => cluster.service(key.namespace, key.service).is_some_and(|service| {
                cluster.owns_server(&backend.server_id, &backend.server_ip, service)
            }),
        })
        .map(|(index, _)| index);
    let Some(first) = candidates.next() else { return Owner::Remote(key) };
    // Clusters that share an id (rule CLB201) are told apart by their instances.
    let index = match candidates.next() {
        None => first,
        Some(_) => survey.cluster_of_instance(&backend.server_id).unwrap_or(first),
    };
    let is_same = |member: &Member<'_>| {
        let meta = &member.seat.service.metadata;
        member.seat.index == index && meta.name == key.service && meta.namespace() == key.namespace
    };
    match members.iter().position(is_same) {
        Some(member) => Owner::Member(member),
        None => Owner::Orphan(index, key),
    }
}

struct Found<'a> {
    participant: Participant<'a>,
    backends: Vec<RouteBackend>,
    unknown: Option<String>,
}

fn member_of<'a>(
    survey: &Survey<'a>,
    member: &Member<'a>,
    actual: Option<&[&RemoteBackend]>,
    predicted: bool,
    owners: &[(&RemoteBackend, Owner<'_>)],
) -> Found<'a> {
    let seat = member.seat;
    let round = survey.round(&seat);
    let result = round.port(member.port);
    let expected: Option<Vec<RouteBackend>> = match result {
        Some(result) => result.expected().map(|backends| {
            let description = match result {
                PortResult::Applied(group) => group.key.as_str(),
                _ => "",
            };
            backends.iter().map(|backend| RouteBackend::expected(backend, description)).collect()
        }),
        // The mapping means a port that the Service does not have: CCM puts nothing here.
        None if round.frozen_by.is_empty() => Some(Vec::new()),
        None => None,
    };
    let outcome = match result {
        Some(result) => result.outcome(),
        None if round.frozen_by.is_empty() => Outcome::Misrouted,
        None => Outcome::Frozen,
    };
    let measured = actual.map(|backends| {
        backends.iter().map(|backend| RouteBackend::from(*backend)).collect::<Vec<_>>()
    });
    let is_uncertain = actual.is_some() && is_uncertain(&seat, round.mode, owners);
    let backends = match (&expected, measured) {
        (Some(expected), _) if predicted => Some(expected.clone()),
        (_, Some(measured)) if !is_uncertain => Some(measured),
        (_, Some(_)) => None,
        (expected, None) => expected.clone(),
    };
    let unknown = backends.is_none().then(|| {
        let why = match result {
            _ if is_uncertain => "its cluster's id is unknown, so its backends cannot be told from another cluster's; give --cluster-id".to_owned(),
            Some(PortResult::Unknown(what)) => format!("its {what} are not at hand"),
            _ => "it is frozen, so the weights it had before stay".to_owned(),
        };
        format!("{}: {why}", seat.label())
    });
    let sum = |backends: &Vec<RouteBackend>| backends.iter().map(|b| u64::from(b.weight)).sum();
    let healthy = actual.filter(|_| !predicted).and_then(|actual| {
        let states = actual.iter().map(|backend| survey.world.cloud.is_healthy(backend));
        let states: Vec<bool> = states.collect::<Option<_>>()?;
        (!states.is_empty()).then(|| states.into_iter().filter(|healthy| *healthy).count())
    });
    let meta = &seat.service.metadata;
    let participant = Participant {
        seat: Some(seat),
        context: seat.cluster.context.clone(),
        kind: ParticipantKind::Service,
        namespace: meta.namespace().to_owned(),
        name: meta.name.clone(),
        mode: Some(round.mode),
        outcome: Some(outcome),
        reasons: if outcome == Outcome::Applied { Vec::new() } else { round.reasons() },
        weight: setting(seat.service).ok().and_then(|setting| setting.total),
        backends: backends.as_ref().map(Vec::len),
        expected_backends: expected.as_ref().map_or(0, Vec::len),
        is_measured: actual.is_some() && !predicted && !is_uncertain,
        ready: seat.cluster.slices_of(seat.service).map(ready),
        healthy,
        weight_sum: backends.as_ref().map(sum),
        expected_weight_sum: expected.as_ref().map(sum),
        share: None,
        share_of_known: 0.0,
    };
    Found { participant, backends: backends.unwrap_or_default(), unknown }
}

/// Whether backends of a Service of the same name might be this one's: the cluster's id is unknown,
/// and there is nothing to know its servers by.
fn is_uncertain(seat: &Seat<'_>, mode: Mode, owners: &[(&RemoteBackend, Owner<'_>)]) -> bool {
    let knows_servers = match mode {
        Mode::Eni => seat.cluster.slices_of(seat.service).is_some(),
        Mode::Cluster | Mode::Local => seat.cluster.all_nodes().is_some(),
    };
    let meta = &seat.service.metadata;
    seat.cluster.id.is_none()
        && !knows_servers
        && owners.iter().any(|(_, owner)| {
            matches!(owner, Owner::Remote(key)
                if key.service == meta.name && key.namespace == meta.namespace())
        })
}

/// How many addresses are ready, each counted once.
fn ready(slices: &[EndpointSlice]) -> usize {
    let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    let addresses = endpoints.filter(|e| e.is_ready()).flat_map(|e| &e.addresses);
    addresses.collect::<BTreeSet<_>>().len()
}

fn other<'a>(
    survey: &Survey<'a>,
    owner: Owner<'_>,
    backends: &[&RemoteBackend],
) -> Participant<'a> {
    let (kind, context, namespace, name) = match owner {
        Owner::Orphan(index, key) => {
            let context = survey.world.clusters.get(index).and_then(|c| c.context.clone());
            (ParticipantKind::Orphan, context, key.namespace, key.service)
        }
        Owner::Remote(key) => (ParticipantKind::Remote, None, key.namespace, key.service),
        Owner::External(_, id) => (ParticipantKind::External, None, "", id),
        Owner::Member(_) => (ParticipantKind::Service, None, "", ""),
    };
    let sum = backends.iter().map(|backend| u64::from(backend.weight)).sum();
    let healthy: Option<Vec<bool>> =
        backends.iter().map(|backend| survey.world.cloud.is_healthy(backend)).collect();
    Participant {
        seat: None,
        context,
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        mode: backends.iter().all(|backend| backend.is_pod()).then_some(Mode::Eni),
        outcome: None,
        reasons: Vec::new(),
        weight: (kind == ParticipantKind::External).then(|| u32::try_from(sum).unwrap_or(u32::MAX)),
        backends: Some(backends.len()),
        expected_backends: 0,
        is_measured: true,
        ready: None,
        healthy: healthy.map(|states| states.into_iter().filter(|healthy| *healthy).count()),
        weight_sum: Some(sum),
        expected_weight_sum: None,
        share: None,
        share_of_known: 0.0,
    }
}
