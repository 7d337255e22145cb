//! What goes another way than planned: around a write, a wait, a watch.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use clbmigrate_e2e::{KEYS, Ran, Terminal, Tools, User, service};
use clbmigrate_fault_proxy::{Fault, Gate, Match, StatusCode};
use clbmigrate_testbed::try_wait_for;

use crate::{Case, DEADLINE, FLAWED, QUIET};

pub const CASES: &[Case] = &[
    ("a Service without any annotation is joined in one write", QUIET, "bare", bare),
    ("an annotation that appears meanwhile is a conflict", QUIET, "appears", appears),
    ("a Service that was made anew is another one", QUIET, "anew", made_anew),
    ("the wait for what is so already is no empty promise", QUIET, "already", already),
    ("what is written is reported also where the wait breaks off", QUIET, "broken", broken),
    ("unseen events are told before the wait", QUIET, "unseen", unseen),
    ("a refused patch is not printed, and an idle one is", QUIET, "patches", patches),
    ("manifests are no evidence for a change", QUIET, "fiction", fiction),
    ("preview says what the API server was not asked", QUIET, "unasked", unasked),
    ("a cluster that never answered ends the watch", QUIET, "watchless", watchless),
    ("in a pipe, the watch keeps data and talk apart", FLAWED, "piped", piped),
    ("Ctrl-C ends the watch while the API server is silent", QUIET, "silent", silent),
];

const JOIN: &str = "attach svc/web --clb lb-bp1example --vgroup rsp-bp1new:80 --yes";

fn bare(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.cluster.ask(&["delete", "service", "web", "-n", "bare"])?;
    user.cluster.ask(&[
        "create",
        "service",
        "loadbalancer",
        "web",
        "-n",
        "bare",
        "--tcp=80:8080",
    ])?;
    ensure!(user.web()?["metadata"]["annotations"].is_null());
    user.runs(JOIN)?.ends_with(0)?;
    ensure!(user.annotation("vgroup-port")? == "rsp-bp1new:80");
    ensure!(user.writes()? == 1);
    Ok(())
}

fn appears(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.cluster.ask(&["delete", "service", "web", "-n", "appears"])?;
    user.apply(&service("appears", "web", &[("id", "-"), ("vgroup-port", "-")]))?;
    let (gated, gate) = user.behind_gate()?;
    let hold = gate.on(Match::method("PATCH").path("/services/web").times(1), Fault::Hold);
    let join = spawned(&mut gated.clbmigrate(JOIN))?;
    hold.wait_for_hits(1, DEADLINE)?;
    let weight = format!("{KEYS}weight=70");
    user.cluster.ask(&["annotate", "service", "web", "-n", "appears", &weight])?;
    hold.release();
    let join = join.wait_with_output()?;
    let said = String::from_utf8_lossy(&join.stderr);
    ensure!(join.status.code() == Some(1) && said.contains("somebody else was faster"), "{said}");
    ensure!(user.annotation("weight")? == "70" && user.writes()? == 0);
    Ok(())
}

fn made_anew(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (gated, gate) = user.behind_gate()?;
    let hold = gate.on(Match::method("PATCH").path("/services/web").times(1), Fault::Hold);
    let set = spawned(&mut gated.clbmigrate("set web 40 --yes"))?;
    hold.wait_for_hits(1, DEADLINE)?;
    user.cluster.ask(&["delete", "service", "web", "-n", "anew"])?;
    user.apply(&service("anew", "web", &[("weight", "20")]))?;
    hold.release();
    let set = set.wait_with_output()?;
    let said = String::from_utf8_lossy(&set.stderr);
    ensure!(set.status.code() == Some(1) && said.contains("made anew"), "{said}");
    ensure!(user.annotation("weight")? == "20" && user.writes()? == 0);
    Ok(())
}

fn already(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.runs("set web 40 --yes --wait --timeout 2s")?.ends_with(4)?;
    user.runs("set web 40 --yes --wait --timeout 2s")?.ends_with(4)?;
    user.runs("set web 40 --yes")?.ends_with(0)?.says("is so already")?;
    ensure!(user.writes()? == 1);
    Ok(())
}

fn broken(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (gated, gate) = user.behind_gate()?;
    let refusal = || Fault::status(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized");
    let hold = gate.on(Match::method("PATCH").path("/services/web").times(1), Fault::Hold);
    let set = spawned(&mut gated.clbmigrate("set web 40 --yes --wait --timeout 60s -o json"))?;
    hold.wait_for_hits(1, DEADLINE)?;
    let _rule = gate.on(Match::method("GET").path("/services/web"), refusal());
    hold.release();
    let set = set.wait_with_output()?;
    ensure!(set.status.code() == Some(1), "{set:?}");
    let report: serde_json::Value = serde_json::from_slice(&set.stdout)?;
    ensure!(report["state"] == "written" && report["change"].is_string(), "{report}");
    ensure!(user.annotation("weight")? == "40");
    Ok(())
}

fn unseen(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (gated, gate) = user.behind_gate()?;
    let refusal = Fault::status(StatusCode::FORBIDDEN, "Forbidden", "events is forbidden");
    let _rule = gate.on(Match::method("GET").path("/events"), refusal);
    gated
        .runs("set web 40 --yes --wait --timeout 1s")?
        .ends_with(4)?
        .warns("CCM's events may not be read")?;
    Ok(())
}

fn patches(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let refused = user.runs("set web 101 -o patch")?.ends_with(3)?;
    ensure!(refused.out.is_empty(), "{}", refused.out);
    let idle = user.runs("set web 20 -o patch")?.ends_with(0)?.says("kind: Service")?;
    ensure!(!idle.out.contains("already"), "{}", idle.out);
    user.runs("set web 40 -o patch --wait")?.ends_with(2)?;
    Ok(())
}

fn fiction(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let newer = user.file("newer.yaml", &service("fiction", "web", &[("weight", "70")]))?;
    user.runs(&format!("set web 40 --yes --overlay {}", newer.display()))?
        .ends_with(2)?
        .warns("judged by what the cluster holds")?;
    user.runs("set web 40 --yes --overlay /nonexistent.json")?
        .ends_with(1)?
        .warns("--overlay could not be read")?;
    ensure!(user.writes()? == 0);
    Ok(())
}

fn unasked(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let manifest = service("unasked", "web", &[("weight", "20")]);
    let other = manifest.replace("port: 80, targetPort", "port: 80, nodePort: 1, targetPort");
    let other = user.file("other.yaml", &other)?;
    let ran = user.runs(&format!("preview --overlay {}", other.display()))?;
    ran.warns("was not asked about the spec of")?;
    let new = user.file("new.yaml", &service("unasked", "more", &[("weight", "20")]))?;
    user.runs(&format!("preview --overlay {}", new.display()))?.warns("which is new")?;
    Ok(())
}

fn watchless(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(user.kubeconfig())?;
    let moved = text.replace(&user.cluster.server(), "https://127.0.0.1:9");
    let moved = user.with_kubeconfig(user.file("moved", &moved)?);
    moved.runs("status -w")?.ends_with(1)?.warns("cannot be reached")?;
    Ok(())
}

fn piped(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (gated, gate) = user.behind_gate()?;
    let refusal = Fault::status(StatusCode::FORBIDDEN, "Forbidden", "nodes is forbidden");
    let _rule = gate.on(Match::method("GET").path("/api/v1/nodes"), refusal);
    let ran = interrupted(&gated, "status -w -o json", &gate)?;
    let ran = ran.ends_with(0)?.warns("nodes may not be listed")?;
    let mut documents = serde_json::Deserializer::from_str(&ran.out).into_iter();
    let first: serde_json::Value = documents.next().context("no document")??;
    ensure!(first["kind"] == "RouteList" && documents.all(|more| more.is_ok()), "{}", ran.out);
    Ok(())
}

fn silent(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (gated, gate) = user.behind_gate()?;
    let mut terminal = Terminal::start(&gated, "clbmigrate status -w -n silent", 24, 100)?;
    terminal.wait_for("silent/web")?;
    let silence = gate.on(Match::method("GET").path_end("/api/v1/services"), Fault::Hang);
    let weight = format!("{KEYS}weight=30");
    user.cluster.ask(&["annotate", "--overwrite", "service", "web", "-n", "silent", &weight])?;
    silence.wait_for_hits(1, DEADLINE)?;
    let begun = std::time::Instant::now();
    terminal.types("\u{3}")?;
    ensure!(terminal.ends()? == 0);
    ensure!(begun.elapsed().as_secs() < 15, "it has waited for the API server");
    Ok(())
}

fn spawned(command: &mut Command) -> anyhow::Result<std::process::Child> {
    Ok(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

/// Runs a command and interrupts it once it has listed the Services a second time.
fn interrupted(user: &User<'_>, arguments: &str, gate: &Gate) -> anyhow::Result<Ran> {
    let child = spawned(&mut user.clbmigrate(arguments))?;
    try_wait_for("listings", DEADLINE, || {
        let all = gate.requests();
        let listings = all.iter().filter(|of| {
            of.request.path == "/api/v1/services" && of.request.parameter("limit").is_some()
        });
        Ok((listings.count() > 1).then_some(()))
    })?;
    let id = child.id().to_string();
    ensure!(Command::new("kill").args(["-INT", &id]).status()?.success());
    let output = child.wait_with_output()?;
    Ok(Ran {
        code: output.status.code().context("ended by a signal")?,
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}
