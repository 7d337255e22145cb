//! Releases of the chart: what the webhook has published stays where it is, nothing wedges, and the
//! page on recovery tells the truth.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, ensure};
use clbmigrate_e2e::{KEYS, NAMESPACE, Ran, commands, ran, service};
use clbmigrate_testbed::{programs::workspace, try_wait_for};
use serde_json::{Value, json};

use crate::{OfCluster, Stage};

pub const CASES: &[OfCluster] = &[
    ("what the webhook publishes survives helm, applied by the server", by_server),
    ("what the webhook publishes survives helm, applied by the client", by_client),
    ("charts with other hooks follow each other", other_hooks),
    ("the manifests are applied without helm", without_helm),
    ("the page on recovery helps a webhook that is down", recovery_when_down),
    ("the page on recovery helps when the namespace is gone", recovery_when_gone),
];

const DEADLINE: Duration = Duration::from_secs(60);
const HOOKS: [(&str, &str); 4] = [
    ("validatingwebhookconfiguration", "clbmigrate-validate-services"),
    ("validatingwebhookconfiguration", "clbmigrate-validate-workloads"),
    ("mutatingwebhookconfiguration", "clbmigrate-mutate-workloads"),
    ("mutatingwebhookconfiguration", "clbmigrate-mutate-pods"),
];

/// Does what the webhook does once it is Ready.
fn publish(stage: &Stage<'_>) -> anyhow::Result<()> {
    let authority = base64(&stage.cluster)?;
    for (kind, name) in HOOKS {
        let patch = json!([
            {"op": "test", "path": "/webhooks/0/name", "value": format!("{name}.clbmigrate.io")},
            {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": authority},
        ]);
        let patch = format!(
            "patch {kind} {name} --type=json --field-manager=clbmigrate-webhook -p {patch}"
        );
        stage.kubectl(&patch, "")?.ends_with(0)?;
    }
    Ok(())
}

/// An authority as Kubernetes has it in kubeconfigs and hooks alike.
fn base64(cluster: &clbmigrate_testbed::Cluster<'_>) -> anyhow::Result<String> {
    let flags = ["config", "view", "--raw", "-o", "json"];
    let config: Value = serde_json::from_str(&cluster.ask(&flags)?)?;
    let authority = config["clusters"][0]["cluster"]["certificate-authority-data"].as_str();
    authority.map(ToOwned::to_owned).context("no authority")
}

/// All hooks of the project that there are, in the order of [`HOOKS`].
fn hooks(stage: &Stage<'_>) -> anyhow::Result<Vec<Value>> {
    let mut hooks = Vec::new();
    for (kind, name) in HOOKS {
        let told = stage.cluster.ask(&["get", kind, name, "--ignore-not-found", "-o", "json"])?;
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

fn has_all(stage: &Stage<'_>) -> anyhow::Result<()> {
    let hooks = hooks(stage)?;
    ensure!(hooks.len() == 4, "{} hooks", hooks.len());
    ensure!(unpublished(&hooks).is_empty(), "nothing is published in {:?}", unpublished(&hooks));
    Ok(())
}

fn policy(stage: &Stage<'_>) -> anyhow::Result<String> {
    let path = "jsonpath={.webhooks[0].failurePolicy}";
    stage.cluster.ask(&["get", HOOKS[0].0, HOOKS[0].1, "-o", path])
}

fn by_server(stage: &Stage<'_>) -> anyhow::Result<()> {
    life(stage, true)
}

fn by_client(stage: &Stage<'_>) -> anyhow::Result<()> {
    life(stage, false)
}

fn life(stage: &Stage<'_>, by_server: bool) -> anyhow::Result<()> {
    let flags = format!("-n {NAMESPACE} --server-side={by_server}");
    stage.helm(&format!("install life CHART --create-namespace {flags}"))?;
    ensure!(unpublished(&hooks(stage)?).len() == 4);
    publish(stage)?;
    // This one changes the hooks themselves.
    stage.helm(&format!("upgrade life CHART --set failurePolicy.services=Ignore {flags}"))?;
    has_all(stage)?;
    ensure!(policy(stage)? == "Ignore");
    stage.helm(&format!("rollback life 1 {flags}"))?;
    has_all(stage)?;
    ensure!(policy(stage)? == "Fail");
    // The other way to apply, and back.
    for server_side in [!by_server, by_server] {
        let flags = format!("-n {NAMESPACE} --server-side={server_side}");
        stage.helm(&format!("upgrade life CHART --set preStopSeconds=45 {flags}"))?;
        has_all(stage)?;
    }
    stage.helm(&format!("uninstall life -n {NAMESPACE}"))?;
    ensure!(hooks(stage)?.is_empty());
    Ok(())
}

fn other_hooks(stage: &Stage<'_>) -> anyhow::Result<()> {
    let renamed = stage.cluster.kubeconfig().with_file_name("renamed-chart");
    copy(&stage.helm.chart, &renamed)?;
    let template = renamed.join("templates/mutate-pods.yaml");
    let text = fs::read_to_string(&template)?;
    let other =
        text.replace("name: clbmigrate-mutate-pods.clbmigrate.io", "name: other.clbmigrate.io");
    ensure!(text != other);
    fs::write(&template, other)?;

    for by_server in [true, false] {
        let flags = format!("-n {NAMESPACE} --server-side={by_server}");
        stage.helm(&format!("install other CHART --create-namespace {flags}"))?;
        publish(stage)?;
        stage.helm(&format!("upgrade other CHART --set inject.enabled=false {flags}"))?;
        let found = hooks(stage)?;
        ensure!(found.len() == 2 && unpublished(&found).is_empty(), "{found:?}");
        stage.helm(&format!("upgrade other CHART --set inject.enabled=true {flags}"))?;
        let found = hooks(stage)?;
        ensure!(unpublished(&found) == ["clbmigrate-mutate-workloads", "clbmigrate-mutate-pods"]);
        publish(stage)?;
        stage.helm(&format!("upgrade other {} {flags}", renamed.display()))?;
        let found = hooks(stage)?;
        ensure!(unpublished(&found) == ["clbmigrate-mutate-pods"], "{found:?}");
        let entries = found[3]["webhooks"].as_array().map_or(0, Vec::len);
        ensure!(entries == 1 && found[3]["webhooks"][0]["name"] == "other.clbmigrate.io");
        stage.helm(&format!("rollback other 1 {flags}"))?;
        publish(stage)?;
        has_all(stage)?;
        stage.helm(&format!("uninstall other -n {NAMESPACE}"))?;
        ensure!(hooks(stage)?.is_empty());
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (from, to) = (entry.as_ref().map(fs::DirEntry::path), to.to_owned());
        let from = from.map_err(|error| anyhow::anyhow!("{error}"))?;
        let to = to.join(from.file_name().context("no name")?);
        if from.is_dir() { copy(&from, &to)? } else { fs::copy(&from, &to).map(drop)? }
    }
    Ok(())
}

fn without_helm(stage: &Stage<'_>) -> anyhow::Result<()> {
    let file = workspace()?.join("deploy/manifests/clbmigrate-webhook.yaml");
    let text = fs::read_to_string(&file)?;
    let softer = text.replace("failurePolicy: Fail", "failurePolicy: Ignore");
    ensure!(text != softer);
    for apply in ["apply", "apply --server-side --force-conflicts"] {
        stage.kubectl(apply, &text)?.ends_with(0)?;
        publish(stage)?;
        stage.kubectl(apply, &softer)?.ends_with(0)?;
        has_all(stage)?;
        ensure!(policy(stage)? == "Ignore");
    }
    stage.kubectl("delete", &text)?.ends_with(0)?;
    ensure!(hooks(stage)?.is_empty());
    Ok(())
}

/// A Service of weight 20 in a namespace of its own, behind a webhook that is installed and down.
struct Victim<'s, 'b> {
    stage: &'s Stage<'b>,
    namespace: &'static str,
}

impl<'s, 'b> Victim<'s, 'b> {
    fn new(stage: &'s Stage<'b>, namespace: &'static str) -> anyhow::Result<Self> {
        let victim = Self { stage, namespace };
        let place = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}");
        let service = service(namespace, "web", &[("weight", "20")]);
        stage.cluster.apply(&format!("{place}\n---\n{service}"))?;
        victim.runs("helm upgrade --install clbmigrate deploy/chart -n clbmigrate-system --create-namespace")?;
        victim.waits_until("it blocks", false)?;
        ensure!(victim.set("0")?.code == 0, "the brake does not work");
        Ok(victim)
    }

    fn set(&self, weight: &str) -> anyhow::Result<Ran> {
        let namespace = self.namespace;
        self.stage.kubectl(
            &format!("annotate service web -n {namespace} --overwrite {KEYS}weight={weight}"),
            "",
        )
    }

    /// Waits until the API server has noticed.
    fn waits_until(&self, what: &str, passes: bool) -> anyhow::Result<()> {
        // Each time another weight, for an edit that changes nothing always passes.
        let mut weights = (21..).map(|weight| weight.to_string());
        try_wait_for(what, DEADLINE, || {
            let weight = weights.next().unwrap_or_default();
            Ok(((self.set(&weight)?.code == 0) == passes).then_some(()))
        })
    }

    /// Runs a line of a shell where the project's folder is and kubectl and helm are on PATH.
    fn runs(&self, line: &str) -> anyhow::Result<()> {
        let kubectl = self.stage.cluster.program("kubectl");
        let folders = [kubectl.parent().context("kubectl")?, self.stage.helm.folder()?];
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{}:{path}", folders[0].display(), folders[1].display());
        let mut shell = self.stage.cluster.command("sh");
        shell.args(["-ec", line]).env("PATH", path).current_dir(workspace()?);
        ran(&mut shell)?.ends_with(0).with_context(|| line.to_owned()).map(drop)
    }

    /// Runs the commands below a heading of the page.
    fn follows(&self, heading: &str) -> anyhow::Result<()> {
        commands("docs/recovery.md", heading)?.iter().try_for_each(|block| self.runs(block))
    }

    fn ends(self) -> anyhow::Result<()> {
        self.runs("helm uninstall clbmigrate -n clbmigrate-system")?;
        ensure!(hooks(self.stage)?.is_empty());
        self.stage.kubectl(&format!("delete namespace {}", self.namespace), "")?.ends_with(0)?;
        Ok(())
    }
}

fn recovery_when_down(stage: &Stage<'_>) -> anyhow::Result<()> {
    let victim = Victim::new(stage, "recovery-down")?;
    victim.follows("Let Services pass")?;
    victim.waits_until("Services pass", true)?;
    victim.follows("Judge Services again")?;
    victim.waits_until("Services are judged again", false)?;
    // What was changed by hand is no obstacle to the next release.
    victim.follows("Install it again")?;

    victim.follows("Take a hook away")?;
    victim.waits_until("the hook is gone", true)?;
    victim.follows("Install it again")?;
    victim.waits_until("the hook is back", false)?;

    victim.follows("Take all hooks away")?;
    victim.waits_until("all hooks are gone", true)?;
    ensure!(hooks(stage)?.is_empty());
    victim.follows("Install it again")?;
    ensure!(hooks(stage)?.len() == 4);
    victim.ends()
}

fn recovery_when_gone(stage: &Stage<'_>) -> anyhow::Result<()> {
    let victim = Victim::new(stage, "recovery-gone")?;
    victim.runs("kubectl delete namespace clbmigrate-system")?;
    ensure!(hooks(stage)?.len() == 4, "the hooks went with the namespace, which they never did");
    ensure!(victim.set("50")?.code != 0);
    victim.follows("Take all hooks away")?;
    victim.waits_until("Services pass", true)?;
    victim.follows("Install it again")?;
    ensure!(hooks(stage)?.len() == 4);
    // Installing alone is enough, too.
    victim.runs("kubectl delete namespace clbmigrate-system")?;
    victim.follows("Install it again")?;
    victim.ends()
}
