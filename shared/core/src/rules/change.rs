//! 4xx: changes of a migrated Service.

use super::{Check, CheckedChange, Evidence, Findings, Harms, Rule, Words};
use crate::{annotation, backends::Mode, finding::Severity, object::Service, route::Route};

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
        is_of_intent: true,
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
        harms: Harms::Others,
        is_of_intent: true,
        check: Check::Departure(departed),
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

pub(super) fn is_reshaped(checked: &CheckedChange<'_, '_>, mode: Option<Mode>) -> bool {
    checked.old().spec.ports != checked.present().map_or(Vec::new(), |new| new.spec.ports.clone())
        || checked.before.mode() != mode
}

fn reshaped(checked: &CheckedChange<'_, '_>, out: &mut Findings<'_>) {
    let Some(after) = checked.after else { return };
    if !checked.before.carries_weight() {
        return;
    }
    if after.service().keeps_shape_of(checked.old()) {
        return;
    }
    let (old, new) = (&checked.old().spec, &after.service().spec);
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
    if checked.old().backend_type() != after.service().backend_type() {
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
