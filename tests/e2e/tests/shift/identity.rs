//! Which clusters a change is about, whatever their contexts are called, and how they are reached.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, ensure};
use clbmigrate_e2e::{CcmDouble, CloudApi, User};
use clbmigrate_testkit::{CommandOutput, manifests::service_in, run};
use serde_json::{Value, json};

use crate::{
    Case,
    faults::{all_is_as_before, held},
    two_clusters::{IDS, NEW, OLD, TestContext, TwoClusters, shift},
};

pub const CASES: &[Case] = &[
    ("a colleague who calls the clusters otherwise takes a shift back", "renamed", renamed),
    ("a colleague who calls the clusters otherwise finishes a shift", "taken-over", taken_over),
    ("clusters whose names are swapped each get their own weight back", "swapped", swapped),
    ("a cluster that merely has the recorded name is never written to", "namesake", namesake),
    ("two clusters behind one URL are moved between", "one-url", one_url),
    ("flags for one cluster are refused with two contexts, and nothing is written", "flags", flags),
    ("each context keeps its own namespace", "own-old", own_namespaces),
];

/// A kubeconfig of both clusters, edited.
fn kubeconfig(
    clusters: &TwoClusters<'_>,
    name: &str,
    edit: impl FnOnce(&mut Value),
) -> anyhow::Result<PathBuf> {
    let mut config: Value = serde_json::from_slice(&std::fs::read(&clusters.kubeconfig)?)?;
    edit(&mut config);
    clusters.new.file(name, &config.to_string())
}

/// Gives every context the name that is meant for it.
fn call(config: &mut Value, names: &[(&str, &str)]) {
    for context in config["contexts"].as_array_mut().into_iter().flatten() {
        let name = names.iter().find(|(old, _)| context["name"] == *old);
        if let Some((_, name)) = name {
            context["name"] = (*name).into();
        }
    }
    config["current-context"] = config["contexts"][0]["name"].clone();
}

/// Runs the plugin with that kubeconfig and no namespace but that of the line.
fn run_with(
    clusters: &TwoClusters<'_>,
    kubeconfig: &Path,
    line: &str,
) -> anyhow::Result<CommandOutput> {
    let line = format!("clbmigrate {line} {}", clusters.clb.endpoint_flag()?);
    let mut command = clusters.new.with_kubeconfig(kubeconfig).kubectl(&line);
    clusters.clb.add_credentials(&mut command);
    run(&mut command)
}

fn renamed(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.shifts("40%", "")?.expect_code(0)?;
    let names = [(OLD, "prod-1"), (NEW, "prod-2")];
    let theirs = kubeconfig(&clusters, "theirs", |config| call(config, &names))?;
    let line = format!("undo svc/web --contexts prod-1,prod-2 -n {}", context.namespace);
    let report = run_with(&clusters, &theirs, &format!("{line} --yes -o json"))?;
    let report = report.expect_code(0)?.json()?;
    ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
    all_is_as_before(&clusters)
}

fn taken_over(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    held(&clusters)?;
    let names = [(OLD, "prod-1"), (NEW, "prod-2")];
    let theirs = kubeconfig(&clusters, "theirs", |config| call(config, &names))?;
    let place = format!("svc/web -n {}", context.namespace);
    let status = format!("status --contexts prod-1,prod-2 -n {}", context.namespace);
    let shown = run_with(&clusters, &theirs, &status)?.expect_code(0)?;
    let [finish, undo] = ["shift", "undo"].map(|verb| {
        let line = shown.stdout.lines().chain(shown.stderr.lines());
        let begin = format!("kubectl clbmigrate {verb} {place} --contexts ");
        line.filter_map(|line| line.split_once(&begin)).map(|(_, rest)| rest.to_owned()).next()
    });
    // What is advised can be typed as it is.
    let finish = finish.with_context(|| format!("no way to finish: {}", shown.stdout))?;
    ensure!(undo.is_some(), "{}", shown.stdout);
    let contexts = finish.split(' ').next().unwrap_or_default();
    ensure!(contexts == "prod-2,prod-1" || contexts == "prod-1,prod-2", "{finish}");
    // Without the other cluster nobody knows.
    let blind = format!("status --contexts prod-2 -n {}", context.namespace);
    let shown = run_with(&clusters, &theirs, &blind)?.expect_code(0)?;
    ensure!(!shown.stdout.contains("half done"), "{}", shown.stdout);
    let line = format!("shift {place} --contexts {contexts} --finish --yes -o json");
    let report = run_with(&clusters, &theirs, &line)?.expect_code(0)?.json()?;
    ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
    clusters.has_share(NEW, 0.4)
}

fn swapped(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.shifts("40%", "")?.expect_code(0)?;
    let names = [(OLD, NEW), (NEW, OLD)];
    let theirs = kubeconfig(&clusters, "theirs", |config| call(config, &names))?;
    let line = format!("undo svc/web --contexts {OLD},{NEW} -n {} --yes", context.namespace);
    run_with(&clusters, &theirs, &line)?.expect_code(0)?;
    all_is_as_before(&clusters)
}

fn namesake(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.shifts("40%", "")?.expect_code(0)?;
    let weights = (clusters.old.annotation("weight")?, clusters.new.annotation("weight")?);
    let writes = (clusters.old.writes()?, clusters.new.writes()?);
    // What was called `old` is not at hand any more; the name is that of the other one.
    let theirs = kubeconfig(&clusters, "theirs", |config| {
        call(config, &[(OLD, "gone"), (NEW, OLD)]);
        if let Some(contexts) = config["contexts"].as_array_mut() {
            contexts.retain(|context| context["name"] != "gone");
        }
        config["current-context"] = OLD.into();
    })?;
    for contexts in ["--contexts", "--context"] {
        let line = format!("undo svc/web {contexts} {OLD} -n {} --yes", context.namespace);
        run_with(&clusters, &theirs, &line)?
            .expect_code(3)?
            .expect_stderr("nothing was written")?
            .expect_stderr("the cluster that was called old is not looked at")?;
    }
    ensure!(
        (clusters.old.annotation("weight")?, clusters.new.annotation("weight")?) == weights
            && (clusters.old.writes()?, clusters.new.writes()?) == writes,
        "something was written"
    );
    Ok(())
}

/// A proxy for HTTP's CONNECT that leads to one API server, whatever name is asked for. It ends with
/// the test program.
fn tunnel_to(api_server: &str) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let proxy = format!("http://{}", listener.local_addr()?);
    let target = api_server.strip_prefix("https://").context("no https")?.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let target = target.clone();
            thread::spawn(move || tunnel(&client, &target));
        }
    });
    Ok(proxy)
}

fn tunnel(mut client: &TcpStream, target: &str) -> io::Result<()> {
    // Clients send no more before they are answered.
    let mut lines = BufReader::new(client).lines();
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let server = TcpStream::connect(target)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = io::copy(&mut &*client, &mut &server);
            let _ = server.shutdown(Shutdown::Write);
        });
        let _ = io::copy(&mut &server, &mut &*client);
        let _ = client.shutdown(Shutdown::Both);
    });
    Ok(())
}

fn one_url(context: &TestContext<'_>) -> anyhow::Result<()> {
    let mut clusters = context.clusters(&[])?;
    let mut ways = Vec::new();
    for user in [&clusters.old, &clusters.new] {
        ways.push((user.cluster.name(), tunnel_to(&user.cluster.api_server_url())?));
    }
    let behind = kubeconfig(&clusters, "behind", |config| {
        for of in config["clusters"].as_array_mut().into_iter().flatten() {
            let way = ways.iter().find(|(name, _)| of["name"] == *name);
            of["cluster"] = json!({
                "server": "https://teleport.example.com:443",
                "insecure-skip-tls-verify": true,
                "proxy-url": way.map(|(_, proxy)| proxy),
            });
        }
    })?;
    clusters.kubeconfig = behind.display().to_string();
    let report = clusters.shifts("40%", "")?.expect_code(0)?.json()?;
    ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
    clusters.has_share(NEW, 0.4)?;
    clusters.run(&format!("undo svc/web --contexts {OLD},{NEW} --yes"))?.expect_code(0)?;
    all_is_as_before(&clusters)
}

fn flags(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let lines = [
        shift("40%", ""),
        format!("undo svc/web --contexts {OLD},{NEW} --yes"),
        format!("shift svc/web --contexts {OLD},{NEW} --finish --yes"),
        format!("status --contexts {OLD},{NEW}"),
    ];
    let refused = [
        ("--token", "--token secret-token"),
        ("--user", "--user old-admin"),
        ("--cluster", "--cluster old"),
        ("--as", "--as ann"),
        ("--as-group", "--as ann --as-group admins"),
    ];
    for line in &lines {
        for (flag, given) in refused {
            let told = clusters.run(&format!("{line} {given}"))?.expect_code(2)?;
            let told = told
                .expect_stderr(&format!("error: {flag} "))?
                .expect_stderr("but 2 contexts are looked at")?
                .expect_stderr("kubectl config set-context")?;
            ensure!(!told.stderr.contains("secret-token"), "{}", told.stderr);
        }
    }
    clusters.has_weights("80", "20")?;
    ensure!((clusters.old.writes()?, clusters.new.writes()?) == (0, 0), "something was written");
    Ok(())
}

fn own_namespaces(context: &TestContext<'_>) -> anyhow::Result<()> {
    let group = format!("rsp-bp1{}", context.namespace);
    let clb = CloudApi::start(
        &json!([{"id": group, "name": "shop-web"}]),
        &json!([{"port": 80, "scheduler": "wrr", "vServerGroupId": group}]),
    )?;
    let mapping = format!("{group}:80");
    let old = User::new(context.testbed, &context.tools, OLD, context.namespace)?;
    let new = User::new(context.testbed, &context.tools, NEW, "own-new")?;
    for (user, weight) in [(&old, "80"), (&new, "20")] {
        let annotations = [("weight", weight), ("vgroup-port", mapping.as_str())];
        user.apply(service_in(&user.namespace, "web", &annotations))?;
    }
    // Of one name, where the other context looks: it is in no route.
    let of_old_name = User::new(context.testbed, &context.tools, NEW, context.namespace)?;
    of_old_name.apply(service_in(context.namespace, "web", &[("vgroup-port", "-")]))?;
    let [(_, id_of_old), (_, id_of_new)] = IDS;
    let ccm_of_old = CcmDouble::with_cloud(&old, &context.tools, &clb, Some(id_of_old))?;
    let ccm_of_new = CcmDouble::with_cloud(&new, &context.tools, &clb, Some(id_of_new))?;
    let whole = context.testbed.kubeconfig().display().to_string();
    let clusters = TwoClusters { old, new, clb, ccm_of_old, ccm_of_new, kubeconfig: whole };
    clusters.settled()?;
    let own = kubeconfig(&clusters, "own", |config| {
        for of in config["contexts"].as_array_mut().into_iter().flatten() {
            let namespace = if of["name"] == OLD { context.namespace } else { "own-new" };
            of["context"]["namespace"] = namespace.into();
        }
    })?;
    let shown =
        run_with(&clusters, &own, &format!("status --contexts {OLD},{NEW} -o json"))?.json()?;
    ensure!(shown["routes"].as_array().is_some_and(|routes| routes.len() == 1), "{shown}");
    let report = run_with(&clusters, &own, &shift("40%", ""))?.expect_code(0)?.json()?;
    ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
    let shifted = (clusters.old.annotation("weight")?, clusters.new.annotation("weight")?);
    ensure!(shifted != ("80".to_owned(), "20".to_owned()), "nothing was written");
    ensure!(of_old_name.annotation("weight")?.is_empty(), "the namesake was written to");
    let undo = format!("undo web --contexts {OLD},{NEW} --yes");
    run_with(&clusters, &own, &undo)?.expect_code(0)?;
    clusters.has_weights("80", "20")?;
    // kubectl's own namespace for a context that names none.
    let nowhere = context.testbed.kubeconfig();
    run_with(&clusters, &nowhere, &shift("40%", ""))?
        .expect_code(1)?
        .expect_stderr("no Service \"web\" in namespace default")?;
    Ok(())
}
