//! 1xx: Services that share a group, and the listener they share.

use std::collections::BTreeSet;

use super::{
    Check, CheckedService, Evidence, Findings, Harms, Rule, Words,
    shared_group::{SharedGroup, service_per_protocol},
};
use crate::{
    annotation::{self, EffectiveValue},
    backends::Mode,
    finding::Severity,
    index::Binding,
    listener::{self, ListenerKey},
    patch::PatchOp,
    version::Behaviour,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB010",
        severity: Severity::Error,
        evidence: &[],
        also: &[Evidence::OldObject],
        en: Words {
            title: "force-override-listeners on a reused CLB",
            ccm: "Takes over the listener of the same port and protocol, whoever made it, and deletes it with the Service. Without a mapping and on a port of its own it is the usual way to share a CLB, and fine.",
            fix: "set it to \"false\": a mapping needs no listener of CCM's",
        },
        zh: Words {
            title: "复用 CLB 时开启了 force-override-listeners",
            ccm: "接管同端口、同协议的监听，不论由谁创建，并随 Service 一起删除。没有映射且独占监听端口时，这是共享 CLB 的常规做法，没有问题。",
            fix: "设为 \"false\"：使用映射时，监听无需由 CCM 管理",
        },
        source: &[
            "CCM 2.14: listeners.go, buildActionsForListeners",
            "CCM 2.14: model_applier.go, applyListeners",
        ],
        bad: "…-loadbalancer-force-override-listeners: \"true\" on two Services with port 80 of one CLB",
        good: "…-loadbalancer-force-override-listeners: \"false\" beside a mapping",
        harms: Harms::Others,
        check: Check::OnClb(force_override),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB101",
        severity: Severity::Error,
        evidence: &[],
        en: Words {
            title: "one group for two ports of a Service",
            ccm: "Builds each port apart, and each round removes the other port's backends: they flip-flop. Stable only where both ports lead to the very same backends. It compares the mapping with the port's number alone, so TCP and UDP of one number share a group whatever the mapping says.",
            fix: "use a group for each port, and a Service for each protocol of one number",
        },
        zh: Words {
            title: "同一 Service 的两个端口共用一个虚拟服务器组",
            ccm: "各端口分别计算，每轮调谐都移除另一个端口的后端服务器，反复交替。只有两个端口的后端服务器完全相同时才稳定。映射只按端口号匹配，不区分协议，因此同一端口号的 TCP 和 UDP 必然共用一个虚拟服务器组。",
            fix: "每个端口使用单独的虚拟服务器组；同一端口号的不同协议，拆分为各自的 Service",
        },
        source: &[
            "CCM 2.14: model_applier.go, applyVGroups",
            "CCM 2.14: listeners.go, vgroup",
            "observed with CCM 2.14",
        ],
        bad: "…-loadbalancer-vgroup-port: \"rsp-bp1example:80,rsp-bp1example:443\"",
        good: "…-loadbalancer-vgroup-port: \"rsp-bp1example:80,rsp-bp2example:443\"",
        harms: Harms::Others,
        check: Check::Migrated(two_ports),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB102",
        severity: Severity::Error,
        evidence: &[],
        en: Words {
            title: "group is bound to another port by another Service",
            ccm: "Registers both Services' backends in one group, so clients of one port reach the other Service.",
            fix: "use a group for each port",
        },
        zh: Words {
            title: "虚拟服务器组已被另一个 Service 用于其他端口",
            ccm: "两个 Service 的后端服务器注册在同一个虚拟服务器组中，访问一个端口的客户端会到达另一个 Service。",
            fix: "每个端口使用单独的虚拟服务器组",
        },
        source: &[
            "CCM 2.14: vgroups.go, isBackendManagedByMyService",
            "CCM 2.14: vgroups.go, diff",
        ],
        bad: "web maps rsp-bp1example:80, admin maps rsp-bp1example:8443",
        good: "one group, one port",
        hides: &["CLB419"],
        harms: Harms::Others,
        check: Check::Migrated(other_port),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB103",
        severity: Severity::Error,
        evidence: &[],
        also: &[Evidence::ClbApi],
        en: Words {
            title: "group is bound under another CLB by another Service",
            ccm: "Finds a group only in the CLB it belongs to; the Service that names the other CLB is drained in silence.",
            fix: "name the CLB the group belongs to",
        },
        zh: Words {
            title: "虚拟服务器组已被另一个 Service 映射到其他 CLB 实例下",
            ccm: "只能在虚拟服务器组所属的 CLB 实例中找到它；填写了其他 CLB 实例的 Service 会被静默清空。",
            fix: "填写虚拟服务器组所属的 CLB 实例",
        },
        source: &["CCM 2.14: vgroups.go, getVgroupById"],
        bad: "web names lb-bp1example, api names lb-bp2example, both map rsp-bp1example",
        good: "both name the CLB the group belongs to",
        harms: Harms::Others,
        check: Check::Migrated(other_clb),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB104",
        severity: Severity::Error,
        evidence: &[],
        also: &[Evidence::Endpoints, Evidence::Workloads],
        en: Words {
            title: "two Services of one cluster in one group",
            ccm: "Their weights add up, and each round writes redundantly. With the same pods as backends they fight for description and weight, and deleting one empties the group of the other.",
            fix: "keep one Service of this cluster in the group",
        },
        zh: Words {
            title: "同一集群的两个 Service 共用一个虚拟服务器组",
            ccm: "两者的权重相加，每轮调谐都有多余的写操作。后端是相同的 Pod 时，两者反复改写描述和权重；删除其中一个，另一个的虚拟服务器组也会被清空。",
            fix: "同一集群只保留一个 Service 使用该虚拟服务器组",
        },
        source: &["CCM 2.14: vgroups.go, diff", "observed with CCM 2.14"],
        bad: "web and web-new of one cluster both map rsp-bp1example:80",
        good: "one Service a cluster in a group",
        harms: Harms::Others,
        check: Check::Migrated(same_cluster),
        ..Rule::DEFAULT
    },
];

fn force_override(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(EffectiveValue { key, text }) =
        checked.annotations().effective(annotation::FORCE_OVERRIDE)
    else {
        return;
    };
    if text != "true" {
        return;
    }
    let own: BTreeSet<ListenerKey> = listener::taken_by(checked.service()).collect();
    let rivals = checked.on_its_clb().filter(|service_ref| !checked.is_service(service_ref));
    let mut rivals = rivals.filter_map(|service_ref| {
        let mut taken = listener::taken_by(service_ref.service);
        let ListenerKey { port, .. } = taken.find(|listener| own.contains(listener))?;
        Some((service_ref.label(), port))
    });
    let was_on = checked
        .old()
        .is_some_and(|old| old.metadata.annotations.text(annotation::FORCE_OVERRIDE) == "true");
    let is_turned_on = checked.old().is_some() && !was_on;
    let draft = if let Some((rival, port)) = rivals.next() {
        let message = format!(
            "CCM makes listener {port} of CLB {} its own, which Service {rival} uses too: it changes its settings, and deletes it with this Service",
            checked.clb()
        );
        (Severity::Error, message)
    } else if is_turned_on && checked.mapping().is_some() && checked.carries_weight() {
        let message = format!(
            "turned on while this Service carries traffic: CCM makes the listeners of CLB {} its own, and deletes them with this Service",
            checked.clb()
        );
        (Severity::Error, message)
    } else if checked.mapping().is_some() {
        let message = format!(
            "CCM makes the listeners of CLB {} its own, and deletes them with this Service; a mapping does not need that",
            checked.clb()
        );
        (Severity::Warning, message)
    } else {
        return;
    };
    let (severity, message) = draft;
    checked
        .finding(out)
        .annotation(key, text)
        .severity(severity)
        .fix(format!("set {key}: \"false\""))
        .patch([PatchOp::set_annotation(key, "false")])
        .emit(message);
}

fn two_ports(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let (Some(mapping), Some(EffectiveValue { key, text })) =
        (checked.mapping(), checked.annotations().effective(annotation::VGROUP_PORT))
    else {
        return;
    };
    for shared in SharedGroup::all(checked.service(), checked.mode(), mapping) {
        let labels = shared.labels();
        let group = shared.group;
        let draft = checked.finding(out).annotation(key, text);
        let draft = draft.parts([format!("{group}:{}", labels.join("+"))]);
        let ports = labels.join(" and ");
        if shared.is_stable {
            let same = match checked.mode() {
                Some(Mode::Eni) => "pods and target port",
                Some(Mode::Cluster | Mode::Local) => "nodes and node port",
                None => "backends",
            };
            let count = if labels.len() == 2 { "both" } else { "all" };
            draft.severity(Severity::Info).emit(format!(
                "ports {ports} share group {group}; stable, for {count} lead to the same {same}"
            ));
            continue;
        }
        let ambiguous = shared.ambiguous(checked.service());
        let why = if ambiguous.is_empty() {
            ""
        } else {
            ", and no mapping can part them, for it knows numbers and no protocols"
        };
        draft.fix(parted(&shared, &ambiguous)).emit(format!(
            "ports {ports} share group {group}{why}: each round of CCM removes the other port's backends, so they flip-flop"
        ));
    }
}

/// How ports that share a group are told apart. `ambiguous` are their numbers that stand for several
/// protocols.
fn parted(shared: &SharedGroup<'_>, ambiguous: &[(u16, Vec<&str>)]) -> String {
    let mut steps: Vec<String> = ambiguous
        .iter()
        .map(|(number, protocols)| service_per_protocol(*number, protocols, &[]))
        .collect();
    let numbers: BTreeSet<u16> = shared.ports.iter().map(|port| port.port).collect();
    if numbers.len() > 1 {
        let numbers: Vec<String> = numbers.iter().map(u16::to_string).collect();
        steps.push(format!("use a group of its own for each of the ports {}", numbers.join(", ")));
    }
    if steps.is_empty() {
        steps.push("take one of the two ports out: a Service has a port once".to_owned());
    }
    steps.join("; ")
}

/// Bindings of other Services to the groups of this one, with this one's port.
fn rivals<'s, 'a>(
    checked: &'s CheckedService<'s, 'a>,
) -> impl Iterator<Item = (u16, &'s Binding<'a>)> {
    let own = checked.service().spec.ports.iter().filter_map(|port| {
        let group = checked.mapping()?.group_of(port.port).ok().flatten()?;
        Some((port.port, group))
    });
    own.flat_map(|(port, group)| checked.rivals_in(group).map(move |binding| (port, binding)))
}

/// A conflict with another Service, as a part of the mapping.
fn part(rival: &Binding<'_>) -> String {
    format!("{}:{} of {}", rival.vgroup, rival.port, rival.service_ref.label())
}

fn other_port(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(EffectiveValue { key, text }) =
        checked.annotations().effective(annotation::VGROUP_PORT)
    else {
        return;
    };
    for (port, rival) in
        rivals(checked).filter(|(port, rival)| rival.clb == checked.clb() && rival.port != *port)
    {
        checked.finding(out)
            .annotation(key, text)
            .parts([part(rival)])
            .fix(format!("use another group for port {port}"))
            .emit(format!(
                "group {} serves port {port} here and port {} of Service {}: clients of one reach the other",
                rival.vgroup,
                rival.port,
                rival.service_ref.label()
            ));
    }
}

fn other_clb(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(EffectiveValue { key, text }) =
        checked.annotations().effective(annotation::VGROUP_PORT)
    else {
        return;
    };
    for (_, rival) in rivals(checked).filter(|(_, rival)| rival.clb != checked.clb()) {
        let owner = checked.answer_at_hand(rival.vgroup).and_then(|g| g.clb.as_deref());
        let fix = owner.map_or_else(
            || "name the CLB the group belongs to in both Services".to_owned(),
            |owner| format!("name CLB {owner} in both Services: the group belongs to it"),
        );
        checked.finding(out).annotation(key, text).parts([part(rival)]).fix(fix).emit(format!(
            "group {} is mapped under CLB {} here and under CLB {} by Service {}; it belongs to one, and the other Service {}",
            rival.vgroup,
            checked.clb(),
            rival.clb,
            rival.service_ref.label(),
            if checked.version().has(Behaviour::LeavesPortsOut) {
                "is drained in silence"
            } else {
                "fails each round"
            }
        ));
    }
}

fn same_cluster(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(EffectiveValue { key, text }) =
        checked.annotations().effective(annotation::VGROUP_PORT)
    else {
        return;
    };
    let same = |(port, rival): &(u16, &Binding<'_>)| {
        checked.is_beside(&rival.service_ref) && rival.port == *port && rival.clb == checked.clb()
    };
    for (_, rival) in rivals(checked).filter(same) {
        let shares_pods = checked.shares_pods_with(&rival.service_ref);
        let (severity, what) = if shares_pods {
            (
                Severity::Error,
                "and both register the same pods: they fight for weight and description, and deleting one empties the other's part",
            )
        } else {
            (Severity::Warning, "their weights add up")
        };
        let draft = checked.finding(out).annotation(key, text).parts([part(rival)]);
        draft.severity(severity).emit(format!(
            "Service {} of the same cluster is in group {} too; {what}",
            rival.service_ref.label(),
            rival.vgroup
        ));
    }
}
