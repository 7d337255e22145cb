//! Emergencies: what must pass passes whether the webhook answers, is down, or cannot be reached, and
//! the page on recovery leads out.

use anyhow::{Context, Result, bail, ensure};
use clbmigrate_e2e::{CcmDouble, NAMESPACE, commands};
use clbmigrate_testbed::{Isolation, Network, try_wait_for};
use clbmigrate_testkit::CommandOutput;
use serde_json::{Value, json};

use crate::{
    BOTH, Case,
    ClusterUse::Exclusive,
    OLD, lifecycle,
    manifests::{migrated, patch, set_weight},
    test_cluster::{DEADLINE, TestCluster, TestNamespace, refused, silent},
};

pub const CASES: &[Case] = &[
    (
        "what must pass passes while the webhook answers, is down, or cannot be reached",
        BOTH,
        Exclusive,
        states,
    ),
    ("the page on recovery helps when the webhook's namespace is gone", &[OLD], Exclusive, gone),
];

const FINALIZER: &str = "service.k8s.alibaba/resources";

/// A way for the webhook to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WebhookState {
    Answers,
    /// There is no Pod.
    Down,
    /// Packets to its Pods vanish.
    Unreachable,
}

fn states(cluster: &TestCluster<'_>) -> Result<()> {
    for state in [WebhookState::Answers, WebhookState::Down, WebhookState::Unreachable] {
        let namespace = cluster.namespace(&format!("emergency-{state:?}").to_lowercase())?;
        for name in ["web", "api", "held"] {
            namespace.apply(&migrated(&namespace.name, name, "20"))?;
        }
        let hold = json!({"metadata": {"finalizers": [FINALIZER]}});
        namespace.kubectl_ok(&patch("service held", &hold))?;
        set(cluster, state)?;
        let endured = endures(&namespace, state).with_context(|| format!("{state:?}"));
        restore(cluster, state)?;
        endured?;
        println!("{}: {state:?}: all that must pass passes", cluster.version());
    }
    Ok(())
}

fn set(cluster: &TestCluster<'_>, state: WebhookState) -> Result<()> {
    match state {
        WebhookState::Answers => Ok(()),
        WebhookState::Down => {
            let webhook = format!("deployment/clbmigrate-webhook -n {NAMESPACE}");
            cluster.kubectl(&format!("scale {webhook} --replicas=0"), "")?.expect_code(0)?;
            try_wait_for("the end of the webhook's Pods", DEADLINE, || {
                Ok(cluster.pods()?.is_empty().then_some(()))
            })
        }
        WebhookState::Unreachable => {
            let mut nodes = cluster.nodes().iter();
            nodes.try_for_each(|node| {
                cluster.testbed.isolate(Network::Node(&node.name), Isolation::Drop)
            })
        }
    }
}

fn restore(cluster: &TestCluster<'_>, state: WebhookState) -> Result<()> {
    match state {
        WebhookState::Answers => return Ok(()),
        WebhookState::Down => {
            let webhook = format!("deployment/clbmigrate-webhook -n {NAMESPACE}");
            cluster.kubectl(&format!("scale {webhook} --replicas=2"), "")?.expect_code(0)?;
        }
        WebhookState::Unreachable => {
            let mut nodes = cluster.nodes().iter();
            nodes.try_for_each(|node| cluster.testbed.reconnect(Network::Node(&node.name)))?;
        }
    }
    cluster.release.wait()
}

fn endures(namespace: &TestNamespace<'_, '_>, state: WebhookState) -> Result<()> {
    let cluster = namespace.cluster;
    asked_about(namespace, state)?;
    // The real CCM's part, played by its double: finalizer, labels, address, and later their end.
    let ccm = CcmDouble::of(cluster, &cluster.tools, &[])?;
    try_wait_for("CCM's patches", DEADLINE, || {
        let web = namespace.get("service/web")?;
        let hash = &web["metadata"]["labels"]["service.beta.kubernetes.io/hash"];
        let has_all = hash.is_string()
            && web["metadata"]["finalizers"].to_string().contains(FINALIZER)
            && web["status"]["loadBalancer"]["ingress"].is_array();
        Ok(has_all.then_some(()))
    })?;
    // The brake, by two tools.
    namespace.kubectl_ok(&set_weight("web", "0"))?;
    let set = format!("kubectl clbmigrate set svc/api 0 --yes -n {}", namespace.name);
    cluster.shell(&set)?.expect_code(0)?;
    for name in ["web", "api"] {
        ensure!(namespace.weight(name)? == "0", "{name} has weight");
    }
    // Somebody frees a Service that hangs, in place of CCM.
    namespace.kubectl_ok(&patch("service held", &json!({"metadata": {"finalizers": null}})))?;
    namespace.kubectl_ok("label service web tier=front")?;
    // The namespace with what has weight, and what CCM must let go of.
    ensure!(namespace.weight("held")? == "20");
    let delete = format!("delete namespace {} --timeout={}s", namespace.name, DEADLINE.as_secs());
    cluster.kubectl(&delete, "")?.expect_code(0)?;
    drop(ccm);
    Ok(())
}

/// A weight of 50 is asked about: judged, or refused where nobody judges.
fn asked_about(namespace: &TestNamespace<'_, '_>, state: WebhookState) -> Result<()> {
    let refused_for = |output: &CommandOutput| {
        ensure!(output.code != 0, "it passed: {}", output.stdout);
        let words = "failed calling webhook \"clbmigrate-validate-services.clbmigrate.io\"";
        ensure!(output.stderr.contains(words), "{}", output.stderr);
        Ok(())
    };
    match state {
        WebhookState::Answers => {
            silent(&namespace.kubectl(&set_weight("web", "50"), "")?)?;
            refused(&namespace.kubectl(&set_weight("web", "101"), "")?, "CLB001")?;
            silent(&namespace.kubectl(&set_weight("web", "20"), "")?)?;
        }
        WebhookState::Down => {
            // The rules that lead to Pods go a moment after the Pods.
            try_wait_for("nobody to answer", DEADLINE, || {
                let output = namespace.kubectl(&set_weight("web", "50"), "")?;
                if output.code == 0 {
                    bail!("it passed: {}", output.stdout);
                }
                Ok(refused_for(&output).is_ok().then_some(()))
            })?;
        }
        WebhookState::Unreachable => {
            let output = namespace.kubectl(&set_weight("web", "50"), "")?;
            refused_for(&output)?;
            let is_silence = ["deadline exceeded", "timed out", "Timeout"];
            ensure!(
                is_silence.iter().any(|words| output.stderr.contains(words)),
                "{}",
                output.stderr
            );
        }
    }
    ensure!(namespace.weight("web")? == "20");
    Ok(())
}

fn gone(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("gone")?;
    namespace.apply(&migrated(&namespace.name, "web", "20"))?;
    remove_namespace(cluster)?;
    ensure!(
        hooks(cluster)?.len() == lifecycle::ALL,
        "the webhook configurations went with it, which they never did"
    );
    blocks(&namespace, "30")?;
    plugin_leads_out(&namespace)?;

    // As the page says: all hooks away, and the chart again.
    follow(cluster, "Take all hooks away")?;
    ensure!(hooks(cluster)?.is_empty());
    passes(&namespace, "31")?;
    install_again(cluster)?;
    refused(&namespace.kubectl(&set_weight("web", "101"), "")?, "CLB001")?;

    // Or the chart alone.
    remove_namespace(cluster)?;
    blocks(&namespace, "32")?;
    install_again(cluster)?;
    refused(&namespace.kubectl(&set_weight("web", "101"), "")?, "CLB001")?;
    silent(&namespace.kubectl(&set_weight("web", "33"), "")?)
}

/// The plugin says what is wrong, and what it prints helps.
fn plugin_leads_out(namespace: &TestNamespace<'_, '_>) -> Result<()> {
    let cluster = namespace.cluster;
    let runs = |line: &str| cluster.shell(line);
    let set = format!("kubectl clbmigrate set svc/web 10 --yes -n {}", namespace.name);
    let refused = runs(&set)?.expect_code(1)?.expect_stderr("failed calling webhook")?;
    let asked = runs("kubectl clbmigrate webhook status -o json")?.expect_code(3)?.json()?;
    ensure!(asked["answers"] == false && asked["ready"] == 0, "{asked}");
    let recovery = asked["recovery"].as_array().context("no recovery")?;
    let commands = recovery.iter().filter_map(|way| way["command"].as_str());
    let ignore = commands.clone().find(|command| command.contains("Ignore")).context("no way")?;
    ensure!(refused.stderr.contains(ignore), "{ignore} is not in:\n{}", refused.stderr);
    runs(ignore)?.expect_code(0)?;
    try_wait_for(
        "Services to pass unjudged",
        DEADLINE,
        || Ok((runs(&set)?.code == 0).then_some(())),
    )
}

fn remove_namespace(cluster: &TestCluster<'_>) -> Result<()> {
    let delete = format!("delete namespace {NAMESPACE} --timeout=90s");
    cluster.kubectl(&delete, "")?.expect_code(0).map(drop)
}

/// The project's webhook configurations.
pub fn hooks(cluster: &TestCluster<'_>) -> Result<Vec<Value>> {
    let kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations";
    let list = cluster.kubectl(
        &format!("get {kinds} -l app.kubernetes.io/name=clbmigrate-webhook -o json"),
        "",
    )?;
    let list = list.expect_code(0)?.json()?;
    list["items"].as_array().cloned().context("no list")
}

fn blocks(namespace: &TestNamespace<'_, '_>, weight: &str) -> Result<()> {
    try_wait_for("Services to be blocked", DEADLINE, || {
        let output = namespace.kubectl(&set_weight("web", weight), "")?;
        let words = "failed calling webhook";
        Ok((output.code != 0 && output.stderr.contains(words)).then_some(()))
    })
}

fn passes(namespace: &TestNamespace<'_, '_>, weight: &str) -> Result<()> {
    try_wait_for("Services to pass", DEADLINE, || {
        Ok((namespace.kubectl(&set_weight("web", weight), "")?.code == 0).then_some(()))
    })
}

fn follow(cluster: &TestCluster<'_>, heading: &str) -> Result<()> {
    for block in commands("docs/recovery.md", heading)? {
        let output = cluster.shell(&block)?;
        output.expect_code(0).with_context(|| block)?;
    }
    Ok(())
}

/// With the values of the installation, as the page asks for.
fn install_again(cluster: &TestCluster<'_>) -> Result<()> {
    for block in commands("docs/recovery.md", "Install it again")? {
        let line = format!("{} -f {}", block.trim_end(), cluster.release.values().display());
        cluster.shell(&line)?.expect_code(0)?;
    }
    cluster.release.wait()
}
