//! What is refused before anything is written.

use anyhow::ensure;
use clbmigrate_clb_double::state::StsToken;
use clbmigrate_e2e::{Clb, ran, service};
use serde_json::json;

use crate::{
    Case,
    scene::{NEW, OLD, Scene, Stage, shift},
};

pub const CASES: &[Case] = &[
    ("wrong credentials write nothing", "wrong-key", wrong_credentials),
    ("an expired token writes nothing, nor does one that ends too soon", "expired", expired),
    ("without credentials nobody says done, unless CCM's word is enough", "unproven", unproven),
    ("a listener that does not count weights is no place for shares", "by-turns", round_robin),
    ("a group that orphans live in is refused", "orphans", orphans),
    ("CCM that has not settled is refused", "unsettled", unsettled),
    ("who is meant is asked where it is not clear", "candidates", candidates),
    ("a dry run writes nothing, and the API servers judge it", "dry", dry),
];

fn nothing_written(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.has_weights("80", "20")?;
    ensure!((scene.old.writes()?, scene.new.writes()?) == (0, 0), "something was written");
    let writers = scene.clb.writers();
    ensure!(!writers.iter().any(|of| of == "user"), "the CLB was written to");
    Ok(())
}

fn wrong_credentials(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    let mut command = scene.command(&shift("40%", ""))?;
    command.env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "not-the-secret");
    let told = ran(&mut command)?.ends_with(1)?.warns("SignatureDoesNotMatch")?;
    ensure!(!told.err.contains("not-the-secret"), "{}", told.err);
    nothing_written(&scene)
}

fn expired(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    let now = jiff::Timestamp::now();
    let token = |end: jiff::Timestamp| {
        serde_json::from_value::<StsToken>(json!({
            "accessKeyId": "STS.short", "accessKeySecret": "short-secret",
            "securityToken": "short-token", "expiration": end.to_string(),
            "arn": "acs:sts::100:assumed-role/ops/night",
        }))
    };
    let gone = token(now - jiff::SignedDuration::from_hours(1))?;
    scene.clb.edit(|state| state.sts_tokens.push(gone));
    let mut command = scene.command(&shift("40%", ""))?;
    command
        .env("ALIBABA_CLOUD_ACCESS_KEY_ID", "STS.short")
        .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "short-secret")
        .env("ALIBABA_CLOUD_SECURITY_TOKEN", "short-token");
    let told = ran(&mut command)?.ends_with(1)?.warns("xpired")?;
    ensure!(!told.err.contains("short-token"), "{}", told.err);
    nothing_written(&scene)?;

    // A log-in whose token is good now, and ends before the change may have ended.
    let soon = now + jiff::SignedDuration::from_mins(4);
    let good = token(soon)?;
    scene.clb.edit(|state| state.sts_tokens = vec![good]);
    let config = json!({"current": "night", "profiles": [{
        "name": "night", "mode": "CloudSSO", "region_id": "cn-bed",
        "access_key_id": "STS.short", "access_key_secret": "short-secret",
        "sts_token": "short-token", "sts_expiration": soon.as_second(),
    }]});
    let home = scene.new.file("home", "")?.with_extension("d");
    std::fs::create_dir_all(home.join(".aliyun"))?;
    std::fs::write(home.join(".aliyun/config.json"), config.to_string())?;
    let line = shift("40%", "--clb-profile night").replace("--timeout 60s", "--timeout 5m");
    let mut command = scene.command(&line)?;
    command.env("HOME", &home);
    let told = ran(&mut command)?.ends_with(3)?.warns("end within the 20 minutes")?;
    ensure!(!told.err.contains("short-token"), "{}", told.err);
    nothing_written(&scene)
}

fn unproven(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    let ids = format!("--cluster-id {OLD}=c-old --cluster-id {NEW}=c-new");
    let blind = |more: &str| ran(&mut scene.without_clb(&shift("40%", &format!("{ids} {more}"))));
    blind("")?.ends_with(3)?.warns("no credentials")?.warns("--unverified")?;
    nothing_written(&scene)?;
    let report = blind("--unverified")?.ends_with(0)?.json()?;
    ensure!(report["state"] == "unverified" && report["verified"] == false, "{report}");
    let message = report["message"].as_str().unwrap_or_default();
    ensure!(message.contains("not verified at the CLB"), "{message}");
    ensure!(!report.to_string().contains("\"done"), "nobody says so: {report}");
    scene.has_share(NEW, 0.4)
}

fn round_robin(stage: &Stage<'_>) -> anyhow::Result<()> {
    let group = format!("rsp-bp1{}", stage.namespace);
    let clb = Clb::start(
        &json!([{"id": group, "name": "shop-web"}]),
        &json!([{"port": 80, "scheduler": "rr", "vServerGroupId": group}]),
    )?;
    let weight = |weight: &str| [("weight", weight.to_owned())];
    let scene = stage.scene_behind(clb, &weight("80"), &weight("20"))?;
    scene.shifts("40%", "")?.ends_with(3)?.warns("CLB407")?.warns("--force")?;
    nothing_written(&scene)
}

fn orphans(stage: &Stage<'_>) -> anyhow::Result<()> {
    let group = format!("rsp-bp1{}", stage.namespace);
    let left = json!({"serverId": "i-bp1n1", "port": 30999, "weight": 20,
        "description": format!("k8s/30999/gone/{}/c-new", stage.namespace)});
    let clb = Clb::start(
        &json!([{"id": group, "name": "shop-web", "backends": [left]}]),
        &json!([{"port": 80, "scheduler": "wrr", "vServerGroupId": group}]),
    )?;
    let weight = |weight: &str| [("weight", weight.to_owned())];
    let scene = stage.scene_behind(clb, &weight("80"), &weight("20"))?;
    scene.shifts("40%", "")?.ends_with(3)?.warns("CLB408")?.warns("orphans")?;
    nothing_written(&scene)
}

fn unsettled(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    scene.ccm_of_old.behaves(&json!({"fail": {"message": "the CLB is locked"}}))?;
    scene.old.cluster.ask(&[
        "annotate",
        "service",
        "web",
        "-n",
        stage.namespace,
        "example.com/note=1",
    ])?;
    let told = || scene.shifts("40%", "");
    clbmigrate_testbed::try_wait_for("CCM's failure", crate::scene::DEADLINE, || {
        Ok(told()?.err.contains("CCM fails").then_some(()))
    })?;
    told()?.ends_with(3)?.warns("the CLB is locked")?;
    nothing_written(&scene)
}

fn candidates(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    scene.old.apply(&service(stage.namespace, "www", &[("weight", "10")]))?;
    let told = scene.shifts("40%", "")?.ends_with(2)?;
    for name in ["web", "www"] {
        ensure!(
            told.err.contains(&format!("--from {OLD}={}/{name}", stage.namespace)),
            "{}",
            told.err
        );
    }
    nothing_written(&scene)?;
    let unknown = format!("shift svc/web --from {OLD} --to elsewhere 40% --yes");
    ensure!(scene.runs(&unknown)?.code != 0);
    let nobody = format!("shift svc/web --from external --to {NEW} 40% --yes");
    scene.runs(&nobody)?.ends_with(1)?.warns("no servers outside")?;
    let both = "shift svc/web --from external=i-a --to external=i-b 40% --yes";
    scene.runs(both)?.ends_with(2)?.warns("one side is a context")?;
    nothing_written(&scene)
}

fn dry(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    for kind in ["client", "server"] {
        let line = shift("40%", &format!("--dry-run={kind}")).replace("--yes", "");
        let report = scene.runs(&line)?.ends_with(0)?.json()?;
        ensure!(report["state"] == "dryRun", "{report}");
        nothing_written(&scene)?;
    }
    // Without a terminal somebody has to say yes.
    let line = shift("40%", "").replace("--yes", "");
    scene.runs(&line)?.ends_with(2)?.warns("--yes")?;
    let patch = scene.runs(&line.replace("-o json", "-o patch"))?.ends_with(0)?;
    ensure!(patch.out.matches("kind: Service").count() == 2, "{}", patch.out);
    nothing_written(&scene)
}
