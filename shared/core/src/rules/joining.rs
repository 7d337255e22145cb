//! 4xx: Services that come into a group with weight.

use super::{Check, CheckedService, Evidence, Findings, Rule, Words};
use crate::{
    annotation,
    finding::Severity,
    object::EndpointSlice,
    patch::PatchOp,
    route::{ParticipantKind, Route},
};

pub(super) const RULES: &[Rule] = &[Rule {
    id: "CLB419",
    severity: Severity::Error,
    evidence: &[Evidence::OldObject],
    also: &[
        Evidence::Nodes,
        Evidence::Endpoints,
        Evidence::Workloads,
        Evidence::ClusterId,
        Evidence::ClbApi,
    ],
    en: Words {
        title: "a new Service takes its share at once",
        ccm: "Registers the backends of a new Service with its whole weight in the first round. Others in the group lose that share at once, whether the new backends serve or not.",
        fix: "create the Service at weight 0, see that its backends are healthy, then raise the weight in steps",
    },
    zh: Words {
        title: "新建的 Service 会立即分走流量",
        ccm: "首次调谐就以全部权重注册新 Service 的后端服务器。虚拟服务器组中的其他后端服务器立即失去相应的流量，不论新的能否提供服务。",
        fix: "以权重 0 创建 Service，确认后端服务器健康后，再逐步调高权重",
    },
    source: &["CCM 2.14: vgroups.go, buildVGroupForServicePort", "CCM 2.14: vgroups.go, diff"],
    bad: "a Service created with …-loadbalancer-weight: \"20\" while other backends serve",
    good: "a Service created with …-loadbalancer-weight: \"0\"",
    check: Check::Migrated(joins_with_weight),
    ..Rule::DEFAULT
}];

fn joins_with_weight(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    if !checked.is_created() || !checked.carries_weight() {
        return;
    }
    let held = |route: &Route<'_>| {
        let others = route.participants.iter().filter(|of| !checked.is(of));
        others.filter_map(|of| Some((of.label(), of.kind, of.weight_sum?))).find(|of| of.2 > 0)
    };
    let mut routes = checked.routes().iter();
    let Some((route, (other, kind, sum))) = routes.find_map(|of| Some((of, held(of)?))) else {
        return;
    };
    let (severity, serving) = match ready(checked) {
        Some(0) => (Severity::Error, ", while none of its endpoints is ready"),
        _ => (Severity::Warning, ""),
    };
    let other = match kind {
        ParticipantKind::External => format!("server {other}"),
        _ => format!("Service {other}"),
    };
    let key = checked.annotations().key_of(annotation::WEIGHT);
    checked
        .finding(out)
        .annotation(&key, checked.annotations().text(annotation::WEIGHT))
        .severity(severity)
        .fix(format!("create it with {key}: \"0\", and raise the weight when its backends serve"))
        .patch([set_weight(checked, &key)])
        .emit(format!(
            "the Service comes into group {} with its whole weight at once{serving}; {other} holds weights of {sum} in sum there",
            route.key.vgroup
        ));
}

/// The operation that makes the weight 0.
fn set_weight(checked: &CheckedService<'_, '_>, key: &str) -> PatchOp {
    match checked.annotations().get(key) {
        Some(_) => PatchOp::set_annotation(key, "0"),
        None => PatchOp::add_annotation(key, "0"),
    }
}

/// How many endpoints of a new Service are ready; `None` where that is not known. Before the Service
/// is there, nothing has made its EndpointSlices: then its workloads tell that pods are expected.
fn ready(checked: &CheckedService<'_, '_>) -> Option<usize> {
    let slices = checked.slices_at_hand()?;
    if slices.is_empty() && !checked.workloads_at_hand().is_empty() {
        return None;
    }
    Some(EndpointSlice::ready_in(slices))
}
