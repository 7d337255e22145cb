//! Emergencies: what must pass passes whether the webhook answers, is down, or cannot be reached, and
//! the page on recovery leads out.

use anyhow::{Context, Result, bail, ensure};
use clbmigrate_e2e::{Ccm, NAMESPACE, Ran, commands, shell};
use clbmigrate_testbed::{Cut, Place as Somewhere, try_wait_for};
use serde_json::{Value, json};

use crate::{
    BOTH, Case,
    Share::Alone,
    manifests::{key, migrated, patch, weigh},
    stage::{DEADLINE, Place, Stage, refused, silent},
};

pub const CASES: &[Case] = &[
    (
        "what must pass passes while the webhook answers, is down, or cannot be reached",
        BOTH,
        Alone,
        states,
    ),
    ("the page on recovery helps when the webhook's namespace is gone", BOTH, Alone, gone),
];

const FINALIZER: &str = "service.k8s.alibaba/resources";

/// A way for the webhook to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answers,
    /// There is no Pod.
    Down,
    /// Packets to its Pods vanish.
    Unreachable,
}

fn states(stage: &Stage<'_>) -> Result<()> {
    for fate in [Fate::Answers, Fate::Down, Fate::Unreachable] {
        let place = stage.place(&format!("emergency-{fate:?}").to_lowercase())?;
        for name in ["web", "api", "held"] {
            place.apply(&migrated(&place.name, name, "20"))?;
        }
        let hold = json!({"metadata": {"finalizers": [FINALIZER]}});
        place.done(&patch("service held", &hold))?;
        set(stage, fate)?;
        let endured = endures(&place, fate).with_context(|| format!("{fate:?}"));
        restore(stage, fate)?;
        endured?;
        println!("{}: {fate:?}: all that must pass passes", stage.cluster.version());
    }
    Ok(())
}

fn set(stage: &Stage<'_>, fate: Fate) -> Result<()> {
    match fate {
        Fate::Answers => Ok(()),
        Fate::Down => {
            let webhook = format!("deployment/clbmigrate-webhook -n {NAMESPACE}");
            stage.kubectl(&format!("scale {webhook} --replicas=0"), "")?.ends_with(0)?;
            try_wait_for("the end of the webhook's Pods", DEADLINE, || {
                Ok(stage.pods()?.is_empty().then_some(()))
            })
        }
        Fate::Unreachable => {
            let mut nodes = stage.cluster.nodes().iter();
            nodes.try_for_each(|node| stage.bed.cut(Somewhere::Node(&node.name), Cut::Drop))
        }
    }
}

fn restore(stage: &Stage<'_>, fate: Fate) -> Result<()> {
    match fate {
        Fate::Answers => return Ok(()),
        Fate::Down => {
            let webhook = format!("deployment/clbmigrate-webhook -n {NAMESPACE}");
            stage.kubectl(&format!("scale {webhook} --replicas=2"), "")?.ends_with(0)?;
        }
        Fate::Unreachable => {
            let mut nodes = stage.cluster.nodes().iter();
            nodes.try_for_each(|node| stage.bed.mend(Somewhere::Node(&node.name)))?;
        }
    }
    stage.release.wait()
}

fn endures(place: &Place<'_, '_>, fate: Fate) -> Result<()> {
    let stage = place.stage;
    asked_about(place, fate)?;
    // The real CCM's part, played by its double: finalizer, labels, address, and later their end.
    let ccm = Ccm::of(&stage.cluster, &stage.tools, &[])?;
    try_wait_for("CCM's patches", DEADLINE, || {
        let web = place.get("service/web")?;
        let hash = &web["metadata"]["labels"]["service.beta.kubernetes.io/hash"];
        let has_all = hash.is_string()
            && web["metadata"]["finalizers"].to_string().contains(FINALIZER)
            && web["status"]["loadBalancer"]["ingress"].is_array();
        Ok(has_all.then_some(()))
    })?;
    // The brake, by two tools.
    place.done(&weigh("web", "0"))?;
    let set = format!("kubectl clbmigrate set svc/api 0 --yes -n {}", place.name);
    shell(&stage.cluster, &stage.tools, &stage.helm, &set)?.ends_with(0)?;
    for name in ["web", "api"] {
        ensure!(weight(place, name)? == "0", "{name} has weight");
    }
    // Somebody takes CCM's place for one that hangs.
    place.done(&patch("service held", &json!({"metadata": {"finalizers": null}})))?;
    place.done("label service web tier=front")?;
    // The namespace with what has weight, and what CCM must let go of.
    ensure!(weight(place, "held")? == "20");
    let delete = format!("delete namespace {} --timeout={}s", place.name, DEADLINE.as_secs());
    stage.kubectl(&delete, "")?.ends_with(0)?;
    drop(ccm);
    Ok(())
}

/// A weight of 50 is asked about: judged, or refused where nobody judges.
fn asked_about(place: &Place<'_, '_>, fate: Fate) -> Result<()> {
    let refused_for = |ran: &Ran| {
        ensure!(ran.code != 0, "it passed: {}", ran.out);
        let words = "failed calling webhook \"clbmigrate-validate-services.clbmigrate.io\"";
        ensure!(ran.err.contains(words), "{}", ran.err);
        Ok(())
    };
    match fate {
        Fate::Answers => {
            silent(&place.kubectl(&weigh("web", "50"), "")?)?;
            refused(&place.kubectl(&weigh("web", "101"), "")?, "CLB001")?;
            silent(&place.kubectl(&weigh("web", "20"), "")?)?;
        }
        Fate::Down => {
            // The rules that lead to Pods go a moment after the Pods.
            try_wait_for("nobody to answer", DEADLINE, || {
                let ran = place.kubectl(&weigh("web", "50"), "")?;
                if ran.code == 0 {
                    bail!("it passed: {}", ran.out);
                }
                Ok(refused_for(&ran).is_ok().then_some(()))
            })?;
        }
        Fate::Unreachable => {
            let ran = place.kubectl(&weigh("web", "50"), "")?;
            refused_for(&ran)?;
            let is_silence = ["deadline exceeded", "timed out", "Timeout"];
            ensure!(is_silence.iter().any(|words| ran.err.contains(words)), "{}", ran.err);
        }
    }
    ensure!(weight(place, "web")? == "20");
    Ok(())
}

fn weight(place: &Place<'_, '_>, name: &str) -> Result<String> {
    let service = place.get(&format!("service/{name}"))?;
    Ok(service["metadata"]["annotations"][key("weight")].as_str().unwrap_or_default().to_owned())
}

fn gone(stage: &Stage<'_>) -> Result<()> {
    let place = stage.place("gone")?;
    place.apply(&migrated(&place.name, "web", "20"))?;
    remove_namespace(stage)?;
    ensure!(
        hooks(stage)?.len() == 4,
        "the webhook configurations went with it, which they never did"
    );
    blocks(&place, "30")?;
    plugin_leads_out(&place)?;

    // As the page says: all hooks away, and the chart again.
    follow(stage, "Take all hooks away")?;
    ensure!(hooks(stage)?.is_empty());
    passes(&place, "31")?;
    install_again(stage)?;
    refused(&place.kubectl(&weigh("web", "101"), "")?, "CLB001")?;

    // Or the chart alone.
    remove_namespace(stage)?;
    blocks(&place, "32")?;
    install_again(stage)?;
    refused(&place.kubectl(&weigh("web", "101"), "")?, "CLB001")?;
    silent(&place.kubectl(&weigh("web", "33"), "")?)
}

/// The plugin says what is wrong, and what it prints helps.
fn plugin_leads_out(place: &Place<'_, '_>) -> Result<()> {
    let stage = place.stage;
    let runs = |line: &str| shell(&stage.cluster, &stage.tools, &stage.helm, line);
    let set = format!("kubectl clbmigrate set svc/web 10 --yes -n {}", place.name);
    let refused = runs(&set)?.ends_with(1)?.warns("failed calling webhook")?;
    let asked = runs("kubectl clbmigrate webhook status -o json")?.ends_with(3)?.json()?;
    ensure!(asked["answers"] == false && asked["ready"] == 0, "{asked}");
    let recovery = asked["recovery"].as_array().context("no recovery")?;
    let commands = recovery.iter().filter_map(|way| way["command"].as_str());
    let ignore = commands.clone().find(|command| command.contains("Ignore")).context("no way")?;
    ensure!(refused.err.contains(ignore), "{ignore} is not in:\n{}", refused.err);
    runs(ignore)?.ends_with(0)?;
    try_wait_for(
        "Services to pass unjudged",
        DEADLINE,
        || Ok((runs(&set)?.code == 0).then_some(())),
    )
}

fn remove_namespace(stage: &Stage<'_>) -> Result<()> {
    let delete = format!("delete namespace {NAMESPACE} --timeout=90s");
    stage.kubectl(&delete, "")?.ends_with(0).map(drop)
}

/// The project's webhook configurations.
pub fn hooks(stage: &Stage<'_>) -> Result<Vec<Value>> {
    let kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations";
    let list = stage.kubectl(
        &format!("get {kinds} -l app.kubernetes.io/name=clbmigrate-webhook -o json"),
        "",
    )?;
    let list = list.ends_with(0)?.json()?;
    list["items"].as_array().cloned().context("no list")
}

fn blocks(place: &Place<'_, '_>, weight: &str) -> Result<()> {
    try_wait_for("Services to be blocked", DEADLINE, || {
        let ran = place.kubectl(&weigh("web", weight), "")?;
        let words = "failed calling webhook";
        Ok((ran.code != 0 && ran.err.contains(words)).then_some(()))
    })
}

fn passes(place: &Place<'_, '_>, weight: &str) -> Result<()> {
    try_wait_for("Services to pass", DEADLINE, || {
        Ok((place.kubectl(&weigh("web", weight), "")?.code == 0).then_some(()))
    })
}

fn follow(stage: &Stage<'_>, heading: &str) -> Result<()> {
    for block in commands("docs/recovery.md", heading)? {
        let ran = shell(&stage.cluster, &stage.tools, &stage.helm, &block)?;
        ran.ends_with(0).with_context(|| block)?;
    }
    Ok(())
}

/// With the values of the installation, as the page asks for.
fn install_again(stage: &Stage<'_>) -> Result<()> {
    for block in commands("docs/recovery.md", "Install it again")? {
        let line = format!("{} -f {}", block.trim_end(), stage.release.values().display());
        shell(&stage.cluster, &stage.tools, &stage.helm, &line)?.ends_with(0)?;
    }
    stage.release.wait()
}
