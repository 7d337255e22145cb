//! Reviews that never stop: clients whose every request the API server lets the webhook judge, and a count
//! of those that it did not judge.

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
use clbmigrate_testbed::wait_for;
use clbmigrate_testkit::manifests::{deployment, key};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    bindings::Group,
    clients::Clients,
    test_cluster::{TestCluster, TestNamespace},
};

/// Clients that ask at the same time.
const CLIENTS: usize = 6;
/// Of a client between two requests.
const PAUSE: Duration = Duration::from_millis(20);
/// How long so many answers may take as a test waits for.
const DEADLINE: Duration = Duration::from_secs(120);
/// The Service whose weight clients change, and the app that it selects.
const NAME: &str = "held";

/// A request that the webhook did not judge.
#[derive(Debug, Clone)]
struct Unjudged {
    at: Instant,
    why: String,
}

/// What clients have seen so far.
#[derive(Debug, Default)]
struct Seen {
    /// When each request was judged.
    judged: Vec<Instant>,
    unjudged: Vec<Unjudged>,
    /// Requests that the API server itself did not take, as while it restarts.
    not_taken: usize,
}

/// The reviews that run.
pub struct ConstantReviews {
    seen: Mutex<Seen>,
    stop: AtomicBool,
    begin: Instant,
}

/// How a request ended.
enum Ended {
    Judged,
    Unjudged(String),
    NotTaken,
}

impl ConstantReviews {
    /// Runs `change` while clients ask, and returns what it returns. Clients ask before it begins and until it
    /// has ended.
    pub fn during<T>(
        cluster: &TestCluster<'_>,
        test: &str,
        change: impl FnOnce(&Self) -> Result<T>,
    ) -> Result<(Self, T)> {
        let namespace = cluster.namespace(test)?;
        let group = Group::new(&test.replace('-', ""), 0);
        let mut service = group.service(NAME, &group.binding(80));
        service["spec"]["selector"] = json!({"app": NAME});
        cluster.kubectl_ok(&format!("create -n {test}"), &service.to_string())?;
        let reviews =
            Self { seen: Mutex::default(), stop: AtomicBool::new(false), begin: Instant::now() };
        let changed = thread::scope(|scope| {
            let clients = scope.spawn(|| reviews.ask(cluster, &namespace));
            let changed = reviews.wait_for_more(CLIENTS).and_then(|()| change(&reviews));
            reviews.stop.store(true, Ordering::Relaxed);
            clients.join().expect("the clients")?;
            changed
        })?;
        Ok((reviews, changed))
    }

    /// Waits until so many more requests have been judged.
    pub fn wait_for_more(&self, requests: usize) -> Result<()> {
        let before = self.seen(|seen| seen.judged.len());
        wait_for("more reviews", DEADLINE, || {
            self.seen(|seen| (seen.judged.len() >= before + requests).then_some(()))
        })
        .with_context(|| self.seen(|seen| format!("{:?}", seen.unjudged.last())))
    }

    /// Waits until every request of the last `time` has been judged.
    pub fn wait_until_judged_for(&self, time: Duration, deadline: Duration) -> Result<()> {
        wait_for("a time without a request that nobody judged", deadline, || {
            self.seen(|seen| {
                let last = seen.unjudged.last().map_or(self.begin, |unjudged| unjudged.at);
                let is_judged = seen.judged.last().is_some_and(|judged| *judged > last + time);
                is_judged.then_some(())
            })
        })
        .with_context(|| self.seen(|seen| format!("{:?}", seen.unjudged.last())))
    }

    /// Demands that all requests were judged, and says how many there were.
    pub fn ensure_all_judged(&self, what: &str) -> Result<()> {
        self.seen(|seen| {
            println!("{what}: {} reviews, {} failed", seen.judged.len(), seen.unjudged.len());
            ensure!(
                seen.unjudged.is_empty(),
                "{} of {} were not judged: {:?}",
                seen.unjudged.len(),
                seen.judged.len(),
                self.reasons(seen)
            );
            Ok(())
        })
    }

    /// Says how many requests nobody judged since that moment, and when the last of them was.
    pub fn report_since(&self, what: &str, since: Instant) {
        self.seen(|seen| {
            let unjudged = || seen.unjudged.iter().filter(|unjudged| unjudged.at >= since);
            let last = unjudged().map(|unjudged| unjudged.at.duration_since(since)).max();
            println!(
                "{what}: {} reviews, {} failed, the last {:.1} s after it began; the API server did not take {}",
                seen.judged.iter().filter(|at| **at >= since).count(),
                unjudged().count(),
                last.unwrap_or_default().as_secs_f64(),
                seen.not_taken,
            );
        });
    }

    /// How often each reason was given.
    fn reasons<'s>(&self, seen: &'s Seen) -> BTreeMap<&'s str, (usize, Duration)> {
        let mut reasons = BTreeMap::new();
        for Unjudged { at, why } in &seen.unjudged {
            let (count, last) = reasons.entry(why.as_str()).or_insert((0, Duration::ZERO));
            *count += 1;
            *last = at.duration_since(self.begin);
        }
        reasons
    }

    fn seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets all clients ask until they are to stop.
    fn ask(&self, cluster: &TestCluster<'_>, namespace: &TestNamespace<'_>) -> Result<()> {
        Clients::run(cluster, |clients| async move {
            let clients = (0..CLIENTS).map(|number| {
                let services = clients.services(&namespace.name, number);
                let deployments = clients.deployments(&namespace.name, number);
                self.ask_as(services, deployments)
            });
            futures::future::join_all(clients).await;
            Ok(())
        })
    }

    async fn ask_as(&self, services: Api<Service>, deployments: Api<Deployment>) {
        let mut weight = 0;
        while !self.stop.load(Ordering::Relaxed) {
            weight = weight % 100 + 1;
            self.record(good_weight(&services, weight).await);
            self.record(bad_weight(&services).await);
            self.record(new_workload(&deployments).await);
            sleep(PAUSE).await;
        }
    }

    fn record(&self, ended: Ended) {
        let at = Instant::now();
        self.seen(|seen| match ended {
            Ended::Judged => seen.judged.push(at),
            Ended::Unjudged(why) => seen.unjudged.push(Unjudged { at, why }),
            Ended::NotTaken => seen.not_taken += 1,
        });
    }
}

/// A weight that the webhook lets in.
async fn good_weight(services: &Api<Service>, weight: u32) -> Ended {
    match try_weight(services, &weight.to_string()).await {
        Ok(_) => Ended::Judged,
        Err(error) => failed(error),
    }
}

/// A weight that the webhook refuses. Where nobody judges it, it passes or is refused for another reason.
async fn bad_weight(services: &Api<Service>) -> Ended {
    match try_weight(services, "101").await {
        Ok(_) => Ended::Unjudged("the weight 101 passed".to_owned()),
        Err(kube::Error::Api(status)) if status.message.contains("CLB001") => Ended::Judged,
        Err(error) => failed(error),
    }
}

async fn try_weight(services: &Api<Service>, weight: &str) -> kube::Result<Service> {
    let parameters = PatchParams { dry_run: true, ..PatchParams::default() };
    let patch = json!({"metadata": {"annotations": {key("weight"): weight}}});
    services.patch(NAME, &parameters, &Patch::Merge(patch)).await
}

/// A workload that gets a hook. The API server takes it without one where it cannot ask the webhook.
async fn new_workload(deployments: &Api<Deployment>) -> Ended {
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    let workload = serde_json::from_value(deployment(NAME, 1)).expect("a Deployment");
    match deployments.create(&parameters, &workload).await {
        Ok(stored) => {
            let pod = stored.spec.and_then(|spec| spec.template.spec).unwrap_or_default();
            match pod.containers.first().and_then(|container| container.lifecycle.as_ref()) {
                Some(_) => Ended::Judged,
                None => Ended::Unjudged("a workload got no hook".to_owned()),
            }
        }
        Err(error) => failed(error),
    }
}

/// A request that ended with another error than the one it should: the API server could not ask the
/// webhook, or did not take the request itself.
fn failed(error: kube::Error) -> Ended {
    match error {
        kube::Error::Api(status) if status.message.contains("webhook") => {
            Ended::Unjudged(status.message)
        }
        // It is busy or about to end, or has closed the connection.
        _ => Ended::NotTaken,
    }
}
