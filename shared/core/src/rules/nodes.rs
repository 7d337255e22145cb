//! 0xx: nodes, endpoints and names that CCM cannot register.

use super::{AtReview, Check, CheckedService, Evidence, Findings, RefusedWrites, Rule, Words};
use crate::{
    annotation::{self, EffectiveValue},
    backends::{self, Mode},
    finding::Severity,
    identity::{MAX_DESCRIPTION, NamedKey, UNKNOWN_CLUSTER_ID},
    object::EndpointSlice,
    object::Node,
    outcome::PortResult,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB017",
        severity: Severity::Warning,
        evidence: &[],
        also: &[Evidence::ClusterId],
        en: Words {
            title: "backends' description would pass 80 characters",
            ccm: "Writes k8s/<port>/<service>/<namespace>/<cluster id> unchecked. The cloud documents 80 characters; what it does beyond is not verified. Were it to cut the text, CCM would take its own backends for foreign ones.",
            fix: "use a shorter Service or namespace name",
        },
        zh: Words {
            title: "后端服务器的描述将超过 80 个字符",
            ccm: "写入 k8s/<port>/<service>/<namespace>/<cluster id> 时不检查长度。CLB 文档的上限是 80 个字符，超出后的行为未经验证。如果描述被截断，CCM 会把自己的后端服务器当成别人的。",
            fix: "缩短 Service 或命名空间的名称",
        },
        source: &[
            "CCM 2.14: listeners.go, getVGroupNamedKey",
            "CCM 2.14: load_balancer.go, LoadVGroupNamedKey",
            "CLB documentation: SetVServerGroupAttribute, Description",
        ],
        bad: "a Service and namespace of more than 35 characters together",
        good: "a Service and namespace of at most 35 characters together, with an ACK cluster id",
        check: Check::Candidate(long_description),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB020",
        severity: Severity::Error,
        evidence: &[Evidence::Nodes],
        also: &[Evidence::Endpoints],
        en: Words {
            title: "backend-label matches no node",
            ccm: "Finds no node and takes all backends out of the group, with a Normal event.",
            fix: "write labels that at least one node carries",
        },
        zh: Words {
            title: "backend-label 匹配不到节点",
            ccm: "找不到节点，于是从虚拟服务器组中移除全部后端服务器，只产生 Normal 事件。",
            fix: "填写至少有一个节点带有的标签",
        },
        source: &[
            "CCM 2.14: backend.go, filterOutByLabel",
            "CCM 2.14: vgroups.go, buildVGroupForServicePort",
        ],
        bad: "…-loadbalancer-backend-label: \"pool=wbe\"",
        good: "…-loadbalancer-backend-label: \"pool=web\"",
        at_review: AtReview::WarnOnly,
        check: Check::OnClb(no_labelled_node),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB024",
        severity: Severity::Error,
        evidence: &[Evidence::Nodes, Evidence::Endpoints],
        also: &[Evidence::Workloads],
        en: Words {
            title: "an accepted node has no usable providerID",
            ccm: "Cannot name the node's instance, drops the port without a word, and empties the group at the next edit of the Service.",
            fix: "let the node register again with its providerID, or label it service.alibabacloud.com/exclude-node",
        },
        zh: Words {
            title: "可注册的节点缺少有效的 providerID",
            ccm: "无法得知节点对应的实例，不报错，直接跳过该端口；下次修改该 Service 时清空虚拟服务器组。",
            fix: "让节点带着 providerID 重新注册，或给节点添加标签 service.alibabacloud.com/exclude-node",
        },
        source: &[
            "CCM 2.14: node_utils.go, NodeFromProviderID",
            "CCM 2.14: vgroups.go, buildClusterBackends",
        ],
        bad: "a Ready node without spec.providerID",
        good: "spec.providerID: cn-example.i-bp1example",
        refuses: RefusedWrites::Standing,
        at_review: AtReview::WarnOnly,
        check: Check::OnClb(no_provider_id),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB025",
        severity: Severity::Error,
        evidence: &[Evidence::Endpoints],
        also: &[Evidence::Workloads],
        en: Words {
            title: "an endpoint has no nodeName",
            ccm: "Cannot place the endpoint, drops the port without a word, and empties the group at the next edit of the Service. Only pods as backends need no node.",
            fix: "give every endpoint its nodeName",
        },
        zh: Words {
            title: "Endpoint 缺少 nodeName",
            ccm: "无法确定该 Endpoint 所在的节点，不报错，直接跳过该端口；下次修改该 Service 时清空虚拟服务器组。只有以 Pod 为后端时才不需要节点。",
            fix: "为每个 Endpoint 填写 nodeName",
        },
        source: &[
            "CCM 2.14: vgroups.go, buildLocalBackends",
            "CCM 2.14: vgroups.go, buildClusterBackends",
        ],
        bad: "an EndpointSlice written by hand, without nodeName",
        good: "endpoints with nodeName, as Kubernetes writes them",
        refuses: RefusedWrites::Standing,
        at_review: AtReview::WarnOnly,
        check: Check::OnClb(no_node_name),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB026",
        severity: Severity::Error,
        evidence: &[Evidence::Nodes],
        also: &[Evidence::Endpoints],
        en: Words {
            title: "no node is eligible",
            ccm: "Registers nodes that are Ready, not masters, not excluded by label, not about to be deleted. Without any, all backends leave the group.",
            fix: "make a node Ready, or remove the label or taint that keeps it out",
        },
        zh: Words {
            title: "没有可注册的节点",
            ccm: "只注册 Ready、不是 Master、未被标签排除、不会马上被删除的节点。一个都没有时，全部后端服务器移出虚拟服务器组。",
            fix: "让节点恢复 Ready，或去掉排除该节点的标签或污点",
        },
        source: &[
            "CCM 2.14: backend.go, needExcludeFromLB",
            "CCM 2.14: node_utils.go, IsNodeExcludeFromLoadBalancer",
        ],
        bad: "every node labelled node.kubernetes.io/exclude-from-external-load-balancers",
        good: "at least one Ready node without an excluding label",
        refuses: RefusedWrites::Standing,
        at_review: AtReview::WarnOnly,
        check: Check::OnClb(no_node),
        ..Rule::DEFAULT
    },
];

/// What follows from a node or an endpoint for which CCM leaves a port out.
const DRAINS_LATER: &str = "at the next edit of this Service CCM would take all its backends out of the group and report success";

fn long_description(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let meta = &checked.service().metadata;
    let cluster_id = checked.cluster_id_at_hand().unwrap_or(UNKNOWN_CLUSTER_ID);
    let ports = &checked.service().spec.ports;
    let longest = |mode: Mode| {
        let texts = ports.iter().map(|port| match (mode, port.node_port) {
            (Mode::Cluster | Mode::Local, 0) => "30000".to_owned(),
            (Mode::Cluster | Mode::Local, node_port) => node_port.to_string(),
            (Mode::Eni, _) => port.target().to_string(),
        });
        texts.max_by_key(String::len)
    };
    // Where nothing tells the mode, what is too long in either is too long.
    let modes = checked.mode().map_or(vec![Mode::Cluster, Mode::Eni], |mode| vec![mode]);
    let shortest = modes.into_iter().filter_map(longest).min_by_key(String::len);
    let Some(port) = shortest else { return };
    let key =
        NamedKey { port: &port, service: &meta.name, namespace: meta.namespace(), cluster_id };
    let length = key.length();
    if length > MAX_DESCRIPTION {
        let spare = length - MAX_DESCRIPTION;
        checked.finding(out)
            .at("metadata.name")
            .value(&meta.name)
            .fix(format!("make the names of Service and namespace {spare} characters shorter in all"))
            .emit(format!(
                "its backends' description would have {length} characters, the cloud documents {MAX_DESCRIPTION}"
            ));
    }
}

fn no_labelled_node(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(EffectiveValue { key, text }) =
        checked.annotations().effective(annotation::BACKEND_LABEL)
    else {
        return;
    };
    if text.is_empty() || checked.known_mode(out).is_none_or(|mode| mode == Mode::Eni) {
        return;
    }
    let Some(nodes) = checked.nodes(out) else { return };
    if backends::count_labelled_nodes(checked.service(), nodes).is_ok_and(|labelled| labelled == 0)
    {
        let severity = if checked.carries_weight() { Severity::Error } else { Severity::Warning };
        checked.finding(out).annotation(key, text).severity(severity).emit(format!(
            "none of {} nodes carries {text}: CCM takes all backends out of the group and reports success",
            nodes.len()
        ));
    }
}

fn no_provider_id(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(mode @ (Mode::Cluster | Mode::Local)) = checked.known_mode(out) else { return };
    let Some(nodes) = checked.nodes(out) else { return };
    let Ok(candidates) = backends::accepted_nodes(checked.service(), nodes) else { return };
    if mode == Mode::Local && checked.slices(out).is_none() {
        return;
    }
    let is_asked_for = |node: &Node| match mode {
        // CCM asks for the instances of those nodes alone that have endpoints.
        Mode::Local => !node.is_virtual && hosts_endpoint(checked, node),
        _ => true,
    };
    let bad: Vec<String> = candidates
        .iter()
        .filter(|node| !node.is_excluded(checked.version()))
        .filter_map(|node| Some((node, node.instance().err()?)))
        .filter(|(node, _)| is_asked_for(node))
        .map(|(_, error)| error.to_string())
        .collect();
    if let Some(first) = bad.first() {
        let others = match bad.len() {
            1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        checked
            .finding(out)
            .value(bad.join("; "))
            .emit(format!("{first}{others}: {}", checked.on_skipped_port(DRAINS_LATER)));
    }
}

/// Whether an endpoint that CCM counts is on a node.
fn hosts_endpoint(checked: &CheckedService<'_, '_>, node: &Node) -> bool {
    let slices = checked.slices_at_hand().unwrap_or_default();
    EndpointSlice::endpoints_of(slices)
        .filter(|endpoint| checked.is_counted(endpoint))
        .any(|endpoint| endpoint.node_name.as_deref() == Some(&node.metadata.name))
}

fn no_node_name(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    if checked.known_mode(out).is_none_or(|mode| mode == Mode::Eni) {
        return;
    }
    let Some(slices) = checked.slices(out) else { return };
    let bad: Vec<&str> = EndpointSlice::endpoints_of(slices)
        .filter(|endpoint| endpoint.node_name.is_none())
        .filter(|endpoint| checked.is_counted(endpoint))
        .flat_map(|endpoint| &endpoint.addresses)
        .map(String::as_str)
        .collect();
    if !bad.is_empty() {
        checked.finding(out).value(bad.join(",")).emit(format!(
            "endpoint {} has no nodeName: {}",
            bad.join(", "),
            checked.on_skipped_port(DRAINS_LATER)
        ));
    }
}

fn no_node(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    if checked.known_mode(out).is_none_or(|mode| mode == Mode::Eni) {
        return;
    }
    let Some(nodes) = checked.nodes(out) else { return };
    if backends::has_eligible_node(checked.service(), nodes, checked.version()) {
        return;
    }
    let is_drained =
        checked.round().ports.iter().any(|p| matches!(p.result, PortResult::NoNode(_)));
    let matched = backends::count_labelled_nodes(checked.service(), nodes).unwrap_or_default();
    // Nodes that carry the label but are all rejected; where none carries it, CLB020 speaks.
    if is_drained
        && (matched > 0 || checked.annotations().text(annotation::BACKEND_LABEL).is_empty())
    {
        let severity = if checked.carries_weight() { Severity::Error } else { Severity::Warning };
        checked.finding(out).severity(severity).emit(format!(
            "none of {} nodes is eligible: CCM takes all backends out of the group and reports success",
            nodes.len()
        ));
    }
}
