//! Rounds of the double beside rounds of the real CCM 2.14, recorded against a fake of the cloud.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

#[path = "../support/fake_kubernetes.rs"]
mod fake_kubernetes;
mod phases;
mod scenario;

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use clbmigrate_ccm_double::behaviour::{Behaviour, SharedBehaviour};
use clbmigrate_ccm_double::cloud_client::backend::Backend;
use clbmigrate_ccm_double::cloud_client::memory::{Fault, Memory};
use clbmigrate_ccm_double::cloud_client::{ApiRequest, CloudClient};
use clbmigrate_ccm_double::reconcile::Reconciler;
use clbmigrate_ccm_double::service::{CLB_LABEL, FINALIZER, HASH_LABEL, Key};
use fake_kubernetes::FakeKubernetes;
use libtest_mimic::{Arguments, Failed, Trial};
use scenario::{Round, Scenario, ServiceMarks, Step};
use serde_json::{Map, Value, json};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/traces/data");
/// Where all Services of the scenarios are.
const NAMESPACE: &str = "default";

fn main() -> ExitCode {
    let mut files: Vec<PathBuf> = std::fs::read_dir(DATA)
        .expect("the scenarios")
        .map(|entry| entry.expect("a scenario").path())
        .collect();
    files.sort();
    let trials = files.into_iter().map(|file| {
        let name = file.file_stem().expect("a name").to_string_lossy().replace('-', " ");
        Trial::test(name, move || run(&file).map_err(|error| Failed::from(format!("{error:#}"))))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn run(file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let scenario: Scenario =
        serde_json::from_str(&text).with_context(|| format!("{}", file.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let cloud = Arc::new(Memory::logging());
    prepare(&cloud, &scenario.cloud);
    let ccm = |cluster: &scenario::Cluster| {
        let behaviour = Behaviour { cluster_id: cluster.id.clone(), ..Behaviour::default() };
        let kubernetes = FakeKubernetes::default();
        for object in &cluster.objects {
            kubernetes.put(object);
        }
        let clb = CloudClient::new(cloud.clone(), "vpc-test");
        let control = SharedBehaviour::new(behaviour);
        Reconciler { kubernetes, cloud: clb, control, standalone: None }
    };
    let reconcilers: Vec<Reconciler<FakeKubernetes>> = scenario.clusters.iter().map(ccm).collect();
    for (number, step) in scenario.steps.iter().enumerate() {
        let there = &reconcilers[0].kubernetes;
        match step {
            Step::Round(round) => {
                let compared =
                    runtime.block_on(compare(&reconcilers[round.cluster], &cloud, round));
                let place = || format!("step {}, a round of {}", number + 1, round.service);
                compared.with_context(place)?;
            }
            Step::Patch { kind, name, with } => there.patch(kind, name, with),
            Step::Put(object) => there.put(object),
            Step::Remove { kind, name } => there.remove(kind, name),
            Step::End(name) => there.end(name),
            Step::Refuse { action, skip, count, code, message } => cloud.refuse(Fault {
                action: action.clone(),
                skip: *skip,
                count: *count,
                code: code.clone(),
                message: message.clone(),
            }),
            Step::Console { group, backend } => cloud.put_backend(group, by_hand(backend)),
        }
    }
    Ok(())
}

fn prepare(cloud: &Memory, wanted: &scenario::Cloud) {
    const CLB: &str = "lb-1";
    cloud.put_balancer(CLB, "my-lb", "10.0.0.1");
    cloud.put_attribute(CLB, "AddressType", "internet");
    for (name, value) in &wanted.attributes {
        cloud.put_attribute(CLB, name, value);
    }
    for (key, value) in &wanted.tags {
        cloud.put_tag(CLB, key, value);
    }
    for (id, group) in &wanted.groups {
        cloud.put_group(CLB, id, &group.name);
        for backend in &group.backends {
            cloud.put_backend(id, by_hand(backend));
        }
    }
    for address in &wanted.missing_interfaces {
        cloud.put_missing_interface(address);
    }
}

fn by_hand(backend: &scenario::Backend) -> Backend {
    Backend {
        kind: backend.kind,
        server_id: backend.server_id.clone(),
        server_ip: backend.server_ip.clone(),
        port: backend.port,
        weight: backend.weight,
        description: backend.description.clone(),
        ..Backend::default()
    }
}

/// Carries a round out and compares everything that is known of it.
async fn compare(
    reconciler: &Reconciler<FakeKubernetes>,
    cloud: &Memory,
    wanted: &Round,
) -> Result<()> {
    let key = Key { namespace: NAMESPACE.to_owned(), name: wanted.service.clone() };
    let kubernetes = &reconciler.kubernetes;
    let ended = reconciler.reconcile(&key).await.context("there is no such Service")?;
    let report = ended.report;
    let logged = cloud.take_calls();
    let events = kubernetes.take_events();

    if let Some(calls) = &wanted.calls {
        let made: Vec<String> = logged.iter().filter_map(phases::line).collect();
        same("calls", &phases::ordered(&made), &phases::ordered(calls))?;
    }
    if let Some(batches) = &wanted.batches {
        let is_add = |call: &&ApiRequest| call.action == "AddVServerGroupBackendServers";
        let added = logged.iter().map(|logged| &logged.call).filter(is_add);
        let sizes: Vec<usize> = added.map(|call| phases::backends(call).len()).collect();
        same("batches", &sizes, batches)?;
    }
    if let Some(wanted) = &wanted.events {
        same("events", &events, wanted)?;
    }
    if let Some(error) = &wanted.error {
        ensure!(!report.outcome.is_success(), "it succeeded, but CCM said {error}");
        ensure!(report.reason.contains(error) || said_otherwise(&report.reason), "{report:?}");
    } else {
        ensure!(report.outcome.is_success(), "CCM succeeded, but here: {report:?}");
    }
    for (group, wanted) in &wanted.groups {
        let mut there: Vec<String> = cloud.backends(group).iter().map(shown).collect();
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

/// Of an error of the cloud CCM shows only what the cloud says, so that the recording's beginning is lost.
fn said_otherwise(reason: &str) -> bool {
    reason.contains("]: Message: ")
}

fn shown(backend: &Backend) -> String {
    let Backend { kind, server_id, server_ip, port, weight, description, .. } = backend;
    format!("{}|{server_id}|{server_ip}|{port} w={weight} [{description}]", kind.as_str())
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
