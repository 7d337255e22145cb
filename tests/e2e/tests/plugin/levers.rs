//! What gets through when hardly anything works: the way to weight 0, and the way back.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clbmigrate_e2e::{Tools, User};
use clbmigrate_fault_proxy::{Fault, Match, StatusCode};
use serde_json::Value;

use crate::{Case, QUIET};

pub const CASES: &[Case] = &[
    ("set 0 needs nothing but its Service", QUIET, "lever-alone", zero_alone),
    ("lists that hang do not delay set 0", QUIET, "lever-hang", zero_before_lists_that_hang),
    ("undo needs nothing but its Service", QUIET, "lever-undo", undo_alone),
    ("other changes need nodes and endpoints", QUIET, "lever-others", others),
    ("a throttled write is sent when the API server wants it", QUIET, "throttled", throttled),
    ("a write that stays throttled is certainly not written", QUIET, "thrott-off", throttled_off),
    ("annotations without room do not block the way back", QUIET, "lever-full", full),
    ("a reader that goes away does not stop a write", QUIET, "lever-pipe", closed_pipe),
];

/// The API server's time limit is over.
fn gateway_timeout() -> Fault {
    let words = "Timeout: request did not complete within the allotted timeout";
    Fault::status(StatusCode::GATEWAY_TIMEOUT, "Timeout", words)
}

/// Reads of everything but Service `web`.
fn all_but_the_service() -> Match {
    Match::method("GET").when(|request| !request.path.ends_with("/services/web"))
}

fn zero_alone(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (proxied, proxy) = user.behind_proxy()?;
    let fails = proxy.add_rule(all_but_the_service(), gateway_timeout());
    proxied
        .run("set web 0 --yes")?
        .expect_code(0)?
        .expect_stderr("Services could not be read")?
        .expect_stderr("nodes could not be read")?;
    ensure!(fails.hits() > 0 && user.annotation("weight")? == "0" && user.writes()? == 1);
    Ok(())
}

fn zero_before_lists_that_hang(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (proxied, proxy) = user.behind_proxy()?;
    proxy.add_rule(all_but_the_service(), Fault::Hang);
    proxy.add_rule(Match::method("POST").path("selfsubjectreviews"), Fault::Hang);
    let begun = Instant::now();
    proxied.run("set web 0 --yes")?.expect_code(0)?.expect_stderr("did not answer in time")?;
    ensure!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    ensure!(user.annotation("weight")? == "0" && user.writes()? == 1);
    Ok(())
}

fn undo_alone(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.run("set web 40 --yes")?.expect_code(0)?;
    let (proxied, proxy) = user.behind_proxy()?;
    proxy.add_rule(all_but_the_service(), gateway_timeout());
    proxied.run("undo web --yes --force")?.expect_code(0)?.expect_stdout("40 -> 20")?;
    ensure!(user.annotation("weight")? == "20");
    Ok(())
}

fn others(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    for list in ["/nodes", "/endpointslices"] {
        let (proxied, proxy) = user.behind_proxy()?;
        proxy.add_rule(Match::method("GET").path_end(list), gateway_timeout());
        proxied.run("set web 40 --yes")?.expect_code(1)?.expect_stderr("504")?;
        proxied.run("check")?.expect_code(1)?.expect_stderr("could not be read")?;
        proxied.run("status")?.expect_code(1)?.expect_stdout("web")?;
    }
    ensure!(user.writes()? == 0);
    Ok(())
}

fn throttled(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (proxied, proxy) = user.behind_proxy()?;
    let patches = Match::method("PATCH").path_end("/services/web").without_parameter("dryRun");
    let busy = proxy.add_rule(patches.times(2), Fault::too_many_requests(2));
    let begun = Instant::now();
    let told = proxied.run("set web 40 --yes")?.expect_code(0)?;
    ensure!(busy.hits() == 2 && begun.elapsed() >= Duration::from_secs(4));
    ensure!(!told.stderr.contains("lost"), "no answer was lost: {}", told.stderr);
    ensure!(user.annotation("weight")? == "40" && user.writes()? == 1);
    Ok(())
}

fn throttled_off(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (proxied, proxy) = user.behind_proxy()?;
    let patches = Match::method("PATCH").path_end("/services/web");
    proxy.add_rule(patches, Fault::too_many_requests(600));
    let begun = Instant::now();
    let told = proxied.run("set web 40 --yes")?.expect_code(1)?.expect_stderr("429")?;
    ensure!(!told.stderr.contains("nobody knows"), "{}", told.stderr);
    ensure!(begun.elapsed() < Duration::from_secs(30), "there is no time to wait for");
    ensure!(user.writes()? == 0);
    Ok(())
}

/// What all annotations of an object may hold (Kubernetes: `TotalAnnotationSizeLimitB`).
const ANNOTATIONS: usize = 256 << 10;

/// Somebody fills the Service's annotations up to this many bytes less than they may hold.
fn fill(user: &User<'_>, room: usize) -> anyhow::Result<()> {
    let service = user.service()?;
    let annotations = service["metadata"]["annotations"].as_object().context("annotations")?;
    let size = |(key, value): (&String, &Value)| key.len() + value.as_str().map_or(0, str::len);
    let taken: usize = annotations.iter().filter(|(key, _)| *key != "filler").map(size).sum();
    let value = "x".repeat(ANNOTATIONS - taken - "filler".len() - room);
    let patch = serde_json::json!({"metadata": {"annotations": {"filler": value}}});
    let file = user.file("filler.json", &patch.to_string())?;
    user.ask(&format!("patch service web --type=merge --patch-file {}", file.display())).map(drop)
}

fn full(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.run("set web 40 --yes")?.expect_code(0)?;
    fill(user, 8)?;
    let refused = user.run("set web 30 --yes")?.expect_code(1)?;
    ensure!(refused.stderr.contains("Too long"), "{}", refused.stderr);
    ensure!(user.annotation("weight")? == "40" && user.writes()? == 1);
    let (proxied, proxy) = user.behind_proxy()?;
    // The first is refused for its record; the answer to the second, which has none, is lost.
    let patches = Match::method("PATCH").path_end("/services/web").without_parameter("dryRun");
    let cut = proxy.add_rule(patches.skip(1).times(1), Fault::CutAfterAnswer);
    proxied
        .run("undo web --yes")?
        .expect_code(0)?
        .expect_stderr("no room for the record")?
        .expect_stderr("the answer to the write was lost; the change is there")?;
    ensure!(cut.hits() == 1 && user.annotation("weight")? == "20" && user.writes()? == 2);
    fill(user, 8)?;
    user.run("set web 0 --yes")?.expect_code(0)?.expect_stderr("no room for the record")?;
    ensure!(user.annotation("weight")? == "0");
    Ok(())
}

/// Runs the plugin with both its streams in a pipe that nobody reads. It must end so.
fn unheard(user: &User<'_>, line: &str, code: i32) -> anyhow::Result<()> {
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    let mut command = user.command(line);
    command.stdout(writer.try_clone()?).stderr(writer);
    let status = command.status()?;
    ensure!(status.code() == Some(code), "{line}: {status}");
    Ok(())
}

fn closed_pipe(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    unheard(user, "set web 40 --yes", 0)?;
    ensure!(user.annotation("weight")? == "40" && user.writes()? == 1);
    unheard(user, "set web 101 --yes", 3)?;
    // CCM does not run here.
    unheard(user, "set web 0 --yes --wait --timeout 2s", 4)?;
    ensure!(user.annotation("weight")? == "0" && user.writes()? == 2);
    unheard(user, "undo web --yes", 0)?;
    ensure!(user.annotation("weight")? == "40" && user.writes()? == 3);
    Ok(())
}
