//! What goes another way than planned: around a write, a wait, a watch.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use clbmigrate_e2e::{RunningCommand, Terminal, Tools, User};
use clbmigrate_fault_proxy::{Fault, Match, StatusCode};
use clbmigrate_testkit::manifests::{service_in, with};

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
    user.ask("delete service web")?;
    user.ask("create service loadbalancer web --tcp=80:8080")?;
    ensure!(user.service()?["metadata"]["annotations"].is_null());
    user.run(JOIN)?.expect_code(0)?;
    ensure!(user.annotation("vgroup-port")? == "rsp-bp1new:80");
    ensure!(user.writes()? == 1);
    Ok(())
}

fn appears(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.ask("delete service web")?;
    user.apply(service_in("appears", "web", &[("id", "-"), ("vgroup-port", "-")]))?;
    let (proxied, proxy) = user.behind_proxy()?;
    let hold = proxy.add_rule(Match::method("PATCH").path("/services/web").times(1), Fault::Hold);
    let join = spawned(&mut proxied.command(JOIN))?;
    hold.wait_for_hits(1, DEADLINE)?;
    user.set_weight("70")?;
    hold.release();
    let join = join.wait_with_output()?;
    let said = String::from_utf8_lossy(&join.stderr);
    ensure!(join.status.code() == Some(1) && said.contains("somebody else was faster"), "{said}");
    ensure!(user.annotation("weight")? == "70" && user.writes()? == 0);
    Ok(())
}

fn made_anew(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (proxied, proxy) = user.behind_proxy()?;
    let hold = proxy.add_rule(Match::method("PATCH").path("/services/web").times(1), Fault::Hold);
    let set = spawned(&mut proxied.command("set web 40 --yes"))?;
    hold.wait_for_hits(1, DEADLINE)?;
    user.ask("delete service web")?;
    user.apply(service_in("anew", "web", &[("weight", "20")]))?;
    hold.release();
    let set = set.wait_with_output()?;
    let said = String::from_utf8_lossy(&set.stderr);
    ensure!(set.status.code() == Some(1) && said.contains("made anew"), "{said}");
    ensure!(user.annotation("weight")? == "20" && user.writes()? == 0);
    Ok(())
}

fn already(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.run("set web 40 --yes --wait --timeout 2s")?.expect_code(4)?;
    user.run("set web 40 --yes --wait --timeout 2s")?.expect_code(4)?;
    user.run("set web 40 --yes")?.expect_code(0)?.expect_stdout("is so already")?;
    ensure!(user.writes()? == 1);
    Ok(())
}

fn broken(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (proxied, proxy) = user.behind_proxy()?;
    let refusal = || Fault::status(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized");
    let hold = proxy.add_rule(Match::method("PATCH").path("/services/web").times(1), Fault::Hold);
    let set = spawned(&mut proxied.command("set web 40 --yes --wait --timeout 60s -o json"))?;
    hold.wait_for_hits(1, DEADLINE)?;
    let _rule = proxy.add_rule(Match::method("GET").path("/services/web"), refusal());
    hold.release();
    let set = set.wait_with_output()?;
    ensure!(set.status.code() == Some(1), "{set:?}");
    let report: serde_json::Value = serde_json::from_slice(&set.stdout)?;
    ensure!(report["state"] == "written" && report["change"].is_string(), "{report}");
    ensure!(user.annotation("weight")? == "40");
    Ok(())
}

fn unseen(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (proxied, proxy) = user.behind_proxy()?;
    let refusal = Fault::status(StatusCode::FORBIDDEN, "Forbidden", "events is forbidden");
    let _rule = proxy.add_rule(Match::method("GET").path("/events"), refusal);
    proxied
        .run("set web 40 --yes --wait --timeout 1s")?
        .expect_code(4)?
        .expect_stderr("CCM's events may not be read")?;
    Ok(())
}

fn patches(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let refused = user.run("set web 101 -o patch")?.expect_code(3)?;
    ensure!(refused.stdout.is_empty(), "{}", refused.stdout);
    let idle = user.run("set web 20 -o patch")?.expect_code(0)?.expect_stdout("kind: Service")?;
    ensure!(!idle.stdout.contains("already"), "{}", idle.stdout);
    user.run("set web 40 -o patch --wait")?.expect_code(2)?;
    Ok(())
}

fn fiction(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let newer = service_in("fiction", "web", &[("weight", "70")]).to_string();
    let newer = user.file("newer.yaml", &newer)?;
    user.run(&format!("set web 40 --yes --overlay {}", newer.display()))?
        .expect_code(2)?
        .expect_stderr("judged by what the cluster holds")?;
    user.run("set web 40 --yes --overlay /nonexistent.json")?
        .expect_code(1)?
        .expect_stderr("--overlay could not be read")?;
    ensure!(user.writes()? == 0);
    Ok(())
}

fn unasked(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let other = service_in("unasked", "web", &[("weight", "20")]);
    let other = with(other, "/spec/ports/0/nodePort", 1);
    let other = user.file("other.yaml", &other.to_string())?;
    let output = user.run(&format!("preview --overlay {}", other.display()))?;
    output.expect_stderr("was not asked about the spec of")?;
    let new = service_in("unasked", "more", &[("weight", "20")]).to_string();
    let new = user.file("new.yaml", &new)?;
    user.run(&format!("preview --overlay {}", new.display()))?.expect_stderr("which is new")?;
    Ok(())
}

fn watchless(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(user.kubeconfig())?;
    let moved = text.replace(&user.cluster.api_server_url(), "https://127.0.0.1:9");
    let moved = user.with_kubeconfig(user.file("moved", &moved)?);
    moved.run("status -w")?.expect_code(1)?.expect_stderr("cannot be reached")?;
    Ok(())
}

fn piped(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (proxied, proxy) = user.behind_proxy()?;
    let refusal = Fault::status(StatusCode::FORBIDDEN, "Forbidden", "nodes is forbidden");
    let _rule = proxy.add_rule(Match::method("GET").path("/api/v1/nodes"), refusal);
    let stderr = user.file("piped.err", "")?;
    let watch = RunningCommand::start(&mut proxied.command("status -w -o json"), stderr)?;
    watch.wait_for_stderr("nodes may not be listed")?;
    watch.signal("INT")?;
    let output = watch.wait()?.expect_code(0)?;
    let mut documents = serde_json::Deserializer::from_str(&output.stdout).into_iter();
    let first: serde_json::Value = documents.next().context("no document")??;
    ensure!(
        first["kind"] == "RouteList" && documents.all(|more| more.is_ok()),
        "{}",
        output.stdout
    );
    Ok(())
}

fn silent(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (proxied, proxy) = user.behind_proxy()?;
    let lists = Match::method("GET").path_end("/endpointslices").without_parameter("watch");
    let silence = proxy.add_rule(lists, Fault::Hang);
    // Who waits for an answer waits far longer than this test waits for the end.
    let watch = "clbmigrate status -w -n silent --request-timeout 10m";
    let mut terminal = Terminal::start(&proxied, watch, 24, 100)?;
    silence.wait_for_hits(1, DEADLINE)?;
    terminal.types("\u{3}")?;
    ensure!(terminal.ends()? == 0);
    Ok(())
}

fn spawned(command: &mut Command) -> anyhow::Result<std::process::Child> {
    Ok(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}
