//! What a hook does to a real Pod: it stays as long as promised, and then has its time to end.

use anyhow::{Context, Result, ensure};
use clbmigrate_testbed::try_wait_for;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    BOTH, Case,
    ClusterUse::Parallel,
    manifests::{annotated, deployment, migrated, patch, with},
    test_cluster::{DEADLINE, TestCluster},
};

pub const CASES: &[Case] =
    &[("a real Pod stays the seconds promised, and ends with time left", BOTH, Parallel, stays)];

/// The hook's, short for the test's sake.
const SECONDS: i64 = 6;
/// The grace period that its owner wrote.
const GRACE: i64 = 20;

fn stays(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("stays")?;
    namespace.apply(&migrated(&namespace.name, "web", "20"))?;
    let grace = "/spec/template/spec/terminationGracePeriodSeconds";
    let web = with(deployment("web", 1), grace, GRACE);
    let web = annotated(web, "clbmigrate.io/pre-stop-seconds", &SECONDS.to_string());
    namespace.kubectl("apply", &web.to_string())?.expect_code(0)?;
    namespace.kubectl_ok("rollout status deployment/web --timeout=90s")?;
    let pods = namespace.list("pods -l app=web")?;
    let name = pods[0]["metadata"]["name"].as_str().context("a Pod")?.to_owned();
    ensure!(pods[0]["spec"]["terminationGracePeriodSeconds"] == GRACE + SECONDS, "{}", pods[0]);

    // Somebody who wants to see the end of it, for else it would be gone with its last moment.
    let finalizers =
        |list: Value| patch(&format!("pod {name}"), &json!({"metadata": {"finalizers": list}}));
    namespace.kubectl_ok(&finalizers(json!(["example.com/witness"])))?;
    namespace.kubectl_ok(&format!("delete pod {name} --wait=false"))?;
    // The API server writes down when the last moment is; and again when the kubelet is done.
    let last = seconds(&namespace.get(&format!("pod/{name}"))?, "/metadata/deletionTimestamp")?;
    let told = last - (GRACE + SECONDS);
    let pod = try_wait_for("the end of the Pod", DEADLINE, || {
        let pod = namespace.get(&format!("pod/{name}"))?;
        let ended = !ended(&pod)["finishedAt"].is_null();
        Ok(ended.then_some(pod))
    })?;
    namespace.kubectl_ok(&finalizers(Value::Null))?;
    let stopped = seconds(&pod, "/status/containerStatuses/0/state/terminated/finishedAt")?;
    let (stayed, left) = (stopped - told, last - stopped);
    println!(
        "{}: a Pod with a hook of {SECONDS} s stayed {stayed} s and had {left} of {GRACE} s left",
        cluster.version()
    );
    // Times are in whole seconds, so either end may be nearly one off.
    ensure!(stayed >= SECONDS - 1, "it stayed {stayed} s");
    ensure!(left >= GRACE - 5, "{left} s were left");
    // Had it been killed, it would be 137.
    ensure!(ended(&pod)["exitCode"] == 0, "{}", ended(&pod));
    Ok(())
}

fn ended(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]["state"]["terminated"]
}

/// A time of the API server's, in seconds.
fn seconds(object: &Value, pointer: &str) -> Result<i64> {
    let time = object.pointer(pointer).and_then(Value::as_str);
    let time = time.with_context(|| format!("{pointer} of {object}"))?;
    Ok(time.parse::<Timestamp>()?.as_second())
}
