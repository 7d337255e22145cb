//! What `webhook status` measures at Events that a real API server keeps.

use anyhow::{Context, ensure};
use clbmigrate_e2e::{Tools, User};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_testkit::manifests::{deployment, service_in};
use serde_json::{Value, json};

use crate::{Case, DEADLINE, QUIET};

pub const CASES: &[Case] = &[(
    "the time from a Pod's end to CCM's success is measured at Events",
    QUIET,
    "pod-ends",
    measured,
)];

/// Makes an Event and returns when the API server stored it.
fn event(
    user: &User<'_>,
    name: &str,
    about: &Value,
    (reason, message): (&str, &str),
) -> anyhow::Result<String> {
    let mut about = about.clone();
    about["namespace"] = user.namespace.clone().into();
    user.apply(json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": name, "namespace": user.namespace},
        "involvedObject": about, "type": "Normal", "reason": reason, "message": message,
        // Of somebody whose clock is wrong by years.
        "firstTimestamp": "2020-01-01T00:00:00Z", "lastTimestamp": "2020-01-01T00:00:00Z",
        "count": 1,
    }))?;
    user.ask(&format!("get event {name} -o jsonpath={{.metadata.creationTimestamp}}"))
}

fn killing(user: &User<'_>, name: &str, pod: &str) -> anyhow::Result<String> {
    let about = json!({"kind": "Pod", "name": pod, "uid": format!("uid-of-{pod}")});
    event(user, name, &about, ("Killing", "Stopping container web"))
}

fn ensured(user: &User<'_>, service: &str) -> anyhow::Result<String> {
    let about = json!({"kind": "Service", "name": service});
    let message = "Ensured load balancer [lb-bp1example]";
    event(user, &format!("ensured-{service}"), &about, ("EnsuredLoadBalancer", message))
}

/// Waits until the API server's clock shows a later second than this.
fn pass(user: &User<'_>, second: &str) -> anyhow::Result<()> {
    let dry = "create configmap clock --dry-run=server -o jsonpath={.metadata.creationTimestamp}";
    try_wait_for("the next second", DEADLINE, || Ok((user.ask(dry)? != second).then_some(())))
}

fn measured(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    for name in ["quick", "counted"] {
        let mut service = service_in(&user.namespace, name, &[]);
        service["spec"]["externalTrafficPolicy"] = "Local".into();
        service["spec"]["selector"] = json!({"app": name});
        user.apply(&service)?;
        let mut workload = deployment(name, 0);
        workload["metadata"]["namespace"] = user.namespace.clone().into();
        user.apply(&workload)?;
    }
    let look = || -> anyhow::Result<Value> {
        // Nobody has installed the webhook here.
        let mut answer = user.run("webhook status -o json")?.expect_code(3)?.json()?;
        Ok(answer["deregistration"].take())
    };
    let before = look()?;
    ensure!(before["measured"] == 0 && before["medianSeconds"].is_null(), "{before}");
    ensure!(before["commands"][0]["command"].is_string(), "{before}");

    // One container after the other: the first is the beginning of the end.
    let end = killing(user, "quick-1", "quick-7d4b8c9f5-x2x4z")?;
    killing(user, "quick-2", "quick-7d4b8c9f5-x2x4z")?;
    pass(user, &end)?;
    ensured(user, "quick")?;

    let first = ensured(user, "counted")?;
    pass(user, &first)?;
    let end = killing(user, "counted-1", "counted-7d4b8c9f5-x2x4z")?;
    pass(user, &end)?;
    user.ask(r#"patch event ensured-counted --type=merge -p {"count":2}"#)?;
    // Nobody's Pod.
    killing(user, "other-1", "other-7d4b8c9f5-x2x4z")?;

    let after = look()?;
    let slowest = after["slowestSeconds"].as_u64().context("a time")?;
    ensure!(after["measured"] == 1 && slowest >= 1, "{after}");
    ensure!(slowest <= DEADLINE.as_secs(), "by the clock of whoever wrote the Event: {after}");
    ensure!(after["slowestService"] == format!("{}/quick", user.namespace), "{after}");
    ensure!(after["overwritten"] == 1 && after["unanswered"] == 0, "{after}");
    ensure!(after["hookIsLongEnough"].is_null() && after["unread"] == json!([]), "{after}");
    let table = user.run("webhook status")?.expect_code(3)?;
    table.expect_stdout(&format!("1 measured, median {slowest} s, slowest {slowest} s")).map(drop)
}
