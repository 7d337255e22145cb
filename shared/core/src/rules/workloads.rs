//! 3xx: pods that come and go.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    AtReview, Check, CheckedService, CheckedWorkload, Evidence, Findings, Rule, Words, replacement,
};
use crate::{
    annotation,
    backends::{Mode, readiness_gate},
    finding::Severity,
    inject,
    object::{
        Container, DEFAULT_GRACE_PERIOD_SECONDS, EndpointSlice, PreStopHook, TargetPort, Workload,
    },
    patch::PatchOp,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB301",
        severity: Severity::Error,
        evidence: &[Evidence::Workloads],
        en: Words {
            title: "container without readinessProbe",
            ccm: "Takes a pod for ready as soon as Kubernetes does: without a probe, when its process has started, before it can serve.",
            fix: "add a readinessProbe to the container, for example readinessProbe: {tcpSocket: {port: PORT}, periodSeconds: 2}",
        },
        zh: Words {
            title: "容器没有 readinessProbe",
            ccm: "以 Kubernetes 的就绪状态为准：没有探针时，进程一启动就算就绪，而此时还不能提供服务。",
            fix: "为容器添加 readinessProbe，例如 readinessProbe: {tcpSocket: {port: PORT}, periodSeconds: 2}",
        },
        source: &[
            "Kubernetes: Pod Lifecycle, Container probes",
            "CCM 2.14: vgroups.go, setBackendsFromEndpointSlices",
        ],
        bad: "a container that serves the target port without readinessProbe",
        good: "readinessProbe: {httpGet: {path: /healthz, port: http}}",
        is_of_intent: true,
        check: Check::Workload(no_probe),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB302",
        severity: Severity::Info,
        evidence: &[Evidence::Workloads],
        en: Words {
            title: "readiness gate missing or for another Service",
            ccm: "With pods as backends, holds a rollout until the new pod is registered, if the pod template carries its gate; the gate names the Service.",
            fix: "add the Service's gate to the pod template",
        },
        zh: Words {
            title: "缺少 readinessGate，或 readinessGate 属于其他 Service",
            ccm: "以 Pod 为后端时，如果 Pod 模板带有对应的 readinessGate，滚动更新会等到新 Pod 注册完成；readinessGate 中写有 Service 的名称。",
            fix: "在 Pod 模板中添加该 Service 的 readinessGate",
        },
        source: &[
            "CCM 2.14: pod_utils.go, BuildReadinessGatePodConditionTypeWithPrefix",
            "Kubernetes: Pod Lifecycle, Pod readiness",
        ],
        bad: "an ENI Service web and a pod template without readinessGates",
        good: "readinessGates: [{conditionType: service.readiness.alibabacloud.com/web}]",
        check: Check::Workload(no_gate),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB303",
        severity: Severity::Warning,
        evidence: &[Evidence::Workloads],
        also: &[Evidence::Nodes],
        en: Words {
            title: "container without preStop hook",
            ccm: "Takes a pod out of the CLB after it has begun to end; until then requests still arrive, and are lost where nothing listens any more.",
            fix: "add lifecycle: {preStop: {sleep: {seconds: 30}}}, and 30 s to terminationGracePeriodSeconds",
        },
        zh: Words {
            title: "容器没有 preStop 钩子",
            ccm: "Pod 开始终止之后，才从 CLB 中移除；在此之前请求仍会到达，如果进程已不再监听，请求就会丢失。",
            fix: "添加 lifecycle: {preStop: {sleep: {seconds: 30}}}，并给 terminationGracePeriodSeconds 增加 30 秒",
        },
        source: &[
            "Kubernetes: Pod Lifecycle, Termination of Pods",
            "CCM 2.14: vgroups.go, setBackendsFromEndpointSlices",
        ],
        bad: "a container without lifecycle.preStop",
        good: "lifecycle: {preStop: {sleep: {seconds: 30}}} and terminationGracePeriodSeconds: 75",
        check: Check::Workload(no_hook),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB304",
        severity: Severity::Error,
        evidence: &[Evidence::Workloads],
        en: Words {
            title: "grace period cuts the preStop hook",
            ccm: "Not CCM but the kubelet: it kills the container when the grace period ends, hook or no hook.",
            fix: "make terminationGracePeriodSeconds larger than the longest preStop, and leave the process time to end",
        },
        zh: Words {
            title: "终止宽限期太短，preStop 钩子会被中断",
            ccm: "与 CCM 无关，由 kubelet 执行：宽限期一到就终止容器，不管钩子是否执行完。",
            fix: "让 terminationGracePeriodSeconds 大于最长的 preStop 时间，并给进程留出退出时间",
        },
        source: &["Kubernetes: Container Lifecycle Hooks, Hook handler execution"],
        bad: "preStop sleep of 30 s, or the command sleep 30; nginx -s quit, with terminationGracePeriodSeconds: 30",
        good: "preStop sleep of 30 s with terminationGracePeriodSeconds: 75",
        check: Check::Workload(hook_is_cut),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB305",
        severity: Severity::Warning,
        evidence: &[Evidence::Nodes, Evidence::Endpoints, Evidence::Workloads],
        en: Words {
            title: "externalTrafficPolicy Local with a single pod on a node",
            ccm: "Still sends to a node whose kube-proxy has dropped the last pod already: the two are not in step.",
            fix: "use externalTrafficPolicy Cluster, more pods a node, preStop hooks, or ENI",
        },
        zh: Words {
            title: "externalTrafficPolicy 为 Local，且节点上只有一个 Pod",
            ccm: "节点上的 kube-proxy 已摘除最后一个 Pod，CLB 却仍向该节点转发：两者不同步。",
            fix: "使用 externalTrafficPolicy Cluster、在每个节点上运行多个 Pod、配置 preStop 钩子，或使用 ENI",
        },
        source: &[
            "Kubernetes: Virtual IPs and Service Proxies, Traffic to terminating endpoints",
            "CCM 2.14: vgroups.go, buildLocalBackends",
        ],
        bad: "externalTrafficPolicy: Local and one pod on a node, without preStop",
        good: "externalTrafficPolicy: Cluster, or several pods on each node, or preStop hooks on Kubernetes 1.26 and newer, or ENI",
        check: Check::Migrated(lonely_pod),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB306",
        severity: Severity::Warning,
        evidence: &[Evidence::Workloads],
        en: Words {
            title: "rollout removes all pods at once, or there is one replica",
            ccm: "Has no backend, or nodes without a pod behind them, until the next pod is ready.",
            fix: "run at least two replicas and replace them one by one",
        },
        zh: Words {
            title: "滚动更新会同时移除全部 Pod，或只有一个副本",
            ccm: "在下一个 Pod 就绪之前，没有后端服务器，或节点上没有提供服务的 Pod。",
            fix: "至少运行两个副本，并逐个替换",
        },
        source: &[
            "Kubernetes: Deployments, Strategy",
            "Kubernetes: HorizontalPodAutoscaler, minReplicas",
            "CCM 2.14: vgroups.go, setBackendsFromEndpointSlices",
        ],
        bad: "strategy: {type: Recreate}, replicas: 1 or left out, or an autoscaler without minReplicas",
        good: "replicas: 3, or minReplicas: 2 of the autoscaler, and rollingUpdate: {maxUnavailable: 1}",
        check: Check::Workload(replacement::gap),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB307",
        severity: Severity::Warning,
        evidence: &[Evidence::Endpoints],
        en: Words {
            title: "no ready endpoint behind a Service with weight",
            ccm: "In Cluster mode keeps every node in the group at full weight, so requests go where nothing answers; in Local and ENI mode takes all backends out.",
            fix: "set the weight to 0 until pods are ready",
        },
        zh: Words {
            title: "Service 有权重，但没有就绪的 Endpoint",
            ccm: "Cluster 模式下，所有节点以全部权重留在虚拟服务器组中，请求到达后无人响应；Local 和 ENI 模式下，移除全部后端服务器。",
            fix: "在 Pod 就绪之前，将权重设为 0",
        },
        source: &[
            "CCM 2.14: vgroups.go, buildClusterBackends",
            "CCM 2.14: vgroups.go, setBackendsFromEndpointSlices",
        ],
        bad: "weight 50 and no ready pod",
        good: "pods ready first, weight second",
        at_review: AtReview::WarnOnly,
        check: Check::Migrated(black_hole),
        ..Rule::DEFAULT
    },
];

/// The containers that declare a target port of the Service; empty where none declares one.
fn serving<'a>(checked: &CheckedWorkload<'_, 'a>) -> Vec<&'a Container> {
    let targets: Vec<TargetPort> = checked
        .service
        .service()
        .spec
        .ports
        .iter()
        .map(crate::object::ServicePort::target)
        .collect();
    let declares = |container: &&Container| {
        container.ports.iter().any(|port| {
            targets.iter().any(|target| match target {
                TargetPort::Number(number) => port.container_port == *number,
                TargetPort::Name(name) => port.name == *name,
            })
        })
    };
    checked.workload.template.spec.long_running().filter(declares).collect()
}

/// The containers that lack something: of those that serve, or, where no container declares the
/// port, all of them if not one has it.
fn lacking<'a>(
    checked: &CheckedWorkload<'_, 'a>,
    has: impl Fn(&Container) -> bool,
) -> Vec<&'a Container> {
    let serving = serving(checked);
    if serving.is_empty() {
        let all: Vec<&Container> = checked.workload.template.spec.containers.iter().collect();
        return if all.iter().any(|container| has(container)) { Vec::new() } else { all };
    }
    serving.into_iter().filter(|container| !has(container)).collect()
}

fn container_path(workload: &Workload, container: &Container) -> String {
    format!("{}.{}", workload.kind.pod_path(), workload.template.spec.field_of(container))
}

fn no_probe(checked: &CheckedWorkload<'_, '_>, out: &mut Findings<'_>) {
    for container in lacking(checked, |container| container.has_readiness_probe) {
        checked.finding(out).at(container_path(checked.workload, container)).emit(format!(
            "container {} serves Service {} and has no readinessProbe: requests reach pods that cannot serve yet",
            container.name,
            checked.service.label()
        ));
    }
}

fn no_gate(checked: &CheckedWorkload<'_, '_>, out: &mut Findings<'_>) {
    // The gate of a Service would never open on a pod that it does not select.
    let is_whole = checked.workload.is_wholly_selected_by(checked.service.service());
    if !is_whole || checked.service.known_mode(out) != Some(Mode::Eni) {
        return;
    }
    let gate = readiness_gate(&checked.service.service().metadata.name);
    let gates = &checked.workload.template.spec.readiness_gates;
    if gates.contains(&gate) {
        return;
    }
    let prefix = readiness_gate("");
    let message = match gates.iter().find_map(|gate| gate.strip_prefix(&prefix)) {
        Some(other) => {
            format!(
                "its readiness gate is for Service {other}, not for {}",
                checked.service.label()
            )
        }
        None => {
            "it has no readiness gate: a rollout does not wait until CCM has registered the new pod"
                .to_owned()
        }
    };
    checked
        .finding(out)
        .at(format!("{}.readinessGates", checked.workload.kind.pod_path()))
        .fix(format!("add readinessGates: [{{conditionType: {gate}}}] to the pod template"))
        .emit(message);
}

fn no_hook(checked: &CheckedWorkload<'_, '_>, out: &mut Findings<'_>) {
    if will_be_injected(checked) {
        return;
    }
    for container in lacking(checked, |container| container.pre_stop.is_some()) {
        checked.finding(out).at(container_path(checked.workload, container)).emit(format!(
            "container {} serves Service {} and has no preStop hook: requests that still arrive while it ends are lost",
            container.name,
            checked.service.label()
        ));
    }
}

/// First kube-proxy that uses endpoints that end while no other is left.
const TERMINATING_ENDPOINTS: (u32, u32) = (1, 26);

/// Whether this project's webhook will give the workload its hook, or each of its Pods.
fn will_be_injected(checked: &CheckedWorkload<'_, '_>) -> bool {
    let CheckedWorkload { workload, .. } = checked;
    let switch = workload.metadata.annotations.get(annotation::INJECT);
    let wanted = inject::opt_out_reason(workload.kind, switch).is_none();
    let Some(nodes) = checked.nodes_read() else { return false };
    let in_scope = workload.metadata.namespace() != "kube-system";
    let new_enough =
        nodes.iter().all(|node| node.kubelet.is_some_and(|v| v >= inject::NATIVE_SLEEP));
    checked.may_be_injected() && in_scope && wanted && new_enough && !nodes.is_empty()
}

fn hook_is_cut(checked: &CheckedWorkload<'_, '_>, out: &mut Findings<'_>) {
    let spec = &checked.workload.template.spec;
    let path = format!("{}.terminationGracePeriodSeconds", checked.workload.kind.pod_path());
    let grace =
        spec.termination_grace_period_seconds.unwrap_or(DEFAULT_GRACE_PERIOD_SECONDS.into());
    let hook = spec.longest_hook();
    let seconds = hook.and_then(PreStopHook::seconds).filter(|seconds| *seconds >= grace);
    if let Some(seconds) = seconds {
        let enough = seconds.saturating_add(DEFAULT_GRACE_PERIOD_SECONDS.into());
        let raise =
            PatchOp::Add { path: format!("/{}", path.replace('.', "/")), value: enough.into() };
        // A Pod of a controller is as its template says, and cannot be changed itself.
        let owner = checked.owner();
        let of_owner = owner.as_ref().map(|owner| format!(" in the pod template of {owner}"));
        let least = if matches!(hook, Some(PreStopHook::AtLeast(_))) { "at least " } else { "" };
        checked.finding(out)
            .at(path)
            .value(grace.to_string())
            .fix(format!(
                "set terminationGracePeriodSeconds: {enough}{}",
                of_owner.unwrap_or_default()
            ))
            .patch(owner.is_none().then_some(raise))
            .emit(format!(
                "the preStop hook takes {least}{seconds} s and the grace period is {grace} s: the hook is cut, and the process gets no time to end"
            ));
    } else if spec.long_running().any(|container| container.pre_stop == Some(PreStopHook::Other)) {
        checked.finding(out)
            .at(path)
            .value(grace.to_string())
            .severity(Severity::Info)
            .fix("see that the hook ends well within the grace period")
            .emit(format!("how long the preStop hook takes cannot be read from it; the grace period is {grace} s"));
    }
}

fn lonely_pod(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    if checked.mode() != Some(Mode::Local) {
        return;
    }
    let Some(slices) = checked.slices(out) else { return };
    // One pod may stand in two slices while its endpoints are written anew.
    let mut by_node: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for endpoint in EndpointSlice::endpoints_of(slices).filter(|e| e.is_ready()) {
        let node = endpoint.node_name.as_deref().unwrap_or_default();
        by_node.entry(node).or_default().extend(endpoint.addresses.first().map(String::as_str));
    }
    let Some((node, _)) = by_node.iter().find(|(_, pods)| pods.len() == 1) else { return };
    let Some(workloads) = checked.workloads(out) else { return };
    let Some(nodes) = checked.nodes(out) else { return };
    let has_hooks = workloads.iter().all(|workload| {
        workload.template.spec.long_running().any(|container| container.pre_stop.is_some())
    });
    let is_old = nodes.iter().any(|node| node.kubelet.is_some_and(|v| v < TERMINATING_ENDPOINTS));
    let severity = if !has_hooks || is_old { Severity::Warning } else { Severity::Info };
    let why = match (has_hooks, is_old) {
        (false, _) => "there is no preStop hook",
        (true, true) => "its kube-proxy is older than 1.26",
        (true, false) => "the preStop hook bridges that on Kubernetes 1.26 and newer",
    };
    checked.finding(out).at("spec.externalTrafficPolicy").value("Local").severity(severity).emit(format!(
        "node {node} has a single serving pod: when that ends, kube-proxy drops requests that the CLB still sends; {why}"
    ));
}

fn black_hole(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    if !checked.carries_weight() {
        return;
    }
    let Some(slices) = checked.slices(out) else { return };
    if EndpointSlice::ready_in(slices) > 0 {
        return;
    }
    let what = match checked.mode() {
        Some(Mode::Cluster) => {
            "in Cluster mode its nodes keep their full weight, and requests go where nothing answers"
        }
        None => "its backends serve nothing",
        Some(Mode::Local | Mode::Eni) => "CCM takes all its backends out of the group",
    };
    let key = checked.annotations().key_of(annotation::WEIGHT);
    let weight = checked.annotations().text(annotation::WEIGHT);
    checked
        .finding(out)
        .annotation(&key, weight)
        .fix(format!("set {key}: \"0\" until pods are ready"))
        .emit(format!("no endpoint is ready; {what}"));
}
