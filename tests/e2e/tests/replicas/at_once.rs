//! A thousand writes at the same time, over fifty groups.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use clbmigrate_testbed::suite::is_full;
use clbmigrate_testkit::manifests::key;
use serde_json::{Value, json};

use crate::{
    Case,
    ClusterUse::Load,
    bindings::{Binding, Bound, Group, ensure_unique, stored},
    clients::{Clients, Ended, Outcome, Write},
    test_cluster::TestCluster,
};

pub const CASES: &[Case] = &[
    ("of 1,000 creations at once in 50 groups, one binding of each group wins", Load, creations),
    ("the same of Services that become load balancers", Load, types),
    ("the same of Services that lose their class or tunnel", Load, classes),
    ("no group has two ports while holders move and others join", Load, moves),
];

const GROUPS: usize = 50;
const SERVICES: usize = 20;

/// How often each story is told.
fn rounds() -> usize {
    if is_full() { 5 } else { 1 }
}

/// A Service that wants to join a group, and how.
struct Joiner {
    group: Group,
    name: String,
    binding: Binding,
    write: Write,
}

impl Joiner {
    fn creation(group: &Group, number: usize, binding: Binding) -> Self {
        // No name begins with another.
        let name = format!("web-{number:02}");
        let name = format!("{}-{name}", group.id().trim_start_matches("rsp-bp1"));
        let write = Write::Create(group.service(&name, &binding));
        Self { group: group.clone(), name, binding, write }
    }

    /// The same Service as it is before it may join, and the change that makes it.
    fn later(self, before: impl Fn(&mut Value), change: Value) -> (Write, Self) {
        let Write::Create(mut service) = self.write else {
            unreachable!("only creations come later")
        };
        before(&mut service);
        let write = Write::Patch { name: self.name.clone(), patch: change };
        (Write::Create(service), Self { write, ..self })
    }
}

/// All Services that want to join, each as a creation.
fn joiners(test: &str) -> Vec<Joiner> {
    let groups = (0..GROUPS).map(|number| Group::new(test, number));
    let all = groups.flat_map(|group| {
        (0..SERVICES).map(move |number| Joiner::creation(&group, number, group.wanted(number)))
    });
    all.collect()
}

fn creations(cluster: &TestCluster<'_>) -> Result<()> {
    for round in 0..rounds() {
        let test = format!("creations{round}");
        contest(cluster, &test, Vec::new(), &joiners(&test))?;
    }
    Ok(())
}

fn types(cluster: &TestCluster<'_>) -> Result<()> {
    for round in 0..rounds() {
        let test = format!("types{round}");
        let (before, joiners): (Vec<_>, Vec<_>) = joiners(&test)
            .into_iter()
            .map(|joiner| joiner.later(become_cluster_ip, to_load_balancer()))
            .unzip();
        contest(cluster, &test, vec![before], &joiners)?;
    }
    Ok(())
}

fn become_cluster_ip(service: &mut Value) {
    service["spec"]["type"] = "ClusterIP".into();
    service["spec"]["allocateLoadBalancerNodePorts"] = Value::Null;
}

fn to_load_balancer() -> Value {
    json!({"spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false}})
}

fn classes(cluster: &TestCluster<'_>) -> Result<()> {
    const CLASS: &str = "service.beta.kubernetes.io/class";
    for round in 0..rounds() {
        let test = format!("classes{round}");
        let mut steps = vec![Vec::new(), Vec::new()];
        let mut changed = Vec::new();
        for (number, joiner) in joiners(&test).into_iter().enumerate() {
            let without = |key: &str| json!({"metadata": {"annotations": {key: null}}});
            let (before, joiner) = match number % 3 {
                0 => joiner.later(
                    |it| it["metadata"]["annotations"][CLASS] = "other".into(),
                    without(CLASS),
                ),
                1 => {
                    let tunnel = key("tunnel-type");
                    joiner.later(
                        |it| it["metadata"]["annotations"][&tunnel] = "tunnel".into(),
                        without(&tunnel),
                    )
                }
                // API servers let go of it only with the type.
                _ => {
                    let name = joiner.name.clone();
                    let patch = json!({"spec": {"type": "ClusterIP"}});
                    steps[1].push(Write::Patch { name, patch });
                    joiner.later(
                        |it| it["spec"]["loadBalancerClass"] = "example.com/other".into(),
                        to_load_balancer(),
                    )
                }
            };
            steps[0].push(before);
            changed.push(joiner);
        }
        contest(cluster, &test, steps, &changed)?;
    }
    Ok(())
}

/// Carries out the steps before, each at once, and then lets all join at once. One binding of each group
/// wins: all who want it have it, and all others are told whose it is.
fn contest(
    cluster: &TestCluster<'_>,
    test: &str,
    before: Vec<Vec<Write>>,
    joiners: &[Joiner],
) -> Result<()> {
    let namespace = cluster.namespace(&format!("once-{test}"))?;
    let ended = join(cluster, &namespace.name, before, joiners)?;
    let groups = stored(cluster, &namespace.name)?;
    ensure_unique(&groups)?;
    let first = ended.iter().find(|ended| ended.outcome != Outcome::Stored);
    ensure!(groups.len() == GROUPS, "{} groups are bound: {first:?}", groups.len());
    let winner = |joiner: &Joiner| groups[&joiner.group.id()].bindings.contains(&joiner.binding);
    let (legal, rivals): (Vec<_>, Vec<_>) =
        joiners.iter().zip(&ended).partition(|(joiner, _)| winner(joiner));
    for (joiner, ended) in &legal {
        ensure!(ended.outcome == Outcome::Stored, "{}: {:?}", joiner.name, ended.outcome);
        ensure!(ended.contended <= 1, "{} waited for others more than once", joiner.name);
    }
    clear_reasons(&rivals)?;
    println!(
        "{test}: {} legal {}; {} rivals were refused",
        legal.len(),
        figures(&legal),
        rivals.len(),
    );
    Ok(())
}

fn join(
    cluster: &TestCluster<'_>,
    namespace: &str,
    before: Vec<Vec<Write>>,
    joiners: &[Joiner],
) -> Result<Vec<Ended>> {
    Clients::run(cluster, |clients| async move {
        for writes in before {
            for ended in clients.write_at_once(namespace, writes).await? {
                ensure!(ended.outcome == Outcome::Stored, "before: {:?}", ended.outcome);
            }
        }
        let writes = joiners.iter().map(|joiner| joiner.write.clone());
        clients.write_at_once(namespace, writes.collect()).await
    })
}

/// Demands that all were refused, with the rule and the name of another Service of the group.
fn clear_reasons(refused: &[(&Joiner, &Ended)]) -> Result<()> {
    for (joiner, Ended { outcome, .. }) in refused {
        let Outcome::Refused(words) = outcome else {
            anyhow::bail!("{}: {outcome:?}, and not in the group", joiner.name)
        };
        let rule = ["CLB102", "CLB103"].iter().any(|rule| words.contains(rule));
        let prefix = joiner.name.trim_end_matches(|c: char| c.is_ascii_digit());
        // The words begin with the name of the Service itself.
        let others = words.matches(prefix).count() > words.matches(&joiner.name).count();
        ensure!(rule && others, "{}: {words}", joiner.name);
    }
    Ok(())
}

/// How long writes took, and how many were tried twice.
fn figures(ended: &[(&Joiner, &Ended)]) -> String {
    let mut times: Vec<Duration> = ended.iter().map(|(_, ended)| ended.time).collect();
    times.sort_unstable();
    let at = |part: usize| {
        let time = times.get((times.len() * part / 100).min(times.len().saturating_sub(1)));
        time.map_or(0.0, Duration::as_secs_f64)
    };
    let tries = |most: u32| ended.iter().filter(|(_, ended)| ended.retries > most).count();
    format!(
        "took {:.2} s (median), {:.2} s (99%), {:.2} s (most), {} of them in two tries, {} in more",
        at(50),
        at(99),
        at(100),
        tries(0) - tries(1),
        tries(1),
    )
}

/// In each group a Service with port 80 moves to 90, and 19 others want to join one or the other.
fn moves(cluster: &TestCluster<'_>) -> Result<()> {
    for round in 0..rounds() {
        let test = format!("moves{round}");
        let namespace = cluster.namespace(&format!("once-{test}"))?;
        let (mut before, mut all) = (Vec::new(), Vec::new());
        for group in (0..GROUPS).map(|number| Group::new(&test, number)) {
            for number in 0..SERVICES {
                let port = if number % 2 == 0 { 80 } else { 90 };
                let joiner = Joiner::creation(&group, number, group.binding(port));
                if number > 0 {
                    all.push(joiner);
                    continue;
                }
                let mapping = json!({key("vgroup-port"): group.mapping(90)});
                let (holder, joiner) =
                    joiner.later(|_| {}, json!({"metadata": {"annotations": mapping}}));
                before.push(holder);
                all.push(Joiner { binding: group.binding(90), ..joiner });
            }
        }
        let ended = join(cluster, &namespace.name, vec![before], &all)?;
        let groups = stored(cluster, &namespace.name)?;
        ensure_unique(&groups)?;
        ensure!(groups.len() == GROUPS, "{} groups are bound", groups.len());
        let (done, refused): (Vec<_>, Vec<_>) =
            all.iter().zip(&ended).partition(|(_, ended)| ended.outcome == Outcome::Stored);
        clear_reasons(&refused)?;
        println!(
            "{test}: {} of {GROUPS} moved, {} joined, {}; {} were refused",
            moved(&groups)?,
            done.len(),
            figures(&done),
            refused.len(),
        );
    }
    Ok(())
}

/// How many groups have port 90.
fn moved(groups: &BTreeMap<String, Bound>) -> Result<usize> {
    let port = |bound: &Bound| Ok(bound.bindings.first().context("a binding")?.port);
    let ports = groups.values().map(port).collect::<Result<Vec<_>>>()?;
    Ok(ports.into_iter().filter(|port| *port == 90).count())
}
