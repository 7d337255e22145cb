//! Routes, their participants and the shares of traffic these carry.

mod held;
mod owner;
mod participant;

use std::{collections::BTreeSet, sync::Arc};

use self::{
    held::Held,
    owner::{Owner, owners},
};
pub use crate::index::RouteKey;
use crate::{
    backends::Mode,
    clb_answers::RegisteredBackend,
    index::{Index, ServiceRef},
    outcome::Outcome,
    prediction::Prediction,
};

/// A group behind a port, whose traffic is split by weight.
#[derive(Debug, Clone)]
pub struct Route<'a> {
    /// Its name.
    pub key: RouteKey<'a>,
    /// Whether everybody who holds weight in it is known, and how much.
    pub complete: bool,
    /// What is not known, in words; empty where it is complete.
    pub unknown: Vec<String>,
    /// Those who hold weight in it: Services, then what no Service accounts for.
    pub participants: Vec<Participant<'a>>,
    /// Their backends, in the same order.
    held: Vec<Held<'a>>,
}

/// One of those who hold weight in a route.
#[derive(Debug, Clone)]
pub struct Participant<'a> {
    /// The Service, if it is in the snapshot and mapped here.
    pub service_ref: Option<ServiceRef<'a>>,
    /// The context; `None` for files without a name, for clusters that are not at hand, and for
    /// servers.
    pub context: Option<Arc<str>>,
    /// What kind of participant it is.
    pub kind: ParticipantKind,
    /// The Service's namespace; empty for a server.
    pub namespace: String,
    /// The Service's name, or the server's id.
    pub name: String,
    /// The Service's mode; `None` for servers and where it cannot be told.
    pub mode: Option<Mode>,
    /// What a round of CCM does about the Service here; `None` where no Service of the snapshot
    /// stands behind it.
    pub outcome: Option<Outcome>,
    /// Why it is not *applied*.
    pub reasons: Vec<String>,
    /// The nominal weight: the annotation's value, a server's own weight; `None` where not set.
    pub weight: Option<u32>,
    /// How many backends it has in the group; `None` where that is unknown.
    pub backends: Option<usize>,
    /// How many backends CCM would register; 0 also where that is unknown.
    pub expected_backends: usize,
    /// Whether its numbers are those of the group's answer.
    pub is_measured: bool,
    /// How many ready endpoints are behind it; `None` where the EndpointSlices are not at hand.
    pub ready: Option<usize>,
    /// How many of its backends the CLB's health checks call healthy; `None` where that of one is
    /// unknown.
    pub healthy: Option<usize>,
    /// The sum of its backends' weights; `None` where that is unknown.
    pub weight_sum: Option<u64>,
    /// The sum of the weights that CCM would write; `None` where that is unknown.
    pub expected_weight_sum: Option<u64>,
    /// Its share of the route's traffic, 0..=1; `None` where the route is not complete.
    pub share: Option<f64>,
    /// Its share of the weight that is known, 0..=1.
    pub share_of_known: f64,
}

/// The kinds of participants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParticipantKind {
    /// A Service of the snapshot.
    Service,
    /// A Service of a cluster that is not in the snapshot, known by its backends' description.
    Remote,
    /// A Service of a cluster in the snapshot that is gone or not mapped here, whose backends are
    /// left over.
    Orphan,
    /// A server that no cluster registered.
    External,
}

/// A backend in a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteBackend<'a> {
    /// Instance id or pod address.
    pub id: &'a str,
    /// The port on it, 1..=65535; 0 where no node port is assigned yet.
    pub port: u16,
    /// The weight: 0..=100 in a group's answer and where an annotation decides it. In Local mode
    /// without a weight it is the number of the node's pods.
    pub weight: u32,
    /// Its description.
    pub description: Arc<str>,
    /// The index of its participant in the route.
    pub participant: usize,
}

impl<'a> Route<'a> {
    /// Builds a route. Its numbers come from the group's answer where that is at hand, except for
    /// the Services whose next round `prediction` takes as done; else from CCM's local model.
    pub fn build(index: &Index<'a>, key: RouteKey<'a>, prediction: &Prediction) -> Self {
        let members = index.members(&key);
        let answer = index.snapshot.clb_answers.groups.get(key.vgroup);
        let mut route = Self {
            key,
            complete: true,
            unknown: Vec::new(),
            participants: Vec::new(),
            held: Vec::new(),
        };
        let owners = owners(index, members, answer);
        let mut adopted = BTreeSet::new();
        for (at, member) in members.iter().enumerate() {
            let mine = owners.iter().filter(|(_, owner)| *owner == Owner::Member(at));
            let actual = answer.map(|_| mine.map(|(backend, _)| *backend).collect::<Vec<_>>());
            let is_predicted = prediction.is_changed(&member.service_ref);
            let found =
                participant::of_member(index, member, actual.as_deref(), is_predicted, &owners);
            if is_predicted {
                adopted.extend(found.held.iter().map(|b| (b.id, b.port)));
            }
            route.unknown.extend(found.unknown);
            route.push(found.participant, found.held);
        }
        route.add_others(index, &owners, &adopted, prediction);
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
        index: &Index<'a>,
        owners: &[(&'a RegisteredBackend, Owner<'a>)],
        adopted: &BTreeSet<(&str, u16)>,
        prediction: &Prediction,
    ) {
        let mut others: Vec<(Owner<'a>, Vec<&'a RegisteredBackend>)> = Vec::new();
        for (backend, owner) in owners {
            let is_gone = match owner {
                Owner::Member(_) => true,
                // CCM takes over a backend of the same server and port, whoever made it.
                Owner::External(..) => adopted.contains(&(backend.id(), backend.port)),
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
        let uncertain = others.iter().filter_map(|(owner, _)| match owner {
            Owner::Remote(key) => owner::may_be_changed(index, key, prediction),
            _ => None,
        });
        self.unknown.extend(uncertain.collect::<Vec<_>>());
        for (owner, backends) in others {
            let participant = participant::of_others(index, owner, &backends);
            self.push(participant, Held::Measured(backends));
        }
    }

    fn push(&mut self, participant: Participant<'a>, held: Held<'a>) {
        self.participants.push(participant);
        self.held.push(held);
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

    /// All backends, participant by participant.
    pub fn backends(&self) -> impl Iterator<Item = RouteBackend<'a>> {
        (0..self.held.len()).flat_map(|index| self.backends_of(index))
    }

    /// The backends of the participant of that index; none where there is no such participant.
    pub fn backends_of(&self, index: usize) -> impl Iterator<Item = RouteBackend<'a>> {
        let held = self.held.get(index).into_iter().flat_map(Held::iter);
        held.map(move |backend| RouteBackend { participant: index, ..backend })
    }

    /// The participant that is that Service, if it is in the route.
    pub fn participant_of(&self, service_ref: &ServiceRef<'_>) -> Option<&Participant<'a>> {
        self.participants
            .iter()
            .find(|of| of.service_ref.as_ref().is_some_and(|known| known.is_same(service_ref)))
    }

    /// The sum of all weights that are known.
    pub fn weight_sum(&self) -> u64 {
        self.participants.iter().filter_map(|p| p.weight_sum).sum()
    }
}

impl Participant<'_> {
    /// `namespace/name` of a Service or the id of a server, with the context in brackets where
    /// there is one.
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

    /// The field path of findings about this participant of a group.
    pub fn path(&self) -> String {
        format!("BackendServers[{}]", self.label())
    }

    /// Whether the group's answer shows no backend of this Service although CCM would have
    /// registered some.
    pub fn is_emptied(&self) -> bool {
        self.backends == Some(0) && self.is_measured && self.expected_backends > 0
    }
}
