//! Cases computed by the real CCM 2.14, compared with what the double computes by itself.
//!
//! `CCM_CASES=FILE` names another file of the same format, .jsonl or .jsonl.gz; a relative path means the
//! workspace root.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clbmigrate_ccm_double::behaviour::BackendType;
use clbmigrate_ccm_double::cloud_client::CloudClient;
use clbmigrate_ccm_double::cloud_client::memory::Memory;
use clbmigrate_ccm_double::model::{self, Inputs, Model, Pods};
use clbmigrate_ccm_double::service::Key;
use flate2::read::MultiGzDecoder;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: String,
    cluster_id: String,
    service: Service,
    #[serde(default)]
    nodes: Vec<Node>,
    #[serde(default)]
    endpoint_slices: Vec<EndpointSlice>,
    #[serde(default)]
    pods: Vec<Pod>,
    #[serde(default, rename = "knownVGroups")]
    known_vgroups: Vec<String>,
    expected: Expected,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    fails: bool,
    #[serde(default)]
    skipped_ports: Option<Vec<i32>>,
    #[serde(default)]
    groups: Option<Vec<ExpectedGroup>>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct ExpectedGroup {
    port: i32,
    vgroup_id: String,
    vgroup_name: String,
    user_managed: bool,
    weight: Option<u32>,
    #[serde(default)]
    backends: Option<Vec<ExpectedBackend>>,
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
struct ExpectedBackend {
    #[serde(rename = "type")]
    kind: String,
    server_id: String,
    server_ip: String,
    port: i32,
    weight: u32,
    description: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let path = match std::env::var_os("CCM_CASES") {
        Some(file) => root.join(file),
        None => root.join("shared/core/tests/data/cases.jsonl.gz"),
    };
    let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
    let reader: Box<dyn Read> = match path.extension() {
        Some(extension) if extension == "gz" => Box::new(MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    let (mut cases, mut equal) = (0, 0);
    let mut out = io::stdout().lock();
    for (index, line) in BufReader::new(reader).lines().enumerate() {
        let line = line.with_context(|| format!("read {}", path.display()))?;
        if line.trim().is_empty() {
            continue;
        }
        cases += 1;
        let case: Case =
            serde_json::from_str(&line).with_context(|| format!("line {}", index + 1))?;
        match difference(&case).await {
            None => equal += 1,
            Some(found) => writeln!(out, "{}: {found}", case.name)?,
        }
    }
    writeln!(out, "cases: {cases}, equal: {equal}")?;
    Ok(if cases > 0 && cases == equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The first difference between what CCM computed and what the double does.
async fn difference(case: &Case) -> Option<String> {
    let cloud = Arc::new(Memory::new());
    cloud.put_balancer("lb-bp1test", "test", "192.0.2.1");
    for group in &case.known_vgroups {
        cloud.put_group("lb-bp1test", group, &format!("name of {group}"));
    }
    let nodes: Vec<_> = case.nodes.iter().cloned().map(Arc::new).collect();
    let slices: Vec<_> = case.endpoint_slices.iter().cloned().map(Arc::new).collect();
    let pods: Pods = case.pods.iter().map(|pod| (Key::from_object(pod), pod.clone())).collect();
    let inputs = Inputs {
        service: &case.service,
        nodes: &nodes,
        slices: &slices,
        pods: &pods,
        cluster_id: &case.cluster_id,
        default_type: BackendType::Ecs,
    };
    let built = model::build(&inputs, &CloudClient::new(cloud, "vpc-test"), &mut Vec::new()).await;
    match built {
        Err(_) if case.expected.fails => None,
        Err(error) => Some(format!("fails: CCM builds it, here: {error}")),
        Ok(_) if case.expected.fails => Some("fails: in CCM only".to_owned()),
        Ok(model) => model_difference(&model, &case.expected),
    }
}

fn model_difference(model: &Model, expected: &Expected) -> Option<String> {
    let skipped: Vec<i32> = model.skipped.iter().map(|(port, _)| *port).collect();
    let wanted = expected.skipped_ports.clone().unwrap_or_default();
    if skipped != wanted {
        return Some(format!("skippedPorts: CCM {wanted:?}, here {:?}", model.skipped));
    }
    let groups: &[ExpectedGroup] = expected.groups.as_deref().unwrap_or_default();
    if groups.len() != model.groups.len() {
        return Some(format!("groups: CCM {}, here {}", groups.len(), model.groups.len()));
    }
    groups.iter().zip(&model.groups).find_map(|(wanted, found)| {
        let here = as_expected(found);
        let fields = |group: &ExpectedGroup| {
            (
                group.port,
                group.vgroup_id.clone(),
                group.vgroup_name.clone(),
                group.user_managed,
                group.weight,
            )
        };
        if fields(wanted) != fields(&here) {
            return Some(format!("CCM {:?}, here {:?}", fields(wanted), fields(&here)));
        }
        let set = |group: &ExpectedGroup| -> BTreeSet<String> {
            group.backends.iter().flatten().map(|one| format!("{one:?}")).collect()
        };
        let count = |group: &ExpectedGroup| group.backends.as_ref().map_or(0, Vec::len);
        (set(wanted) != set(&here) || count(wanted) != count(&here)).then(|| {
            let (ccm, here) = (set(wanted), set(&here));
            format!(
                "port {}: only in CCM {:?}, only here {:?}",
                wanted.port,
                ccm.difference(&here).collect::<Vec<_>>(),
                here.difference(&ccm).collect::<Vec<_>>()
            )
        })
    })
}

fn as_expected(group: &model::Group) -> ExpectedGroup {
    let backends = group.backends.iter().map(|backend| ExpectedBackend {
        kind: backend.kind.as_str().to_owned(),
        server_id: backend.server_id.clone(),
        server_ip: backend.server_ip.clone(),
        port: backend.port,
        weight: backend.weight,
        description: backend.description.clone(),
    });
    ExpectedGroup {
        port: group.port,
        vgroup_id: group.id.clone(),
        vgroup_name: group.name.clone(),
        user_managed: group.is_user_managed,
        weight: group.weight,
        backends: Some(backends.collect()),
    }
}
