//! One of two replicas is killed while Services are written, and comes back long before it knows what
//! the cluster has.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clbmigrate_e2e::NAMESPACE;
use clbmigrate_fault_proxy::{Fault, FaultProxy, Match, Upstream};
use clbmigrate_testbed::{Network, suite::is_full, try_wait_for, wait_for};
use clbmigrate_testkit::manifests::{key, with};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    Case,
    ClusterUse::Exclusive,
    bindings::{Group, ensure_unique, stored},
    clients::{Clients, Outcome, Write, try_once},
    hostile::{Attacker, in_runtime, review},
    pods::Pod,
    test_cluster::TestCluster,
};

pub const CASES: &[Case] = &[(
    "a replica that is killed under load, and comes back with late lists, lets nothing bad in",
    Exclusive,
    killed,
)];

/// Clients that write at the same time.
const WRITERS: usize = 6;
/// Writes of each kind that are waited for before the next step.
const ENOUGH: usize = 40;
/// Of a client between two writes.
const PAUSE: Duration = Duration::from_millis(20);
const DEADLINE: Duration = Duration::from_secs(90);
const NAME: &str = "killed";
const DEPLOYMENT: &str = "deployment/clbmigrate-webhook";

/// What the writers have seen.
#[derive(Default)]
struct Seen {
    /// When good writes were stored.
    stored: Vec<Instant>,
    /// When good writes were not carried out, and why.
    failed: Vec<(Instant, String)>,
    /// How many bad writes were refused.
    refused: usize,
}

type Shared = Mutex<Seen>;

fn seen<T>(shared: &Shared, look: impl FnOnce(&mut Seen) -> T) -> T {
    look(&mut shared.lock().unwrap_or_else(PoisonError::into_inner))
}

fn killed(cluster: &TestCluster<'_>) -> Result<()> {
    let proxy = cluster.testbed.run_in(Network::Internet, || {
        FaultProxy::start_at(
            cluster.testbed.internet_address(),
            &Upstream {
                url: cluster.api_server_url(),
                ca_pem: cluster.ca_pem()?,
                client_cert_pem: None,
                client_key_pem: None,
            },
        )
    })?;
    put_behind(cluster, &proxy)?;
    let namespace = cluster.namespace(NAME)?;
    let holder = Group::new(NAME, 0);
    let service = holder.service("holder", &holder.binding(80)).to_string();
    cluster.kubectl_ok(&format!("create -n {NAME}"), &service)?;
    let (shared, stop) = (Shared::default(), AtomicBool::new(false));
    let told = thread::scope(|scope| {
        let writers = scope.spawn(|| {
            let (shared, stop) = (&shared, &stop);
            Clients::run(cluster, |clients| async move { write(&clients, shared, stop).await })
        });
        let rounds = if is_full() { 3 } else { 1 };
        let told: Result<Vec<()>> =
            (0..rounds).map(|_| kill_one(cluster, &proxy, &shared)).collect();
        stop.store(true, Ordering::Relaxed);
        writers.join().expect("the writers")?;
        told
    });
    let bad = cluster.kubectl_ok(&format!("get services -n {NAME} -o json"), "")?.json()?;
    let is_bad = |service: &&Value| service["metadata"]["annotations"][key("weight")] == "101";
    let bad: Vec<&Value> =
        bad["items"].as_array().context("a list")?.iter().filter(is_bad).collect();
    ensure!(bad.is_empty(), "they were let in: {bad:?}");
    ensure_unique(&stored(cluster, NAME)?)?;
    drop(namespace);
    cluster.kubectl_ok(&format!("rollout undo {DEPLOYMENT} -n {NAMESPACE}"), "")?;
    cluster.upgrade("")?;
    told.map(drop)
}

/// Lets both replicas reach the API server through the proxy.
fn put_behind(cluster: &TestCluster<'_>, proxy: &FaultProxy) -> Result<()> {
    let token = format!("create token clbmigrate-webhook -n {NAMESPACE} --duration=2h");
    let token = cluster.kubectl_ok(&token, "")?.stdout;
    let kubeconfig = proxy.kubeconfig_with_token("proxy", token.trim());
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "proxy", "namespace": NAMESPACE},
        "stringData": {"kubeconfig": kubeconfig},
    });
    cluster.apply(&secret.to_string())?;
    let deployment = format!("get {DEPLOYMENT} -n {NAMESPACE} -o json");
    let mut deployment = cluster.kubectl_ok(&deployment, "")?.json()?;
    let pod = &mut deployment["spec"]["template"]["spec"];
    let mut add = |pointer: &str, item: Value| -> Result<()> {
        let list = pod.pointer_mut(pointer).and_then(Value::as_array_mut);
        list.with_context(|| format!("no {pointer}"))?.push(item);
        Ok(())
    };
    add("/containers/0/args", json!("--kubeconfig=/etc/proxy/kubeconfig"))?;
    add("/containers/0/volumeMounts", json!({"name": "proxy", "mountPath": "/etc/proxy"}))?;
    add("/volumes", json!({"name": "proxy", "secret": {"secretName": "proxy"}}))?;
    // Whatever has become of it meanwhile.
    let deployment = with(deployment, "/metadata/resourceVersion", Value::Null);
    cluster.kubectl_ok("replace", &with(deployment, "/status", json!({})).to_string())?;
    cluster.wait()
}

/// Kills a replica, and lets it have its list of Services only after calls have gone well again for a while.
fn kill_one(cluster: &TestCluster<'_>, proxy: &FaultProxy, shared: &Shared) -> Result<()> {
    more_writes(shared, Instant::now())?;
    let [replica, _] = Pod::replicas(cluster)?;
    let lists = Match::method("GET")
        .when(|request| request.path == "/api/v1/services")
        .without_parameter("watch")
        .without_parameter("fieldSelector");
    let late = proxy.add_rule(lists, Fault::Hold);
    let begin = Instant::now();
    replica.kill()?;
    late.wait_for_hits(1, DEADLINE)?;
    let back = begin.elapsed();
    // It is there and does not judge what it is asked by itself.
    ask_unsynced(cluster, &replica)?;
    more_writes(shared, Instant::now())?;
    late.release();
    late.remove();
    let known = begin.elapsed();
    cluster.wait()?;
    more_writes(shared, Instant::now())?;
    seen(shared, |seen| {
        let failed: Vec<_> = seen.failed.iter().filter(|(at, _)| *at >= begin).collect();
        let last = failed.iter().map(|(at, _)| at.duration_since(begin)).max().unwrap_or_default();
        let after = seen.stored.iter().filter(|at| **at >= begin + last).min();
        let again = after.map_or(last, |at| at.duration_since(begin));
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, words) in &failed {
            let end = words.rsplit(": ").next().unwrap_or(words);
            *reasons.entry(end).or_default() += 1;
        }
        println!(
            "a replica was killed, was back after {:.1} s and had its list after {:.1} s: {} of {} good writes failed, the last one {:.1} s after, all succeeded from {:.1} s on; {} bad writes were refused; {reasons:?}",
            back.as_secs_f64(),
            known.as_secs_f64(),
            failed.len(),
            failed.len() + seen.stored.iter().filter(|at| **at >= begin).count(),
            last.as_secs_f64(),
            again.as_secs_f64(),
            seen.refused,
        );
    });
    Ok(())
}

/// Waits until so many good writes were stored after that moment, and as many bad ones refused.
fn more_writes(shared: &Shared, after: Instant) -> Result<()> {
    let refused = seen(shared, |seen| seen.refused);
    try_wait_for("more writes", DEADLINE, || {
        Ok(seen(shared, |seen| {
            let stored = seen.stored.iter().filter(|at| **at > after).count();
            (stored >= ENOUGH && seen.refused >= refused + ENOUGH).then_some(())
        }))
    })
    .with_context(|| seen(shared, |seen| format!("{:?}", seen.failed.last())))
}

/// Asks a replica that has not listed yet, as the API server would, where nobody else is asked.
fn ask_unsynced(cluster: &TestCluster<'_>, replica: &Pod) -> Result<()> {
    let attacker = Attacker::new(cluster)?;
    let group = Group::new("unsynced", 0);
    let body = review(NAME, &group.service("unsynced", &group.binding(80))).to_string();
    let answer = cluster.testbed.run_in(Network::Internet, || {
        // Before it has its certificate, it speaks to nobody.
        wait_for("an answer of the replica", DEADLINE, || {
            in_runtime(attacker.post(replica.reviews(), body.as_bytes())).ok()
        })
    })?;
    let head = answer.head.to_lowercase();
    ensure!(answer.status == 503 && head.contains("retry-after"), "{answer:?}");
    Ok(())
}

/// Good and bad writes by several clients, until `stop`.
async fn write(clients: &Clients, shared: &Shared, stop: &AtomicBool) -> Result<()> {
    let writers = (0..WRITERS).map(|writer| write_as(clients, writer, shared, stop));
    futures::future::try_join_all(writers).await.map(drop)
}

async fn write_as(
    clients: &Clients,
    writer: usize,
    shared: &Shared,
    stop: &AtomicBool,
) -> Result<()> {
    let services = clients.services(NAME, writer);
    let own = Group::new(&format!("{NAME}w{writer}n"), 0);
    let holder = Group::new(NAME, 0);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let name = format!("web-{writer}-{number}");
        let fresh = Group::new(&format!("{NAME}w{writer}n"), number);
        let good = Write::Create(fresh.service(&name, &fresh.binding(80)));
        let weight = |weight: &str| {
            let patch = json!({"metadata": {"annotations": {key("weight"): weight}}});
            Write::Patch { name: name.clone(), patch }
        };
        let bad_weight = with(
            own.service(&format!("bad-{writer}-{number}"), &own.binding(80)),
            &format!("/metadata/annotations/{}", key("weight").replace('/', "~1")),
            "101",
        );
        let rival = holder.service(&format!("rival-{writer}-{number}"), &holder.binding(90));
        for (is_good, write) in [
            (true, good),
            (false, Write::Create(bad_weight)),
            (true, weight("30")),
            (false, weight("101")),
            (false, Write::Create(rival)),
        ] {
            let outcome = try_once(&services, &write).await?;
            let is_missing = is_good && outcome != Outcome::Stored;
            let now = Instant::now();
            seen(shared, |seen| match outcome {
                Outcome::Stored if is_good => seen.stored.push(now),
                Outcome::Stored => {}
                Outcome::Refused(_) if !is_good => seen.refused += 1,
                Outcome::Refused(words) | Outcome::NotSettled(words) => {
                    if is_good {
                        seen.failed.push((now, words));
                    }
                }
            });
            sleep(PAUSE).await;
            if is_missing {
                break;
            }
        }
    }
    Ok(())
}
