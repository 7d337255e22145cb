//! Cases computed by the real CCM 2.14, compared with what the double computes by itself.
//!
//! `CCM_CASES=FILE` names another file of the same format, .jsonl or .jsonl.gz; a relative path means the
//! workspace root.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use clbmigrate_ccm_double::behaviour::BackendType;
use clbmigrate_ccm_double::model::{self, Inputs, Model, Pods};
use clbmigrate_ccm_double::service::Key;
use clbmigrate_clb_double::State;
use clbmigrate_clb_double::state::{Group as CloudGroup, LoadBalancer, NetworkInterface};
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::Deserialize;
use serde_json::json;

use crate::cloud::TestCloud;
use crate::workspace_lines;

const CLB: &str = "lb-bp1test";

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

/// Compares all cases, and prints `cases: N, equal: N`. Fails where one differs or there is none.
pub fn compare_all() -> Result<()> {
    let file = std::env::var_os("CCM_CASES");
    let file = file.unwrap_or_else(|| "shared/core/tests/data/cases.jsonl.gz".into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let cloud = TestCloud::start(&json!([]), &json!([])).await;
        let (mut cases, mut equal) = (0, 0);
        for (index, line) in workspace_lines(&file)?.iter().enumerate() {
            cases += 1;
            let case: Case =
                serde_json::from_str(line).with_context(|| format!("case {}", index + 1))?;
            match difference(&case, &cloud).await {
                None => equal += 1,
                Some(found) => writeln!(std::io::stdout(), "{}: {found}", case.name)?,
            }
        }
        writeln!(std::io::stdout(), "cases: {cases}, equal: {equal}")?;
        ensure!(cases > 0 && cases == equal, "cases: {cases}, equal: {equal}");
        Ok(())
    })
}

/// The first difference between what CCM computed and what the double does.
async fn difference(case: &Case, cloud: &TestCloud) -> Option<String> {
    cloud.edit(|state| prepare(state, case));
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
    let built = model::build(&inputs, &cloud.client(), &mut Vec::new()).await;
    match built {
        Err(_) if case.expected.fails => None,
        Err(error) => Some(format!("fails: CCM builds it, here: {error}")),
        Ok(_) if case.expected.fails => Some("fails: in CCM only".to_owned()),
        Ok(model) => model_difference(&model, &case.expected),
    }
}

/// The cloud of a case: the groups it knows on the one CLB, and an interface for every address.
fn prepare(state: &mut State, case: &Case) {
    let mut lb = LoadBalancer::new(CLB, "test");
    lb.groups = case
        .known_vgroups
        .iter()
        .map(|id| CloudGroup {
            id: id.clone(),
            name: format!("name of {id}"),
            backends: Vec::new(),
        })
        .collect();
    state.load_balancers = vec![lb];
    let endpoints = case.endpoint_slices.iter().flat_map(|slice| &slice.endpoints);
    let addresses: BTreeSet<&String> = endpoints.flat_map(|one| &one.addresses).collect();
    state.network_interfaces = addresses
        .into_iter()
        .filter_map(|ip| Some(NetworkInterface { id: format!("eni-{ip}"), ip: ip.parse().ok()? }))
        .collect();
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
