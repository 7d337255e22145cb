use super::{
    GroupListeners, Held, Owner, Participant, ParticipantHealth, ParticipantKind, RouteHealth,
    RouteKey, Unknown,
    owner::{UNCERTAIN, owner},
};
use crate::{
    backends::{Backends, Mode, ignores_weight_update, weight_setting},
    clb_answers::RegisteredBackend,
    finding::Need,
    index::{Index, ServiceRef, shown},
    object::EndpointSlice,
    outcome::{BACKEND_TYPE, Outcome, PortOutcome, PortResult, Reason, ServiceOutcome},
    prediction::{Prediction, is_unknown},
};

/// Why the weights of a participant are unknown that no round writes.
pub(super) const HAD_BEFORE: &str = "what it had before is not known";

/// A Service's part in a route.
pub(super) struct Found<'a> {
    pub(super) participant: Participant<'a>,
    pub(super) held: Held<'a>,
    /// Why its weights are unknown, if they are.
    pub(super) unknown: Option<Unknown>,
}

/// What a Service's part in a route is found from.
pub(super) struct MemberInputs<'i, 'a> {
    pub index: &'i Index<'a>,
    pub service_ref: &'i ServiceRef<'a>,
    /// The route.
    pub key: RouteKey<'a>,
    /// The numbers of the ports by which it shares the group.
    pub ports: &'i [u16],
    pub prediction: &'i Prediction,
    /// Whether the group's answer is at hand.
    pub has_answer: bool,
    pub owners: &'i [Owner<'i>],
    pub listeners: &'i GroupListeners,
}

impl<'a> MemberInputs<'_, 'a> {
    /// The part of a Service at hand. `own` is what it has in the group; `None` where that is not at
    /// hand, so that CCM's computation tells it.
    pub(super) fn find(&self, own: Option<Held<'a>>) -> Found<'a> {
        let Self { index, service_ref, prediction, .. } = *self;
        let whole = index.outcome_of(service_ref, prediction);
        let here: Vec<&PortOutcome<'a>> =
            self.ports.iter().flat_map(|port| whole.ports_numbered(*port)).collect();
        let expected = expected(&here, &whole);
        let outcome = outcome(&here, &whole);
        let is_predicted = prediction.is_changed(service_ref);
        let is_measured = own.is_some() && self.has_answer && !is_predicted;
        let is_uncertain = self.has_answer && self.is_uncertain(whole.mode);
        let held = match own {
            Some(_) if is_uncertain => None,
            Some(held) => Some(held).filter(|held| !held.is_unknown()),
            None if self.keeps_weights() => None,
            None => expected.map(|backends| by_model(backends, &here)),
        };
        let unknown = held.is_none().then(|| {
            let (why, need) = if is_uncertain {
                (UNCERTAIN.to_owned(), Some(Need::ClusterId))
            } else {
                self.why_unknown(&here)
            };
            Unknown { what: service_ref.label(), why, need }
        });
        let checks = RouteHealth { index, clb: self.key.clb, listeners: self.listeners };
        let mut health = held.as_ref().map(|held| checks.of(held)).unwrap_or_default();
        health.healthy = health.healthy.filter(|_| is_measured);
        let meta = &service_ref.service.metadata;
        let (service, cluster) = (service_ref.service, service_ref.cluster);
        let setting = weight_setting(service, cluster.ccm_version);
        // Where CCM writes nothing, it leaves what stands there.
        let kept = || held.as_ref().filter(|_| is_kept(&here)).map(Held::weight_sum);
        let needs_round = here.len() > 1 || self.keeps_weights();
        let by_round = if is_measured && !is_uncertain && needs_round && whole.failures.is_empty() {
            self.sum_after_next_round()
        } else {
            None
        };
        let by_model = || expected.map(Backends::weight_sum);
        let participant = Participant {
            service_ref: Some(*service_ref),
            context: cluster.context.clone(),
            kind: ParticipantKind::Service,
            namespace: meta.namespace().to_owned(),
            name: meta.name.clone(),
            mode: whole.mode,
            outcome: Some(outcome),
            reasons: if outcome == Outcome::Applied { Vec::new() } else { whole.reasons() },
            weight: setting.ok().and_then(|setting| setting.total),
            backends: held.as_ref().map(Held::len),
            expected_backends: expected.map_or(0, Backends::len),
            is_measured: is_measured && !is_uncertain,
            ready: cluster.slices_of(service).map(EndpointSlice::ready_in),
            health,
            weight_sum: held.as_ref().map(Held::weight_sum),
            expected_weight_sum: by_round.or_else(by_model).or_else(kept),
            share: None,
            share_of_known: 0.0,
        };
        Found { participant, held: held.unwrap_or(Held::NONE), unknown }
    }

    /// The sum of the Service's weights after one more round over it, for what that leaves depends on
    /// what the group holds. `None` where it is not known.
    fn sum_after_next_round(&self) -> Option<u64> {
        let Self { index, service_ref, key, .. } = *self;
        let prediction = Prediction::of_unchanged(index, service_ref, 1);
        let contents = prediction.contents(key.vgroup)?;
        let members = [*service_ref];
        let own = contents.iter().filter(|one| owner(index, &members, one) == Owner::Member(0));
        own.map(|one| (!is_unknown(one)).then(|| u64::from(one.weight))).sum()
    }

    /// Whether the weights that the group has stay as they are.
    fn keeps_weights(&self) -> bool {
        ignores_weight_update(self.service_ref.service, self.service_ref.cluster.ccm_version)
    }

    /// Why the Service's weights are not known, and what has to be given for it.
    fn why_unknown(&self, here: &[&PortOutcome<'_>]) -> (String, Option<Need>) {
        let result = here.first().map(|of| &of.result);
        match result {
            Some(PortResult::Unknown(BACKEND_TYPE)) => {
                let why = "whether pods or nodes are its backends is not known: neither its annotation backend-type nor its cluster tells; give --backend-type";
                (why.to_owned(), Some(Need::BackendType))
            }
            Some(PortResult::Unknown(what)) => {
                (format!("its {what} are not at hand"), Some(Need::ClusterObjects))
            }
            _ => (self.why_kept(here).to_owned(), None),
        }
    }

    /// Why nothing tells the weights that stay in the group.
    fn why_kept(&self, here: &[&PortOutcome<'_>]) -> &'static str {
        match here.first().map(|of| &of.result) {
            Some(PortResult::SkippedUntilChange(_)) => {
                "CCM writes nothing for it, so the weights it had before stay"
            }
            Some(PortResult::Applied(_)) if self.keeps_weights() => {
                "ignore-weight-update is on, so the weights it had before stay"
            }
            Some(PortResult::Frozen) | None => "it is frozen, so the weights it had before stay",
            Some(_) if here.len() > 1 => {
                "several of its ports share the group, and CCM writes one of them a round"
            }
            Some(_) => HAD_BEFORE,
        }
    }

    /// Whether backends of a Service of the same name might be this one's: the cluster's id is
    /// unknown, and there is nothing to know its servers by.
    fn is_uncertain(&self, mode: Option<Mode>) -> bool {
        let (service, cluster) = (self.service_ref.service, self.service_ref.cluster);
        let knows_servers = match mode {
            Some(Mode::Eni) => cluster.slices_of(service).is_some(),
            _ => cluster.nodes_for(service, mode).is_some(),
        };
        let meta = &service.metadata;
        cluster.id.is_none()
            && !knows_servers
            && self.owners.iter().any(|owner| {
                matches!(owner, Owner::Remote(key)
                    if key.service == meta.name && key.namespace == meta.namespace())
            })
    }
}

/// What CCM would leave in the group for the Service; `None` where that is not known. Of several
/// ports in one group CCM writes one a round, so that they must agree.
fn expected<'h, 'a>(
    here: &[&'h PortOutcome<'a>],
    whole: &ServiceOutcome<'_>,
) -> Option<&'h Backends<'a>> {
    let Some((first, others)) = here.split_first() else {
        // The mapping means a port that the Service does not have: CCM puts nothing here.
        return (!whole.is_frozen()).then(Backends::none);
    };
    let first = first.result.expected()?;
    let agrees = |other: &&PortOutcome<'_>| {
        other.result.expected().is_some_and(|other| {
            other.len() == first.len() && other.iter().zip(first.iter()).all(|(a, b)| a == b)
        })
    };
    others.iter().all(agrees).then_some(first)
}

fn by_model<'a>(backends: &Backends<'a>, here: &[&PortOutcome<'a>]) -> Held<'a> {
    let description = here.iter().find_map(|of| match &of.result {
        PortResult::Applied(group) => Some(shown(&group.key)),
        _ => None,
    });
    Held::Expected(backends.clone(), description.unwrap_or_default().into())
}

fn outcome(here: &[&PortOutcome<'_>], whole: &ServiceOutcome<'_>) -> Outcome {
    if !whole.failures.is_empty() {
        return whole.outcome();
    }
    let unread = (!whole.unread.is_empty()).then_some(Outcome::NoEffect);
    let ports = here.iter().map(|of| of.result.outcome()).max();
    ports.unwrap_or(Outcome::Misrouted).max(unread.unwrap_or(Outcome::Applied))
}

/// Whether CCM leaves what the Service has in the group.
fn is_kept(here: &[&PortOutcome<'_>]) -> bool {
    let mut results = here.iter().map(|of| &of.result);
    results.any(|result| matches!(result, PortResult::SkippedUntilChange(_)))
}

/// The part of whatever no Service at hand accounts for.
pub(super) fn of_others<'a>(
    index: &Index<'a>,
    owner: Owner<'_>,
    held: &Held<'_>,
    health: ParticipantHealth,
) -> Participant<'a> {
    let (kind, context, namespace, name) = match owner {
        Owner::Orphan(cluster, key) => {
            let context = index.snapshot.clusters.get(cluster).and_then(|c| c.context.clone());
            (ParticipantKind::Orphan, context, key.namespace, key.service)
        }
        Owner::Remote(key) => (ParticipantKind::Remote, None, key.namespace, key.service),
        Owner::External(_, id) => (ParticipantKind::External, None, "", id),
        Owner::Member(_) => (ParticipantKind::Service, None, "", ""),
    };
    let sum = (!held.is_unknown()).then(|| held.weight_sum());
    let external = sum.filter(|_| kind == ParticipantKind::External);
    let reasons: Vec<Reason> = Vec::new();
    Participant {
        service_ref: None,
        context,
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        mode: held.registered().all(RegisteredBackend::is_pod).then_some(Mode::Eni),
        outcome: None,
        reasons,
        weight: external.map(|sum| u32::try_from(sum).unwrap_or(u32::MAX)),
        backends: sum.map(|_| held.len()),
        expected_backends: 0,
        is_measured: true,
        ready: None,
        health,
        weight_sum: sum,
        // Nobody's controller writes it: it is expected to stay.
        expected_weight_sum: external,
        share: None,
        share_of_known: 0.0,
    }
}
