use super::{Held, Owner, Participant, ParticipantKind, RouteBackend, owner::UNCERTAIN};
use crate::{
    backends::{Backends, Mode, ignores_weight_update, weight_setting},
    clb_answers::RegisteredBackend,
    index::{Index, Member, ServiceRef},
    object::EndpointSlice,
    outcome::{Outcome, PortResult},
};

/// A Service's part in a route.
pub(super) struct Found<'a> {
    pub(super) participant: Participant<'a>,
    pub(super) held: Held<'a>,
    /// Why its weights are unknown, if they are.
    pub(super) unknown: Option<String>,
}

/// The part of a Service at hand: as it stands in the group, or as CCM's next round will write it.
pub(super) fn of_member<'a>(
    index: &Index<'a>,
    member: &Member<'a>,
    actual: Option<&[&'a RegisteredBackend]>,
    predicted: bool,
    owners: &[(&RegisteredBackend, Owner<'_>)],
) -> Found<'a> {
    let service_ref = member.service_ref;
    let round = index.round(&service_ref);
    let result = round.port(member.port);
    let expected = match result {
        Some(result) => result.expected(),
        // The mapping means a port that the Service does not have: CCM puts nothing here.
        None if round.frozen_by.is_empty() => Some(Backends::none()),
        None => None,
    };
    let by_model = |backends: &Backends<'a>| {
        let description = match result {
            Some(PortResult::Applied(group)) => group.key.as_str(),
            _ => "",
        };
        Held::Expected(backends.clone(), description.into())
    };
    let outcome = match result {
        Some(result) => result.outcome(),
        None if round.frozen_by.is_empty() => Outcome::Misrouted,
        None => Outcome::Frozen,
    };
    let is_uncertain = actual.is_some() && is_uncertain(&service_ref, round.mode, owners);
    let held = match (expected, actual) {
        (Some(expected), actual)
            if predicted
                && ignores_weight_update(service_ref.service, service_ref.cluster.ccm_version) =>
        {
            actual.map(|measured| Held::Kept(keep_weights(&by_model(expected), measured)))
        }
        (Some(expected), _) if predicted => Some(by_model(expected)),
        (_, Some(measured)) if !is_uncertain => Some(Held::Measured(measured.to_vec())),
        (_, Some(_)) => None,
        (expected, None) => expected.map(by_model),
    };
    let unknown = held.is_none().then(|| {
        let why = match result {
            _ if is_uncertain => UNCERTAIN.to_owned(),
            Some(PortResult::Unknown(what)) => format!("its {what} are not at hand"),
            Some(PortResult::Applied(_)) => {
                "ignore-weight-update is on, so the weights it had before stay".to_owned()
            }
            _ => "it is frozen, so the weights it had before stay".to_owned(),
        };
        format!("{}: {why}", service_ref.label())
    });
    let healthy = actual.filter(|_| !predicted).and_then(|actual| healthy(index, actual));
    let meta = &service_ref.service.metadata;
    let participant = Participant {
        service_ref: Some(service_ref),
        context: service_ref.cluster.context.clone(),
        kind: ParticipantKind::Service,
        namespace: meta.namespace().to_owned(),
        name: meta.name.clone(),
        mode: Some(round.mode),
        outcome: Some(outcome),
        reasons: if outcome == Outcome::Applied { Vec::new() } else { round.reasons() },
        weight: weight_setting(service_ref.service, service_ref.cluster.ccm_version)
            .ok()
            .and_then(|setting| setting.total),
        backends: held.as_ref().map(Held::len),
        expected_backends: expected.map_or(0, Backends::len),
        is_measured: actual.is_some() && !predicted && !is_uncertain,
        ready: service_ref.cluster.slices_of(service_ref.service).map(EndpointSlice::ready_in),
        healthy,
        weight_sum: held.as_ref().map(Held::weight_sum),
        expected_weight_sum: expected.map(Backends::weight_sum),
        share: None,
        share_of_known: 0.0,
    };
    let held = held.unwrap_or_else(|| Held::Measured(Vec::new()));
    Found { participant, held, unknown }
}

/// What a round leaves under `ignore-weight-update`: new backends with the computed weight, known
/// ones with the weight they have (CCM 2.14: `vgroups.go`).
fn keep_weights<'a>(expected: &Held<'a>, measured: &[&RegisteredBackend]) -> Vec<RouteBackend<'a>> {
    let kept = expected.iter().map(|wanted| {
        let same = |known: &&&RegisteredBackend| {
            known.id() == wanted.id
                && known.port == wanted.port
                && *known.description == *wanted.description
        };
        let weight = measured.iter().find(same).map_or(wanted.weight, |known| known.weight);
        RouteBackend { weight, ..wanted }
    });
    kept.collect()
}

/// Whether backends of a Service of the same name might be this one's: the cluster's id is unknown,
/// and there is nothing to know its servers by.
fn is_uncertain(
    service_ref: &ServiceRef<'_>,
    mode: Mode,
    owners: &[(&RegisteredBackend, Owner<'_>)],
) -> bool {
    let knows_servers = match mode {
        Mode::Eni => service_ref.cluster.slices_of(service_ref.service).is_some(),
        Mode::Cluster | Mode::Local => {
            service_ref.cluster.nodes_for(service_ref.service, mode).is_some()
        }
    };
    let meta = &service_ref.service.metadata;
    service_ref.cluster.id.is_none()
        && !knows_servers
        && owners.iter().any(|(_, owner)| {
            matches!(owner, Owner::Remote(key)
                if key.service == meta.name && key.namespace == meta.namespace())
        })
}

/// The part of whatever no Service at hand accounts for.
pub(super) fn of_others<'a>(
    index: &Index<'a>,
    owner: Owner<'_>,
    backends: &[&RegisteredBackend],
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
    let sum = backends.iter().map(|backend| u64::from(backend.weight)).sum();
    Participant {
        service_ref: None,
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
        healthy: healthy(index, backends),
        weight_sum: Some(sum),
        // Nobody's controller writes it: it is expected to stay.
        expected_weight_sum: (kind == ParticipantKind::External).then_some(sum),
        share: None,
        share_of_known: 0.0,
    }
}

/// How many of the backends are healthy; `None` where there are none, or one's health is unknown.
fn healthy(index: &Index<'_>, backends: &[&RegisteredBackend]) -> Option<usize> {
    let states = backends.iter().map(|backend| index.snapshot.clb_answers.is_healthy(backend));
    let states: Vec<bool> = states.collect::<Option<_>>()?;
    (!states.is_empty()).then(|| states.into_iter().filter(|healthy| *healthy).count())
}
