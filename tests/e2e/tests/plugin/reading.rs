//! Commands that only read.

use anyhow::ensure;
use clbmigrate_e2e::{KEYS, Tools, User, service};
use clbmigrate_fault_proxy::{Fault, Match};

use crate::{Case, QUIET};

pub const CASES: &[Case] = &[
    ("status shows the routes of the namespace", QUIET, "status", status),
    ("preview computes and asks the API server, and writes nothing", QUIET, "preview", preview),
    ("check judges the cluster", QUIET, "check", check),
    ("an overlay is laid over the cluster", QUIET, "overlay", overlay),
    ("kubectl completes names, flags and contexts", QUIET, "complete", complete),
    ("a long listing is read page by page", QUIET, "pages", pages),
    ("one malformed object does not hide the others", QUIET, "malformed", malformed),
];

fn status(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let table = user.runs("status")?.ends_with(0)?.says("status/web   Cluster       20")?;
    table.says("group rsp-bp1status")?;
    let routes = user.runs("status -o json")?.ends_with(0)?.json()?;
    let of = &routes["routes"][0]["participants"][0];
    ensure!(of["backends"] == 2 && of["weightSum"] == 20 && of["context"] == QUIET, "{of}");
    let everywhere = clbmigrate_e2e::ran(&mut user.kubectl("clbmigrate status -A -o name"))?;
    everywhere.ends_with(0)?.says("service/web -n status")?;
    let default = clbmigrate_e2e::ran(&mut user.kubectl("clbmigrate status"))?;
    default
        .ends_with(0)?
        .warns("no route in namespace default")?
        .warns("-A shows all namespaces")?;
    Ok(())
}

fn preview(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.runs("preview svc/web 40 -v")?
        .ends_with(0)?
        .says("40 over two nodes: 20, 20 = 40")?
        .warns("the API server would accept the change")?;
    user.runs("preview web 101")?.ends_with(3)?.says("drained")?;
    ensure!(user.annotation("weight")? == "20");
    ensure!(user.writes()? == 0, "preview has written");
    Ok(())
}

fn check(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.runs("check")?.ends_with(0)?.says("no findings")?;
    user.apply(&service("check", "odd", &[("weight", "101")]))?;
    let report = user.runs("check -o json")?.ends_with(3)?.json()?;
    let finding = &report["findings"][0];
    ensure!(finding["rule"] == "CLB001" && finding["object"]["name"] == "odd", "{finding}");
    ensure!(finding["path"] == format!("metadata.annotations[{KEYS}weight]"), "{finding}");
    Ok(())
}

fn overlay(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let answer = r#"{"VServerGroupId":"rsp-bp1overlay","LoadBalancerId":"lb-bp1example","VServerGroupName":"overlay","BackendServers":{"BackendServer":[
        {"ServerId":"i-bp1old","Port":80,"Weight":60,"Type":"ecs","Description":""}]}}"#;
    let file = user.file("group.json", answer)?;
    let routes = user.runs(&format!("status -o json --overlay {}", file.display()))?;
    let routes = routes.json()?;
    ensure!(routes["routes"][0]["complete"] == true, "{routes}");
    let newer = user.file("new.yaml", &service("overlay", "web", &[("weight", "70")]))?;
    user.runs(&format!("preview --overlay {}", newer.display()))?
        .ends_with(0)?
        .says("70 over two nodes: 35, 35 = 70")?;
    Ok(())
}

fn complete(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let folder = user.file("bin", "")?;
    std::fs::remove_file(&folder)?;
    std::fs::create_dir(&folder)?;
    let install = format!("clbmigrate completion install --dir {}", folder.display());
    clbmigrate_e2e::ran(&mut user.kubectl(&install))?.ends_with(0)?;
    let asks = |arguments: &str| -> anyhow::Result<String> {
        let mut kubectl = user.kubectl(&format!("__complete clbmigrate {arguments}"));
        let path =
            kubectl.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value);
        let path = path.expect("PATH").to_string_lossy().into_owned();
        kubectl.env("PATH", format!("{}:{path}", folder.display()));
        Ok(String::from_utf8(kubectl.output()?.stdout)?)
    };
    ensure!(asks("se")?.starts_with("set\t"));
    let names = asks("set -n complete svc/")?;
    ensure!(names.contains("svc/web\tweight 20"), "{names}");
    ensure!(asks("status --over")?.contains("--overlay"));
    let contexts = asks("status --context a")?;
    ensure!(contexts.lines().any(|line| line == "a" || line.starts_with("a\t")), "{contexts}");
    Ok(())
}

fn pages(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let many = (0..520).map(|n| {
        serde_json::json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": format!("s{n}"), "namespace": "pages"},
            "spec": {"clusterIP": "None", "ports": [{"port": 80}]}})
    });
    let many: Vec<_> = many.collect();
    user.apply(
        &serde_json::json!({"apiVersion": "v1", "kind": "List", "items": many}).to_string(),
    )?;
    let (gated, gate) = user.behind_gate()?;
    gated.runs("status")?.ends_with(0)?.says("pages/web")?;
    let requests = gate.requests();
    let continued = requests.iter().filter(|of| {
        of.request.path == "/api/v1/services" && of.request.parameter("continue").is_some()
    });
    ensure!(continued.count() == 1);
    Ok(())
}

fn malformed(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.apply(&service("malformed", "broken", &[("weight", "10")]))?;
    let (gated, gate) = user.behind_gate()?;
    let spoil = Fault::rewrite(|mut list| {
        for item in list["items"].as_array_mut().into_iter().flatten() {
            if item["metadata"]["name"] == "broken" {
                item["spec"]["ports"] = serde_json::json!([{"port": "eighty"}]);
            }
        }
        list
    });
    let _rule = gate.on(Match::method("GET").path_end("/api/v1/services"), spoil);
    gated
        .runs("status")?
        .ends_with(1)?
        .says("malformed/web")?
        .warns("Service malformed/broken: spec.ports[0].port")?;
    Ok(())
}
