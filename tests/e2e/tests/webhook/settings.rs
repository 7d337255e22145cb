//! Settings that change while the webhook runs.

use anyhow::{Context, Result, ensure};
use clbmigrate_e2e::{NAMESPACE, Ran};
use clbmigrate_testbed::try_wait_for;

use crate::{
    BOTH, Case,
    Share::Alone,
    fates::{Fate, mistakes},
    manifests::{deployment, migrated, service},
    stage::{DEADLINE, Place, Stage, refused, silent, warned},
};

pub const CASES: &[Case] = &[(
    "settings take effect in the running webhook, and a bad file changes nothing",
    BOTH,
    Alone,
    settings,
)];

/// Releases the chart with these values, and waits until every Pod answers a request as told. Asks both
/// replicas by asking often.
fn set(
    place: &Place<'_, '_>,
    values: &str,
    request: impl Fn() -> Result<Ran>,
    wanted: impl Fn(&Ran) -> Result<()>,
) -> Result<()> {
    let stage = place.stage;
    let arguments = stage.release.arguments();
    stage.release.helm(&format!("upgrade {arguments} {values}"))?;
    settle(stage, request, wanted).with_context(|| values.to_owned())
}

fn settle(
    stage: &Stage<'_>,
    request: impl Fn() -> Result<Ran>,
    wanted: impl Fn(&Ran) -> Result<()>,
) -> Result<()> {
    // A kubelet brings a changed ConfigMap when it next looks after the Pod, which this makes now.
    for pod in stage.pods()? {
        let touch =
            format!("annotate pod {pod} -n {NAMESPACE} --overwrite example.com/looked-after=");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        stage.kubectl(&format!("{touch}{}", now.as_millis()), "")?.ends_with(0)?;
    }
    let mut in_a_row = 0;
    let mut last = None;
    let settled = try_wait_for("both replicas to know", DEADLINE, || {
        let ran = request()?;
        let told = wanted(&ran);
        in_a_row = if told.is_ok() { in_a_row + 1 } else { 0 };
        last = told.err();
        Ok((in_a_row == 10).then_some(()))
    });
    settled.with_context(|| last.map_or_else(String::new, |error| format!("{error:#}")))
}

fn settings(stage: &Stage<'_>) -> Result<()> {
    let place = stage.place("settings")?;
    let apply = |manifest: String| {
        let place = &place;
        move || place.kubectl("create --dry-run=server", &manifest)
    };
    let web = migrated(&place.name, "web", "20").to_string();
    silent(&apply(web.clone())()?)?;

    // The cluster's id, and the examples that are about it.
    let about_id = mistakes()?.into_iter().filter(|mistake| mistake.fate == Fate::OtherId);
    ensure!(about_id.count() == 2);
    set(&place, "--set cluster.id=clusterid", apply(web.clone()), |ran| refused(ran, "CLB201"))?;

    // Modes, for all namespaces and for one.
    let bad = service(
        "bad",
        &[("id", "lb-bp1example"), ("vgroup-port", "rsp-bp1x:80"), ("weight", "101")],
    );
    let values = "--set rules.CLB001=warn";
    set(&place, values, apply(bad.to_string()), |ran| warned(ran, "CLB001"))?;
    let values =
        format!("--set rules.CLB001=warn --set namespaces.{}.rules.CLB001=deny", place.name);
    set(&place, &values, apply(bad.to_string()), |ran| refused(ran, "CLB001"))?;
    set(&place, "--set rules.CLB001=off", apply(bad.to_string()), silent)?;
    let values = format!("--set exempt.namespaces={{{}}}", place.name);
    set(&place, &values, apply(bad.to_string()), silent)?;

    // The seconds of hooks to come.
    place.apply(&migrated(&place.name, "web", "20"))?;
    let made = deployment("web", 0).to_string();
    let dry = || place.kubectl("create --dry-run=server -o json", &made);
    set(&place, "--set preStopSeconds=45", dry, |ran| {
        ensure!(ran.out.contains("\"seconds\": 45"), "{}", ran.out);
        Ok(())
    })?;
    set(&place, "--set inject.enabled=false", dry, |ran| {
        ensure!(!ran.out.contains("\"sleep\""), "{}", ran.out);
        Ok(())
    })?;

    // A file with a mistake, which helm would not write: what was known stays in force.
    set(&place, "", apply(bad.to_string()), |ran| refused(ran, "CLB001"))?;
    let patch = format!(
        "patch configmap clbmigrate-webhook -n {NAMESPACE} --type=merge -p {{\"data\":{{\"config.yaml\":\"rules:\\n\\u0020CLB001:\\u0020of\\n\"}}}}"
    );
    stage.kubectl(&patch, "")?.ends_with(0)?;
    settle(stage, apply(bad.to_string()), |ran| {
        refused(ran, "CLB001")?;
        let log = stage.kubectl(
            &format!("logs -n {NAMESPACE} -l app.kubernetes.io/name=clbmigrate-webhook --tail=-1"),
            "",
        )?;
        let told =
            log.out.lines().filter(|line| line.contains("the configuration stays as it was"));
        ensure!(told.count() >= 2, "not every Pod has told");
        Ok(())
    })?;
    set(&place, "--force-conflicts", apply(bad.to_string()), |ran| refused(ran, "CLB001"))
}
