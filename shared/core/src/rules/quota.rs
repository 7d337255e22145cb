//! 4xx: how much a CLB takes.

use super::{Check, CheckedService, Evidence, Findings, Rule, Words};
use crate::{backends::Mode, finding::Severity};

pub(super) const RULES: &[Rule] = &[Rule {
    id: "CLB417",
    severity: Severity::Warning,
    evidence: &[Evidence::Nodes, Evidence::Endpoints],
    also: &[Evidence::OldObject, Evidence::Workloads, Evidence::ClusterId, Evidence::ClbApi],
    en: Words {
        title: "more backends than the CLB's quota",
        ccm: "Adds backends first and removes others then. Beyond the quota the CLB refuses the addition with InstanceBackendServerNumberOverLimit; CCM removes, and tries again.",
        fix: "ask for a higher quota of backends per CLB in the quota center, or use fewer backends: externalTrafficPolicy Local, a backend-label, or pods of a smaller workload",
    },
    zh: Words {
        title: "后端服务器数量超过该 CLB 的配额",
        ccm: "先添加新的后端服务器，再移除旧的。超过配额时，CLB 以 InstanceBackendServerNumberOverLimit 拒绝添加；CCM 移除旧的之后再重试。",
        fix: "在配额中心提升单个 CLB 实例的后端服务器配额，或减少后端服务器：使用 externalTrafficPolicy Local、backend-label，或缩小工作负载",
    },
    source: &[
        "CCM 2.14: vgroups.go, BatchAddVServerGroupBackendServers",
        "CLB documentation: Limits, backend servers per CLB instance",
    ],
    bad: "weight 100 over 250 nodes, where the quota is 200",
    good: "weight 100 over 150 nodes, or a quota of 300",
    check: Check::OnClb(over_quota),
    ..Rule::DEFAULT
}];

/// How many backends a CLB takes where nobody has asked for more.
const QUOTA: usize = 200;

fn over_quota(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    // A review is about what the change does.
    if out.is_terse() && checked.keeps_backends() {
        return;
    }
    let mode = checked.known_mode(out);
    if matches!(mode, Some(Mode::Cluster | Mode::Local)) {
        let _ = checked.nodes(out);
    }
    if matches!(mode, Some(Mode::Local | Mode::Eni)) {
        let _ = checked.slices(out);
    }
    let replaced = checked.replaced_by_change();
    let behind = checked.backends_behind_clb(QUOTA.saturating_sub(replaced));
    let (own, all) = (behind.own + replaced, behind.all + replaced);
    // One finding a CLB, and one for each change that adds backends.
    if all <= QUOTA || !(behind.is_largest || own > behind.own_before) {
        return;
    }
    let overlap = match replaced {
        0 => String::new(),
        count => format!(
            ", with {count} that the change replaces and that CCM removes only after it has added the others"
        ),
    };
    checked.finding(out).at("spec").value(all.to_string()).emit(format!(
        "CLB {} has {all} backends in its known groups, {own} of this Service{overlap}; the quota is {QUOTA}, unless it was raised",
        checked.clb()
    ));
}
