//! `set`, `undo`, `attach`.

use std::{
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, ensure};
use clbmigrate_e2e::{Terminal, Tools, User};
use clbmigrate_fault_proxy::{Fault, Match};
use clbmigrate_testkit::manifests::{key, service_in, with};

use serde_json::json;

use crate::{Case, DEADLINE, FLAWED, QUIET};

pub const CASES: &[Case] = &[
    ("set writes once, with a record", QUIET, "set", set),
    ("set refuses what the preview finds wrong", QUIET, "refused", refused),
    ("set refuses a node without providerID", FLAWED, "noid", node_without_provider_id),
    ("set 0 is never refused", FLAWED, "zero", zero),
    ("a stale precondition writes nothing", QUIET, "stale", stale),
    ("a dry run writes nothing", QUIET, "dry", dry_runs),
    ("what is so already is not written", QUIET, "same", same),
    ("two writers have one winner and one clear error", QUIET, "race", race),
    ("a lost answer ends in success", QUIET, "lost", lost_answer),
    ("a request that never arrived is sent again", QUIET, "cut", never_arrived),
    ("undo goes back step by step and stops at what is not ours", QUIET, "undo", undo),
    ("attach joins at weight 0, and its undo takes two steps", QUIET, "attach", attach),
    ("attach is refused where CCM would freeze", QUIET, "attached", attach_refused),
    ("a Service with two ports moves both routes", QUIET, "ports", two_ports),
    ("only a named Service of CCM's is written to", QUIET, "kinds", kinds),
    ("GitOps that puts it back is named, and nothing loops", QUIET, "gitops", gitops),
    ("a terminal is asked, and a pipe is not", QUIET, "asked", asked),
    ("a change between question and answer is a conflict", QUIET, "between", between),
    ("patch prints the change for a commit", QUIET, "patch", patch),
];

fn set(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.run("set svc/web 40 --yes --reason night")?
        .expect_code(0)?
        .expect_stdout("service/web weight 20 -> 40")?;
    ensure!(user.annotation("weight")? == "40");
    ensure!(user.writes()? == 1);
    let web = user.service()?;
    let history = web["metadata"]["annotations"]["clbmigrate.io/history"].as_str();
    let history: serde_json::Value = serde_json::from_str(history.context("a history")?)?;
    let entry = &history[0];
    ensure!(entry["from"] == "20" && entry["to"] == "40" && entry["reason"] == "night", "{entry}");
    ensure!(
        entry["who"] == "admin" || entry["who"].as_str().is_some_and(|who| who.contains("admin")),
        "{entry}"
    );
    // Whoever looks at it later knows of which Service in which cluster it is.
    let kube_system = ["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"];
    let of = json!({
        "cluster_uid": user.cluster.run_kubectl(&kube_system)?.trim(),
        "uid": web["metadata"]["uid"], "namespace": user.namespace, "name": "web",
    });
    ensure!(entry["service"] == of, "{entry} is not of {of}");
    Ok(())
}

fn refused(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.run("set web 101 --yes")?
        .expect_code(3)?
        .expect_stderr("CLB001")?
        .expect_stderr("--force")?;
    user.annotate(&format!("{}=on", key("ignore-weight-update")))?;
    user.run("set web 30 --yes")?.expect_code(3)?.expect_stderr("CLB011")?;
    ensure!(user.writes()? == 0);
    user.run("set web 30 --yes --force")?.expect_code(0)?;
    ensure!(user.annotation("weight")? == "30");
    Ok(())
}

fn node_without_provider_id(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.run("set web 30 --yes")?.expect_code(3)?.expect_stderr("drained")?.expect_stderr("n2")?;
    ensure!(user.writes()? == 0);
    Ok(())
}

fn zero(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.run("set web 0 --yes")?.expect_code(0)?.expect_stderr("drained")?;
    ensure!(user.annotation("weight")? == "0");
    Ok(())
}

fn stale(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.run("set web 40 --yes --current-weight 30")?
        .expect_code(1)?
        .expect_stderr("is 20, not 30")?;
    ensure!(user.writes()? == 0);
    user.run("set web 40 --yes --current-weight 20")?.expect_code(0)?;
    Ok(())
}

fn dry_runs(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let before = user.service()?;
    user.run("set web 40 --dry-run=client")?
        .expect_code(0)?
        .expect_stdout("nothing was written")?;
    user.run("set web 40 --dry-run=server")?
        .expect_code(0)?
        .expect_stdout("nothing was written")?;
    user.run("set web 40 -o patch")?.expect_code(0)?;
    let tried = user.cluster.audit()?.into_iter().filter(|entry| {
        entry.namespace == "dry" && entry.request_uri.contains("kubectl-clbmigrate")
    });
    let tried: Vec<_> = tried.collect();
    ensure!(tried.len() == 1 && tried[0].dry_run && tried[0].code == 200, "{tried:?}");
    ensure!(user.service()? == before, "the Service has changed");
    Ok(())
}

fn same(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.run("set web 20 --yes")?.expect_code(0)?.expect_stdout("nothing was written")?;
    ensure!(user.writes()? == 0);
    Ok(())
}

fn race(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (proxied, proxy) = user.behind_proxy()?;
    let hold = proxy.add_rule(Match::method("PATCH").path("/services/web").times(2), Fault::Hold);
    let start = |weight: &str| {
        let mut command = proxied.command(&format!("set web {weight} --yes"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    };
    let (one, two) = (start("40")?, start("60")?);
    hold.wait_for_hits(2, DEADLINE)?;
    hold.release();
    let (one, two) = (one.wait_with_output()?, two.wait_with_output()?);
    let codes = [one.status.code(), two.status.code()];
    ensure!(codes == [Some(0), Some(1)] || codes == [Some(1), Some(0)], "{codes:?}");
    let loser = if one.status.success() { &two } else { &one };
    let words = String::from_utf8_lossy(&loser.stderr);
    ensure!(words.contains("somebody else was faster"), "{words}");
    ensure!(words.contains("kubectl-clbmigrate"), "{words}");
    ensure!(user.writes()? == 1);
    Ok(())
}

fn lost_answer(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (proxied, proxy) = user.behind_proxy()?;
    let cut = proxy
        .add_rule(Match::method("PATCH").path("/services/web").times(1), Fault::CutAfterAnswer);
    proxied
        .run("set web 40 --yes")?
        .expect_code(0)?
        .expect_stderr("the answer to the write was lost")?;
    ensure!(cut.hits() == 1);
    ensure!(user.annotation("weight")? == "40");
    ensure!(user.writes()? == 1);
    Ok(())
}

fn never_arrived(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (proxied, proxy) = user.behind_proxy()?;
    let cut =
        proxy.add_rule(Match::method("PATCH").path("/services/web").times(1), Fault::CutBefore);
    proxied.run("set web 40 --yes")?.expect_code(0)?;
    ensure!(cut.hits() == 1);
    ensure!(user.annotation("weight")? == "40");
    ensure!(user.writes()? == 1);
    Ok(())
}

fn undo(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.run("undo web --yes")?.expect_code(1)?.expect_stderr("no change of this tool to undo")?;
    user.run("set web 40 --yes")?.expect_code(0)?;
    user.run("set web 60 --yes")?.expect_code(0)?;
    user.run("undo web --yes")?.expect_code(0)?.expect_stdout("60 -> 40")?;
    user.run("undo web --yes")?.expect_code(0)?.expect_stdout("40 -> 20")?;
    user.run("set web 70 --yes")?.expect_code(0)?;
    user.set_weight("33")?;
    user.run("undo web --yes")?.expect_code(1)?.expect_stderr("somebody changed it since")?;
    ensure!(user.annotation("weight")? == "33");
    Ok(())
}

fn attach(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.ask("delete service web")?;
    user.apply(service_in("attach", "web", &[("id", "-"), ("vgroup-port", "-")]))?;
    let join = "attach svc/web --clb lb-bp1example --vgroup rsp-bp1new:80 --yes";
    user.run(join)?.expect_code(0)?.expect_stderr("no traffic yet")?;
    let now = |name: &str| user.annotation(name);
    ensure!(now("id")? == "lb-bp1example" && now("weight")? == "0");
    ensure!(now("vgroup-port")? == "rsp-bp1new:80");
    ensure!(user.writes()? == 1, "one patch");
    user.run("set web 10 --yes")?.expect_code(0)?;
    user.run("undo web --yes")?.expect_code(0)?.expect_stdout("10 -> 0")?;
    user.run("undo web --yes")?.expect_code(0)?.expect_stdout("rsp-bp1new:80 -> rsp-bp1new:0")?;
    ensure!(now("id")? == "lb-bp1example", "never both keys away");
    Ok(())
}

fn attach_refused(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let join = "attach svc/web --clb lb-bp1other --vgroup rsp-bp1new:80 --yes";
    user.run(join)?.expect_code(3)?.expect_stderr(&format!("svc/web has {} already", key("id")))?;
    user.ask("delete service web")?;
    user.apply(service_in("attached", "web", &[("id", "-"), ("vgroup-port", "-")]))?;
    let status = r#"{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.7"}]}}}"#;
    user.ask(&format!("patch service web --subresource=status --type=merge -p {status}"))?;
    user.run(join)?
        .expect_code(3)?
        .expect_stderr("192.0.2.7")?
        .expect_stderr("make a new Service")?
        .expect_stderr("attach svc/web -n attached")?
        .expect_stderr("--as NAME")?;
    ensure!(user.writes()? == 0);
    Ok(())
}

fn two_ports(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let annotations = [("vgroup-port", "rsp-bp1one:80,rsp-bp1two:443"), ("weight", "20")];
    let ports = json!([
        {"name": "http", "port": 80, "targetPort": 8080},
        {"name": "https", "port": 443, "targetPort": 8443},
    ]);
    user.apply(with(service_in("ports", "web", &annotations), "/spec/ports", ports))?;
    user.run("set web 40 --dry-run=client")?
        .expect_code(0)?
        .expect_stderr("group rsp-bp1one")?
        .expect_stderr("group rsp-bp1two")?;
    Ok(())
}

fn kinds(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let plain = "apiVersion: v1\nkind: Service\nmetadata: {name: plain, namespace: kinds}\nspec: {ports: [{port: 80}]}\n";
    user.apply(plain)?;
    user.run("set plain 40 --yes")?.expect_code(3)?.expect_stderr("of type ClusterIP")?;
    user.run("set deploy/web 40 --yes")?.expect_code(2)?;
    user.run("set nobody 40 --yes")?.expect_code(1)?.expect_stderr("no Service \"nobody\"")?;
    let network = service_in("kinds", "nlb", &[("weight", "20")]);
    user.apply(with(network, "/spec/loadBalancerClass", "alibabacloud.com/nlb"))?;
    user.run("set nlb 40 --yes")?.expect_code(3)?.expect_stderr("another controller")?;
    Ok(())
}

fn gitops(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let manifest = service_in("gitops", "web", &[("weight", "20")]).to_string();
    let manifest = user.file("argo.yaml", &manifest)?;
    let argo = format!(
        "apply --server-side --field-manager=argocd-controller --force-conflicts -f {}",
        manifest.display()
    );
    ensure!(user.kubectl(&argo).output()?.status.success());
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let syncing = scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                let synced = user.kubectl(&argo).output();
                assert!(synced.is_ok_and(|output| output.status.success()));
                // Argo CD looks once a second.
                thread::sleep(Duration::from_secs(1));
            }
        });
        let set = user.run("set web 40 --yes --wait --timeout 60s");
        ended.store(true, Ordering::Relaxed);
        syncing.join().expect("the loop ends");
        set?.expect_code(5)?
            .expect_stderr("Argo CD (field manager argocd-controller) owns")?
            .expect_stderr("ignoreDifferences")?
            .expect_stdout("put back")?
            .expect_stdout("argocd-controller")
    })?;
    ensure!(user.writes()? == 1, "one write, no loop");
    Ok(())
}

fn asked(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.run("set web 40")?.expect_code(2)?.expect_stderr("give --yes")?;
    let mut terminal = Terminal::start(user, "clbmigrate set web 40 -n asked", 40, 120)?;
    terminal.wait_for("Write it? [y/N]")?;
    let screen = terminal.screen();
    for words in ["context", "namespace  asked", "user", "20 -> 40"] {
        ensure!(screen.contains(words), "no {words:?}:\n{screen}");
    }
    terminal.types("n\n")?;
    ensure!(terminal.ends()? == 5);
    ensure!(user.writes()? == 0);
    let mut terminal = Terminal::start(user, "clbmigrate set web 40 -n asked", 40, 120)?;
    terminal.wait_for("Write it? [y/N]")?;
    terminal.types("y\n")?;
    ensure!(terminal.ends()? == 0);
    ensure!(user.annotation("weight")? == "40");
    Ok(())
}

fn between(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let mut terminal = Terminal::start(user, "clbmigrate set web 40 -n between", 40, 120)?;
    terminal.wait_for("Write it? [y/N]")?;
    user.set_weight("30")?;
    terminal.types("y\n")?;
    ensure!(terminal.ends()? == 1);
    ensure!(terminal.raw().contains("somebody else was faster"), "{}", terminal.raw());
    ensure!(user.annotation("weight")? == "30");
    Ok(())
}

fn patch(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let printed = user.run("set web 40 -o patch")?.expect_code(0)?.stdout;
    let file = user.file("patch.yaml", &printed)?;
    let apply = format!("apply --server-side --force-conflicts -f {}", file.display());
    ensure!(user.kubectl(&apply).output()?.status.success());
    ensure!(user.annotation("weight")? == "40" && user.annotation("id")? == "lb-bp1example");
    Ok(())
}
