//! Reviews that no API server has sent.

use std::time::Instant;

use anyhow::{Result, ensure};
use clbmigrate_e2e::NAMESPACE;
use clbmigrate_testbed::suite::is_full;
use clbmigrate_testkit::manifests::set_weight;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use crate::{
    Case,
    ClusterUse::{Exclusive, Parallel},
    bindings::Group,
    clients::{Clients, Outcome, Write, write_with_retry},
    hostile::{HostilePod, review},
    pods::Pod,
    test_cluster::TestCluster,
    unfinished::{BLOCKED, until_admitted},
};

pub const CASES: &[Case] =
    &[("forged reviews from a Pod block their group for at most two minutes", Parallel, one_group)];

/// Those after which each Pod of the webhook has to start anew.
pub const LAST_CASES: &[Case] = &[
    ("at the bound of forged claims, who wants to join is told to try again", Exclusive, bound),
    ("with client certificates, forged reviews are refused and block nothing", Exclusive, refused),
];

/// How many forged reviews go to each replica.
const FORGED: usize = 20;

fn one_group(cluster: &TestCluster<'_>) -> Result<()> {
    let hostile = cluster.namespace("forged-hostile")?;
    let free = cluster.namespace("forged-free")?;
    let pod = HostilePod::start(cluster, &hostile.name)?;
    let replicas = Pod::replicas(cluster)?;
    let group = Group::new("forged", 0);
    let ghost = group.service("ghost", &group.binding(80));
    pod.run(|attacker| async move {
        for _ in 0..FORGED {
            for replica in &replicas {
                let forged = review("forged-hostile", &ghost).to_string();
                let answer = attacker.post(replica.reviews(), forged.as_bytes()).await?;
                let (is_allowed, words) = answer.verdict()?;
                ensure!(is_allowed || words.contains("try again"), "{words}");
            }
        }
        Ok(())
    })?;
    let begin = Instant::now();
    let service = group.service("waits", &group.binding(90)).to_string();
    let refused = cluster.kubectl(&format!("create -n {}", free.name), &service)?.expect_code(1)?;
    for words in ["CLB102", "forged-hostile/ghost", "is not in the cluster yet"] {
        ensure!(refused.stderr.contains(words), "no {words:?} in {}", refused.stderr);
    }
    let tries = Clients::run(cluster, |clients| async move {
        until_admitted(&clients, &free.name, &group, 90).await
    })?;
    println!(
        "{} forged reviews: the group was free {:.1} s after the last; {tries} Services of other groups were created meanwhile",
        2 * FORGED,
        begin.elapsed().as_secs_f64()
    );
    Ok(())
}

/// More than a replica has room for.
const MANY: usize = 300;
/// Forged reviews on their way at once.
const AT_ONCE: usize = 8;

fn bound(cluster: &TestCluster<'_>) -> Result<()> {
    let hostile = cluster.namespace("bound-hostile")?;
    let free = cluster.namespace("bound-free")?;
    let there = Group::new("boundthere", 0);
    let service = there.service("there", &there.binding(80));
    let namespace = &free.name;
    cluster.kubectl_ok(&format!("create -n {namespace}"), &service.to_string())?;
    let pod = HostilePod::start(cluster, &hostile.name)?;
    for replica in Pod::replicas(cluster)? {
        let name = replica.name.clone();
        let granted: usize = pod.run(|attacker| async move {
            let forge = |number| {
                let (attacker, replica) = (attacker.clone(), replica.clone());
                async move {
                    let group =
                        Group::new(&format!("bound{}x", replica.name).replace('-', ""), number);
                    let ghost = group.service(&format!("ghost-{number}"), &group.binding(80));
                    let forged = review("bound-hostile", &ghost).to_string();
                    let answer = attacker.post(replica.reviews(), forged.as_bytes()).await?;
                    let (is_allowed, words) = answer.verdict()?;
                    ensure!(is_allowed || words.contains("try again"), "{words}");
                    anyhow::Ok(usize::from(is_allowed))
                }
            };
            let answers = stream::iter(0..MANY).map(forge).buffer_unordered(AT_ONCE);
            answers.try_fold(0, |sum, one| async move { Ok(sum + one) }).await
        })?;
        println!("{name} has granted {granted} of {MANY} forged claims");
        ensure!(granted < MANY, "there is no bound");
    }
    let begin = Instant::now();
    let group = Group::new("boundwaits", 0);
    let joins = Write::Create(group.service("joins", &group.binding(80)));
    let outcome = Clients::run(cluster, |clients| async move {
        Ok(write_with_retry(&clients.services("bound-free", 0), &joins).await?.outcome)
    })?;
    ensure!(
        matches!(&outcome, Outcome::NotSettled(words) if words.contains("try again")),
        "{outcome:?}"
    );
    // What joins nothing is judged as ever.
    let set = |weight: &str| {
        cluster.kubectl(&format!("{} -n {namespace}", set_weight("there", weight)), "")
    };
    set("30")?.expect_code(0)?;
    set("101")?.expect_code(1)?.expect_stderr("CLB001")?;
    if is_full() {
        Clients::run(cluster, |clients| async move { until_free(&clients, &group).await })?;
        println!(
            "the first join passed {:.1} s after the last forged review",
            begin.elapsed().as_secs_f64()
        );
        return Ok(());
    }
    // Two minutes are long; new processes have no claims that wait.
    let restart = format!("rollout restart deployment/clbmigrate-webhook -n {NAMESPACE}");
    cluster.kubectl_ok(&restart, "")?;
    cluster.wait()
}

/// Tries until a Service may join a group that nobody has.
async fn until_free(clients: &Clients, group: &Group) -> Result<()> {
    let joins = Write::Create(group.service("joins", &group.binding(80)));
    let begin = Instant::now();
    let services = clients.services("bound-free", 0);
    while write_with_retry(&services, &joins).await?.outcome != Outcome::Stored {
        ensure!(begin.elapsed() < BLOCKED, "nobody can join after {BLOCKED:?}");
    }
    Ok(())
}

fn refused(cluster: &TestCluster<'_>) -> Result<()> {
    let authority = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "client-ca", "namespace": NAMESPACE},
        "data": {"ca.crt": cluster.webhook_client_ca()?},
    });
    cluster.apply(&authority.to_string())?;
    cluster.upgrade(
        "--set tls.clientCA.configMapName=client-ca \
         --set tls.clientCA.names={kube-apiserver-admission}",
    )?;
    let told = certificates_wanted(cluster);
    // Other tests, which may come later, have none.
    cluster.upgrade("")?;
    told
}

fn certificates_wanted(cluster: &TestCluster<'_>) -> Result<()> {
    let hostile = cluster.namespace("refused-hostile")?;
    let free = cluster.namespace("refused-free")?;
    let pod = HostilePod::start(cluster, &hostile.name)?;
    let replicas = Pod::replicas(cluster)?;
    let group = Group::new("refused", 0);
    let ghost = group.service("ghost", &group.binding(80));
    pod.run(|attacker| async move {
        for replica in replicas.iter().cycle().take(2 * FORGED) {
            let forged = review("refused-hostile", &ghost).to_string();
            let answer = attacker.post(replica.reviews(), forged.as_bytes()).await?;
            ensure!(answer.status == 403, "{answer:?}");
        }
        Ok(())
    })?;
    // Two sides, as both replicas must know API servers.
    for number in 0..FORGED {
        let name = format!("joins-{number}");
        let joins = group.service(&name, &group.binding(90)).to_string();
        cluster.kubectl_ok(&format!("create -n {}", free.name), &joins)?;
    }
    let bad = cluster.kubectl(&format!("{} -n {}", set_weight("joins-0", "101"), free.name), "")?;
    bad.expect_code(1)?.expect_stderr("CLB001")?;
    println!(
        "{} forged reviews without a certificate were refused and blocked nothing",
        2 * FORGED
    );
    Ok(())
}
