//! `webhook status` measures how long CCM takes to notice the end of a real Pod.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clbmigrate_testbed::{image::APP, try_wait_for};
use clbmigrate_testkit::manifests::{self, list};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    fixture::TestContext,
    route::{NEW, POD_PORT, Route},
};

/// The namespace of the route, and the name of its Service and of the Pods behind it.
pub const NAME: &str = "podends";

/// How long CCM waits before each round: so long it takes at the least.
const DELAY: u64 = 4;

/// Nothing has to have happened behind the Service for so long, in seconds, and a busy machine is slow.
const QUIET: i64 = 61;
const DEADLINE: Duration = Duration::from_secs(150);

/// Two Pods that nobody else counts.
pub fn pods() -> Value {
    let labels = json!({"app": NAME});
    let template = json!({
        "metadata": {"labels": labels},
        "spec": {
            "terminationGracePeriodSeconds": 5,
            "containers": [{
                "name": "web", "image": APP, "imagePullPolicy": "Never",
                // A kubelet reports the end of a Pod before the next one is Ready, however busy the machine is.
                "readinessProbe": {
                    "tcpSocket": {"port": POD_PORT},
                    "initialDelaySeconds": 15, "periodSeconds": 1, "timeoutSeconds": 10,
                },
            }],
        },
    });
    list(&[
        manifests::namespace(NAME, &json!({})),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": NAME, "namespace": NAME},
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
        }),
    ])
}

pub fn run(context: &TestContext<'_>, route: &Route) -> Result<()> {
    let (cluster, ccm) = (context.testbed.cluster(NEW)?, context.site.ccm(NEW)?);
    let kubectl = |arguments: &str| {
        let arguments: Vec<&str> = arguments.split_whitespace().chain(["-n", NAME]).collect();
        cluster.run_kubectl(&arguments)
    };
    let look = || -> Result<Value> {
        // Nobody has installed the webhook here.
        let status = format!("webhook status --context {NEW} -o json");
        let mut answer = context.run_plugin(&status)?.expect_code(3)?.json()?;
        Ok(answer["deregistration"].take())
    };

    // From now on Kubernetes itself says where the Service's Pods are.
    kubectl(&format!("delete endpointslice {NAME}-1"))?;
    let selector = json!({"spec": {"selector": {"app": NAME}}});
    kubectl(&format!("patch service {NAME} --type=merge -p {selector}"))?;
    kubectl(&format!("rollout status deployment/{NAME} --timeout=90s"))?;
    let pods: Value = serde_json::from_str(&kubectl("get pods -o json")?)?;
    let pod = pods["items"][0]["metadata"]["name"].as_str().context("a Pod")?.to_owned();
    let ready_since = last_ready(&pods)?;
    try_wait_for("a minute without changes", DEADLINE, || {
        Ok((Timestamp::now().as_second() >= ready_since + QUIET).then_some(()))
    })?;
    try_wait_for("CCM's backends", DEADLINE, || {
        let weights = context.site.clb.weights(&route.group())?;
        Ok(weights.iter().any(|(id, _)| id.starts_with("i-new")).then_some(()))
    })?;
    ensure!(look()?["measured"] == 0, "{}", look()?);

    // As `webhook status` says.
    ccm.expire_events()?;
    ccm.set_behaviour(&json!({"delayMs": DELAY * 1000}))?;
    kubectl(&format!("delete pod {pod} --wait=false"))?;
    let found = try_wait_for("the time", DEADLINE, || {
        let found = look()?;
        Ok((found["measured"] == 1).then_some(found))
    });
    let found = found.with_context(|| format!("{:?}", look()))?;
    ccm.set_behaviour(&json!({"delayMs": null}))?;

    let slowest = found["slowestSeconds"].as_u64().context("a time")?;
    println!("from the end of {pod} to CCM's success: {slowest} s, {DELAY} s of them on purpose");
    // Both times are whole seconds.
    ensure!(slowest + 1 >= DELAY, "{found}");
    ensure!(found["slowestService"] == format!("{NAME}/{NAME}"), "{found}");
    ensure!(found["neededSeconds"].as_u64() >= Some(slowest + 5), "{found}");
    Ok(())
}

/// When the last of these Pods became ready, in seconds since 1970.
fn last_ready(pods: &Value) -> Result<i64> {
    let mut last = 0;
    for pod in pods["items"].as_array().context("Pods")? {
        let conditions = pod["status"]["conditions"].as_array().context("conditions")?;
        let ready = conditions.iter().find(|of| of["type"] == "Ready").context("Ready")?;
        let time = ready["lastTransitionTime"].as_str().context("a time")?;
        last = last.max(time.parse::<Timestamp>()?.as_second());
    }
    Ok(last)
}
