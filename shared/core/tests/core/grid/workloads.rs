//! 3xx: pods that come and go.

use clbmigrate_core::annotation::{INJECT, VGROUP_PORT, WEIGHT};
use serde_json::{Value, json};

use super::{Rule, replacement, rule, selected};
use crate::support::{
    TestSnapshot, container, endpoint, healthy, healthy_eni, healthy_local, merged, pod, slice,
    workload,
};

pub(super) fn no_probe() -> Value {
    merged(container(), &json!({"readinessProbe": null}))
}

fn no_hook() -> Value {
    merged(container(), &json!({"lifecycle": null}))
}

/// A container that declares no port.
fn portless(name: &str, of: Value) -> Value {
    merged(of, &json!({"name": name, "ports": null}))
}

fn hooked(hook: &Value) -> Value {
    let without = merged(container(), &json!({"lifecycle": null}));
    merged(without, &json!({"lifecycle": {"preStop": hook}}))
}

fn exec(command: &[&str]) -> Value {
    hooked(&json!({"exec": {"command": command}}))
}

/// The Deployment's grace period in seconds and its only container.
fn grace(seconds: Option<u64>, container: Value) -> TestSnapshot {
    healthy()
        .template(&json!({"spec": {"terminationGracePeriodSeconds": seconds}}))
        .containers(&[container])
}

fn gate(service: &str) -> Value {
    json!([{"conditionType": format!("service.readiness.alibabacloud.com/{service}")}])
}

fn gates(gates: &Value) -> TestSnapshot {
    healthy_eni().template(&json!({"spec": {"readinessGates": gates}}))
}

/// The Deployment has no hook, and the webhook would give it one.
fn injecting() -> TestSnapshot {
    healthy().containers(&[no_hook()]).add(json!({"kind": "InjectionHook"}))
}

fn kubelet(version: &str) -> Value {
    json!({"status": {"nodeInfo": {"kubeletVersion": version}}})
}

/// Everything lives in that namespace instead.
fn moved_to(setup: TestSnapshot, namespace: &str) -> TestSnapshot {
    let patch = json!({"metadata": {"namespace": namespace}});
    setup.edit("Service", &patch).edit("Deployment", &patch).edit("EndpointSlice", &patch)
}

pub(super) fn instead(kind: &str, container: &Value) -> TestSnapshot {
    let spec = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
    healthy().without("Deployment").add(merged(workload(kind, "web"), &spec))
}

/// The same of a kind that only that API group has.
pub(super) fn instead_of_group(api_version: &str, kind: &str, container: &Value) -> TestSnapshot {
    instead(kind, container).edit(kind, &json!({"apiVersion": api_version}))
}

pub(super) const ARGO: &str = "argoproj.io/v1alpha1";
pub(super) const KRUISE: &str = "apps.kruise.io/v1alpha1";

/// A Rollout that takes its template from the Deployment.
pub(super) fn rollout_over(spec: &Value) -> Value {
    let by = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let rollout = json!({
        "apiVersion": ARGO, "kind": "Rollout", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 3, "workloadRef": by},
    });
    merged(rollout, &json!({"spec": spec}))
}

pub(super) fn bare_pod(container: &Value) -> TestSnapshot {
    let spec = json!({"spec": {"containers": [container]}});
    healthy().without("Deployment").add(merged(pod("web-0"), &spec))
}

/// Local mode with that many pods on node `n1`, and two on the others.
fn local(on_first: usize) -> TestSnapshot {
    let mut endpoints: Vec<Value> = (1..=on_first).map(|n| endpoint(n, 1)).collect();
    endpoints.extend([endpoint(11, 2), endpoint(12, 2), endpoint(13, 3), endpoint(14, 3)]);
    healthy_local().edit("EndpointSlice", &json!({"endpoints": endpoints}))
}

fn none_ready(setup: TestSnapshot) -> TestSnapshot {
    let waits = json!({"conditions": {"ready": false}});
    setup.edit("EndpointSlice", &json!({"endpoints": [merged(endpoint(1, 1), &waits)]}))
}

pub(super) fn not_migrated(setup: TestSnapshot) -> TestSnapshot {
    setup.bare(VGROUP_PORT).bare(WEIGHT)
}

fn no_selector(setup: TestSnapshot) -> TestSnapshot {
    setup.edit("Service", &json!({"spec": {"selector": null}}))
}

pub fn rules() -> Vec<Rule> {
    vec![
        probes(),
        readiness_gates(),
        hooks(),
        grace_periods(),
        lonely_pods(),
        replacement::gaps(),
        holes(),
    ]
}

fn probes() -> Rule {
    let side = || portless("side", no_probe());
    let rule = rule("CLB301")
        .error("the container that serves has no probe", healthy().containers(&[no_probe()]))
        .saying("app")
        .error("of several, the one that declares the port", {
            healthy().containers(&[no_probe(), portless("side", container())])
        })
        .error("where none declares the port, none has a probe", {
            healthy().containers(&[portless("app", no_probe())])
        })
        .error("a StatefulSet", instead("StatefulSet", &no_probe()))
        .error("a DaemonSet", instead("DaemonSet", &no_probe()))
        .error("a bare Pod", bare_pod(&no_probe()))
        .error("found by the port's name", {
            let ports =
                json!([{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080}]);
            healthy().ports(&ports).containers(&[no_probe(), portless("side", container())])
        })
        .error("a native sidecar that serves", {
            let proxy = merged(no_probe(), &json!({"restartPolicy": "Always"}));
            let spec =
                json!({"initContainers": [proxy], "containers": [portless("app", container())]});
            healthy().template(&json!({"spec": spec}))
        })
        .silent("the container that serves has a probe", healthy())
        .silent("a sidecar that does not serve needs none", {
            healthy().containers(&[container(), side()])
        })
        .silent("where none declares the port, one probe is enough", {
            healthy().containers(&[portless("app", container()), side()])
        })
        .silent("a Service that reuses no group", {
            not_migrated(healthy().containers(&[no_probe()]))
        })
        .silent("a Service without selector selects nothing", {
            no_selector(healthy().containers(&[no_probe()]))
        })
        .silent("a workload that the Service does not select", {
            healthy().add(merged(
                workload("Deployment", "db"),
                &json!({"spec": {"template": {"spec": {"containers": [no_probe()]}}}}),
            ))
        })
        .silent("a workload of another namespace", {
            let other = json!({
                "metadata": {"namespace": "test"},
                "spec": {"template": {"spec": {"containers": [no_probe()]}}},
            });
            healthy().add(merged(workload("Deployment", "web"), &other))
        })
        .blind("no workload is at hand", healthy().without("Deployment"));
    selected::silent(selected::firing(rule))
}

fn readiness_gates() -> Rule {
    rule("CLB302")
        .info("pods are backends and carry no gate", gates(&json!([])))
        .saying("service.readiness.alibabacloud.com/web")
        .info("they carry another Service's", gates(&gate("web-old")))
        .saying("web-old")
        .silent("they carry this Service's", healthy_eni())
        .silent("the Service selects one pod of several, and its gate would hold the others", {
            let first = json!({"app": null, "statefulset.kubernetes.io/pod-name": "web-0"});
            healthy_eni()
                .edit("Service", &json!({"spec": {"selector": first}}))
                .without("Deployment")
                .add(workload("StatefulSet", "web"))
        })
        .silent("nodes are backends", healthy())
        .blind("no workload is at hand", healthy_eni().without("Deployment"))
}

fn hooks() -> Rule {
    let switch = |value: &str| json!({"metadata": {"annotations": {INJECT: value}}});
    let bare = || bare_pod(&no_hook()).add(json!({"kind": "InjectionHook"}));
    let namespace = |value: &str| {
        let labels = json!({INJECT: value});
        json!({"kind": "Namespace", "metadata": {"name": "shop", "labels": labels}})
    };
    let daemon = || instead("DaemonSet", &no_hook()).add(json!({"kind": "InjectionHook"}));
    rule("CLB303")
        .warning("no hook, and no webhook", healthy().containers(&[no_hook()]))
        .warning("the Deployment opted out", injecting().edit("Deployment", &switch("disabled")))
        .warning("a node's kubelet knows no native sleep", {
            injecting().edit("Node", &kubelet("v1.29.9"))
        })
        .warning("a DaemonSet did not opt in", daemon())
        .warning("a bare Pod in a namespace without label", bare())
        .warning("a bare Pod in a namespace whose label says no", bare().add(namespace("disabled")))
        .warning("the webhook leaves kube-system alone", moved_to(injecting(), "kube-system"))
        .warning("and whatever a controller owns", {
            let owner = json!({"kind": "App", "name": "web", "controller": true});
            injecting().edit("Deployment", &json!({"metadata": {"ownerReferences": [owner]}}))
        })
        .warning("the webhook reviews no Rollout", {
            instead_of_group(ARGO, "Rollout", &no_hook()).add(json!({"kind": "InjectionHook"}))
        })
        .silent("but its Pods, in a labelled namespace", {
            instead_of_group(ARGO, "Rollout", &no_hook())
                .add(json!({"kind": "InjectionHook"}))
                .add(namespace("enabled"))
        })
        .silent("a hook of its own", healthy())
        .silent("a hook of any sort", healthy().containers(&[hooked(&json!({"httpGet": {}}))]))
        .silent("the webhook gives it one", injecting())
        .silent("a StatefulSet too", {
            instead("StatefulSet", &no_hook()).add(json!({"kind": "InjectionHook"}))
        })
        .silent("a DaemonSet that opted in", daemon().edit("DaemonSet", &switch("enabled")))
        .silent("a bare Pod in a labelled namespace", bare().add(namespace("enabled")))
        .silent("a sidecar that does not serve", {
            healthy().containers(&[container(), portless("side", no_hook())])
        })
        .silent("a Service that reuses no group", {
            not_migrated(healthy().containers(&[no_hook()]))
        })
        .blind("no workload is at hand", healthy().without("Deployment"))
}

fn grace_periods() -> Rule {
    rule("CLB304")
        .error("the hook takes the whole grace period", grace(Some(30), container()))
        .saying("60")
        .error("the default grace period is 30 s", grace(None, container()))
        .error("no grace at all", grace(Some(0), container()))
        .error("sleep as a command", grace(Some(30), exec(&["sleep", "45"])))
        .error("sleep by its path", grace(Some(30), exec(&["/bin/sleep", "45"])))
        .error("sleep in a shell", grace(Some(30), exec(&["/bin/sh", "-c", "sleep 45"])))
        .error("the longest of several counts", {
            let side = hooked(&json!({"sleep": {"seconds": 90}}));
            healthy().containers(&[container(), portless("side", side)])
        })
        .error("beside a hook that cannot be read", {
            let other = portless("side", exec(&["/drain.sh"]));
            grace(Some(30), container()).containers(&[container(), other])
        })
        .info("a command whose length nobody knows", grace(Some(30), exec(&["/drain.sh"])))
        .error("a shell that sleeps and does something else", {
            grace(Some(30), exec(&["sh", "-c", "sleep 30; nginx -s quit"]))
        })
        .saying("at least 30 s")
        .error("a time with a unit", grace(Some(30), exec(&["sh", "-c", "exec sleep 1m"])))
        .info("a shell that may not come to its sleep", {
            grace(Some(30), exec(&["sh", "-c", "nginx -s quit && sleep 45"]))
        })
        .silent("a shell that sleeps less, and does something else", {
            grace(Some(30), exec(&["sh", "-c", "sleep 29; nginx -s quit"]))
        })
        .info("a request", grace(Some(75), hooked(&json!({"httpGet": {"port": 1}}))))
        .silent("a second more than the hook", grace(Some(31), container()))
        .silent("no hook", grace(Some(0), no_hook()))
        .silent("a Service that reuses no group", not_migrated(grace(Some(30), container())))
        .blind("no workload is at hand", healthy().without("Deployment"))
}

fn lonely_pods() -> Rule {
    rule("CLB305")
        .warning("one pod on a node, and no hook", local(1).containers(&[no_hook()]))
        .saying("Cluster")
        .saying("ENI")
        .warning("a hook, but a node older than 1.26", local(1).edit("Node", &kubelet("v1.25.16")))
        .warning("both families of addresses are one pod", {
            let six = merged(endpoint(1, 1), &json!({"addresses": ["fd00::1"]}));
            let of_family = json!({"metadata": {"name": "web-6"}, "addressType": "IPv6"});
            local(1).containers(&[no_hook()]).add(merged(slice("web", &[six]), &of_family))
        })
        .warning("one pod in two slices", {
            let again = json!({"metadata": {"name": "web-2"}});
            local(1).containers(&[no_hook()]).add(merged(slice("web", &[endpoint(1, 1)]), &again))
        })
        .info("a hook and nodes of 1.26", local(1).each("Node", &kubelet("v1.26.0")))
        .silent("two pods on each node", local(2))
        .silent("no pod on a node is no single pod", local(0).containers(&[no_hook()]))
        .silent("Cluster mode", healthy().containers(&[no_hook()]))
        .silent("pods as backends, whatever the policy", {
            let policy = json!({"spec": {"externalTrafficPolicy": "Local"}});
            healthy_eni().edit("Service", &policy).containers(&[no_hook()])
        })
        .blind("no slice is at hand", local(1).without("EndpointSlice"))
        .blind("no workload is at hand", local(1).without("Deployment"))
        .blind("not all nodes are at hand", local(1).without("Node"))
}

fn holes() -> Rule {
    rule("CLB307")
        .warning("no endpoint is ready", none_ready(healthy()))
        .warning("a slice without endpoints", {
            healthy().edit("EndpointSlice", &json!({"endpoints": []}))
        })
        .warning("the last one ends", {
            let ends = json!({"conditions": {"ready": true, "terminating": true}});
            let last = [merged(endpoint(1, 1), &ends)];
            healthy().edit("EndpointSlice", &json!({"endpoints": last}))
        })
        .warning("without a weight each backend has 100", none_ready(healthy()).bare(WEIGHT))
        .warning("pods as backends", none_ready(healthy_eni()))
        .silent("weight 0", none_ready(healthy()).note(WEIGHT, "0"))
        .silent("one is ready", {
            healthy().edit("EndpointSlice", &json!({"endpoints": [endpoint(1, 1)]}))
        })
        .blind("no slice is at hand", healthy().without("EndpointSlice"))
}
