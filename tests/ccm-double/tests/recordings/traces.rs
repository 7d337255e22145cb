//! Rounds of the CCM double against the CLB double, beside rounds of the real CCM 2.14, which were recorded against
//! a fake of the cloud.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clbmigrate_ccm_double::behaviour::{Behaviour, SharedBehaviour};
use clbmigrate_ccm_double::reconcile::Reconciler;
use clbmigrate_ccm_double::service::{CLB_LABEL, FINALIZER, HASH_LABEL, Key};
use clbmigrate_clb_double::LoggedCall;
use clbmigrate_clb_double::state::Backend;
use libtest_mimic::Trial;
use serde_json::{Map, Value, json};

use crate::cloud::TestCloud;
use crate::fake_kubernetes::FakeKubernetes;
use crate::phases;
use crate::scenario::{self, Round, Scenario, ServiceMarks, Step};
use crate::trial;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings/data");
/// Where all Services of the scenarios are.
const NAMESPACE: &str = "default";
/// The one CLB of all scenarios.
const CLB: &str = "lb-1";

/// One test a scenario.
pub fn trials() -> Vec<Trial> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(DATA)
        .expect("the scenarios")
        .map(|entry| entry.expect("a scenario").path())
        .collect();
    files.sort();
    let trials = files.into_iter().map(|file| {
        let name = file.file_stem().expect("a name").to_string_lossy().replace('-', " ");
        trial(&name, move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(play(&file))
        })
    });
    trials.collect()
}

async fn play(file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let scenario: Scenario =
        serde_json::from_str(&text).with_context(|| format!("{}", file.display()))?;
    let cloud = start(&scenario.cloud, &serde_json::from_str(&text)?).await;
    let ccm = |cluster: &scenario::Cluster| {
        let behaviour = Behaviour { cluster_id: cluster.id.clone(), ..Behaviour::default() };
        let kubernetes = FakeKubernetes::default();
        for object in &cluster.objects {
            kubernetes.put(object);
        }
        let control = SharedBehaviour::new(behaviour);
        Reconciler { kubernetes, cloud: cloud.client(), control, standalone: None }
    };
    let reconcilers: Vec<Reconciler<FakeKubernetes>> = scenario.clusters.iter().map(ccm).collect();
    let mut created = CreatedGroupIds::new(&cloud);
    for (number, step) in scenario.steps.iter().enumerate() {
        let kubernetes = &reconcilers[0].kubernetes;
        match step {
            Step::Round(round) => {
                let compared =
                    compare(&reconcilers[round.cluster], &cloud, &mut created, round).await;
                let place = || format!("step {}, a round of {}", number + 1, round.service);
                compared.with_context(place)?;
            }
            Step::Patch { kind, name, with } => kubernetes.patch(kind, name, with),
            Step::Put(object) => kubernetes.put(object),
            Step::Remove { kind, name } => kubernetes.remove(kind, name),
            Step::End(name) => kubernetes.end(name),
            Step::Refuse { action, skip, count, code, message } => {
                cloud.refuse(action, *skip, *count, code, message);
            }
            Step::Console { group, backend } => cloud.put_backend(group, backend.into()),
        }
    }
    Ok(())
}

/// The cloud of a scenario. Every address that the scenario names has a network interface, unless it is said to
/// lack one.
async fn start(cloud: &scenario::Cloud, scenario: &Value) -> TestCloud {
    let groups: Vec<_> = cloud
        .groups
        .iter()
        .map(|(id, group)| {
            let backends: Vec<Backend> = group.backends.iter().map(Backend::from).collect();
            json!({"id": id, "name": group.name, "backends": backends})
        })
        .collect();
    let mut addresses = BTreeSet::new();
    collect_addresses(scenario, &mut addresses);
    addresses.retain(|address| !cloud.missing_interfaces.contains(address));
    let interfaces: Vec<_> =
        addresses.iter().map(|ip| json!({"id": format!("eni-{ip}"), "ip": ip})).collect();
    let ip_version = cloud.attributes.get("AddressIPVersion").map_or("ipv4", String::as_str);
    let load_balancer = json!({
        "id": CLB, "name": "my-lb", "address": "10.0.0.1", "addressType": "internet",
        "ipVersion": ip_version, "tags": cloud.tags, "groups": groups,
    });
    TestCloud::start(&json!([load_balancer]), &json!(interfaces)).await
}

/// The addresses of all endpoints, wherever they stand.
fn collect_addresses(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_addresses(item, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == "addresses" {
                    let texts = field.as_array().into_iter().flatten().filter_map(Value::as_str);
                    found.extend(texts.map(str::to_owned));
                } else {
                    collect_addresses(field, found);
                }
            }
        }
        _ => {}
    }
}

/// The ids of groups that rounds create. The CLB double draws them; the recordings count them, `rsp-new-1`.
struct CreatedGroupIds {
    known: BTreeSet<String>,
    /// Each as it is drawn and as it is counted.
    ids: Vec<(String, String)>,
}

impl CreatedGroupIds {
    fn new(cloud: &TestCloud) -> Self {
        let groups = cloud.load_balancer(CLB).expect("the CLB").groups;
        Self { known: groups.into_iter().map(|group| group.id).collect(), ids: Vec::new() }
    }

    /// Takes in what a round has created.
    fn update(&mut self, cloud: &TestCloud) {
        for group in cloud.load_balancer(CLB).expect("the CLB").groups {
            if self.known.insert(group.id.clone()) {
                let counted = format!("rsp-new-{}", self.ids.len() + 1);
                self.ids.push((group.id, counted));
            }
        }
    }

    /// A text with the recordings' ids.
    fn as_recorded(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_owned(), |text, (id, counted)| text.replace(id, counted))
    }

    /// The double's id of a group that a recording names.
    fn id<'a>(&'a self, recorded: &'a str) -> &'a str {
        let found = self.ids.iter().find(|(_, counted)| counted == recorded);
        found.map_or(recorded, |(id, _)| id)
    }
}

/// Carries a round out and compares everything that is known of it.
async fn compare(
    reconciler: &Reconciler<FakeKubernetes>,
    cloud: &TestCloud,
    created: &mut CreatedGroupIds,
    wanted: &Round,
) -> Result<()> {
    let key = Key { namespace: NAMESPACE.to_owned(), name: wanted.service.clone() };
    let kubernetes = &reconciler.kubernetes;
    let ended = reconciler.reconcile(&key).await.context("there is no such Service")?;
    let logged = cloud.take_calls();
    created.update(cloud);
    let events = kubernetes.take_events();

    if let Some(calls) = &wanted.calls {
        let made: Vec<String> =
            logged.iter().filter_map(phases::line).map(|line| created.as_recorded(&line)).collect();
        same("calls", &phases::ordered(&made), &phases::ordered(calls))?;
    }
    if let Some(batches) = &wanted.batches {
        let is_add = |call: &&LoggedCall| call.action == "AddVServerGroupBackendServers";
        let added = logged.iter().filter(is_add);
        let sizes: Vec<usize> = added.map(|call| phases::backends(call).len()).collect();
        same("batches", &sizes, batches)?;
    }
    if let Some(wanted) = &wanted.events {
        same("events", &events, wanted)?;
    }
    let is_success = ended.report.outcome.is_success();
    ensure!(is_success == wanted.error.is_none(), "CCM: {:?}, here: {ended:?}", wanted.error);
    compare_errors(ended.error.as_deref(), wanted)?;
    for (group, wanted) in &wanted.groups {
        let mut there: Vec<String> = cloud.backends(created.id(group)).iter().map(shown).collect();
        there.sort();
        same(group, &there, wanted)?;
    }
    let there = kubernetes.object("Service", &wanted.service);
    match &wanted.leaves {
        ServiceMarks::NotRecorded => {}
        ServiceMarks::Gone => ensure!(there.is_none(), "it is still there: {there:#?}"),
        ServiceMarks::Present(marks) => {
            let mut there = marks_of(&there.context("it is gone")?);
            there.retain(|name, _| marks.contains_key(name));
            same("marks", &there, marks)?;
        }
    }
    for (pod, wanted) in &wanted.conditions {
        let pod = kubernetes.object("Pod", pod).context("a Pod")?;
        let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
        let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let told = |one: &Value| ["type", "status", "reason"].map(|key| text(one, key));
        same("conditions", &conditions.iter().map(told).collect::<Vec<_>>(), wanted)?;
    }
    Ok(())
}

/// The recordings have the beginning of the error that the round returned, which ends where it quotes another, and
/// beside the calls the code with which the cloud refused one.
fn compare_errors(error: Option<&str>, wanted: &Round) -> Result<()> {
    let beginning = error.map(|error| error.split(": ").next().unwrap_or_default());
    same("error", &beginning, &wanted.error.as_deref())?;
    let codes = |text: &str| -> Vec<String> {
        let after = text.split("ErrorCode: ").skip(1);
        after.map(|rest| rest.split(',').next().unwrap_or_default().to_owned()).collect()
    };
    let refused = wanted.calls.iter().flatten().filter_map(|call| Some(call.split_once(" !")?.1));
    // A round that succeeds all the same returns none of them.
    let refused: Vec<String> =
        refused.filter(|_| wanted.error.is_some()).map(str::to_owned).collect();
    same("codes of the cloud", &error.map(codes).unwrap_or_default(), &refused)
}

fn shown(backend: &Backend) -> String {
    let Backend { kind, server_id, server_ip, port, weight, description } = backend;
    {
        let kind = json!(kind);
        let kind = kind.as_str().unwrap_or_default();
        format!("{kind}|{server_id}|{server_ip}|{port} w={weight} [{description}]")
    }
}

fn marks_of(service: &Value) -> Map<String, Value> {
    let meta = &service["metadata"];
    let held = meta["finalizers"].as_array().cloned().unwrap_or_default();
    let marks = [
        ("hash", meta["labels"][HASH_LABEL].clone()),
        ("clb", meta["labels"][CLB_LABEL].clone()),
        ("finalizer", json!(held.iter().any(|one| one == FINALIZER))),
        ("address", service["status"]["loadBalancer"]["ingress"][0]["ip"].clone()),
    ];
    marks.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn same<T: PartialEq + Debug + ?Sized>(what: &str, here: &T, ccm: &T) -> Result<()> {
    ensure!(here == ccm, "{what} differ\nhere {here:#?}\n CCM {ccm:#?}");
    Ok(())
}
