//! Routes, their participants and the shares of traffic these carry.

mod health;
mod held;
mod listeners;
mod owner;
mod participant;
mod unknown;

use std::sync::Arc;

use self::{
    health::RouteHealth,
    held::Held,
    owner::{Owner, owner},
};
pub use self::{
    health::{AbnormalBackend, ParticipantHealth},
    listeners::GroupListeners,
    unknown::Unknown,
};
pub use crate::index::RouteKey;
use crate::{
    backends::Mode,
    clb_answers::RegisteredBackend,
    finding::Need,
    index::{Index, ServiceRef},
    outcome::{Outcome, Reason},
    prediction::Prediction,
    snapshot::Snapshot,
};

/// A group behind a port, whose traffic is split by weight.
#[derive(Debug, Clone)]
pub struct Route<'a> {
    /// Its name.
    pub key: RouteKey<'a>,
    /// Whether everybody who holds weight in it is known, and how much.
    pub is_measurable: bool,
    /// Whether that is so, and clients come to its group by a listener, as far as that is known.
    pub complete: bool,
    /// What is not known; empty where it is complete.
    pub unknown: Vec<Unknown>,
    /// What the listeners of its CLB do for its group.
    pub listeners: GroupListeners,
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
    pub reasons: Vec<Reason>,
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
    /// What the CLB's health checks say of its backends.
    pub health: ParticipantHealth,
    /// The sum of its backends' weights; `None` where that is unknown.
    pub weight_sum: Option<u64>,
    /// The sum of the weights that CCM would write; `None` where that is unknown.
    pub expected_weight_sum: Option<u64>,
    /// Its share of the route's traffic, 0..=1; `None` where not everybody who holds weight in the
    /// route is known.
    pub share: Option<f64>,
    /// Its share of the weight that is known, 0..=1.
    pub share_of_known: f64,
}

/// The kinds of participants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParticipantKind {
    /// A Service of the snapshot.
    Service,
    /// A Service of a cluster that is not in the snapshot, or not with the Services of that namespace,
    /// known by its backends' description.
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

/// What a group holds.
enum Contents<'p, 'a> {
    /// What the rounds of a prediction leave.
    Predicted(&'p Arc<Vec<RegisteredBackend>>),
    /// What its answer shows.
    Measured(&'a [RegisteredBackend]),
    /// What CCM would have written.
    Expected,
}

impl<'a> Contents<'_, 'a> {
    fn backends(&self) -> &[RegisteredBackend] {
        match self {
            Self::Predicted(backends) => backends,
            Self::Measured(backends) => backends,
            Self::Expected => &[],
        }
    }

    /// The backends of some owner; `None` where CCM's own computation alone tells them.
    fn held<'b>(
        &self,
        owners: &[Owner<'b>],
        is_it: impl Fn(&Owner<'b>) -> bool,
    ) -> Option<Held<'a>> {
        let owned = owners.iter().enumerate().filter(|(_, owner)| is_it(owner));
        match self {
            Self::Predicted(backends) => {
                let indexes = owned.map(|(index, _)| index).collect();
                Some(Held::Predicted(Arc::clone(backends), indexes))
            }
            Self::Measured(backends) => {
                Some(Held::Measured(owned.filter_map(|(at, _)| backends.get(at)).collect()))
            }
            Self::Expected => None,
        }
    }
}

impl<'a> Route<'a> {
    /// Builds a route. What its group holds is as the rounds of `prediction` leave it, else as its
    /// answer shows, else as CCM would have written it. A group holds the same by whatever route it
    /// is reached.
    pub fn build(index: &Index<'a>, key: RouteKey<'a>, prediction: &Prediction) -> Self {
        let members = index.sharing(&key);
        let services: Vec<ServiceRef<'a>> = members.iter().map(|(service, _)| *service).collect();
        let answer = index.snapshot.clb_answers.groups.get(key.vgroup);
        let contents = match (prediction.contents(key.vgroup), answer) {
            (Some(after), _) => Contents::Predicted(after),
            (None, Some(answer)) => Contents::Measured(&answer.backends),
            (None, None) => Contents::Expected,
        };
        let mut route = Self {
            key,
            is_measurable: true,
            complete: true,
            unknown: Vec::new(),
            listeners: listeners::of_group(index, &key, &members, prediction),
            participants: Vec::new(),
            held: Vec::new(),
        };
        let owners: Vec<Owner<'_>> =
            contents.backends().iter().map(|one| owner(index, &services, one)).collect();
        for (at, (service_ref, ports)) in members.iter().enumerate() {
            let own = contents.held(&owners, |owner| *owner == Owner::Member(at));
            let input = participant::MemberInputs {
                index,
                service_ref,
                key,
                ports,
                prediction,
                has_answer: answer.is_some(),
                owners: &owners,
                listeners: &route.listeners,
            };
            let found = input.find(own);
            route.unknown.extend(found.unknown);
            route.push(found.participant, found.held);
        }
        route.add_others(index, &contents, &owners, prediction);
        route.add_contradictions(index.snapshot);
        if key.vgroup.is_empty() {
            let what = "which group CCM made for this port, and who else is in it";
            let why = "the answers of DescribeVServerGroups and DescribeVServerGroupAttribute are not at hand";
            route.unknown.push(Unknown::new(what, why).with(Need::ClbApi));
        } else if answer.is_none() {
            let what = format!("who else is in {}", key.vgroup);
            route.unknown.push(unread_group(index, &key, what));
        }
        route.is_measurable = route.unknown.is_empty();
        route.unknown.extend(route.why_unreached());
        route.complete = route.unknown.is_empty();
        route.share();
        route
    }

    /// Participants that no Service at hand accounts for.
    fn add_others(
        &mut self,
        index: &Index<'a>,
        contents: &Contents<'_, 'a>,
        owners: &[Owner<'_>],
        prediction: &Prediction,
    ) {
        let mut others: Vec<Owner<'_>> = Vec::new();
        for owner in owners.iter().filter(|owner| !matches!(owner, Owner::Member(_))) {
            if !others.iter().any(|known| known.is_same(owner)) {
                others.push(*owner);
            }
        }
        others.sort();
        for owner in others {
            if let Owner::Remote(key) = owner {
                self.unknown.extend(owner::may_be_changed(index, &key, prediction));
            }
            let held = contents.held(owners, |of| of.is_same(&owner)).unwrap_or(Held::NONE);
            let health = RouteHealth { index, clb: self.key.clb, listeners: &self.listeners };
            let participant = participant::of_others(index, owner, &held, health.of(&held));
            if participant.weight_sum.is_none() {
                self.unknown.push(Unknown::new(participant.label(), participant::HAD_BEFORE));
            }
            self.push(participant, held);
        }
    }

    /// What is unknown where objects are at hand that decide about backends, with several contents.
    fn add_contradictions(&mut self, snapshot: &Snapshot) {
        let has_leftovers = self.participants.iter().any(|of| of.kind == ParticipantKind::Orphan);
        for cluster in &snapshot.clusters {
            let is_in = |of: &Participant<'_>| {
                of.service_ref.is_some_and(|service_ref| std::ptr::eq(service_ref.cluster, cluster))
            };
            if has_leftovers || self.participants.iter().any(is_in) {
                let contradictions = cluster.contradictions().iter();
                let about_backends = contradictions.filter(|of| of.is_about_backends());
                let unclear = about_backends.map(|of| {
                    Unknown::new("which is right", of.to_string()).with(Need::ClearInput)
                });
                self.unknown.extend(unclear);
            }
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
            participant.share = self.is_measurable.then_some(part);
        }
    }

    /// What is not known, in words.
    pub fn unknown_in_words(&self) -> String {
        self.unknown.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    /// Why it is not known whether clients come to the group: no listener sends to it. `None` where
    /// one does, and where the listeners are not known.
    pub fn why_unreached(&self) -> Option<Unknown> {
        let GroupListeners::NoneSends(instead) = &self.listeners else { return None };
        let instead =
            if instead.is_empty() { String::new() } else { format!(" ({})", instead.join(", ")) };
        Some(Unknown::new(
            format!("whether clients come to {}", self.key.vgroup),
            format!(
                "no running listener of CLB {} sends to it{instead}, and whether a forwarding rule does is not looked at",
                self.key.clb
            ),
        ))
    }

    /// All backends, participant by participant.
    pub fn backends(&self) -> impl Iterator<Item = RouteBackend<'_>> {
        (0..self.held.len()).flat_map(|index| self.backends_of(index))
    }

    /// The backends of the participant of that index; none where there is no such participant.
    pub fn backends_of(&self, index: usize) -> impl Iterator<Item = RouteBackend<'_>> {
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

/// That the answer about a group is not at hand, and why.
fn unread_group(index: &Index<'_>, key: &RouteKey<'_>, what: String) -> Unknown {
    let unshown = &index.snapshot.clb_answers.unshown;
    match (unshown.unknown.get(key.clb), unshown.unread.get(key.clb)) {
        (Some(clb), _) => {
            Unknown::new(what, format!("there is no CLB {} in {}", clb.id, clb.place()))
        }
        (None, Some(why)) => Unknown::new(what, why),
        (None, None) => {
            let why = "its answer (DescribeVServerGroupAttribute) is not at hand";
            Unknown::new(what, why).with(Need::ClbApi)
        }
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
