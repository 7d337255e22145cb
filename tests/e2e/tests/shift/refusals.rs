//! What is refused before anything is written.

use anyhow::ensure;
use clbmigrate_clb_double::state::StsToken;
use clbmigrate_e2e::CloudApi;
use clbmigrate_testkit::{manifests::service_in, run};
use serde_json::json;

use crate::{
    Case,
    two_clusters::{NEW, OLD, TestContext, TwoClusters, shift},
};

pub const CASES: &[Case] = &[
    ("wrong credentials write nothing", "wrong-key", wrong_credentials),
    ("an expired token writes nothing, nor does one that ends too soon", "expired", expired),
    ("without credentials nobody says done, unless CCM's word is enough", "unproven", unproven),
    ("a listener that does not count weights is no place for shares", "by-turns", round_robin),
    ("a group that no listener sends to is no place for shares", "unheard", unreached),
    ("a stopped listener sends to no group", "stopped", stopped),
    ("a group that orphans live in is refused", "orphans", orphans),
    ("CCM that has not settled is refused", "unsettled", unsettled),
    ("who is meant is asked where it is not clear", "candidates", candidates),
    ("a dry run writes nothing, and the API servers judge it", "dry", dry),
];

pub(crate) fn nothing_written(clusters: &TwoClusters<'_>) -> anyhow::Result<()> {
    clusters.has_weights("80", "20")?;
    ensure!((clusters.old.writes()?, clusters.new.writes()?) == (0, 0), "something was written");
    let writers = clusters.clb.writers();
    ensure!(!writers.iter().any(|of| of == "user"), "the CLB was written to");
    Ok(())
}

fn wrong_credentials(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let mut command = clusters.command(&shift("40%", ""))?;
    command.env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "not-the-secret");
    let told = run(&mut command)?.expect_code(1)?.expect_stderr("SignatureDoesNotMatch")?;
    ensure!(!told.stderr.contains("not-the-secret"), "{}", told.stderr);
    nothing_written(&clusters)
}

fn expired(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let now = jiff::Timestamp::now();
    let token = |end: jiff::Timestamp| {
        serde_json::from_value::<StsToken>(json!({
            "accessKeyId": "STS.short", "accessKeySecret": "short-secret",
            "securityToken": "short-token", "expiration": end.to_string(),
            "arn": "acs:sts::100:assumed-role/ops/night",
        }))
    };
    let gone = token(now - jiff::SignedDuration::from_hours(1))?;
    clusters.clb.edit(|state| state.sts_tokens.push(gone));
    let mut command = clusters.command(&shift("40%", ""))?;
    command
        .env("ALIBABA_CLOUD_ACCESS_KEY_ID", "STS.short")
        .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "short-secret")
        .env("ALIBABA_CLOUD_SECURITY_TOKEN", "short-token");
    let told = run(&mut command)?.expect_code(1)?.expect_stderr("xpired")?;
    ensure!(!told.stderr.contains("short-token"), "{}", told.stderr);
    nothing_written(&clusters)?;

    // A log-in whose token is good now, and ends before the change may have ended.
    let soon = now + jiff::SignedDuration::from_mins(4);
    let good = token(soon)?;
    clusters.clb.edit(|state| state.sts_tokens = vec![good]);
    let config = json!({"current": "night", "profiles": [{
        "name": "night", "mode": "CloudSSO", "region_id": "cn-bed",
        "access_key_id": "STS.short", "access_key_secret": "short-secret",
        "sts_token": "short-token", "sts_expiration": soon.as_second(),
    }]});
    let home = clusters.new.file("home", "")?.with_extension("d");
    std::fs::create_dir_all(home.join(".aliyun"))?;
    std::fs::write(home.join(".aliyun/config.json"), config.to_string())?;
    let line = shift("40%", "--clb-profile night").replace("--timeout 60s", "--timeout 5m");
    let mut command = clusters.command(&line)?;
    command.env("HOME", &home);
    let told = run(&mut command)?.expect_code(3)?.expect_stderr("end within the 20 minutes")?;
    ensure!(!told.stderr.contains("short-token"), "{}", told.stderr);
    nothing_written(&clusters)
}

fn unproven(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let ids = format!("--cluster-id {OLD}=c-old --cluster-id {NEW}=c-new");
    let blind =
        |more: &str| run(&mut clusters.without_clb(&shift("40%", &format!("{ids} {more}"))));
    blind("")?.expect_code(3)?.expect_stderr("no credentials")?.expect_stderr("--unverified")?;
    nothing_written(&clusters)?;
    let report = blind("--unverified")?.expect_code(0)?.json()?;
    ensure!(report["state"] == "unverified" && report["verified"] == false, "{report}");
    let message = report["message"].as_str().unwrap_or_default();
    ensure!(message.contains("not verified at the CLB"), "{message}");
    ensure!(!report.to_string().contains("\"done"), "nobody says so: {report}");
    clusters.has_share(NEW, 0.4)
}

fn round_robin(context: &TestContext<'_>) -> anyhow::Result<()> {
    let group = format!("rsp-bp1{}", context.namespace);
    let clb = CloudApi::start(
        &json!([{"id": group, "name": "shop-web"}]),
        &json!([{"port": 80, "scheduler": "rr", "vServerGroupId": group}]),
    )?;
    let weight = |weight: &str| [("weight", weight.to_owned())];
    let clusters = context.clusters_behind(clb, &weight("80"), &weight("20"))?;
    clusters
        .shifts("40%", "")?
        .expect_code(3)?
        .expect_stderr("CLB407")?
        .expect_stderr("--force")?;
    nothing_written(&clusters)
}

fn unreached(context: &TestContext<'_>) -> anyhow::Result<()> {
    let other = format!("rsp-bp1{}-other", context.namespace);
    let listener = json!({"port": 80, "scheduler": "wrr", "vServerGroupId": other});
    refused_without_listener(context, &listener, &format!("tcp/80 sends to group {other}"))
}

fn stopped(context: &TestContext<'_>) -> anyhow::Result<()> {
    let group = format!("rsp-bp1{}", context.namespace);
    let listener =
        json!({"port": 80, "scheduler": "wrr", "vServerGroupId": group, "status": "stopped"});
    refused_without_listener(context, &listener, "tcp/80 is stopped")
}

fn refused_without_listener(
    context: &TestContext<'_>,
    listener: &serde_json::Value,
    why: &str,
) -> anyhow::Result<()> {
    let group = format!("rsp-bp1{}", context.namespace);
    let clb = CloudApi::start(
        &json!([
            {"id": group, "name": "shop-web"},
            {"id": format!("{group}-other"), "name": "shop-other"},
        ]),
        &json!([listener]),
    )?;
    let weight = |weight: &str| [("weight", weight.to_owned())];
    let clusters = context.clusters_behind(clb, &weight("80"), &weight("20"))?;
    let told = clusters
        .shifts("40%", "")?
        .expect_code(3)?
        .expect_stderr("CLB415")?
        .expect_stderr(why)?
        .expect_stderr("--force")?;
    ensure!(!told.stderr.contains("--unverified"), "{}", told.stderr);
    nothing_written(&clusters)?;
    // Who insists moves the weights all the same.
    clusters.shifts("40%", "--force")?.expect_code(0)?;
    Ok(())
}

fn orphans(context: &TestContext<'_>) -> anyhow::Result<()> {
    let group = format!("rsp-bp1{}", context.namespace);
    let left = json!({"serverId": "i-bp1n1", "port": 30999, "weight": 20,
        "description": format!("k8s/30999/gone/{}/c-new", context.namespace)});
    let clb = CloudApi::start(
        &json!([{"id": group, "name": "shop-web", "backends": [left]}]),
        &json!([{"port": 80, "scheduler": "wrr", "vServerGroupId": group}]),
    )?;
    let weight = |weight: &str| [("weight", weight.to_owned())];
    let clusters = context.clusters_behind(clb, &weight("80"), &weight("20"))?;
    clusters
        .shifts("40%", "")?
        .expect_code(3)?
        .expect_stderr("CLB408")?
        .expect_stderr("orphans")?;
    nothing_written(&clusters)
}

fn unsettled(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.ccm_of_old.set_behaviour(&json!({"fail": {"message": "the CLB is locked"}}))?;
    clusters.old.annotate("example.com/note=1")?;
    let told = || clusters.shifts("40%", "");
    clbmigrate_testbed::try_wait_for("CCM's failure", crate::two_clusters::DEADLINE, || {
        Ok(told()?.stderr.contains("CCM fails").then_some(()))
    })?;
    told()?.expect_code(3)?.expect_stderr("the CLB is locked")?;
    nothing_written(&clusters)
}

fn candidates(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.old.apply(service_in(context.namespace, "www", &[("weight", "10")]))?;
    let told = clusters.shifts("40%", "")?.expect_code(2)?;
    for name in ["web", "www"] {
        ensure!(
            told.stderr.contains(&format!("--from {OLD}={}/{name}", context.namespace)),
            "{}",
            told.stderr
        );
    }
    nothing_written(&clusters)?;
    let unknown = format!("shift svc/web --from {OLD} --to elsewhere 40% --yes");
    clusters
        .run(&unknown)?
        .expect_code(1)?
        .expect_stderr("the kubeconfig has no context named \"elsewhere\"")?;
    let nobody = format!("shift svc/web --from external --to {NEW} 40% --yes");
    clusters.run(&nobody)?.expect_code(1)?.expect_stderr("no servers outside")?;
    let both = "shift svc/web --from external=i-a --to external=i-b 40% --yes";
    clusters.run(both)?.expect_code(2)?.expect_stderr("one side is a context")?;
    nothing_written(&clusters)
}

fn dry(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    for kind in ["client", "server"] {
        let line = shift("40%", &format!("--dry-run={kind}")).replace("--yes", "");
        let report = clusters.run(&line)?.expect_code(0)?.json()?;
        ensure!(report["state"] == "dryRun", "{report}");
        nothing_written(&clusters)?;
    }
    // Without a terminal somebody has to say yes.
    let line = shift("40%", "").replace("--yes", "");
    clusters.run(&line)?.expect_code(2)?.expect_stderr("--yes")?;
    let patch = clusters.run(&line.replace("-o json", "-o patch"))?.expect_code(0)?;
    ensure!(patch.stdout.matches("kind: Service").count() == 2, "{}", patch.stdout);
    nothing_written(&clusters)
}
