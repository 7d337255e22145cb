//! The double with the double of the CLB, over HTTP: signed calls, weights that arrive, refusals.

use anyhow::{Context as _, Result, ensure};
use clbmigrate_testbed::{programs, try_wait_for};
use clbmigrate_testkit::HttpProcess;
use serde_json::{Value, json};

use crate::test_namespace::{CLB, CcmProcess, DEADLINE, HASH, Test, TestNamespace, same, text};

pub const TESTS: &[Test] = &[
    ("with a wrong key a round fails visibly, and the key is not told", wrong_key),
    (
        "a Pod without an interface leaves the hash label, old weights and no word of failure or success until it has one",
        without_interface,
    ),
    ("a Service without annotations gets a CLB and an address, which go with it", own_clb),
];

pub const EXCLUSIVE_TESTS: &[Test] = &[
    ("weights arrive in a cloud over HTTP, and what is a person's stays", weights),
    (
        "a lookup that is refused once in an edit drains in silence, and the next event fills again",
        refused,
    ),
];

const KEY: [(&str, &str); 2] = [("ACCESS_KEY_ID", "key-a"), ("ACCESS_KEY_SECRET", "hidden-a")];

/// A running `clb-double`, which ends with this value.
struct ClbProcess(HttpProcess);

impl ClbProcess {
    fn start(namespace: &TestNamespace<'_>) -> Result<Self> {
        let built = programs::build(&["clb-double"])?;
        let program = built.first().context("no program")?;
        let state = json!({
            "region": "cn-example",
            "accounts": [{"accessKeyId": "key-a", "accessKeySecret": "hidden-a"}],
            "vpc": {"id": "vpc-example", "cidrs": ["10.0.0.0/8"]},
            "networkInterfaces": [{"id": "eni-1", "ip": "10.1.1.1"}],
            "loadBalancers": [{
                "id": "lb-bp1example", "name": "shop", "address": "192.0.2.10",
                "addressType": "internet", "networkType": "vpc",
                "groups": [{"id": "rsp-a", "name": "web", "backends": [
                    {"serverId": "i-person", "port": 8080, "weight": 77},
                ]}],
            }],
        });
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), state.to_string())?;
        let mut command = namespace.inside(program)?;
        command.arg("--state").arg(file.path()).args(["--listen", "127.0.0.1:0"]);
        HttpProcess::start(&mut command).map(Self)
    }

    fn ccm(&self, namespace: &TestNamespace<'_>, key: &[(&str, &str)]) -> Result<CcmProcess> {
        namespace.double_with(&["--endpoint", &self.0.url()], key)
    }

    fn state(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.0.request_ok("GET", "/state", "")?)?)
    }

    /// The CLBs beside `lb-bp1example`.
    fn other_clbs(&self) -> Result<Vec<Value>> {
        let mut all = self.state()?["loadBalancers"].as_array().cloned().context("no CLBs")?;
        all.retain(|clb| clb["id"] != "lb-bp1example");
        Ok(all)
    }

    /// `id:port weight` of the group's backends, sorted.
    fn backends(&self) -> Result<Vec<String>> {
        let state = self.state()?;
        let backends = &state["loadBalancers"][0]["groups"][0]["backends"];
        let shown = |one: &Value| {
            let is_node_port = one["port"].as_u64() >= Some(30_000);
            let port = if is_node_port { "node port".into() } else { one["port"].to_string() };
            format!("{}:{port} {}", text(&one["serverId"]), one["weight"])
        };
        let mut shown: Vec<_> =
            backends.as_array().context("no backends")?.iter().map(shown).collect();
        shown.sort();
        Ok(shown)
    }

    /// Waits until the group's backends are these.
    fn until(&self, wanted: &[&str]) -> Result<()> {
        let mut last = Vec::new();
        try_wait_for("the backends", DEADLINE, || {
            last = self.backends()?;
            Ok((last == wanted).then_some(()))
        })
        .with_context(|| format!("they are {last:?}"))
    }
}

/// A node that counts, though nothing runs there. It goes with this value.
struct TestNode<'a, 'b>(&'a TestNamespace<'b>, &'static str);

impl<'a, 'b> TestNode<'a, 'b> {
    fn new(namespace: &'a TestNamespace<'b>, name: &'static str) -> Result<Self> {
        let node = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "spec": {"providerID": format!("cn-example.i-{name}")},
        });
        namespace.cluster.apply(&node.to_string())?;
        let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let patch = ready.to_string();
        namespace.cluster.run_kubectl(&[
            "patch",
            "node",
            name,
            "--subresource=status",
            "-p",
            &patch,
        ])?;
        Ok(Self(namespace, name))
    }
}

impl Drop for TestNode<'_, '_> {
    fn drop(&mut self) {
        // What fails here was gone already.
        let _ = self.0.cluster.run_kubectl(&["delete", "node", self.1]);
    }
}

fn weights(namespace: &TestNamespace<'_>) -> Result<()> {
    let clb = ClbProcess::start(namespace)?;
    let _one = TestNode::new(namespace, "one")?;
    let _two = TestNode::new(namespace, "two")?;
    let double = clb.ccm(namespace, &KEY)?;
    namespace.create("web")?;
    let entry = double.outcome(namespace, "web", "applied")?;
    same("CLB", text(&entry["clb"]), "lb-bp1example")?;
    clb.until(&["i-one:node port 30", "i-person:8080 77", "i-two:node port 30"])?;
    let ingress = &namespace.service("web")?["status"]["loadBalancer"]["ingress"][0];
    same("address", text(&ingress["ip"]), "192.0.2.10")?;
    namespace.annotate("web", "weight", "0")?;
    clb.until(&["i-one:node port 0", "i-person:8080 77", "i-two:node port 0"])?;
    namespace.delete("web")?;
    double.outcome(namespace, "web", "cleaned")?;
    clb.until(&["i-person:8080 77"])
}

fn refused(namespace: &TestNamespace<'_>) -> Result<()> {
    let clb = ClbProcess::start(namespace)?;
    let _one = TestNode::new(namespace, "one")?;
    let double = clb.ccm(namespace, &KEY)?;
    namespace.create("web")?;
    double.outcome(namespace, "web", "applied")?;
    clb.until(&["i-one:node port 60", "i-person:8080 77"])?;
    let fault = json!({"action": "DescribeVServerGroups", "count": 1, "do": {"throttle": {}}});
    clb.0.request_ok("POST", "/faults", &fault.to_string())?;
    namespace.annotate("web", "weight", "50")?;
    let entry = double.outcome(namespace, "web", "drained")?;
    ensure!(text(&entry["reason"]).contains("ErrorCode: Throttling.User"), "{entry}");
    clb.until(&["i-person:8080 77"])?;
    let events = namespace.events("web")?;
    ensure!(events.iter().all(|event| event["type"] == "Normal"), "a warning: {events:?}");
    let _two = TestNode::new(namespace, "two")?;
    clb.until(&["i-one:node port 25", "i-person:8080 77", "i-two:node port 25"])
}

fn wrong_key(namespace: &TestNamespace<'_>) -> Result<()> {
    let clb = ClbProcess::start(namespace)?;
    let wrong = [("ACCESS_KEY_ID", "key-a"), ("ACCESS_KEY_SECRET", "hidden-b")];
    let double = clb.ccm(namespace, &wrong)?;
    namespace.create("web")?;
    double.outcome(namespace, "web", "frozen")?;
    let event = namespace.event("web", "SyncLoadBalancerFailed", 1)?;
    let message = text(&event["message"]);
    ensure!(message.contains("[lb-bp1example]: Message: "), "{message}");
    ensure!(!message.contains("hidden"), "{message}");
    Ok(())
}

fn without_interface(namespace: &TestNamespace<'_>) -> Result<()> {
    let clb = ClbProcess::start(namespace)?;
    let double = clb.ccm(namespace, &KEY)?;
    namespace.endpoints("web", &["10.1.1.1"])?;
    let pods =
        json!({"metadata": {"annotations": {"service.beta.kubernetes.io/backend-type": "eni"}}});
    namespace.create_as("web", &pods)?;
    clb.until(&["eni-1:80 60", "i-person:8080 77"])?;

    namespace.endpoints("web", &["10.1.1.1", "10.9.9.9"])?;
    namespace.event("web", "SkipSyncBackends", 1)?;
    namespace.annotate("web", "weight", "40")?;
    let label = |service: &Value| text(&service["metadata"]["labels"][HASH]).to_owned();
    let hash = try_wait_for("the hash label", DEADLINE, || {
        let service = namespace.service("web")?;
        let hash =
            clbmigrate_ccm_double::hash::compute(&serde_json::from_value(service.clone())?, "");
        Ok((label(&service) == hash).then_some(hash))
    })?;
    let entry = double.outcome(namespace, "web", "frozen")?;
    same("reason", text(&entry["reason"]), "has invalid backend in vservergroups")?;
    let successes = || {
        let events = namespace.events("web")?;
        ensure!(
            !events.iter().any(|event| event["reason"] == "SyncLoadBalancerFailed"),
            "a failure: {events:?}"
        );
        let skipped = events.iter().find(|event| event["reason"] == "SkipSyncBackends");
        same("type", text(&skipped.context("no word")?["type"]), "Warning")?;
        let ensured = events.iter().find(|event| event["reason"] == "EnsuredLoadBalancer");
        Ok(ensured.and_then(|event| event["count"].as_u64()))
    };
    let before = successes()?;
    let rounds = entry["rounds"].as_u64().context("no rounds")?;
    double.rounds(namespace, "web", rounds + 2)?;
    same("successes", &successes()?, &before)?;
    same("backends", &clb.backends()?, &["eni-1:80 60", "i-person:8080 77"][..])?;

    let mut state = clb.state()?;
    let new = json!([{"id": "eni-1", "ip": "10.1.1.1"}, {"id": "eni-9", "ip": "10.9.9.9"}]);
    state["networkInterfaces"] = new;
    clb.0.request_ok("PUT", "/state", &state.to_string())?;
    clb.until(&["eni-1:80 20", "eni-9:80 20", "i-person:8080 77"])?;
    double.outcome(namespace, "web", "applied")?;
    ensure!(successes()? > before, "no word of success");
    same("hash label", &label(&namespace.service("web")?), &hash)
}

fn own_clb(namespace: &TestNamespace<'_>) -> Result<()> {
    let clb = ClbProcess::start(namespace)?;
    let double = clb.ccm(namespace, &KEY)?;
    namespace.create_as("web", &json!({"metadata": {"annotations": null}}))?;
    double.outcome(namespace, "web", "applied")?;
    let service = namespace.service("web")?;
    let made = clb.other_clbs()?;
    let [made] = made.as_slice() else { anyhow::bail!("not one CLB: {made:?}") };
    let ingress = &service["status"]["loadBalancer"]["ingress"];
    same("address", &ingress[0]["ip"], &made["address"])?;
    same("label", &service["metadata"]["labels"][CLB], &made["id"])?;
    same("protection", &made["deleteProtection"], &json!(true))?;
    same("listeners", &made["listeners"][0]["port"], &json!(80))?;
    namespace.delete("web")?;
    double.outcome(namespace, "web", "cleaned")?;
    same("CLBs", &clb.other_clbs()?, &Vec::<Value>::new())
}
