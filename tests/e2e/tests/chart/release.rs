//! Releases of the chart: what the webhook has published stays where it is, nothing wedges, and the
//! page on recovery tells the truth.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, ensure};
use clbmigrate_e2e::{Helm, IMAGE, NAMESPACE, commands};
use clbmigrate_testbed::{Cluster, programs::workspace, try_wait_for};
use clbmigrate_testkit::{
    CommandOutput,
    manifests::{list, namespace, service_in, set_weight},
};
use serde_json::{Value, json};

use crate::{ClusterCase, TestCluster};

pub const CASES: &[ClusterCase] = &[
    ("charts with other hooks follow each other", other_hooks),
    ("the manifests are applied without helm", without_helm),
];

/// In one cluster each. Suite `webhook` has the other two of the four, with the webhook in it.
pub const NEW_CASES: &[ClusterCase] = &[
    ("what the webhook publishes survives helm, applied by the client", by_client),
    ("the page on recovery helps a webhook that is down", recovery_when_down),
    ("what the webhook publishes survives helm 3", by_helm_3),
];
pub const OLD_CASES: &[ClusterCase] =
    &[("what the webhook publishes survives helm, applied by the server", by_server)];

const DEADLINE: Duration = Duration::from_secs(60);
pub const HOOKS: [(&str, &str); 5] = [
    ("validatingwebhookconfiguration", "clbmigrate-validate-services"),
    ("validatingwebhookconfiguration", "clbmigrate-validate-workloads"),
    ("validatingwebhookconfiguration", "clbmigrate-validate-cascading-deletion"),
    ("mutatingwebhookconfiguration", "clbmigrate-mutate-workloads"),
    ("mutatingwebhookconfiguration", "clbmigrate-mutate-pods"),
];

/// Does what the webhook does once it is Ready.
pub fn publish(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let authority = base64(cluster)?;
    for (kind, name) in HOOKS {
        let patch = json!([
            {"op": "test", "path": "/webhooks/0/name", "value": format!("{name}.clbmigrate.io")},
            {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": authority},
        ]);
        let patch = format!(
            "patch {kind} {name} --type=json --field-manager=clbmigrate-webhook -p {patch}"
        );
        cluster.kubectl(&patch, "")?.expect_code(0)?;
    }
    Ok(())
}

/// An authority as Kubernetes has it in kubeconfigs and hooks alike.
fn base64(cluster: &Cluster<'_>) -> anyhow::Result<String> {
    let flags = ["config", "view", "--raw", "-o", "json"];
    let config: Value = serde_json::from_str(&cluster.run_kubectl(&flags)?)?;
    let authority = config["clusters"][0]["cluster"]["certificate-authority-data"].as_str();
    authority.map(ToOwned::to_owned).context("no authority")
}

/// All hooks of the project that there are, in the order of [`HOOKS`].
fn hooks(cluster: &TestCluster<'_>) -> anyhow::Result<Vec<Value>> {
    let mut hooks = Vec::new();
    for (kind, name) in HOOKS {
        let told = cluster.run_kubectl(&["get", kind, name, "--ignore-not-found", "-o", "json"])?;
        if !told.trim().is_empty() {
            hooks.push(serde_json::from_str(&told)?);
        }
    }
    Ok(hooks)
}

/// The names of hooks that nobody has published an authority in.
fn unpublished(hooks: &[Value]) -> Vec<&str> {
    let bare = |hook: &&Value| hook["webhooks"][0]["clientConfig"]["caBundle"].is_null();
    hooks.iter().filter(bare).filter_map(|hook| hook["metadata"]["name"].as_str()).collect()
}

fn has_all(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let hooks = hooks(cluster)?;
    ensure!(hooks.len() == HOOKS.len(), "{} hooks", hooks.len());
    ensure!(unpublished(&hooks).is_empty(), "nothing is published in {:?}", unpublished(&hooks));
    Ok(())
}

fn policy(cluster: &TestCluster<'_>) -> anyhow::Result<String> {
    let path = "jsonpath={.webhooks[0].failurePolicy}";
    cluster.run_kubectl(&["get", HOOKS[0].0, HOOKS[0].1, "-o", path])
}

fn by_server(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    life(cluster, true)
}

fn by_client(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    life(cluster, false)
}

/// Helm 3, which always applies by the client, and the hand-over of its release to helm 4.
fn by_helm_3(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let helm3 = Helm::provide_3()?;
    let helm3 = |arguments: &str| cluster.helm_with(&helm3, &format!("{arguments} -n {NAMESPACE}"));
    helm3("install third CHART --create-namespace")?;
    ensure!(unpublished(&hooks(cluster)?).len() == HOOKS.len());
    publish(cluster)?;
    helm3("upgrade third CHART --reuse-values --set failurePolicy.services=Ignore")?;
    has_all(cluster)?;
    ensure!(policy(cluster)? == "Ignore");
    helm3("rollback third 1")?;
    has_all(cluster)?;
    ensure!(policy(cluster)? == "Fail");
    cluster.helm(&format!("upgrade third CHART --reuse-values -n {NAMESPACE}"))?;
    has_all(cluster)?;
    helm3("uninstall third")?;
    ensure!(hooks(cluster)?.is_empty());
    Ok(())
}

fn life(cluster: &TestCluster<'_>, by_server: bool) -> anyhow::Result<()> {
    let flags = format!("-n {NAMESPACE} --server-side={by_server}");
    cluster.helm(&format!("install life CHART --create-namespace {flags}"))?;
    ensure!(unpublished(&hooks(cluster)?).len() == HOOKS.len());
    publish(cluster)?;
    // This one changes the hooks themselves.
    cluster.helm(&format!("upgrade life CHART --set failurePolicy.services=Ignore {flags}"))?;
    has_all(cluster)?;
    ensure!(policy(cluster)? == "Ignore");
    cluster.helm(&format!("rollback life 1 {flags}"))?;
    has_all(cluster)?;
    ensure!(policy(cluster)? == "Fail");
    // The other way to apply, and back.
    for server_side in [!by_server, by_server] {
        let flags = format!("-n {NAMESPACE} --server-side={server_side}");
        cluster.helm(&format!("upgrade life CHART --set preStopSeconds=45 {flags}"))?;
        has_all(cluster)?;
    }
    cluster.helm(&format!("uninstall life -n {NAMESPACE}"))?;
    ensure!(hooks(cluster)?.is_empty());
    Ok(())
}

fn other_hooks(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let renamed = cluster.kubeconfig().with_file_name("renamed-chart");
    copy(&cluster.helm.chart, &renamed)?;
    let template = renamed.join("templates/mutate-pods.yaml");
    let text = fs::read_to_string(&template)?;
    let other =
        text.replace("name: clbmigrate-mutate-pods.clbmigrate.io", "name: other.clbmigrate.io");
    ensure!(text != other);
    fs::write(&template, other)?;

    for by_server in [true, false] {
        let flags = format!("-n {NAMESPACE} --server-side={by_server}");
        cluster.helm(&format!("install other CHART --create-namespace {flags}"))?;
        publish(cluster)?;
        cluster.helm(&format!("upgrade other CHART --set inject.enabled=false {flags}"))?;
        let found = hooks(cluster)?;
        ensure!(found.len() == 3 && unpublished(&found).is_empty(), "{found:?}");
        cluster.helm(&format!("upgrade other CHART --set inject.enabled=true {flags}"))?;
        let found = hooks(cluster)?;
        ensure!(unpublished(&found) == ["clbmigrate-mutate-workloads", "clbmigrate-mutate-pods"]);
        publish(cluster)?;
        cluster.helm(&format!("upgrade other {} {flags}", renamed.display()))?;
        let found = hooks(cluster)?;
        ensure!(unpublished(&found) == ["clbmigrate-mutate-pods"], "{found:?}");
        let pods = found.last().unwrap_or(&Value::Null);
        let entries = pods["webhooks"].as_array().map_or(0, Vec::len);
        ensure!(entries == 1 && pods["webhooks"][0]["name"] == "other.clbmigrate.io");
        cluster.helm(&format!("rollback other 1 {flags}"))?;
        publish(cluster)?;
        has_all(cluster)?;
        cluster.helm(&format!("uninstall other -n {NAMESPACE}"))?;
        ensure!(hooks(cluster)?.is_empty());
    }
    Ok(())
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (from, to) = (entry.as_ref().map(fs::DirEntry::path), to.to_owned());
        let from = from.map_err(|error| anyhow::anyhow!("{error}"))?;
        let to = to.join(from.file_name().context("no name")?);
        if from.is_dir() { copy(&from, &to)? } else { fs::copy(&from, &to).map(drop)? }
    }
    Ok(())
}

fn without_helm(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let file = workspace()?.join("deploy/manifests/clbmigrate-webhook.yaml");
    let text = fs::read_to_string(&file)?;
    let softer = text.replace("failurePolicy: Fail", "failurePolicy: Ignore");
    ensure!(text != softer);
    for apply in ["apply", "apply --server-side --force-conflicts"] {
        cluster.kubectl(apply, &text)?.expect_code(0)?;
        publish(cluster)?;
        cluster.kubectl(apply, &softer)?.expect_code(0)?;
        has_all(cluster)?;
        ensure!(policy(cluster)? == "Ignore");
    }
    cluster.kubectl("delete", &text)?.expect_code(0)?;
    ensure!(hooks(cluster)?.is_empty());
    Ok(())
}

/// A Service of weight 20 in a namespace of its own, behind a webhook that is installed and down.
struct BlockedService<'s, 'b> {
    cluster: &'s TestCluster<'b>,
    namespace: &'static str,
}

impl<'s, 'b> BlockedService<'s, 'b> {
    fn new(cluster: &'s TestCluster<'b>, name: &'static str) -> anyhow::Result<Self> {
        let web = service_in(name, "web", &[("weight", "20")]);
        cluster.apply(&list(&[namespace(name, &json!({})), web]).to_string())?;
        let service = Self { cluster, namespace: name };
        service.shell(&format!("helm upgrade --install clbmigrate deploy/chart -n {NAMESPACE} --create-namespace {IMAGE}"))?;
        service.wait_until("it blocks", false)?;
        ensure!(service.set_weight("0")?.code == 0, "the brake does not work");
        Ok(service)
    }

    fn set_weight(&self, weight: &str) -> anyhow::Result<CommandOutput> {
        self.cluster.kubectl(&format!("{} -n {}", set_weight("web", weight), self.namespace), "")
    }

    /// Waits until the API server has noticed.
    fn wait_until(&self, what: &str, passes: bool) -> anyhow::Result<()> {
        // Each time another weight, for an edit that changes nothing always passes.
        let mut weights = (21..).map(|weight| weight.to_string());
        try_wait_for(what, DEADLINE, || {
            let weight = weights.next().unwrap_or_default();
            Ok(((self.set_weight(&weight)?.code == 0) == passes).then_some(()))
        })
    }

    /// Runs a script, which must succeed.
    fn shell(&self, script: &str) -> anyhow::Result<()> {
        self.cluster.shell(script)?.expect_code(0).with_context(|| script.to_owned()).map(drop)
    }

    /// Runs the commands below a heading of the page.
    fn follow(&self, heading: &str) -> anyhow::Result<()> {
        commands("docs/recovery.md", heading)?.iter().try_for_each(|block| self.shell(block))
    }

    fn remove(self) -> anyhow::Result<()> {
        self.shell("helm uninstall clbmigrate -n clbmigrate-system")?;
        ensure!(hooks(self.cluster)?.is_empty());
        self.cluster
            .kubectl(&format!("delete namespace {}", self.namespace), "")?
            .expect_code(0)?;
        Ok(())
    }
}

fn recovery_when_down(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let service = BlockedService::new(cluster, "recovery-down")?;
    service.follow("Let Services pass")?;
    service.wait_until("Services pass", true)?;
    service.follow("Judge Services again")?;
    service.wait_until("Services are judged again", false)?;
    // What was changed by hand is no obstacle to the next release.
    service.follow("Install it again")?;

    service.follow("Take a hook away")?;
    service.wait_until("the hook is gone", true)?;
    service.follow("Install it again")?;
    service.wait_until("the hook is back", false)?;

    service.follow("Take all hooks away")?;
    service.wait_until("all hooks are gone", true)?;
    ensure!(hooks(cluster)?.is_empty());
    service.follow("Install it again")?;
    ensure!(hooks(cluster)?.len() == HOOKS.len());
    service.remove()
}
