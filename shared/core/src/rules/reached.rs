//! 4xx: whether clients come to a group, and whether its backends serve them.

use super::{Check, CheckedService, Evidence, Findings, RefusedWrites, Rule, Words};
use crate::{
    annotation,
    finding::Severity,
    route::{AbnormalBackend, GroupListeners, Participant, Route},
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB415",
        severity: Severity::Warning,
        evidence: &[Evidence::ClbApi],
        also: &[Evidence::OldObject],
        en: Words {
            title: "no running listener sends to the group",
            ccm: "Does not touch the listeners of a reused CLB without force-override-listeners, and reports success. Backends and weights stand in a group that gets no connections, unless a forwarding rule sends there.",
            fix: "have a listener send to the group, in the console or with SetLoadBalancerTCPListenerAttribute (UDP, HTTP, HTTPS likewise) and VServerGroupId; start one that is stopped with StartLoadBalancerListener",
        },
        zh: Words {
            title: "没有运行中的监听转发到该虚拟服务器组",
            ccm: "复用已有的 CLB 且未设置 force-override-listeners 时，不修改监听，并且仍然报告成功。后端服务器和权重都已写入虚拟服务器组，但该组收不到任何连接（转发规则指向该组的情况除外）。",
            fix: "在控制台或调用 SetLoadBalancerTCPListenerAttribute（UDP、HTTP、HTTPS 同理）并指定 VServerGroupId，让监听转发到该组；监听已停止的，调用 StartLoadBalancerListener 启动",
        },
        source: &[
            "CCM 2.14: model_applier.go, applyListeners",
            "CLB documentation: DescribeLoadBalancerListeners",
        ],
        bad: "the listener on port 80 sends to rsp-bp1other, the mapping names rsp-bp1example",
        good: "a running listener with VServerGroupId: rsp-bp1example",
        refuses: RefusedWrites::Transfers,
        check: Check::Migrated(unreached),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB416",
        severity: Severity::Warning,
        evidence: &[Evidence::ClbApi],
        also: &[Evidence::OldObject, Evidence::Nodes, Evidence::Endpoints, Evidence::ClusterId],
        en: Words {
            title: "backends with weight fail the CLB's health check",
            ccm: "Does not look at it. The CLB sends no new connections to a backend that the listener's health check calls abnormal, so the others get its share.",
            fix: "let the servers' security group admit 100.64.0.0/10, from where the CLB checks; have the listener's health check ask for a port and path that answer; see that the pods are ready",
        },
        zh: Words {
            title: "有权重的后端服务器健康检查异常",
            ccm: "不查看健康检查结果。后端服务器被监听的健康检查判为异常时，CLB 不再向其转发新连接，其流量由其他后端服务器承担。",
            fix: "检查后端服务器的安全组是否放行 100.64.0.0/10（CLB 健康检查的源地址段）、监听健康检查的端口和路径是否能正常响应、Pod 是否就绪",
        },
        source: &[
            "CLB documentation: DescribeHealthStatus",
            "CLB documentation: health checks, 100.64.0.0/10",
        ],
        bad: "ServerHealthStatus: abnormal, at weight 10",
        good: "ServerHealthStatus: normal",
        check: Check::Migrated(unhealthy),
        ..Rule::DEFAULT
    },
];

/// The routes of the groups that CCM maps the Service's ports to, one of each group.
fn routes_by_group<'s, 'a>(checked: &CheckedService<'s, 'a>) -> Vec<&'s Route<'a>> {
    let mapped = checked.vgroups();
    let mut routes: Vec<&Route<'_>> = Vec::new();
    for route in checked.routes() {
        let vgroup = route.key.vgroup;
        if mapped.contains(&vgroup) && !routes.iter().any(|known| known.key.vgroup == vgroup) {
            routes.push(route);
        }
    }
    routes
}

fn unreached(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    if checked.listeners(out).is_none() {
        return;
    }
    let listed = checked.groups_at_hand();
    for route in routes_by_group(checked) {
        let GroupListeners::NoneSends(instead) = &route.listeners else {
            if route.listeners == GroupListeners::Unknown {
                checked.note_missing_listeners(out);
            }
            continue;
        };
        let vgroup = route.key.vgroup;
        // A group that is not in the CLB has no listener there (CLB022, CLB103).
        let is_listed =
            listed.as_ref().is_none_or(|groups| groups.iter().any(|(id, _)| *id == vgroup));
        let owner = checked.answer_at_hand(vgroup).and_then(|answer| answer.clb.as_deref());
        if !is_listed || owner.is_some_and(|owner| owner != checked.clb()) {
            continue;
        }
        let instead =
            if instead.is_empty() { String::new() } else { format!(": {}", instead.join(", ")) };
        let key = checked.annotations().key_of(annotation::VGROUP_PORT);
        checked.finding(out).at(annotation::field_path(&key)).value(vgroup).emit(format!(
            "no running listener of CLB {} sends to group {vgroup}{instead}; unless a forwarding rule sends there, clients feel nothing of the weights",
            checked.clb()
        ));
    }
}

fn unhealthy(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    if !checked.has_health() {
        checked.note_missing_health(out);
        return;
    }
    if checked.no_answers(out) {
        return;
    }
    for route in routes_by_group(checked) {
        if checked.answer(route.key.vgroup, out).is_none() {
            continue;
        }
        if route.participants.iter().any(|of| of.is_measured && !of.health.is_told) {
            checked.note_missing_health(out);
        }
        let own = route.participants.iter().filter(|of| checked.is(of));
        report(checked, route, own, "backends of this Service", out);
        let first = route.participants.iter().find(|of| of.service_ref.is_some());
        if first.is_some_and(|first| checked.is(first)) {
            let others = route.participants.iter().filter(|of| of.service_ref.is_none());
            report(checked, route, others, "other backends", out);
        }
    }
}

/// Reports the abnormal backends of participants in one finding.
fn report<'p>(
    checked: &CheckedService<'_, '_>,
    route: &Route<'_>,
    of: impl Iterator<Item = &'p Participant<'p>>,
    whose: &str,
    out: &mut Findings<'_>,
) {
    const MOST: usize = 5;
    let abnormal: Vec<&AbnormalBackend> = of.flat_map(|of| &of.health.abnormal).collect();
    if abnormal.is_empty() {
        return;
    }
    let mut named: Vec<String> = abnormal.iter().take(MOST).map(|one| in_words(one)).collect();
    if abnormal.len() > MOST {
        named.push(format!("and {} more", abnormal.len() - MOST));
    }
    let servers: Vec<String> =
        abnormal.iter().map(|one| format!("{}:{}", one.id, one.port)).collect();
    let key = checked.annotations().key_of(annotation::VGROUP_PORT);
    checked
        .finding(out)
        .at(annotation::field_path(&key))
        .value(format!("{} {}", route.key.vgroup, servers.join(",")))
        .emit(format!(
            "group {}: {whose} have weight, but CLB {} sends them nothing, for its health check calls them abnormal: {}",
            route.key.vgroup,
            route.key.clb,
            named.join(", ")
        ));
}

/// `i-bp1example:30080 at tcp/80`.
fn in_words(backend: &AbnormalBackend) -> String {
    let AbnormalBackend { id, port, listeners } = backend;
    if listeners.is_empty() {
        format!("{id}:{port}")
    } else {
        format!("{id}:{port} at {}", listeners.join(" and "))
    }
}
