//! 4xx: changes of a migrated Service.

use super::{AtReview, Check, CheckedChange, CheckedService, Evidence, Findings, Rule, Words};
use crate::{
    annotation::{self},
    backends::Mode,
    finding::Severity,
    index::routes_of,
    object::{EndpointSlice, Service},
    outcome::PortResult,
    route::Route,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB403",
        severity: Severity::Error,
        evidence: &[Evidence::OldObject],
        also: &[Evidence::Nodes, Evidence::Endpoints, Evidence::ClusterId, Evidence::ClbApi],
        en: Words {
            title: "removing the weight",
            ccm: "Gives each backend 100 (default-weight where set, in Local mode the number of its pods): a surge, not a neutral state.",
            fix: "set the weight you mean instead of removing it",
        },
        zh: Words {
            title: "删除权重注解",
            ccm: "每个后端服务器的权重变为 100（设置了 default-weight 时取该值，Local 模式下取 Pod 数量）：这会使流量陡增，并不是恢复原状。",
            fix: "不要删除权重，直接设为想要的值",
        },
        source: &["CCM 2.14: vgroups.go, podNumberAlgorithm"],
        bad: "…-loadbalancer-weight: \"20\" removed while another participant holds weight",
        good: "…-loadbalancer-weight: \"100\", and the others at 0",
        check: Check::Change(weight_removed),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB404",
        severity: Severity::Error,
        evidence: &[Evidence::OldObject],
        also: &[Evidence::Nodes, Evidence::Endpoints, Evidence::ClusterId, Evidence::ClbApi],
        en: Words {
            title: "deleting a Service that carries traffic",
            ccm: "Takes all its backends out of the group at once, also when the type changes.",
            fix: "set the weight to 0 first, see that others carry the traffic, then delete",
        },
        zh: Words {
            title: "删除仍在承载流量的 Service",
            ccm: "立即从虚拟服务器组中移除其全部后端服务器；更改 Service 类型时也一样。",
            fix: "先将权重设为 0，确认流量已由其他参与方承载，再删除",
        },
        source: &[
            "CCM 2.14: service_utils.go, NeedDeleteLoadBalancer",
            "CCM 2.14: model_applier.go, cleanup",
        ],
        bad: "kubectl delete service web at weight 80",
        good: "weight 0 first, then delete",
        check: Check::Departure(departed),
        ..Rule::DEFAULT
    },
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
        check: Check::Change(no_endpoint_left),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB414",
        severity: Severity::Warning,
        evidence: &[Evidence::OldObject],
        en: Words {
            title: "ports, policy or backend-type changed under traffic",
            ccm: "Adds the new backends before it removes the old ones; meanwhile both are in the group, count towards its quota, and the old ones may not serve any more.",
            fix: "set the weight to 0, make the change, see the group settle, then set the weight again",
        },
        zh: Words {
            title: "承载流量时修改端口、策略或 backend-type",
            ccm: "先添加新的后端服务器，再移除旧的；在此期间两者同在虚拟服务器组中，都计入配额，而旧的可能已无法提供服务。",
            fix: "先将权重设为 0，再修改，确认虚拟服务器组已稳定后恢复权重",
        },
        source: &["CCM 2.14: vgroups.go, UpdateVServerGroup"],
        bad: "externalTrafficPolicy changed at weight 80",
        good: "weight 0, change, verify, weight 80",
        check: Check::Change(reshaped),
        ..Rule::DEFAULT
    },
];

/// The value CCM reads for a suffix, empty where there is none.
pub(super) fn text<'a>(service: &'a Service, suffix: &str) -> &'a str {
    service.metadata.annotations.text(suffix)
}

fn weight_removed(checked: &CheckedChange<'_, '_>, out: &mut Findings<'_>) {
    let old = text(checked.old(), annotation::WEIGHT);
    let Some(after) = checked.after.filter(|_| !old.is_empty()) else { return };
    let new = after.service();
    if !text(new, annotation::WEIGHT).is_empty() || after.mapping().is_none() {
        return;
    }
    let others_may_hold = |route: &Route<'_>| {
        let others = route.participants.iter().filter(|of| !checked.before.is(of));
        !route.is_measurable || others.map(|other| other.weight_sum.unwrap_or(1)).sum::<u64>() > 0
    };
    let surge = checked.sums().into_iter().find(|sums| {
        sums.after.is_none_or(|after| sums.before.is_none_or(|before| after > before))
            && others_may_hold(&sums.route)
    });
    let Some(surge) = surge else { return };
    let key = checked.old().metadata.annotations.key_of(annotation::WEIGHT);
    let backends = match after.weight_setting().and_then(|setting| setting.default) {
        Some(default) => default.to_string(),
        None if after.mode() == Some(Mode::Local) => "the number of its pods".to_owned(),
        None => "100".to_owned(),
    };
    let sums = match (surge.before, surge.after) {
        (Some(before), Some(after)) => format!(" (in all {after} instead of {before})"),
        _ => String::new(),
    };
    checked.finding(out)
        .annotation(&key, old)
        .fix(format!("set {key}: \"{old}\" again, or the weight you mean"))
        .emit(format!(
            "without a weight each backend gets {backends}{sums}: a surge while another participant may hold weight"
        ));
}

fn departed(checked: &CheckedChange<'_, '_>, out: &mut Findings<'_>) {
    let Some(predicted) = checked.predicted() else { return };
    if !predicted.goes {
        return;
    }
    // What is not known may be weight, unless the Service has none by its annotation.
    let is_at_zero = !checked.before.carries_weight() && checked.before.weight_setting().is_some();
    let mut lost = predicted.weights.iter().filter(|change| change.is_loss());
    let Some(lost) = lost.find(|change| change.before.is_some() || !is_at_zero) else { return };
    let weight = text(checked.old(), annotation::WEIGHT);
    let key = checked.old().metadata.annotations.key_of(annotation::WEIGHT);
    let carries = match (lost.before, weight) {
        (_, "") => "full weight".to_owned(),
        (Some(sum), weight) if annotation::parse_weight(weight).is_err() => {
            format!("weights of {sum} in sum")
        }
        (None, weight) if annotation::parse_weight(weight).is_err() => {
            "the weights that it had before".to_owned()
        }
        (Some(sum), weight) if weight != sum.to_string() => {
            format!("{weight}, with weights of {sum} in sum")
        }
        (_, weight) => weight.to_owned(),
    };
    checked.finding(out).fix(format!("set {key}: \"0\" first")).emit(format!(
        "the Service goes, or is no load balancer any more, at {carries}: CCM takes all its backends out of the group at once"
    ));
}

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
                after.unknown.join("; ")
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

fn is_reshaped(checked: &CheckedChange<'_, '_>, mode: Option<Mode>) -> bool {
    checked.old().spec.ports != checked.present().map_or(Vec::new(), |new| new.spec.ports.clone())
        || checked.before.mode() != mode
}

fn backend_type(service: &Service) -> &str {
    service.metadata.annotations.get(annotation::BACKEND_TYPE).unwrap_or_default()
}

fn reshaped(checked: &CheckedChange<'_, '_>, out: &mut Findings<'_>) {
    let Some(after) = checked.after else { return };
    if !checked.before.carries_weight() {
        return;
    }
    let (old, new) = (&checked.old().spec, &after.service().spec);
    if old == new && backend_type(checked.old()) == backend_type(after.service()) {
        return;
    }
    let mut what = Vec::new();
    let ports = |f: fn(&crate::object::ServicePort) -> String| {
        let list = |spec: &crate::object::ServiceSpec| spec.ports.iter().map(f).collect::<Vec<_>>();
        list(old) != list(new)
    };
    if ports(|port| port.port.to_string()) {
        what.push("port");
    }
    if ports(|port| port.node_port.to_string()) {
        what.push("nodePort");
    }
    if ports(|port| port.target().to_string()) {
        what.push("targetPort");
    }
    if old.external_traffic_policy != new.external_traffic_policy {
        what.push("externalTrafficPolicy");
    }
    if backend_type(checked.old()) != backend_type(after.service()) {
        what.push("backend-type");
    }
    if !what.is_empty() {
        let path = if what == ["backend-type"] {
            annotation::field_path(annotation::BACKEND_TYPE)
        } else {
            "spec".to_owned()
        };
        checked.finding(out).at(path).value(what.join(",")).emit(format!(
            "{} changed while the Service carries traffic: CCM adds the new backends before it removes the old ones, which may not serve any more",
            what.join(" and ")
        ));
    }
}
