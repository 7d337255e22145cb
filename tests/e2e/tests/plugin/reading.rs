//! Commands that only read.

use anyhow::ensure;
use clbmigrate_e2e::{Tools, User};
use clbmigrate_fault_proxy::{Fault, Match, StatusCode};
use clbmigrate_testkit::{
    manifests::{key, list, service_in},
    run,
};

use serde_json::{Value, json};

use crate::{Case, QUIET};

pub const CASES: &[Case] = &[
    ("status shows the routes of the namespace", QUIET, "status", status),
    ("preview computes and asks the API server, and writes nothing", QUIET, "preview", preview),
    ("check judges the cluster", QUIET, "check", check),
    ("an overlay is laid over the cluster", QUIET, "overlay", overlay),
    ("kubectl completes names, flags and contexts", QUIET, "complete", complete),
    (
        "a long listing comes in one answer, or page by page where it has to be current",
        QUIET,
        "pages",
        pages,
    ),
    ("one malformed object does not hide the others", QUIET, "malformed", malformed),
    ("CCM tells its release and its setting, where it may be read", QUIET, "ccm", ccm),
];

fn status(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let table =
        user.run("status")?.expect_code(0)?.expect_stdout("status/web   Cluster       20")?;
    table.expect_stdout("group rsp-bp1status")?;
    let routes = user.run("status -o json")?.expect_code(0)?.json()?;
    let of = &routes["routes"][0]["participants"][0];
    ensure!(of["backends"] == 2 && of["weightSum"] == 20 && of["context"] == QUIET, "{of}");
    let everywhere = run(&mut user.kubectl("clbmigrate status -A -o name"))?;
    everywhere.expect_code(0)?.expect_stdout("service/web -n status")?;
    let default = run(&mut user.kubectl("clbmigrate status"))?;
    default
        .expect_code(0)?
        .expect_stderr("no route in namespace default")?
        .expect_stderr("-A shows all namespaces")?;
    Ok(())
}

fn preview(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.run("preview svc/web 40 -v")?
        .expect_code(0)?
        .expect_stdout("40 over two nodes: 20, 20 = 40")?
        .expect_stderr("the API server would accept the change")?;
    user.run("preview web 101")?.expect_code(3)?.expect_stdout("drained")?;
    ensure!(user.annotation("weight")? == "20");
    ensure!(user.writes()? == 0, "preview has written");
    Ok(())
}

fn check(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.run("check")?.expect_code(0)?.expect_stdout("no findings")?;
    user.apply(service_in("check", "odd", &[("weight", "101")]))?;
    let report = user.run("check -o json")?.expect_code(3)?.json()?;
    let finding = &report["findings"][0];
    ensure!(finding["rule"] == "CLB001" && finding["object"]["name"] == "odd", "{finding}");
    ensure!(finding["path"] == format!("metadata.annotations[{}]", key("weight")), "{finding}");
    Ok(())
}

fn overlay(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let answer = r#"{"VServerGroupId":"rsp-bp1overlay","LoadBalancerId":"lb-bp1example","VServerGroupName":"overlay","BackendServers":{"BackendServer":[
        {"ServerId":"i-bp1old","Port":80,"Weight":60,"Type":"ecs","Description":""}]}}"#;
    let file = user.file("group.json", answer)?;
    let routes = user.run(&format!("status -o json --overlay {}", file.display()))?;
    let routes = routes.json()?;
    ensure!(routes["routes"][0]["complete"] == true, "{routes}");
    let newer = service_in("overlay", "web", &[("weight", "70")]).to_string();
    let newer = user.file("new.yaml", &newer)?;
    user.run(&format!("preview --overlay {}", newer.display()))?
        .expect_code(0)?
        .expect_stdout("70 over two nodes: 35, 35 = 70")?;
    Ok(())
}

fn complete(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let folder = user.file("bin", "")?;
    std::fs::remove_file(&folder)?;
    std::fs::create_dir(&folder)?;
    let install = format!("clbmigrate completion install --dir {}", folder.display());
    run(&mut user.kubectl(&install))?.expect_code(0)?;
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
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": format!("s{n}"), "namespace": "pages"},
            "spec": {"clusterIP": "None", "ports": [{"port": 80}]}})
    });
    let many: Vec<_> = many.collect();
    user.apply(list(&many))?;
    let (proxied, proxy) = user.behind_proxy()?;
    let listings = || -> Vec<_> {
        let requests = proxy.requests().into_iter();
        requests.filter(|of| of.request.path == "/api/v1/services").collect()
    };
    proxied.run("status")?.expect_code(0)?.expect_stdout("pages/web")?;
    let shown = listings();
    ensure!(shown.len() == 1 && shown[0].request.parameter("limit").is_none());
    ensure!(shown[0].request.parameter("resourceVersion") == Some("0"));
    proxied.run("set web 30 --yes")?.expect_code(0)?;
    let current = listings().split_off(1);
    let continued = current.iter().filter(|of| of.request.parameter("continue").is_some());
    ensure!(continued.count() == 1);
    ensure!(current.iter().all(|of| of.request.parameter("resourceVersion").is_none()));
    Ok(())
}

fn malformed(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.apply(service_in("malformed", "broken", &[("weight", "10")]))?;
    let (proxied, proxy) = user.behind_proxy()?;
    let spoil = Fault::rewrite(|mut list| {
        for item in list["items"].as_array_mut().into_iter().flatten() {
            if item["metadata"]["name"] == "broken" {
                item["spec"]["ports"] = json!([{"port": "eighty"}]);
            }
        }
        list
    });
    let _rule = proxy.add_rule(Match::method("GET").path_end("/api/v1/services"), spoil);
    proxied
        .run("status")?
        .expect_code(1)?
        .expect_stdout("malformed/web")?
        .expect_stderr("Service malformed/broken: spec.ports[0].port")?;
    Ok(())
}

fn ccm(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let seen = |user: &User<'_>, flags: &str| -> anyhow::Result<(Value, Value)> {
        let output = user.run(&format!("status -o json {flags}"))?.expect_code(0)?;
        ensure!(output.stderr.is_empty(), "{}", output.stderr);
        let document = output.json()?;
        let mode = document["routes"][0]["participants"][0]["mode"].clone();
        Ok((document["ccm"].clone(), mode))
    };
    let expect = |seen: (Value, Value), expected: (Value, Value)| {
        ensure!(seen == expected, "{seen:?} instead of {expected:?}");
        Ok(())
    };
    let release = |version: &str, source: &str| json!([{"context": QUIET, "version": version, "source": source}]);
    let (proxied, proxy) = user.behind_proxy()?;
    let deployment = || Match::method("GET").path_end("/deployments/cloud-controller-manager");
    // Neither a refusal nor a failure ends the command.
    let refusal = Fault::status(StatusCode::FORBIDDEN, "Forbidden", "kube-system is forbidden");
    let hidden = proxy.add_rule(Match::method("GET").path("/namespaces/kube-system/"), refusal);
    expect(seen(&proxied, "")?, (release("2.14", "assumed"), json!("Cluster")))?;
    hidden.remove();
    let failure = Fault::status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "no");
    let broken = proxy.add_rule(deployment(), failure);
    expect(seen(&proxied, "")?, (release("2.14", "assumed"), json!("Cluster")))?;
    broken.remove();

    // Other tests use the cluster as well, and are to see the newest.
    let container = json!({"name": "cloud-controller-manager", "image": "r/acs/ccm:v2.14.1"});
    let labels = json!({"app": "cloud-controller-manager"});
    user.apply(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "cloud-controller-manager", "namespace": "kube-system"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }))?;
    expect(seen(user, "")?, (release("2.14", "image"), json!("Cluster")))?;

    let rewrite = |object: &mut Value| {
        if object["metadata"]["name"] == "cloud-controller-manager" {
            let container = &mut object["spec"]["template"]["spec"]["containers"][0];
            container["image"] = json!("r/acs/ccm:v2.11.2@sha256:0123");
            container["env"] = json!([{"name": "SERVICE_FORCE_BACKEND_ENI", "value": "true"}]);
        }
    };
    // It is read by its name, and may be in a list of all Deployments.
    let one = Fault::rewrite(move |mut object| {
        rewrite(&mut object);
        object
    });
    let all = Fault::rewrite(move |mut list| {
        list["items"].as_array_mut().into_iter().flatten().for_each(rewrite);
        list
    });
    let listed = Match::method("GET").path_end("/deployments");
    let (older, also_older) = (proxy.add_rule(deployment(), one), proxy.add_rule(listed, all));
    expect(seen(&proxied, "")?, (release("2.11", "image"), json!("ENI")))?;
    let flags = "--ccm-version 2.12 --backend-type ecs";
    expect(seen(&proxied, flags)?, (release("2.12", "flag"), json!("Cluster")))?;
    older.remove();
    also_older.remove();

    Ok(())
}
