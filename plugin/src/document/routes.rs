//! Routes as documents: what the core computes, with the problems beside what they concern.

use std::collections::HashSet;

use clbmigrate_core::{
    annotation,
    backends::mapping,
    finding::{Finding, Severity},
    identity::NamedKey,
    index::{Index, ServiceRef},
    object::Service,
    outcome::Outcome,
    prediction::Prediction,
    route::{Participant, ParticipantKind, Route},
    snapshot::Cluster,
    transfer::{HalfDone, half_done},
};

use super::{
    half_done::{half_done_in_words, way_on_in_words},
    problems::{ProblemIndex, ordered, without_rule},
};
use crate::{
    output::{
        json::{self, Problem, RouteListener, Standing, UnknownPart},
        text::count,
    },
    target,
};

/// The rule about backends that health checks call abnormal.
const UNHEALTHY: &str = "CLB416";

/// Makes the documents of routes and of Services in no route.
pub struct RouteDocumentBuilder<'v, 'a> {
    index: &'v Index<'a>,
    problems: ProblemIndex<'v>,
    half_done: Vec<HalfDone>,
}

impl<'v, 'a> RouteDocumentBuilder<'v, 'a> {
    /// A builder of documents that tell these findings beside what they concern.
    pub fn new(index: &'v Index<'a>, findings: &'v [Finding]) -> Self {
        Self {
            index,
            problems: ProblemIndex::new(index.snapshot, findings),
            half_done: half_done(index.snapshot),
        }
    }

    /// The document of a route, for `status`.
    pub fn route(&self, route: &Route<'a>) -> json::Route {
        let answers = &self.index.snapshot.clb_answers;
        let balancer = answers.balancers.get(route.key.clb);
        let group = answers.groups.get(route.key.vgroup);
        json::Route {
            clb: route.key.clb.to_owned(),
            clb_name: balancer.and_then(|of| known(&of.name)),
            clb_address: balancer.and_then(|of| known(&of.address)),
            vserver_group: route.key.vgroup.to_owned(),
            vserver_group_name: group.and_then(|of| known(&of.name)),
            port: route.key.port,
            listeners: self.listeners(route),
            complete: route.complete,
            unknown: route.unknown.iter().map(ToString::to_string).collect(),
            unknown_parts: route.unknown.iter().map(UnknownPart::from).collect(),
            weight_sum: route.weight_sum(),
            participants: self.participants(route),
            problems: self.problems_of_route(route),
        }
    }

    /// The running listeners that send to a route's group.
    fn listeners(&self, route: &Route<'a>) -> Option<Vec<RouteListener>> {
        let names = route.listeners.names()?;
        let answered = self.index.listeners_of(route.key.clb).unwrap_or_default();
        let listeners = names.into_iter().map(|name| {
            let answer = answered.iter().find(|of| of.name() == name);
            RouteListener {
                protocol: known(name.protocol),
                port: name.port,
                scheduler: answer.and_then(|of| known(&of.scheduler)),
                health_check: answer.and_then(|of| of.checks_health()),
            }
        });
        Some(listeners.collect())
    }

    fn problems_of_route(&self, route: &Route<'a>) -> Vec<Problem> {
        let mut problems = self.problems.for_route(&route.key, &route.participants);
        let is_here = |half: &&HalfDone| {
            let (index, namespace, name) = &half.holder;
            let mut members = self.index.members(&route.key).iter();
            members.any(|member| {
                let meta = &member.service_ref.service.metadata;
                member.service_ref.cluster_index == *index
                    && meta.namespace() == namespace
                    && meta.name == *name
            })
        };
        for half in self.half_done.iter().filter(is_here) {
            let mut message = half_done_in_words(half);
            if !self.is_contradictory() {
                message = format!("{message}; {}", way_on_in_words(half));
            }
            problems.push(without_rule(Severity::Warning, message));
        }
        problems
    }

    /// The document of a route before or after a change, for `preview`.
    pub fn state(&self, route: &Route<'a>) -> json::RouteState {
        json::RouteState {
            complete: route.complete,
            unknown: route.unknown.iter().map(ToString::to_string).collect(),
            unknown_parts: route.unknown.iter().map(UnknownPart::from).collect(),
            weight_sum: route.weight_sum(),
            backends: route.backends().map(json::GroupBackend::from).collect(),
            participants: self.participants(route),
            unreached: route.why_unreached().map(|why| why.to_string()),
        }
    }

    /// Whether what a cluster has is not certain, so that nothing can be said to be left over.
    fn is_contradictory(&self) -> bool {
        self.index.snapshot.is_contradictory()
    }

    fn participants(&self, route: &Route<'a>) -> Vec<json::Participant> {
        let participants = route.participants.iter().enumerate();
        participants.map(|(index, of)| self.participant(route, index, of)).collect()
    }

    fn participant(
        &self,
        route: &Route<'a>,
        index: usize,
        of: &Participant<'a>,
    ) -> json::Participant {
        let is_external = of.kind == ParticipantKind::External;
        let mode = if is_external { Some(json::Mode::External) } else { of.mode.map(Into::into) };
        json::Participant {
            context: of.context.as_deref().map(str::to_owned),
            kind: match of.kind {
                ParticipantKind::External => json::ParticipantKind::External,
                _ => json::ParticipantKind::Service,
            },
            standing: match of.kind {
                ParticipantKind::Service => Some(Standing::Member),
                ParticipantKind::Remote if self.is_of_cluster_at_hand(route, index, of) => None,
                ParticipantKind::Remote => Some(Standing::Remote),
                ParticipantKind::Orphan if self.is_contradictory() => None,
                ParticipantKind::Orphan => Some(Standing::Orphan),
                ParticipantKind::External => None,
            },
            cluster_id: cluster_id(route, index, of),
            namespace: (!is_external).then(|| of.namespace.clone()),
            name: of.name.clone(),
            mode,
            outcome: of.outcome.map(Into::into),
            reasons: of.reasons.iter().map(ToString::to_string).collect(),
            weight: of.weight,
            invalid_weight: of
                .service_ref
                .and_then(|service_ref| invalid_weight(service_ref.service)),
            backends: of.backends,
            ready: of.ready,
            healthy: of.health.healthy,
            weight_sum: of.weight_sum,
            expected_weight_sum: of.expected_weight_sum,
            share: of.share,
            share_of_known: of.share_of_known,
            problems: self.problems_of(route, index, of),
        }
    }

    /// Whether a Service that is not at hand is of a cluster that is: its namespace could not be listed.
    fn is_of_cluster_at_hand(&self, route: &Route<'a>, index: usize, of: &Participant<'a>) -> bool {
        let id = cluster_id(route, index, of);
        id.is_some() && self.index.snapshot.clusters.iter().any(|cluster| cluster.id == id)
    }

    fn problems_of(&self, route: &Route<'a>, index: usize, of: &Participant<'a>) -> Vec<Problem> {
        let mut problems = Vec::new();
        let cluster = of.service_ref.map(|service_ref| service_ref.cluster);
        let is_clear = cluster.is_none_or(|cluster| cluster.contradictions().is_empty());
        if of.is_emptied() && is_clear {
            problems.push(Problem {
                rule: Some("CLB409".to_owned()),
                severity: Severity::Error.into(),
                message: format!(
                    "group emptied: CCM would have written {}, the group shows none",
                    count(of.expected_backends, "backend")
                ),
            });
        }
        let mut on_backends = self.problems.for_participant(route.key.vgroup, of);
        match of.kind {
            ParticipantKind::Remote if self.is_of_cluster_at_hand(route, index, of) => {
                let namespace = &of.namespace;
                problems.push(without_rule(
                    Severity::Info,
                    format!("whether it is there is unknown: Services of namespace {namespace} could not be listed"),
                ));
            }
            ParticipantKind::Remote => {
                let cluster = cluster_id(route, index, of);
                let cluster = cluster.as_deref().unwrap_or("?");
                problems.push(without_rule(
                    Severity::Info,
                    format!("other cluster {cluster}, which is not at hand"),
                ));
            }
            ParticipantKind::Orphan if self.is_contradictory() => {
                problems.push(without_rule(
                    Severity::Info,
                    "whose backends these are is unknown, for the input is contradictory",
                ));
            }
            ParticipantKind::Orphan => problems.push(Problem {
                rule: on_backends.pop().and_then(|found| found.rule),
                severity: Severity::Warning.into(),
                message: "orphan: its Service is gone, or not mapped here, and nobody removes its backends".to_owned(),
            }),
            ParticipantKind::Service | ParticipantKind::External => {}
        }
        problems.extend(unhealthy(of));
        if let Some(service_ref) = &of.service_ref {
            problems.extend(
                self.problems
                    .for_service(
                        service_ref.cluster_index,
                        service_ref.cluster,
                        service_ref.service,
                    )
                    .into_iter()
                    .filter(|p| match p.rule.as_deref() {
                        // An emptied group has been named already.
                        Some("CLB409") => !of.is_emptied(),
                        // So have the backends of this route, and others are another route's.
                        Some(UNHEALTHY) => false,
                        _ => true,
                    }),
            );
        }
        problems.extend(on_backends);
        ordered(problems)
    }

    /// The documents of the selected Services that are in no route: of those that carry CLB
    /// annotations, or of all where they are `named`.
    pub fn unrouted(
        &self,
        is_selected: &dyn Fn(&Cluster, &Service) -> bool,
        named: bool,
    ) -> Vec<json::Unrouted> {
        let members = self.index.routes().flat_map(|(_, members)| members);
        let routed: HashSet<(usize, &str, &str)> =
            members.map(|member| name_of(&member.service_ref)).collect();
        let candidates = target::all_services(self.index).filter(|service_ref| {
            (named || service_ref.service.is_candidate())
                && is_selected(service_ref.cluster, service_ref.service)
                && !routed.contains(&name_of(service_ref))
        });
        candidates.map(|service_ref| self.unrouted_service(&service_ref)).collect()
    }

    fn unrouted_service(&self, service_ref: &ServiceRef<'a>) -> json::Unrouted {
        let meta = &service_ref.service.metadata;
        let (outcome, reasons) = if service_ref.service.is_taken_by_ccm() {
            let round = self.index.outcome_of(service_ref, &Prediction::default());
            let mut reasons = vec![why_unrouted(service_ref.service).to_owned()];
            if round.outcome() != Outcome::Applied {
                reasons.extend(round.reasons().iter().map(ToString::to_string));
            }
            (round.outcome(), reasons)
        } else {
            (Outcome::NoEffect, vec![target::why_not_taken(service_ref.service)])
        };
        json::Unrouted {
            context: service_ref.cluster.context.as_deref().map(str::to_owned),
            namespace: meta.namespace().to_owned(),
            name: meta.name.clone(),
            outcome: outcome.into(),
            reasons,
            problems: ordered(self.problems.for_service(
                service_ref.cluster_index,
                service_ref.cluster,
                service_ref.service,
            )),
        }
    }
}

/// The id of the cluster of a participant: of its cluster at hand, else as its backends' descriptions
/// have it.
fn cluster_id(route: &Route<'_>, index: usize, of: &Participant<'_>) -> Option<String> {
    if let Some(service_ref) = &of.service_ref {
        return service_ref.cluster.id.clone();
    }
    route.backends_of(index).find_map(|backend| {
        NamedKey::parse(&backend.description).map(|key| key.cluster_id.to_owned())
    })
}

fn name_of<'a>(service_ref: &ServiceRef<'a>) -> (usize, &'a str, &'a str) {
    let meta = &service_ref.service.metadata;
    (service_ref.cluster_index, meta.namespace(), &meta.name)
}

fn why_unrouted(service: &Service) -> &'static str {
    let annotations = &service.metadata.annotations;
    let Some(mapping) = mapping(service) else {
        return match (annotations.text(annotation::ID), annotations.text(annotation::VGROUP_PORT)) {
            ("", "") => "it names no CLB, so CCM makes one for it",
            ("", _) => "it names no CLB, so CCM makes one for it and ignores the mapping",
            _ => "it names no vServer group, so CCM makes groups of its own",
        };
    };
    if mapping.entries().iter().all(|entry| entry.is_release()) {
        "its mapping only releases groups"
    } else {
        "its mapping names no group and port that can be read"
    }
}

/// What the CLB's health checks have against a participant's backends.
fn unhealthy(of: &Participant<'_>) -> Option<Problem> {
    let abnormal = &of.health.abnormal;
    let mut listeners: Vec<&str> =
        abnormal.iter().flat_map(|one| &one.listeners).map(String::as_str).collect();
    listeners.sort_unstable();
    listeners.dedup();
    let at =
        if listeners.is_empty() { String::new() } else { format!(" at {}", listeners.join(", ")) };
    let words = |number: usize| {
        let all = count(of.backends.unwrap_or(number), "backend");
        format!("{number} of {all} not healthy{at}")
    };
    let healthy = of.health.healthy.zip(of.backends);
    match healthy.map(|(healthy, backends)| backends - healthy) {
        Some(0) => None,
        // Those without weight get nothing anyway.
        Some(number) if abnormal.is_empty() => Some(without_rule(Severity::Warning, words(number))),
        None if abnormal.is_empty() => None,
        number => Some(Problem {
            rule: Some(UNHEALTHY.to_owned()),
            severity: Severity::Warning.into(),
            message: words(number.unwrap_or(abnormal.len())),
        }),
    }
}

/// A text that an answer holds; `None` where it is empty.
fn known(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The weight annotation where CCM cannot read it.
fn invalid_weight(service: &Service) -> Option<String> {
    let text = service.metadata.annotations.text(annotation::WEIGHT);
    (!text.is_empty() && annotation::parse_weight(text).is_err()).then(|| text.to_owned())
}
