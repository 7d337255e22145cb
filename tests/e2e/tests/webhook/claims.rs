//! What comes at once: Services that want one group, and a Service with its Deployment in one file.

use std::{
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::{Context, Result, ensure};
use clbmigrate_e2e::NAMESPACE;
use clbmigrate_testbed::try_wait_for;
use serde_json::{Value, json};

use crate::{
    BOTH, Case,
    ClusterUse::{Exclusive, Parallel},
    NEW,
    injection::{SECONDS, hooks},
    manifests::{deployment, list, migrated, service, with},
    test_cluster::{DEADLINE, TestCluster, TestNamespace},
};

pub const CASES: &[Case] = &[
    (
        "a Service and its Deployment in one file: the hook is always there",
        BOTH,
        Parallel,
        one_file,
    ),
    ("of Services that want one group at once, one is stored", &[NEW], Exclusive, at_once),
];

const FILES: usize = 50;

fn one_file(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("one-file")?;
    let next = AtomicUsize::new(0);
    // Two at once, as both replicas and the API server have more than one thing to do.
    let apply = || -> Result<usize> {
        let mut hooked = 0;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= FILES {
                return Ok(hooked);
            }
            let name = format!("web-{number}");
            let file = list(&[migrated(&namespace.name, &name, "20"), deployment(&name, 0)]);
            namespace.kubectl("apply", &file.to_string())?.expect_code(0)?;
            let made = namespace.get(&format!("deployment/{name}"))?;
            hooked += usize::from(hooks(&made["spec"]["template"]) == [Some(SECONDS)]);
        }
    };
    let hooked = thread::scope(|scope| {
        let workers = [scope.spawn(apply), scope.spawn(apply)];
        workers.into_iter().map(|worker| worker.join().expect("a worker")).sum::<Result<usize>>()
    })?;
    println!("{}: {hooked} of {FILES} have the hook", cluster.version());
    ensure!(hooked == FILES, "{hooked} of {FILES} have the hook");
    Ok(())
}

const ROUNDS: usize = 20;

fn at_once(cluster: &TestCluster<'_>) -> Result<()> {
    let webhook = format!("deployment/clbmigrate-webhook -n {NAMESPACE}");
    let scale = |replicas: u8| -> Result<()> {
        cluster.kubectl(&format!("scale {webhook} --replicas={replicas}"), "")?.expect_code(0)?;
        try_wait_for("the Pods", DEADLINE, || {
            Ok((cluster.pods()?.len() == usize::from(replicas)).then_some(()))
        })?;
        cluster.release.wait()
    };
    scale(1)?;
    let namespace = cluster.namespace("at-once-claims")?;
    let raced: Result<usize> = (0..ROUNDS).map(|round| race(&namespace, round)).sum();
    scale(2)?;
    let conflicts = raced?;
    println!(
        "{ROUNDS} times two Services at once: one was stored each time, {conflicts} were refused"
    );
    Ok(())
}

/// Two Services for one group and different ports. Returns how many were refused.
fn race(namespace: &TestNamespace<'_, '_>, round: usize) -> Result<usize> {
    let wants = |name: &str, port: u16| {
        let mapping = format!("rsp-bp1race{round}:{port}");
        let annotations =
            [("id", "lb-bp1race"), ("vgroup-port", mapping.as_str()), ("weight", "20")];
        let ports = json!([{"name": "http", "port": port, "targetPort": 8080}]);
        with(service(&format!("{name}-{round}"), &annotations), "/spec/ports", ports)
    };
    let rivals: [Value; 2] = [wants("a", 80), wants("b", 9090)];
    // Both programs are ready to send before either is told what.
    let mut running = Vec::new();
    for _ in &rivals {
        let create = format!("create -f - -n {}", namespace.name);
        let mut kubectl = namespace.cluster.kubectl_command(&create);
        kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        running.push(kubectl.spawn()?);
    }
    for (child, rival) in running.iter_mut().zip(&rivals) {
        let mut stdin = child.stdin.take().context("standard input")?;
        std::io::Write::write_all(&mut stdin, rival.to_string().as_bytes())?;
    }
    let mut refused = 0;
    for child in running {
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure!(told.contains("CLB102"), "refused, but not for CLB102: {told}");
            refused += 1;
        }
    }
    let names = format!("services a-{round} b-{round} --ignore-not-found -o name");
    let stored = namespace.kubectl_ok(&format!("get {names}"))?.stdout.lines().count();
    ensure!(stored == 1 && refused == 1, "round {round}: {stored} stored, {refused} refused");
    Ok(refused)
}
