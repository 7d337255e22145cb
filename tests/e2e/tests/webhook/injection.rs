//! Which workloads get a preStop hook, and that nobody gets a rollout that nobody asked for.

use anyhow::{Context, Result, ensure};
use clbmigrate_testbed::try_wait_for;
use serde_json::{Value, json};

use crate::{
    BOTH, Case,
    ClusterUse::Parallel,
    manifests::{
        PORT, annotated, container, deployment, list, migrated, patch, set_weight, template, with,
        workload,
    },
    test_cluster::{DEADLINE, TestCluster, TestNamespace, silent, warned},
};

pub const CASES: &[Case] = &[
    ("workloads behind a Service get their hook, each kind as it shall", BOTH, Parallel, kinds),
    ("what no Service selects stays byte for byte as it was", BOTH, Parallel, unselected),
    ("own hooks stay, and explicit grace periods grow by the hook", BOTH, Parallel, own),
    ("Jobs and native sidecars are left alone", BOTH, Parallel, others),
    (
        "a Deployment that was there first is scaled and annotated without a rollout",
        BOTH,
        Parallel,
        first,
    ),
    (
        "a workload is given the hook where its Service came later, at its next rollout",
        BOTH,
        Parallel,
        later,
    ),
];

const RECORD: &str = "clbmigrate.io/injected";
/// The seconds that the chart's defaults give.
pub const SECONDS: u64 = 30;

/// The seconds of a pod template's hook, by container; what is no `sleep` counts as none.
pub fn hooks(template: &Value) -> Vec<Option<u64>> {
    let containers = template["spec"]["containers"].as_array();
    let seconds =
        |container: &Value| container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64();
    containers.into_iter().flatten().map(seconds).collect()
}

fn grace(template: &Value) -> Option<u64> {
    template["spec"]["terminationGracePeriodSeconds"].as_u64()
}

fn is_recorded(template: &Value) -> bool {
    template["metadata"]["annotations"][RECORD].is_string()
}

/// Demands that a template has the default hook in every container, and the time for it.
fn injected(template: &Value) -> Result<()> {
    let hooks = hooks(template);
    let all = !hooks.is_empty() && hooks.iter().all(|hook| *hook == Some(SECONDS));
    ensure!(all, "hooks {hooks:?}: {template}");
    ensure!(grace(template) == Some(30 + SECONDS), "grace {:?}", grace(template));
    ensure!(is_recorded(template), "no record: {template}");
    Ok(())
}

/// Demands that a template was left alone.
fn untouched(template: &Value) -> Result<()> {
    ensure!(hooks(template).iter().all(Option::is_none), "it has hooks: {template}");
    ensure!(grace(template) == Some(30) && !is_recorded(template), "{template}");
    Ok(())
}

fn template_of(namespace: &TestNamespace<'_, '_>, workload: &str) -> Result<Value> {
    Ok(namespace.get(workload)?["spec"]["template"].clone())
}

fn kinds(cluster: &TestCluster<'_>) -> Result<()> {
    let labels = json!({"clbmigrate.io/inject": "enabled"});
    let namespace = cluster.namespace_with_labels("kinds", &labels)?;
    namespace.apply(&migrated(&namespace.name, "web", "20"))?;
    for kind in ["Deployment", "StatefulSet"] {
        silent(&namespace.kubectl("apply", &workload(kind, "web", 0).to_string())?)?;
        injected(&template_of(&namespace, &format!("{kind}/web"))?).context(kind)?;
    }
    // A DaemonSet is asked: its next pod waits for the end of the last one.
    let daemons = with(
        workload("DaemonSet", "web", 0),
        "/spec/template/spec/nodeSelector",
        json!({"no": "where"}),
    );
    warned(&namespace.kubectl("apply", &daemons.to_string())?, "CLB303")?;
    untouched(&template_of(&namespace, "daemonset/web")?)?;
    let willing =
        annotated(with(daemons, "/metadata/name", "willing"), "clbmigrate.io/inject", "enabled");
    silent(&namespace.kubectl("apply", &willing.to_string())?)?;
    injected(&template_of(&namespace, "daemonset/willing")?)?;

    let pod = |name: &str| {
        let mut pod = template("web");
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["name"] = name.into();
        pod
    };
    // No controller is there that would adopt the Pod, and end it.
    let asked = cluster.namespace_with_labels("kinds-bare", &labels)?;
    asked.apply(&migrated(&asked.name, "web", "20"))?;
    silent(&asked.kubectl("apply", &pod("bare").to_string())?)?;
    injected(&asked.get("pod/bare")?)?;
    // The same where the namespace does not ask for it.
    let unasked = cluster.namespace("kinds-unasked")?;
    unasked.apply(&migrated(&unasked.name, "web", "20"))?;
    silent(&unasked.kubectl("apply", &pod("bare").to_string())?)?;
    untouched(&unasked.get("pod/bare")?)
}

/// What the API server makes of a manifest where no hook of the webhook is called.
fn by_itself(cluster: &TestCluster<'_>, manifest: &Value) -> Result<Value> {
    let arguments = "create --dry-run=server -o json -n kube-system";
    cluster.kubectl(arguments, &manifest.to_string())?.expect_code(0)?.json()
}

fn unselected(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("unselected")?;
    namespace.apply(&migrated(&namespace.name, "web", "20"))?;
    // A Service without selector selects nothing, and one that is not CCM's does not count.
    let mut endless = migrated(&namespace.name, "endless", "20");
    endless["spec"].as_object_mut().context("spec")?.remove("selector");
    namespace.apply(&endless)?;
    namespace.apply(&with(migrated(&namespace.name, "inner", "20"), "/spec/type", "ClusterIP"))?;
    for (kind, name) in [
        ("Deployment", "other"),
        ("StatefulSet", "other"),
        ("Deployment", "inner"),
        ("Deployment", "endless"),
    ] {
        let made = workload(kind, name, 0);
        silent(&namespace.kubectl("apply", &made.to_string())?)?;
        let stored = namespace.get(&format!("{kind}/{name}"))?;
        let wanted = by_itself(cluster, &made)?;
        ensure!(
            stored["spec"] == wanted["spec"],
            "{kind} {name}: {}\n{}",
            stored["spec"],
            wanted["spec"]
        );
        let names = |object: &Value| {
            let annotations = object["metadata"]["annotations"].as_object();
            annotations.into_iter().flatten().map(|(key, _)| key.clone()).collect::<Vec<_>>()
        };
        ensure!(!names(&stored).iter().any(|key| key.starts_with("clbmigrate.io/")), "{stored}");
    }
    Ok(())
}

fn own(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("own-hooks")?;
    for name in ["hook", "grace", "both", "short", "zero"] {
        namespace.apply(&migrated(&namespace.name, name, "20"))?;
    }
    let spec = "/spec/template/spec";
    let hook = |seconds: u8| json!({"preStop": {"sleep": {"seconds": seconds}}});
    let grace_of = |name: &str, seconds: u64| {
        with(deployment(name, 0), &format!("{spec}/terminationGracePeriodSeconds"), seconds)
    };
    let first = format!("{spec}/containers/0/lifecycle");

    // An own hook in the only container: nothing is added.
    let object = with(deployment("hook", 0), &first, hook(5));
    silent(&namespace.kubectl("apply", &object.to_string())?)?;
    let made = template_of(&namespace, "deployment/hook")?;
    ensure!(hooks(&made) == [Some(5)] && grace(&made) == Some(30) && !is_recorded(&made), "{made}");

    // An explicit grace period keeps its time after the hook.
    silent(&namespace.kubectl("apply", &grace_of("grace", 75).to_string())?)?;
    let made = template_of(&namespace, "deployment/grace")?;
    ensure!(hooks(&made) == [Some(SECONDS)] && grace(&made) == Some(75 + SECONDS), "{made}");

    // One container with a hook, one without.
    let two = json!([container("web"), container("side")]);
    let object =
        with(with(grace_of("both", 60), &format!("{spec}/containers"), two), &first, hook(5));
    namespace.kubectl("apply", &object.to_string())?.expect_code(0)?;
    let made = template_of(&namespace, "deployment/both")?;
    ensure!(
        hooks(&made) == [Some(5), Some(SECONDS)] && grace(&made) == Some(60 + SECONDS),
        "{made}"
    );

    // A hook that would be cut is refused: it is somebody's own mistake.
    let object = with(grace_of("short", 5), &first, hook(5));
    let output = namespace.kubectl("apply", &object.to_string())?;
    crate::test_cluster::refused(&output, "CLB304")?;
    ensure!(!namespace.has("deployment/short")?);

    // With no grace at all the hook still runs to its end.
    silent(&namespace.kubectl("apply", &grace_of("zero", 0).to_string())?)?;
    let made = template_of(&namespace, "deployment/zero")?;
    ensure!(hooks(&made) == [Some(SECONDS)] && grace(&made) > Some(SECONDS), "{made}");
    Ok(())
}

fn others(cluster: &TestCluster<'_>) -> Result<()> {
    let labels = json!({"clbmigrate.io/inject": "enabled"});
    let namespace = cluster.namespace_with_labels("others", &labels)?;
    namespace.apply(&migrated(&namespace.name, "web", "20"))?;
    let mut once = template("web");
    once["spec"]["restartPolicy"] = "Never".into();
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"},
        "spec": {"template": once},
    });
    silent(&namespace.kubectl("apply", &job.to_string())?)?;
    untouched(&template_of(&namespace, "job/once")?)?;
    let pods = try_wait_for("the Job's Pod", DEADLINE, || {
        let pods = namespace.list("pods -l job-name=once")?;
        Ok((!pods.is_empty()).then_some(pods))
    })?;
    untouched(&pods[0])?;

    let mut side = container("side");
    side["restartPolicy"] = "Always".into();
    side["readinessProbe"] = Value::Null;
    side["ports"] = json!([]);
    let object = with(deployment("web", 0), "/spec/template/spec/initContainers", json!([side]));
    silent(&namespace.kubectl("apply", &object.to_string())?)?;
    let made = template_of(&namespace, "deployment/web")?;
    ensure!(hooks(&made) == [Some(SECONDS)], "{made}");
    ensure!(made["spec"]["initContainers"][0]["lifecycle"].is_null(), "{made}");
    Ok(())
}

/// Revisions of a Deployment: how many `ReplicaSets` it has had.
pub fn revisions(namespace: &TestNamespace<'_, '_>, app: &str) -> Result<usize> {
    Ok(namespace.list(&format!("replicasets -l app={app}"))?.len())
}

/// Scales a Deployment and waits until its Pods are Ready.
fn scale(namespace: &TestNamespace<'_, '_>, name: &str, replicas: usize) -> Result<()> {
    namespace.kubectl_ok(&format!("scale deployment/{name} --replicas={replicas}"))?;
    namespace.kubectl_ok(&format!("rollout status deployment/{name} --timeout=90s"))?;
    try_wait_for(&format!("{replicas} Pods"), DEADLINE, || {
        let pods = namespace.list(&format!("pods -l app={name}"))?;
        let staying = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        Ok((staying.count() == replicas).then_some(()))
    })
}

fn first(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("first")?;
    let quick = "/spec/template/spec/terminationGracePeriodSeconds";
    namespace.apply(&with(deployment("web", 3), quick, 1))?;
    namespace.kubectl_ok("rollout status deployment/web --timeout=90s")?;
    let before = namespace.get("deployment/web")?;
    // Findings on what was there before the Service are told, not held against it.
    let output = namespace.kubectl("apply", &migrated(&namespace.name, "web", "20").to_string())?;
    warned(&output, "CLB303")?;
    for replicas in [6, 3] {
        scale(&namespace, "web", replicas)?;
        ensure!(revisions(&namespace, "web")? == 1, "{replicas} replicas made a new revision");
    }
    namespace.kubectl_ok("annotate deployment/web example.com/note=x")?;
    namespace.kubectl_ok("label deployment/web tier=front")?;
    let after = namespace.get("deployment/web")?;
    ensure!(after["spec"]["template"] == before["spec"]["template"], "{after}");
    let revision = "deployment.kubernetes.io/revision";
    ensure!(after["metadata"]["annotations"][revision] == "1", "{after}");
    ensure!(revisions(&namespace, "web")? == 1);
    Ok(())
}

fn later(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("later")?;
    // In one file, the Deployment before the Service: it goes in as it is, and the webhook says so. It
    // knows the Deployment from a watch; where that is behind, the Service comes once more.
    let both = list(&[deployment("web", 0), migrated(&namespace.name, "web", "20")]);
    try_wait_for("the warning about the Deployment", DEADLINE, || {
        let output = namespace.kubectl("apply", &both.to_string())?;
        if warned(&output, "CLB303").is_ok() {
            return Ok(Some(()));
        }
        output.expect_code(0)?;
        namespace.kubectl_ok(&set_weight("web", "0"))?;
        namespace.kubectl_ok("delete service web")?;
        Ok(None)
    })?;
    untouched(&template_of(&namespace, "deployment/web")?)?;
    // Applied again nothing happens to it, for its template is as it was.
    namespace.kubectl("apply", &both.to_string())?.expect_code(0)?;
    untouched(&template_of(&namespace, "deployment/web")?)?;
    // The next rollout, whatever it is for, brings the hook.
    let port = json!([{"name": "PORT", "value": PORT.to_string()}]);
    let changed = with(deployment("web", 0), "/spec/template/spec/containers/0/env", port);
    silent(&namespace.kubectl("apply", &changed.to_string())?)?;
    injected(&template_of(&namespace, "deployment/web")?)?;
    // Hooks go with a template that is brought back, and stay with one that has them.
    let image = json!({"spec": {"template": {"metadata": {"labels": {"tier": "front"}}}}});
    namespace.kubectl_ok(&patch("deployment web", &image))?;
    injected(&template_of(&namespace, "deployment/web")?)?;
    namespace.kubectl_ok("rollout undo deployment/web")?;
    let made = template_of(&namespace, "deployment/web")?;
    ensure!(made["metadata"]["labels"]["tier"].is_null(), "{made}");
    injected(&made)
}
