//! 4xx: whether anybody serves after a change.

use super::{
    AtReview, Check, CheckedChange, CheckedService, Evidence, Findings, Rule, Words,
    change::{is_reshaped, text},
};
use crate::{
    annotation,
    backends::Mode,
    finding::Severity,
    index::routes_of,
    object::{EndpointSlice, Service},
    outcome::PortResult,
    route::Route,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB410",
        severity: Severity::Error,
        evidence: &[Evidence::OldObject, Evidence::ClbApi],
        also: &[Evidence::Nodes, Evidence::Endpoints, Evidence::ClusterId],
        en: Words {
            title: "nobody in the route would have weight",
            ccm: "Writes the zeros: nobody serves.",
            fix: "raise another participant first, then lower this one",
        },
        zh: Words {
            title: "变更后没有任何参与方持有权重",
            ccm: "照样把权重全部写为 0：没有后端服务器提供服务。",
            fix: "先调高其他参与方的权重，再调低该 Service 的权重",
        },
        source: &["CCM 2.14: vgroups.go, podPercentAlgorithm"],
        bad: "weight 0 on the only participant",
        good: "raise another participant first",
        at_review: AtReview::WarnOnly,
        check: Check::Change(nobody_serves),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB411",
        severity: Severity::Error,
        evidence: &[Evidence::OldObject, Evidence::Endpoints],
        also: &[Evidence::Nodes, Evidence::Workloads, Evidence::ClusterId, Evidence::ClbApi],
        en: Words {
            title: "weight raised while too few endpoints serve",
            ccm: "Sends the traffic at once, whoever is there to take it.",
            fix: "wait until the wanted endpoints are ready, then raise the weight",
        },
        zh: Words {
            title: "提供服务的 Endpoint 不足时调高权重",
            ccm: "立即把流量转过来，不管有没有足够的 Pod 承接。",
            fix: "等所需的 Endpoint 就绪后，再调高权重",
        },
        source: &[
            "CCM 2.14: vgroups.go, podPercentAlgorithm",
            "CCM 2.14: vgroups.go, setBackendsFromEndpointSlices",
        ],
        bad: "weight 20 becomes 80 with one of three pods ready",
        good: "wait until all pods are ready, then raise",
        at_review: AtReview::WarnOnly,
        check: Check::Change(too_few_serve),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB412",
        severity: Severity::Error,
        evidence: &[Evidence::OldObject, Evidence::Endpoints, Evidence::Workloads],
        also: &[Evidence::Nodes],
        en: Words {
            title: "change leaves no endpoint",
            ccm: "With pods or their nodes as backends takes all of them out: the group is emptied.",
            fix: "see that the new selector, port and policy leave ready endpoints",
        },
        zh: Words {
            title: "变更后没有可用的 Endpoint",
            ccm: "以 Pod 或其所在节点为后端时，移除全部后端服务器：虚拟服务器组被清空。",
            fix: "确认在新的选择器、端口和策略下仍有就绪的 Endpoint",
        },
        source: &[
            "CCM 2.14: vgroups.go, buildENIBackends",
            "CCM 2.14: vgroups.go, buildLocalBackends",
        ],
        bad: "a selector that matches no pod, on a Service with backend-type eni",
        good: "a selector that matches running pods",
        is_of_intent: true,
        check: Check::Change(no_endpoint_left),
        ..Rule::DEFAULT
    },
];

fn nobody_serves(checked: &CheckedChange<'_, '_>, out: &mut Findings<'_>) {
    if is_same_but_for_the_weight(checked) || still_serves(checked) || is_reported_already(checked)
    {
        return;
    }
    let after = checked.routes_after();
    for (before, after) in checked.before.routes().iter().zip(&after) {
        if !somebody_may_hold(before) || somebody_may_hold(after) || after.participants.is_empty() {
            continue;
        }
        let key = checked.old().metadata.annotations.key_of(annotation::WEIGHT);
        let value = checked.present().map_or("", |new| text(new, annotation::WEIGHT));
        let draft = checked.finding(out).annotation(&key, value);
        let group = after.key.vgroup;
        if after.is_measurable {
            draft.emit(format!(
                "after this change nobody in group {group} has weight above 0: nobody serves"
            ));
        } else {
            draft.severity(Severity::Warning).emit(format!(
                "after this change nobody known in group {group} has weight above 0; not known: {}",
                after.unknown_in_words()
            ));
        }
    }
}

/// Whether the weight cannot be used, which CLB001 and CLB012 refuse, while nothing is known of anybody
/// else in any group: then there is nothing to add.
fn is_reported_already(checked: &CheckedChange<'_, '_>) -> bool {
    checked.after.is_some_and(|after| after.weight_setting().is_none()) && !checked.has_answers()
}

/// Whether nothing changes but a weight that stays above 0: then whoever served goes on.
fn is_same_but_for_the_weight(checked: &CheckedChange<'_, '_>) -> bool {
    let Some(after) = checked.after else { return false };
    let (old, new) = (checked.old(), after.service());
    checked.before.carries_weight()
        && after.carries_weight()
        && old.spec == new.spec
        && all_but_weight(old).eq(all_but_weight(new))
}

fn all_but_weight(service: &Service) -> impl Iterator<Item = (&str, &str)> {
    let is_weight = |key: &str| annotation::suffix_of(key) == Some(annotation::WEIGHT);
    service.metadata.annotations.without(is_weight)
}

/// Whether the Service itself goes on holding weight, or may, in every route it was in.
fn still_serves(checked: &CheckedChange<'_, '_>) -> bool {
    let Some(after) = checked.after.filter(CheckedService::carries_weight) else { return false };
    let is_on_clb = after.clb() == checked.before.clb();
    let routes = routes_of(after.service());
    is_on_clb
        && routes_of(checked.old()).iter().all(|route| {
            let expected = after.round().port(route.1).map(PortResult::expected);
            routes.contains(route)
                && match expected {
                    Some(Some(backends)) => backends.iter().any(|backend| backend.weight > 0),
                    Some(None) => true,
                    None => false,
                }
        })
}

/// Whether a participant at hand holds weight, or may: its sum is unknown and its weight not 0.
fn somebody_may_hold(route: &Route<'_>) -> bool {
    route.participants.iter().any(|participant| match participant.weight_sum {
        Some(sum) => sum > 0,
        None => participant.weight != Some(0),
    })
}

fn too_few_serve(checked: &CheckedChange<'_, '_>, out: &mut Findings<'_>) {
    let Some(after) = checked.after else { return };
    if text(checked.old(), annotation::WEIGHT) == text(after.service(), annotation::WEIGHT) {
        return;
    }
    let (Some(old), Some(new)) = (checked.before.weight_setting(), after.weight_setting()) else {
        return;
    };
    let raised = match (old.total, new.total) {
        // Without endpoints the sum of a raised weight may be 0 still.
        (Some(was), Some(is)) => (is > was).then(|| (u64::from(was), u64::from(is))),
        _ => checked.sums().into_iter().find_map(|sums| {
            let (before, after) = (sums.before?, sums.after?);
            (after > before).then_some((before, after))
        }),
    };
    let Some((was, is)) = raised else { return };
    let Some(slices) = after.slices(out) else { return };
    let ready = EndpointSlice::ready_in(slices);
    let workloads = after.workloads_at_hand().into_iter();
    let replicas: usize = workloads
        .filter_map(|workload| workload.replicas_behind(after.service()))
        .map(|n| n as usize)
        .sum();
    let wanted = replicas.max(1);
    if ready < wanted {
        let key = after.annotations().key_of(annotation::WEIGHT);
        checked.finding(out).annotation(&key, after.annotations().text(annotation::WEIGHT)).emit(format!(
            "the weight rises from {was} to {is} while {ready} of {wanted} wanted endpoints serve"
        ));
    }
}

fn no_endpoint_left(checked: &CheckedChange<'_, '_>, out: &mut Findings<'_>) {
    let Some(after) = checked.after else { return };
    let (old, new) = (checked.old(), after.service());
    let selects_anew = old.spec.selector != new.spec.selector;
    if !after.carries_weight() || (!selects_anew && !is_reshaped(checked, after.mode())) {
        return;
    }
    let Some(Mode::Local | Mode::Eni) = after.known_mode(out) else { return };
    let Some(slices) = after.slices(out) else { return };
    let had = EndpointSlice::ready_in(slices) > 0;
    let known = !checked.before.workloads_at_hand().is_empty();
    if selects_anew && !known && after.workloads(out).is_none() {
        return;
    }
    let matches_nothing = selects_anew
        && !new.spec.selector.is_empty()
        && known
        && after.workloads_at_hand().is_empty();
    let is_emptied = after.round().ports.iter().any(|port| match &port.result {
        PortResult::Applied(group) | PortResult::NoNode(group) => group.backends.is_empty(),
        _ => false,
    });
    if (had && matches_nothing) || is_emptied {
        let path = if selects_anew { "spec.selector" } else { "spec" };
        checked.finding(out).at(path).emit(
            "after this change no endpoint is left, while the weight is above 0: CCM empties the group of this Service",
        );
    }
}
