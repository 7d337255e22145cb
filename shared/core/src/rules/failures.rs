//! Rounds that fail because of what the cloud is or refuses.

use super::{Check, CheckedService, Evidence, Findings, RefusedWrites, Rule, Words};
use crate::{
    annotation,
    backends::Mode,
    finding::Severity,
    round::{Failure, Refusal},
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB030",
        severity: Severity::Error,
        evidence: &[],
        en: Words {
            title: "a port has no node port",
            ccm: "Sends nodes with port 0, which the CLB refuses, while the backends that were there are removed.",
            fix: "let Kubernetes allocate node ports, or make pods the backends",
        },
        zh: Words {
            title: "端口没有 NodePort",
            ccm: "以端口 0 注册节点，被 CLB 拒绝；而原有的后端服务器照样被移除。",
            fix: "让 Kubernetes 分配 NodePort，或改为以 Pod 为后端",
        },
        source: &[
            "CCM 2.14: vgroups.go, buildClusterBackends",
            "CCM 2.14: vgroups.go, UpdateVServerGroup",
            "CLB documentation: AddVServerGroupBackendServers, Port",
        ],
        bad: "allocateLoadBalancerNodePorts: false with nodes as backends",
        good: "node ports, or …backend-type: \"eni\"",
        refuses: RefusedWrites::Standing,
        check: Check::Candidate(no_node_port),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB033",
        severity: Severity::Error,
        evidence: &[],
        also: &[Evidence::OldObject, Evidence::ClbApi],
        en: Words {
            title: "the cloud refuses what CCM would write",
            ccm: "Reports failure each round; what the cloud does not refuse is written.",
            fix: "correct what the cloud refuses",
        },
        zh: Words {
            title: "CCM 要写入的内容被 CLB 拒绝",
            ccm: "每轮调谐都报失败；未被拒绝的部分照常写入。",
            fix: "改正被拒绝的内容",
        },
        source: &["CCM 2.14: model_applier.go, Apply", "observed with CCM 2.14"],
        bad: "…-loadbalancer-protocol-port: \"https:443\" without …-loadbalancer-cert-id",
        good: "…-loadbalancer-protocol-port: \"https:443\" beside …-loadbalancer-cert-id",
        check: Check::Failures(refused),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB418",
        severity: Severity::Error,
        evidence: &[],
        also: &[Evidence::OldObject, Evidence::ClbApi],
        en: Words {
            title: "CCM's own group stands behind a listener",
            ccm: "Wants to delete the group that it made, for the mapping names another; the cloud refuses that while a listener sends to it, and the round fails for ever.",
            fix: "keep force-override-listeners \"true\" for this step, so that CCM moves the listener to the mapped group, or move the listener first",
        },
        zh: Words {
            title: "CCM 自建的虚拟服务器组仍被监听使用",
            ccm: "映射指向其他虚拟服务器组，因此要删除自建的那个；只要还有监听转发到它，CLB 就拒绝删除，调谐一直失败。",
            fix: "这一步保持 force-override-listeners 为 \"true\"，让 CCM 把监听切换到映射的虚拟服务器组；或先手动切换监听",
        },
        source: &[
            "CCM 2.14: model_applier.go, cleanup",
            "CLB documentation: DeleteVServerGroup, RspoolVipExist",
            "observed with CCM 2.14",
        ],
        bad: "a mapping added, and …-loadbalancer-force-override-listeners removed in the same edit",
        good: "the mapping added with …-loadbalancer-force-override-listeners: \"true\", which is removed afterwards",
        hides: &["CLB415"],
        check: Check::Failures(own_group_in_use),
        ..Rule::DEFAULT
    },
];

fn emit(
    checked: &CheckedService<'_, '_>,
    failures: &[Failure],
    out: &mut Findings<'_>,
    path_of: impl Fn(&Failure) -> Option<String>,
) {
    for failure in failures {
        if let Some(path) = path_of(failure) {
            let fate = failure.fate();
            checked.finding(out).at(path).emit(format!("{failure}. {fate}"));
        }
    }
}

fn path(checked: &CheckedService<'_, '_>, suffix: &str) -> String {
    annotation::field_path(&checked.annotations().key_of(suffix))
}

fn no_node_port(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let service = checked.service();
    if service.awaits_node_ports() {
        return;
    }
    let without = service.spec.ports.iter().filter(|port| port.node_port == 0);
    let numbers: Vec<String> = without.map(|port| port.port.to_string()).collect();
    let which = match numbers.as_slice() {
        [] => return,
        [one] => format!("port {one} has no node port, and gets none"),
        [others @ .., last] => {
            format!("ports {} and {last} have no node port, and get none", others.join(", "))
        }
    };
    if checked.known_mode(out).is_none_or(|mode| mode == Mode::Eni) {
        return;
    }
    checked.finding(out).at("spec.allocateLoadBalancerNodePorts").value("false").emit(format!(
        "{which}: the CLB takes no backend with port 0, each round of CCM fails, and the backends that were there are removed"
    ));
}

fn own_group_in_use(
    checked: &CheckedService<'_, '_>,
    failures: &[Failure],
    out: &mut Findings<'_>,
) {
    emit(checked, failures, out, |failure| {
        let is_in_use = matches!(failure, Failure::Refused(Refusal::GroupInUse(_)));
        is_in_use.then(|| path(checked, annotation::VGROUP_PORT))
    });
}

fn refused(checked: &CheckedService<'_, '_>, failures: &[Failure], out: &mut Findings<'_>) {
    emit(checked, failures, out, |failure| match failure {
        Failure::Refused(Refusal::NoCertificate(_)) => Some(path(checked, annotation::CERT_ID)),
        Failure::Refused(Refusal::NoForwardTarget { .. } | Refusal::ForwardTarget(_)) => {
            Some(path(checked, annotation::FORWARD_PORT))
        }
        Failure::Refused(Refusal::PortInUse { .. } | Refusal::NoSuchGroup { .. }) => {
            Some(path(checked, annotation::FORCE_OVERRIDE))
        }
        Failure::Refused(Refusal::Weight(_)) => Some(path(checked, annotation::WEIGHT)),
        Failure::Refused(Refusal::NoServer(_))
        | Failure::NoInterface(_)
        | Failure::HeldBack(_)
        | Failure::NoGroup(_) => Some("spec".to_owned()),
        // CLB030 and CLB418 speak of refused ports and groups.
        _ => None,
    });
}
