//! Clients of the API server: users with certificates of their own, each with its connections.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clbmigrate_testbed::{Cluster, Network, Validity};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service};
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::Status,
};
use serde_json::{Value, json};
use tokio::{
    runtime,
    sync::Barrier,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::test_cluster::TestCluster;

/// How many users send requests.
const USERS: usize = 10;
/// Their group.
const GROUP: &str = "writers";
/// The longest that any request may take with all that it waits for.
const LIMIT: Duration = Duration::from_secs(90);
/// What is said where the API server was slow to answer the webhook, or the webhook to answer the API server.
const SLOW: [&str; 2] = ["the API server gave no answer within", "failed calling webhook"];
/// How long a client waits before it tries again.
const PAUSE: Duration = Duration::from_secs(1);

/// Gives the users the right to write Services and Deployments.
pub fn make_users(cluster: &Cluster<'_>) -> Result<()> {
    let rules = json!([
        {"apiGroups": [""], "resources": ["services"], "verbs": ["*"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]},
    ]);
    let kind = |kind: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
            "metadata": {"name": GROUP},
        })
    };
    let mut role = kind("ClusterRole");
    role["rules"] = rules;
    let mut binding = kind("ClusterRoleBinding");
    binding["roleRef"] =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": GROUP});
    binding["subjects"] =
        json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": GROUP}]);
    cluster.apply(&clbmigrate_testkit::manifests::list(&[role, binding]).to_string())
}

/// What a client wants to write.
#[derive(Debug, Clone)]
pub enum Write {
    /// A new Service.
    Create(Value),
    /// A merge patch of a Service.
    Patch { name: String, patch: Value },
}

/// The end of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out.
    Stored,
    /// The webhook refused it, for this reason.
    Refused(String),
    /// It was to be tried again also the second time, with these words.
    NotSettled(String),
}

/// A write that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    pub outcome: Outcome,
    /// How often it was tried again because the webhook, or its caller, said so.
    pub retries: u32,
    /// How often of these it was for another reason than that the API server was slow, as it is on a
    /// busy machine.
    pub contended: u32,
    /// From the first try to the last answer.
    pub time: Duration,
}

/// The users' clients in a runtime. They are cheap to clone.
#[derive(Clone)]
pub struct Clients(Vec<Client>);

impl Clients {
    /// Runs `work` in a runtime in the network where clients of the cluster are, with a client for each
    /// user.
    pub fn run<T: Send, F: Future<Output = Result<T>>>(
        cluster: &TestCluster<'_>,
        work: impl FnOnce(Self) -> F + Send,
    ) -> Result<T> {
        let files = (0..USERS).map(|number| {
            cluster.kubeconfig_for(&format!("writer-{number}"), &[GROUP], Validity::Valid)
        });
        let files = files.collect::<Result<Vec<_>>>()?;
        cluster.testbed.run_in(Network::Internet, || {
            let runtime =
                runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(async {
                let mut clients = Vec::new();
                for file in &files {
                    let file = Kubeconfig::read_from(file)?;
                    let options = KubeConfigOptions::default();
                    let mut config = Config::from_custom_kubeconfig(file, &options).await?;
                    // Each answer counts here.
                    config.default_retry = false;
                    clients.push(Client::try_from(config)?);
                }
                work(Self(clients)).await
            })
        })
    }

    /// The Services of a namespace, as the user with this number.
    pub fn services(&self, namespace: &str, number: usize) -> Api<Service> {
        Api::namespaced(self.0[number % USERS].clone(), namespace)
    }

    /// The Deployments of a namespace, as the user with this number.
    pub fn deployments(&self, namespace: &str, number: usize) -> Api<Deployment> {
        Api::namespaced(self.0[number % USERS].clone(), namespace)
    }

    /// Sends all writes at the same time, and then again and again, at the same time, those that are to
    /// be tried again. Returns their ends in the same order.
    pub async fn write_at_once(&self, namespace: &str, writes: Vec<Write>) -> Result<Vec<Ended>> {
        let mut writes: Vec<(usize, Write)> = writes.into_iter().enumerate().collect();
        let mut all: BTreeMap<usize, Ended> = BTreeMap::new();
        let begin = Instant::now();
        loop {
            for (number, mut ended) in self.wave(namespace, writes.clone()).await? {
                if let Some(before) = all.get(&number) {
                    ended.retries = before.retries + 1;
                    ended.contended += before.contended;
                    ended.time += before.time;
                }
                all.insert(number, ended);
            }
            writes.retain(|(number, _)| {
                all.get(number).is_some_and(|it| matches!(it.outcome, Outcome::NotSettled(_)))
            });
            if writes.is_empty() {
                return Ok(all.into_values().collect());
            }
            ensure!(begin.elapsed() < LIMIT, "{} writes are never settled", writes.len());
        }
    }

    /// Sends all writes at the same time, each once.
    async fn wave(
        &self,
        namespace: &str,
        writes: Vec<(usize, Write)>,
    ) -> Result<BTreeMap<usize, Ended>> {
        let start = Arc::new(Barrier::new(writes.len()));
        let mut tasks = JoinSet::new();
        for (number, write) in writes {
            let (services, start) = (self.services(namespace, number), Arc::clone(&start));
            tasks.spawn(async move {
                start.wait().await;
                Ok((number, write_up_to(0, &services, &write).await?))
            });
        }
        tasks.join_all().await.into_iter().collect()
    }
}

/// Writes, once more after a second if the answer says so.
pub async fn write_with_retry(services: &Api<Service>, write: &Write) -> Result<Ended> {
    write_up_to(1, services, write).await
}

/// Writes, and tries again for as long as only a slow API server is in the way.
pub async fn write_patiently(services: &Api<Service>, write: &Write) -> Result<Ended> {
    let begin = Instant::now();
    loop {
        let ended = write_with_retry(services, write).await?;
        let is_slow = matches!(ended.outcome, Outcome::NotSettled(_)) && ended.contended == 0;
        if !is_slow || begin.elapsed() > LIMIT {
            return Ok(ended);
        }
    }
}

/// Writes, and tries so often again where the answer says so. That the API server itself has too much to
/// do is waited out, and counts as no try.
async fn write_up_to(most: u32, services: &Api<Service>, write: &Write) -> Result<Ended> {
    let begin = Instant::now();
    let mut retries = 0;
    let tried = async {
        loop {
            match write_once(services, write).await? {
                Answer::Ended(outcome) => return Ok(outcome),
                Answer::Busy(_) => sleep(PAUSE).await,
                Answer::TryAgain(words) if retries >= most => {
                    return Ok(Outcome::NotSettled(words));
                }
                Answer::TryAgain(_) => {
                    retries += 1;
                    sleep(PAUSE).await;
                }
            }
        }
    };
    let outcome: Result<Outcome> =
        timeout(LIMIT, tried).await.with_context(|| format!("{write:?} has no end"))?;
    let outcome = outcome?;
    let contended = match &outcome {
        Outcome::NotSettled(words) => u32::from(!SLOW.iter().any(|slow| words.contains(slow))),
        _ => 0,
    };
    Ok(Ended { outcome, retries, contended, time: begin.elapsed() })
}

/// Writes, and does not try again.
pub async fn try_once(services: &Api<Service>, write: &Write) -> Result<Outcome> {
    Ok(match write_once(services, write).await? {
        Answer::Ended(outcome) => outcome,
        Answer::TryAgain(words) | Answer::Busy(words) => Outcome::NotSettled(words),
    })
}

enum Answer {
    Ended(Outcome),
    /// The webhook, or the API server for it, cannot tell now.
    TryAgain(String),
    /// The API server has too many requests.
    Busy(String),
}

async fn write_once(services: &Api<Service>, write: &Write) -> Result<Answer> {
    let answer = match write {
        Write::Create(service) => {
            let service: Service = serde_json::from_value(service.clone())?;
            services.create(&PostParams::default(), &service).await
        }
        Write::Patch { name, patch } => {
            services.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await
        }
    };
    let status = match answer {
        Ok(_) => return Ok(Answer::Ended(Outcome::Stored)),
        Err(kube::Error::Api(status)) => *status,
        // It has closed the connection, as it does with one that was idle.
        Err(error) => return Ok(Answer::Busy(error.to_string())),
    };
    let Status { code, message: words, .. } = status;
    Ok(match code {
        // The answer of a first try was lost.
        409 if words.contains("already exists") => Answer::Ended(Outcome::Stored),
        429 if !words.contains("webhook") => Answer::Busy(words),
        _ if words.contains("try again") || words.contains("failed calling webhook") => {
            Answer::TryAgain(words)
        }
        _ if words.contains("admission webhook") => Answer::Ended(Outcome::Refused(words)),
        _ => bail!("{code}: {words}"),
    })
}
