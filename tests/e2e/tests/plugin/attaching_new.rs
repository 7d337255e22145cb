//! `attach --as`: a new Service like another one joins the group.

use std::process::Stdio;

use anyhow::{Context, ensure};
use clbmigrate_e2e::{CcmDouble, CloudApi, Tools, User, document};
use clbmigrate_fault_proxy::{Fault, Match};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_testkit::manifests::{endpoint_slice, key, service_in, with};
use serde_json::{Value, json};

use crate::{
    Case, DEADLINE, QUIET, SERVED,
    attaching::{ALONE, ID, JOINED, WAIT, asks, holds, line, plain, proven, shared_group},
};

pub const CASES: &[Case] = &[
    ("a Service with a CLB of its own is joined by a new one like it", SERVED, "join-as", new_one),
    ("a new Service in mode Local joins", SERVED, "join-local", local),
    (
        "a new Service that joins is made once, whatever becomes of the answer",
        QUIET,
        "join-lost",
        lost,
    ),
    ("a new Service joins under no name that was taken meanwhile", QUIET, "join-race", race),
];

/// Service `web` with a CLB that CCM made for it.
fn with_own_clb(user: &User<'_>, tools: &Tools, clb: &CloudApi) -> anyhow::Result<CcmDouble> {
    user.ask("delete service web")?;
    let ccm = CcmDouble::with_cloud(user, tools, clb, Some(ID))?;
    let web = service_in(
        &user.namespace,
        "web",
        &[("id", "-"), ("vgroup-port", "-"), ("spec", "slb.s1.small")],
    );
    let web = with(
        web,
        "/metadata/labels",
        json!({
            "team": "shop", "app.kubernetes.io/instance": "shop", "app.kubernetes.io/name": "web",
        }),
    );
    let mut web = with(web, "/spec/sessionAffinity", "ClientIP");
    web["metadata"]["annotations"]["example.com/owner"] = json!("shop");
    web["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = json!("shop:/Service:a/web");
    web["metadata"]["annotations"]["external-dns.alpha.kubernetes.io/hostname"] =
        json!("shop.example.com");
    user.apply(web)?;
    try_wait_for("CCM's own CLB", DEADLINE, || {
        let ingress = user.service()?["status"]["loadBalancer"]["ingress"].clone();
        Ok(ingress.is_array().then_some(()))
    })?;
    Ok(ccm)
}

fn new_one(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let clb = shared_group(user)?;
    let _ccm = with_own_clb(user, tools, &clb)?;
    let own = clb.other_clbs();
    ensure!(own.len() == 1, "{own:?}");
    let before = user.service()?;
    asks(user, &clb, &line(user, ""))?
        .expect_code(3)?
        .expect_stderr("of another CLB already")?
        .expect_stderr("--as NAME")?;
    asks(user, &clb, &line(user, "--as web"))?.expect_code(2)?.expect_stderr("another name")?;
    asks(user, &clb, &line(user, "--as Web"))?.expect_code(2)?.expect_stderr("lower-case")?;

    let printed = asks(user, &clb, &line(user, "--as shared -o patch"))?.expect_code(0)?;
    for words in
        ["name: shared", "sessionAffinity: ClientIP", "type: LoadBalancer", "example.com/owner"]
    {
        ensure!(printed.stdout.contains(words), "no {words:?}:\n{}", printed.stdout);
    }
    asks(user, &clb, &line(user, "--as shared --dry-run=server"))?.expect_code(0)?;
    ensure!(user.ask("get services -o name")?.trim() == "service/web", "a dry run made it");

    let (change, told) = proven(user, &clb, &line(user, &format!("--as shared {WAIT}")))?;
    ensure!(change["object"]["name"] == "shared", "{change}");
    ensure!(change["serviceType"] == json!({"old": null, "new": "LoadBalancer"}), "{change}");
    for words in ["app.kubernetes.io/instance", "argocd.argoproj.io/tracking-id", "external-dns"] {
        ensure!(told.contains(words), "no {words:?}:\n{told}");
    }
    holds(&clb, user, JOINED)?;
    let shared: Value = serde_json::from_str(&user.ask("get service shared -o json")?)?;
    ensure!(shared["spec"]["selector"] == before["spec"]["selector"], "{shared}");
    let port = |service: &Value| {
        let port = &service["spec"]["ports"][0];
        (port["name"].clone(), port["port"].clone(), port["targetPort"].clone())
    };
    ensure!(port(&shared) == port(&before), "{shared}");
    let labels = shared["metadata"]["labels"].as_object().context("labels")?;
    ensure!(labels.get("team").is_some_and(|of| of == "shop"), "{shared}");
    ensure!(!labels.contains_key("app.kubernetes.io/instance"), "{shared}");
    let annotations = shared["metadata"]["annotations"].as_object().context("annotations")?;
    let mut keys: Vec<&str> = annotations.keys().map(String::as_str).collect();
    keys.sort_unstable();
    let (id, mapping, weight) = (key("id"), key("vgroup-port"), key("weight"));
    ensure!(
        keys == ["clbmigrate.io/history", "example.com/owner", &id, &mapping, &weight],
        "{keys:?}"
    );

    // The old one is as it was, with its CLB.
    ensure!(user.service()? == before, "the old Service has changed");
    ensure!(clb.other_clbs() == own);
    asks(user, &clb, &line(user, "--as shared"))?
        .expect_code(1)?
        .expect_stderr("is there already")?
        .expect_stderr("attach svc/shared")?;

    let undone = asks(user, &clb, &format!("undo shared --yes {WAIT}"))?.expect_code(0)?;
    ensure!(document(&undone, "change")?["verified"] == true, "{}", undone.stdout);
    undone.expect_stderr("kubectl delete service shared")?;
    holds(&clb, user, ALONE)?;
    user.ask("delete service shared")?;
    holds(&clb, user, ALONE)?;
    ensure!(clb.other_clbs() == own);
    Ok(())
}

fn local(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    plain(user, "NodePort")?;
    let web = service_in(&user.namespace, "web", &[("id", "-"), ("vgroup-port", "-")]);
    let web = with(web, "/spec/type", "NodePort");
    user.apply(with(web, "/spec/externalTrafficPolicy", "Local"))?;
    let clb = shared_group(user)?;
    user.ask("annotate service web service.beta.kubernetes.io/class=other")?;
    let _ccm = CcmDouble::with_cloud(user, tools, &clb, Some(ID))?;
    // What the endpoints' controller makes, which the testbed does not run.
    user.apply(endpoint_slice(&user.namespace, "shared", &["n1", "n2"]))?;
    proven(user, &clb, &line(user, &format!("--as svc/shared {WAIT}")))?;
    let shared: Value = serde_json::from_str(&user.ask("get service shared -o json")?)?;
    ensure!(shared["spec"]["externalTrafficPolicy"] == "Local", "{shared}");
    holds(&clb, user, JOINED)?;
    ensure!(clb.other_clbs().is_empty(), "{:?}", clb.other_clbs());
    Ok(())
}

fn lost(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    plain(user, "ClusterIP")?;
    for (name, fault, words) in [
        ("one", Fault::CutAfterAnswer, "the answer to the write was lost"),
        ("two", Fault::CutBefore, "no traffic yet"),
    ] {
        let (proxied, proxy) = user.behind_proxy()?;
        let cut = proxy.add_rule(Match::method("POST").path("/services").times(1), fault);
        proxied
            .run(&line(user, &format!("--as {name}")))?
            .expect_code(0)?
            .expect_stderr(words)?
            .expect_stdout(&format!("service/{name} is new"))?;
        ensure!(cut.hits() == 1);
    }
    ensure!(user.writes()? == 2, "each is made once");
    Ok(())
}

fn race(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    plain(user, "ClusterIP")?;
    let (proxied, proxy) = user.behind_proxy()?;
    let hold = proxy.add_rule(Match::method("POST").path("/services").times(1), Fault::Hold);
    let mut command = proxied.command(&line(user, "--as shared"));
    let join = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    hold.wait_for_hits(1, DEADLINE)?;
    user.ask("create service clusterip shared --tcp=80:8080")?;
    hold.release();
    let join = join.wait_with_output()?;
    let said = String::from_utf8_lossy(&join.stderr);
    ensure!(join.status.code() == Some(1) && said.contains("is there already"), "{said}");
    let shared: Value = serde_json::from_str(&user.ask("get service shared -o json")?)?;
    ensure!(shared["metadata"]["annotations"].is_null(), "{shared}");
    ensure!(user.writes()? == 0);
    Ok(())
}
