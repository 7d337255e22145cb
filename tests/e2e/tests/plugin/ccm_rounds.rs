//! `--wait` over rounds of CCM that go wrong: nothing is called done that is not, and nothing is taken back
//! that should stay.

use std::time::{Duration, Instant};

use anyhow::ensure;
use clbmigrate_clb_double::FaultEffect;
use clbmigrate_e2e::{Tools, User};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_testkit::manifests::endpoint_slice;
use serde_json::json;

use crate::{
    Case, DEADLINE, SERVED,
    served::{ServedUser, ends, message},
};

pub const CASES: &[Case] = &[
    ("weight 0 over a group that CCM empties in silence is done", SERVED, "brake", brake),
    (
        "weight 0 that CCM cannot write stays, and is said not to be done",
        SERVED,
        "brake-skipped",
        brake_skipped,
    ),
    ("a round that skips backends is no success", SERVED, "skipped", skipped),
    (
        "a Pod whose interface appears later needs no second command",
        SERVED,
        "appears",
        interface_appears,
    ),
    ("a signed request that CCM tells of is not shown", SERVED, "signed", signed),
    ("CCM's back-off is not waited for", SERVED, "back-off", back_off),
    ("a group that differs until the time is over is no success", SERVED, "differs", differs),
    ("the hash of nothing proves nothing", SERVED, "hash-of-nothing", hash_of_nothing),
];

/// The address of a Pod inside the VPC for which the cloud has no interface.
const UNKNOWN: &str = "10.1.1.3";

fn brake(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &[])?;
    // The first lookup of each of two rounds: CCM takes all backends out, and reports success.
    served.clb.throttle_ccm(&[0, 1]);
    ends(served.set(0, "30s")?, 0, "done")?;
    served.holds(&[])?;
    ensure!(user.annotation("weight")? == "0" && user.writes()? == 1, "it is left alone");
    Ok(())
}

/// A Service with Pods, one of which the cloud has no interface for. CCM has registered the others.
fn with_unknown_pod<'u, 'b>(
    user: &'u User<'b>,
    tools: &Tools,
) -> anyhow::Result<ServedUser<'u, 'b>> {
    let flags = ["--retry-base-ms", "1000"];
    let served = ServedUser::start_with_pods(user, tools, &flags, &["10.1.1.1", "10.1.1.2"])?;
    user.apply(endpoint_slice(&user.namespace, "web", &["n1", "n2", "n1"]))?;
    try_wait_for("CCM's event", DEADLINE, || {
        let events = user.ask("get events --field-selector reason=SkipSyncBackends -o name")?;
        Ok((!events.is_empty()).then_some(()))
    })?;
    Ok(served)
}

fn brake_skipped(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = with_unknown_pod(user, tools)?;
    let told = ends(served.set(0, "8s")?, 4, "timedOut")?;
    let said = message(&told);
    ensure!(said.contains("CCM skipped backends") && said.contains(UNKNOWN), "{said}");
    served.holds(&[10, 10])?;
    ensure!(user.annotation("weight")? == "0", "it is not taken back");
    // CCM carries it out as soon as it can.
    served.clb.add_interface("eni-bp1p3", UNKNOWN.parse()?);
    served.waits_for(&[0, 0, 0])
}

fn skipped(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = with_unknown_pod(user, tools)?;
    let told = ends(served.set_blind(36, "6s")?, 4, "timedOut")?;
    let said = message(&told);
    ensure!(said.contains("CCM skipped backends") && said.contains(UNKNOWN), "{said}");
    let told = ends(served.set(38, "6s")?, 4, "timedOut")?;
    ensure!(message(&told).contains(UNKNOWN), "{told}");
    served.holds(&[10, 10])
}

fn interface_appears(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = with_unknown_pod(user, tools)?;
    let running = served.begin_set(36, "60s")?;
    running.wait_for_stderr("CCM skipped backends")?;
    served.clb.add_interface("eni-bp1p3", UNKNOWN.parse()?);
    ends(running.wait()?, 0, "done")?;
    ensure!(user.writes()? == 1, "CCM is not called once more: it tries again by itself");
    served.holds(&[12, 12, 12])
}

fn signed(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &["--retry-base-ms", "60000"])?;
    served.clb.fail_ccm_calls(FaultEffect::LoseRequest {}, "SetVServerGroupAttribute", None);
    let told = served.set(40, "4s")?.expect_code(4)?.expect_stderr("a round of CCM failed")?;
    let answer = told.json()?;
    ensure!(
        message(&answer).contains("SetVServerGroupAttribute") || message(&answer).contains("EOF")
    );
    // CCM's event has what must not be shown.
    let events = user.ask("get events -o json")?;
    for secret in ["Signature", "SignatureNonce", "AccessKeyId"] {
        ensure!(events.contains(secret), "no {secret} in {events}");
        ensure!(!told.stderr.contains(secret) && !told.stdout.contains(secret), "{told:?}");
    }
    let shown = served.run("status -o json")?.expect_code(0)?;
    ensure!(!shown.stdout.contains("Signature=") && !shown.stderr.contains("Signature="));
    Ok(())
}

fn back_off(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &["--retry-base-ms", "5000"])?;
    served.ccm.fail_rounds("the CLB is locked", None)?;
    served.edits("example.com/note=0")?;
    let first = Instant::now();
    for number in 1..5 {
        served.edits(&format!("example.com/note={number}"))?;
    }
    // CCM tries again 5 seconds after the first of them, and then after 160. On a busy machine the first
    // retry comes before the last edit.
    let before = served.rounds()?;
    try_wait_for("CCM's retry", DEADLINE, || {
        let is_over = served.rounds()? > before || first.elapsed() > Duration::from_secs(10);
        Ok(is_over.then_some(()))
    })?;
    served.ccm.stop_failing()?;
    served.clb.fail_ccm_calls(FaultEffect::Throttle {}, "SetVServerGroupAttribute", Some(1));
    let start = Instant::now();
    let told = served.set(30, "2m")?.expect_stderr("CCM is called once more")?;
    ends(told, 0, "done")?;
    ensure!(start.elapsed().as_secs() < 90, "it took {:?}", start.elapsed());
    served.holds(&[15, 15])
}

fn hash_of_nothing(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &[])?;
    served.edits("example.com/note=a\u{7f}b")?;
    let label = "{.metadata.labels.service\\.beta\\.kubernetes\\.io/hash}";
    let hash = user.ask(&format!("get service web -o jsonpath={label}"))?;
    ensure!(hash.starts_with("d14a028c"), "{hash}");
    served.ccm.set_behaviour(&json!({"stuck": true}))?;
    let told = ends(served.set_blind(36, "4s")?, 4, "timedOut")?;
    ensure!(message(&told).contains("label tells nothing"), "{told}");
    let told = ends(served.set(38, "4s")?, 4, "timedOut")?;
    ensure!(message(&told).contains("label tells nothing"), "{told}");
    served.holds(&[10, 10])?;
    served.ccm.set_behaviour(&json!({"stuck": false}))?;
    served.waits_for(&[19, 19])?;
    ends(served.set(40, "30s")?, 0, "done")?;
    served.holds(&[20, 20])
}

fn differs(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &[])?;
    // CCM believes that it has written the weights.
    let nothing_done = FaultEffect::WrongAnswer(json!({"RequestId": "R"}).to_string());
    served.clb.fail_ccm_calls(nothing_done, "SetVServerGroupAttribute", None);
    let told = ends(served.set(40, "8s")?, 5, "rolledBack")?;
    ensure!(message(&told).contains("should hold 2 with 40"), "{told}");
    ensure!(user.annotation("weight")? == "20");
    served.holds(&[10, 10])
}
