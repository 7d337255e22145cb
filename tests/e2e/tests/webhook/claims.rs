//! What comes at once: Services that want one group, and a Service with its Deployment in one file.

use std::{
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::{Context, Result, ensure};
use clbmigrate_e2e::NAMESPACE;
use serde_json::{Value, json};

use crate::{
    BOTH, Case, NEW,
    Share::{Alone, Beside},
    injection::{SECONDS, hooks},
    manifests::{deployment, list, migrated, service, with},
    stage::{Place, Stage},
};

pub const CASES: &[Case] = &[
    ("a Service and its Deployment in one file: the hook is always there", BOTH, Beside, one_file),
    ("of Services that want one group at once, one is stored", &[NEW], Alone, at_once),
];

const FILES: usize = 50;

fn one_file(stage: &Stage<'_>) -> Result<()> {
    let place = stage.place("one-file")?;
    let next = AtomicUsize::new(0);
    // Two hands, as both replicas and the API server have more than one thing to do.
    let apply = || -> Result<usize> {
        let mut hooked = 0;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= FILES {
                return Ok(hooked);
            }
            let name = format!("web-{number}");
            let file = list(&[migrated(&place.name, &name, "20"), deployment(&name, 0)]);
            place.kubectl("apply", &file.to_string())?.ends_with(0)?;
            let made = place.get(&format!("deployment/{name}"))?;
            hooked += usize::from(hooks(&made["spec"]["template"]) == [Some(SECONDS)]);
        }
    };
    let hooked = thread::scope(|scope| {
        let hands = [scope.spawn(apply), scope.spawn(apply)];
        hands.into_iter().map(|hand| hand.join().expect("a hand")).sum::<Result<usize>>()
    })?;
    println!("{}: {hooked} of {FILES} have the hook", stage.cluster.version());
    ensure!(hooked == FILES, "{hooked} of {FILES} have the hook");
    Ok(())
}

const ROUNDS: usize = 20;

fn at_once(stage: &Stage<'_>) -> Result<()> {
    let webhook = format!("deployment/clbmigrate-webhook -n {NAMESPACE}");
    let scale = |replicas: u8| -> Result<()> {
        stage.kubectl(&format!("scale {webhook} --replicas={replicas}"), "")?.ends_with(0)?;
        clbmigrate_testbed::try_wait_for("the Pods", crate::stage::DEADLINE, || {
            Ok((stage.pods()?.len() == usize::from(replicas)).then_some(()))
        })?;
        stage.release.wait()
    };
    scale(1)?;
    let place = stage.place("at-once-claims")?;
    let raced: Result<usize> = (0..ROUNDS).map(|round| race(&place, round)).sum();
    scale(2)?;
    let conflicts = raced?;
    println!(
        "{ROUNDS} times two Services at once: one was stored each time, {conflicts} were refused"
    );
    Ok(())
}

/// Two Services for one group and different ports. Returns how many were refused.
fn race(place: &Place<'_, '_>, round: usize) -> Result<usize> {
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
        let mut kubectl = place.stage.cluster.kubectl();
        kubectl.args(["create", "-f", "-", "-n", &place.name]);
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
    let stored = place.done(&format!("get {names}"))?.out.lines().count();
    ensure!(stored == 1 && refused == 1, "round {round}: {stored} stored, {refused} refused");
    Ok(refused)
}
