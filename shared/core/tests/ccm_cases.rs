//! Cases computed by the real CCM 2.14, compared with this crate's model.
//!
//! `CCM_CASES=FILE` names another file of the same format, .jsonl or .jsonl.gz; a relative path
//! means the workspace root.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use clbmigrate_core::{
    backends::{
        self, BackendTarget, KnownGroups, LocalModel, ModelInputs, NodeSet, PodSet, VServerGroup,
    },
    object::{EndpointSlice, Pod, Service},
    version::CcmVersion,
};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: String,
    cluster_id: String,
    service: Service,
    #[serde(default)]
    nodes: Option<Vec<clbmigrate_core::object::Node>>,
    #[serde(default)]
    endpoint_slices: Option<Vec<EndpointSlice>>,
    #[serde(default)]
    pods: Option<Vec<Pod>>,
    #[serde(default, rename = "knownVGroups")]
    known_vgroups: Option<Vec<String>>,
    expected: Expected,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    #[serde(default)]
    fails: bool,
    #[serde(default)]
    skipped_ports: Option<Vec<u16>>,
    #[serde(default)]
    groups: Option<Vec<ExpectedGroup>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExpectedGroup {
    port: u16,
    vgroup_id: String,
    vgroup_name: String,
    user_managed: bool,
    weight: Option<u32>,
    #[serde(default)]
    backends: Option<Vec<Backend>>,
}

#[derive(Deserialize, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
struct Backend {
    #[serde(rename = "type")]
    kind: String,
    server_id: String,
    server_ip: String,
    port: u16,
    weight: u32,
    description: String,
}

fn main() -> anyhow::Result<ExitCode> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let path = match std::env::var_os("CCM_CASES") {
        Some(file) => PathBuf::from(root).join(file),
        None => PathBuf::from(root).join("shared/core/tests/data/cases.jsonl.gz"),
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
        let difference = match serde_json::from_str::<Case>(&line) {
            Ok(case) => difference(&case).map(|found| (case.name.clone(), found)),
            Err(error) => Some((format!("line {}", index + 1), format!("unreadable: {error}"))),
        };
        match difference {
            None => equal += 1,
            Some((name, found)) => writeln!(out, "{name}: {found}")?,
        }
    }
    writeln!(out, "cases: {cases}, equal: {equal}")?;
    Ok(if cases > 0 && cases == equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The first difference between what CCM computed and what this crate does.
fn difference(case: &Case) -> Option<String> {
    let nodes: NodeSet = case.nodes.iter().flatten().cloned().collect();
    let slices: Vec<EndpointSlice> = case.endpoint_slices.iter().flatten().cloned().collect();
    let pods: PodSet = case.pods.iter().flatten().cloned().collect();
    let known = case.known_vgroups.iter().flatten().map(|id| (id.as_str(), "")).collect();
    let result = backends::local_model(&ModelInputs {
        service: &case.service,
        nodes: &nodes,
        slices: &slices,
        pods: &pods,
        groups: KnownGroups::Listed(known),
        cluster_id: &case.cluster_id,
        eni_by_default: false,
        version: CcmVersion::NEWEST,
    });
    match result {
        Err(_) if case.expected.fails => None,
        Err(error) => Some(format!("fails: CCM builds it, here: {error}")),
        Ok(_) if case.expected.fails => Some("fails: in CCM only".to_owned()),
        Ok(model) => model_difference(&model, &case.expected),
    }
}

fn model_difference(model: &LocalModel<'_>, expected: &Expected) -> Option<String> {
    let skipped: Vec<u16> = model.skipped().map(|(port, _)| port.port).collect();
    let wanted = expected.skipped_ports.clone().unwrap_or_default();
    if skipped != wanted {
        return Some(format!("skippedPorts: CCM {wanted:?}, here {skipped:?}"));
    }
    let groups: &[ExpectedGroup] = expected.groups.as_deref().unwrap_or_default();
    let built: Vec<&VServerGroup<'_>> = model.groups().collect();
    if groups.len() != built.len() {
        return Some(format!("groups: CCM {}, here {}", groups.len(), built.len()));
    }
    groups.iter().zip(built).find_map(|(wanted, group)| {
        let at = |field: &str| format!("port {}: {field}", wanted.port);
        let differs = |field: &str, ccm: &dyn std::fmt::Debug, here: &dyn std::fmt::Debug| {
            (format!("{ccm:?}") != format!("{here:?}"))
                .then(|| format!("{}: CCM {ccm:?}, here {here:?}", at(field)))
        };
        let backends: BTreeSet<Backend> = group
            .backends
            .iter()
            .map(|backend| {
                let (kind, server_id, ip) = match backend.target {
                    BackendTarget::Ecs(id) => ("ecs", id.to_owned(), String::new()),
                    BackendTarget::Pod(ip) => ("eni", format!("eni-{ip}"), ip.to_owned()),
                };
                Backend {
                    kind: kind.to_owned(),
                    server_id,
                    server_ip: ip,
                    port: backend.port,
                    weight: backend.weight,
                    description: group.key.clone(),
                }
            })
            .collect();
        let empty = Vec::new();
        let ccm: BTreeSet<&Backend> = wanted.backends.as_ref().unwrap_or(&empty).iter().collect();
        let here: BTreeSet<&Backend> = backends.iter().collect();
        differs("port", &wanted.port, &group.port.port)
            .or_else(|| differs("vgroupId", &wanted.vgroup_id, &group.vgroup.unwrap_or_default()))
            .or_else(|| differs("vgroupName", &wanted.vgroup_name, &group.key))
            .or_else(|| differs("userManaged", &wanted.user_managed, &group.vgroup.is_some()))
            .or_else(|| differs("weight", &wanted.weight, &group.weight))
            .or_else(|| {
                differs(
                    "number of backends",
                    &wanted.backends.as_ref().map_or(0, Vec::len),
                    &group.backends.len(),
                )
            })
            .or_else(|| differs("backends", &ccm, &here))
    })
}
