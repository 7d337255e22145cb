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
    /// Their backends, in the same order.
    held: Vec<Held<'a>>,
}

/// One holder of weight.
#[derive(Debug, Clone)]
pub struct Participant<'a> {
    /// The Service, if it is at hand and mapped here.
    pub service_ref: Option<ServiceRef<'a>>,
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
pub struct RouteBackend<'a> {
    /// Instance id or pod address.
    pub id: &'a str,
    /// 1..=65535; 0 where no node port is assigned yet.
    pub port: u16,
    /// 0..=100.
    pub weight: u32,
    /// Its description.
    pub description: Arc<str>,
    /// Index of its participant in the route.
    pub participant: usize,
}

impl<'a> Route<'a> {
    /// Puts a route together: from the group's answer where that is at hand, except for the
    /// Services whose next round is predicted, else from the model.
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

    /// All backends: as they stand in the group where its answer is at hand, else by the model.
    pub fn backends(&self) -> impl Iterator<Item = RouteBackend<'a>> {
        (0..self.held.len()).flat_map(|index| self.backends_of(index))
    }

    /// The backends of one of its participants.
    pub fn backends_of(&self, index: usize) -> impl Iterator<Item = RouteBackend<'a>> {
        let held = self.held.get(index).into_iter().flat_map(Held::iter);
        held.map(move |backend| RouteBackend { participant: index, ..backend })
    }

    /// The part of a Service at hand.
    pub fn participant_of(&self, service_ref: &ServiceRef<'_>) -> Option<&Participant<'a>> {
        self.participants
            .iter()
            .find(|of| of.service_ref.as_ref().is_some_and(|known| known.is_same(service_ref)))
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

    /// Where a finding on the group points to when it is about this participant.
    pub fn path(&self) -> String {
        format!("BackendServers[{}]", self.label())
    }

    /// Whether the group was emptied of this Service: CCM would have written backends, and the
    /// group's answer shows none.
    pub fn is_emptied(&self) -> bool {
        self.backends == Some(0) && self.is_measured && self.expected_backends > 0
    }
}
