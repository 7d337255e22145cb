//! What holds for every round of CCM that a change brings about.

use std::collections::BTreeMap;

use clbmigrate_core::{
    annotation::{FINALIZER, ID, WEIGHT, parse_weight},
    backends::{LocalModel, Mode, SkipReason},
    clb_answers::RegisteredBackend,
    finding::{Finding, NotLooked, Severity},
    identity::NamedKey,
    index::Index,
    object::{ObjectRef, Service},
    outcome::{Cause, Outcome, Reason},
    prediction::Prediction,
    preview::preview,
    round::{self, Balancer, Cloud, Failure, Listener, Refusal, RoundInputs, ServerGroup},
    route::Route,
    rules,
    snapshot::Snapshot,
};
use proptest::prelude::*;

use super::worlds::{departures, shared_groups, worlds};
use crate::support::{CLUSTER_ID, TestSnapshot};

fn web(snapshot: &Snapshot) -> Option<&Service> {
    snapshot.clusters.first()?.service("shop", "web")
}

/// The rules that may tell of a cause. A mistake in a mapping has many faces.
fn rules_about(cause: &Cause) -> &'static [&'static str] {
    let of_skip = |skip: &SkipReason| -> &'static [&'static str] {
        match skip {
            SkipReason::Mapping(_) => &["CLB003"],
            SkipReason::NoSuchGroup(_) => &["CLB004", "CLB022"],
            SkipReason::MadeByCcm(_) => &["CLB023"],
            SkipReason::Weight { .. } => &["CLB001"],
            SkipReason::DefaultWeight { .. } => &["CLB012"],
            SkipReason::Instance(_) => &["CLB024"],
            SkipReason::NoNodeName(_) => &["CLB025"],
        }
    };
    match cause {
        Cause::Skipped(skip) | Cause::SkippedUntilChange(skip) => of_skip(skip),
        Cause::NoNode => &["CLB016", "CLB020", "CLB026"],
        Cause::Unmapped => &["CLB003", "CLB004", "CLB005", "CLB006", "CLB007", "CLB019"],
        Cause::MappingRemoved => &["CLB406"],
        Cause::NoEffect(_) | Cause::NotQueued => &[],
        Cause::Failure(failure) => match failure {
            Failure::Port { reason, .. } => of_skip(reason),
            Failure::Bandwidth { .. } | Failure::Listener(_) => &["CLB014"],
            Failure::BackendLabel(_) => &["CLB016"],
            Failure::Mapping(_) => &["CLB003"],
            Failure::NoClbId { .. } => &["CLB028"],
            Failure::NotReusable(_)
            | Failure::OtherVpc { .. }
            | Failure::ClbGone(_)
            | Failure::NoClb(_)
            | Failure::Mismatch(_) => &["CLB029", "CLB406"],
            Failure::Refused(Refusal::Port(_)) => &["CLB030"],
            Failure::Refused(Refusal::GroupInUse(_)) => &["CLB418"],
            Failure::Refused(_)
            | Failure::NoGroup(_)
            | Failure::NoInterface(_)
            | Failure::HeldBack(_) => &["CLB033"],
        },
    }
}

/// Whether findings tell of a reason, or a rule about it could not look.
fn is_told(
    findings: &[&Finding],
    not_looked: &[NotLooked],
    object: &ObjectRef,
    reason: &Reason,
) -> bool {
    let rules = rules_about(&reason.cause);
    let least = match reason.outcome {
        Outcome::Misrouted => Severity::Warning,
        _ => Severity::Error,
    };
    let tells = |finding: &&Finding| {
        finding.object == *object
            && rules.contains(&finding.rule)
            && (finding.severity >= least || finding.allowed)
    };
    let mut blind = not_looked.iter().flat_map(|not| &not.rules);
    findings.iter().any(tells) || blind.any(|id| rules.contains(id))
}

/// Whether a reason is worth a finding: a drain is none where there is nothing to lose.
fn is_bad(reason: &Reason, service: Option<&Service>) -> bool {
    match reason.outcome {
        Outcome::Drained => !has_zero(service),
        outcome => outcome >= Outcome::Misrouted,
    }
}

fn has_zero(service: Option<&Service>) -> bool {
    let text = service.map(|service| service.metadata.annotations.text(WEIGHT));
    text.is_some_and(|text| parse_weight(text) == Ok(0))
}

fn names_clb(service: Option<&Service>) -> bool {
    service.is_some_and(|service| !service.metadata.annotations.text(ID).is_empty())
}

fn is_own(backend: &RegisteredBackend) -> bool {
    NamedKey::parse(&backend.description).is_some_and(|key| {
        (key.service, key.namespace, key.cluster_id) == ("web", "shop", CLUSTER_ID)
    })
}

fn own_weights(cloud: &Cloud) -> BTreeMap<&str, u32> {
    let sum = |group: &ServerGroup| {
        group.backends.iter().filter(|backend| is_own(backend)).map(|backend| backend.weight).sum()
    };
    cloud.groups.iter().map(|group| (group.id.as_str(), sum(group))).collect()
}

/// CLB `lb-a` as its answers show it.
fn cloud(snapshot: &Snapshot) -> Cloud {
    let answers = &snapshot.clb_answers;
    let known = answers.balancers.get("lb-a");
    let balancer = Balancer {
        id: "lb-a".to_owned(),
        ip_version: known.and_then(|known| known.ip_version.clone()),
        ..Balancer::default()
    };
    let listeners = answers.listeners_of("lb-a", true).unwrap_or_default().into_iter();
    let listeners = listeners.map(|known| Listener {
        clb: "lb-a".to_owned(),
        port: known.port,
        protocol: known.protocol.clone(),
        vgroup: known.vgroup.clone(),
        description: known.description.clone(),
        forward_port: known.forward_port(),
        is_stopped: !known.is_running(),
    });
    let listed = answers.groups_of("lb-a", true).expect("a list of groups");
    let groups = listed.iter().map(|(id, name)| ServerGroup {
        id: (*id).to_owned(),
        name: (*name).to_owned(),
        clb: "lb-a".to_owned(),
        backends: answers.groups.get(*id).map(|group| group.backends.clone()).unwrap_or_default(),
    });
    Cloud {
        balancers: vec![balancer],
        groups: groups.collect(),
        listeners: listeners.collect(),
        ..Cloud::default()
    }
}

/// What the round leaves that lets a Service go, and CCM's second try where the first fails.
fn let_go(snapshot: &Snapshot, old: &Service, next: Option<&Service>) -> Cloud {
    let mut seen = next.unwrap_or(old).clone();
    seen.metadata.finalizers = vec![FINALIZER.to_owned()];
    if next.is_none() {
        seen.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".to_owned());
    }
    let model = Ok(LocalModel { mode: Mode::Cluster, ports: Vec::new() });
    let inputs = RoundInputs {
        service: &seen,
        model: &model,
        cluster_id: CLUSTER_ID,
        hash_changed: true,
        version: snapshot.clusters[0].ccm_version,
        interface: &|_| String::new(),
    };
    let first = round::run(&inputs, &cloud(snapshot));
    if first.is_success() { first.cloud } else { round::run(&inputs, &first.cloud).cloud }
}

/// The outcome of a change, with the rules that speak after it.
fn verdict(before: &TestSnapshot, after: &TestSnapshot) -> (Outcome, Vec<&'static str>) {
    let (before, after) = (before.snapshot(), after.snapshot());
    let preview = preview(&Index::new(&before), &Index::new(&after));
    let findings = preview.introduced.iter().chain(&preview.unchanged);
    let mut rules: Vec<&str> = findings.map(|finding| finding.rule).collect();
    rules.sort_unstable();
    (preview.outcome, rules)
}

fn contents(route: &Route<'_>) -> Vec<(String, u16, u32)> {
    let backends = route.backends().map(|one| (one.id.to_owned(), one.port, one.weight));
    let mut backends: Vec<_> = backends.collect();
    backends.sort();
    backends
}

proptest! {
    #[test]
    fn no_bad_outcome_is_without_a_finding_of_its_reason(world in worlds()) {
        let (before, after) = (world.before().snapshot(), world.after().snapshot());
        let (old, new) = (Index::new(&before), Index::new(&after));
        let preview = preview(&old, &new);
        // A Service on a CLB of its own is not what the rules are about, but getting there is.
        let is_out = ![&before, &after].into_iter().any(|snapshot| names_clb(web(snapshot)));
        let is_unbound = preview.introduced.iter().chain(&preview.unchanged).any(|finding| finding.rule == "CLB406");
        let bad = preview.reasons.iter().filter(|(_, reason)| is_bad(reason, web(&after)));
        let findings: Vec<&Finding> = preview.introduced.iter().chain(&preview.unchanged).collect();
        let bad = bad.filter(|(object, _)| object.name != "own" && !is_out && !is_unbound);
        for (object, reason) in bad {
            prop_assert!(
                is_told(&findings, &preview.not_looked, object, reason),
                "{reason:?}\n{findings:#?}\nnot looked {:?}", preview.not_looked
            );
        }
        let worst = preview.reasons.iter().map(|(_, reason)| reason.outcome).max();
        prop_assert_eq!(preview.outcome, worst.unwrap_or(Outcome::Applied));
    }

    #[test]
    fn no_service_stands_badly_without_a_finding_of_its_reason(world in worlds()) {
        let snapshot = world.after().snapshot();
        let index = Index::new(&snapshot);
        let report = rules::check(&index, None, &|_| true);
        let findings: Vec<&Finding> = report.findings.iter().collect();
        for service_ref in index.services().filter(|of| names_clb(Some(of.service))) {
            let object = service_ref.service.object_ref(None);
            let outcome = index.outcome_of(&service_ref, &Prediction::default());
            for reason in outcome.reasons().iter().filter(|of| is_bad(of, Some(service_ref.service))) {
                prop_assert!(
                    is_told(&findings, &report.not_looked, &object, reason),
                    "{reason:?}\n{findings:#?}\nnot looked {:?}", report.not_looked
                );
            }
        }
    }

    #[test]
    fn keys_of_the_old_prefix_come_to_the_same(world in worlds()) {
        let (before, after) = (world.before(), world.after());
        let old = before.clone().under_the_old_prefix().zip(after.clone().under_the_old_prefix());
        if let Some((old_before, old_after)) = old {
            prop_assert_eq!(verdict(&before, &after), verdict(&old_before, &old_after));
        }
    }

    #[test]
    fn a_departure_that_takes_weight_is_clb404_and_no_other_is(world in departures()) {
        let (before, after) = (world.before().snapshot(), world.after().snapshot());
        let service = web(&before).expect("the Service");
        let is_migrated = service.is_taken_by_ccm()
            && service.metadata.annotations.text("loadbalancer-id") == "lb-a"
            && before.clb_answers.groups_of("lb-a", true).is_some();
        let listed = before.clb_answers.groups_of("lb-a", true).unwrap_or_default();
        // The list of groups and the groups' answers may be of different times.
        let is_listed = |id: &String| listed.iter().any(|(known, _)| known == id);
        let groups = &before.clb_answers.groups;
        let is_known = listed.iter().all(|(id, _)| groups.contains_key(*id)) && groups.keys().all(is_listed);
        if is_migrated {
            let left = let_go(&before, service, web(&after));
            let start = cloud(&before);
            let (had, has) = (own_weights(&start), own_weights(&left));
            let is_loss = had.iter().any(|(id, sum)| has.get(id).copied().unwrap_or_default() < *sum);
            let (old, new) = (Index::new(&before), Index::new(&after));
            let preview = preview(&old, &new);
            let is_told = preview.introduced.iter().any(|finding| finding.rule == "CLB404" && finding.object.name == "web");
            prop_assert!(!is_loss || is_told, "{had:?} {has:?} {:?}", preview.reasons);
            prop_assert!(is_loss || !is_told || !is_known, "{had:?} {has:?} {:?}", preview.introduced);
        }
    }

    #[test]
    fn a_group_has_one_content_by_whatever_route(world in prop_oneof![worlds(), shared_groups()]) {
        let (before, after) = (world.before().snapshot(), world.after().snapshot());
        let (old, new) = (Index::new(&before), Index::new(&after));
        let preview = preview(&old, &new);
        let mut known: BTreeMap<_, (Vec<_>, Vec<_>)> = BTreeMap::new();
        for route in preview.routes.iter().filter(|route| !route.key.vgroup.is_empty()) {
            let found = (contents(&route.before), contents(&route.after));
            let first = known.entry((route.key.clb, route.key.vgroup)).or_insert_with(|| found.clone());
            prop_assert_eq!(&*first, &found, "{:?}", route.key);
        }
    }

    #[test]
    fn a_frozen_round_leaves_every_group_as_it_is(world in worlds()) {
        let (before, after) = (world.before().snapshot(), world.after().snapshot());
        let (old, new) = (Index::new(&before), Index::new(&after));
        let preview = preview(&old, &new);
        let is_frozen = |(object, reason): &(ObjectRef, Reason)| {
            object.name == "web" && reason.outcome == Outcome::Frozen && matches!(reason.cause, Cause::Failure(_))
        };
        let is_alone = after.clusters[0].services().count() <= 1;
        if is_alone && preview.reasons.iter().any(is_frozen) {
            let groups = &before.clb_answers.groups;
            for route in preview.routes.iter().filter(|route| groups.contains_key(route.key.vgroup)) {
                prop_assert_eq!(contents(&route.before), contents(&route.after), "{:?}", route.key);
            }
        }
    }
}
