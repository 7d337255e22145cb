//! Compares a round with what CCM did.

use std::collections::{BTreeMap, BTreeSet};

use clbmigrate_core::{
    clb_answers::RegisteredBackend,
    round::{Cloud, Round},
    version::CcmVersion,
};
use serde_json::Value;

use crate::case::{Expected, GroupResult, RoundResult};

/// What names a group: its id, or for one that a round made its CLB and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum GroupName {
    Known(String),
    Made(String, String),
}

type Backend = (String, String, String, u16, u32, String);

fn key(backend: &RegisteredBackend) -> Backend {
    let RegisteredBackend { server_id, server_ip, port, weight, kind, description } =
        backend.clone();
    (kind, server_id, server_ip, port, weight, description)
}

/// The first difference of one round. `service` is the Service after it, and whether it is gone.
pub fn compare(
    round: &Round,
    (service, is_gone): (&Value, bool),
    result: &RoundResult,
    expected: &Expected,
    initial: &Cloud,
    version: CcmVersion,
) -> Option<String> {
    if round.is_success() != result.error.is_none() {
        let here: Vec<String> = round.failures.iter().map(ToString::to_string).collect();
        return Some(format!("error: CCM {:?}, here {here:?}", result.error));
    }
    if version < CcmVersion::V2_11 {
        return None;
    }
    same_groups(&round.cloud, &result.groups, expected, initial)
        .or_else(|| same_service(round, service, is_gone, result, expected))
}

/// The first group that differs.
pub fn same_groups(
    cloud: &Cloud,
    groups: &BTreeMap<String, GroupResult>,
    expected: &Expected,
    initial: &Cloud,
) -> Option<String> {
    let name = |id: &str, name: &str, clb: String| match initial.group(id) {
        Some(_) => GroupName::Known(id.to_owned()),
        None => GroupName::Made(clb, name.to_owned()),
    };
    let here: BTreeMap<GroupName, BTreeSet<Backend>> = cloud
        .groups
        .iter()
        .map(|group| {
            let clb = match initial.balancer(&group.clb) {
                Some(_) => group.clb.clone(),
                None => cloud.balancer(&group.clb).map(|b| b.name.clone()).unwrap_or_default(),
            };
            let backends = group.backends.iter().map(key).collect();
            (name(&group.id, &group.name, clb), backends)
        })
        .collect();
    let ccm: BTreeMap<GroupName, BTreeSet<Backend>> = groups
        .iter()
        .map(|(id, group)| {
            let made = expected.load_balancers.get(&group.lb).map(|b| b.name.clone());
            let clb = match initial.balancer(&group.lb) {
                Some(_) => group.lb.clone(),
                None => made.unwrap_or_default(),
            };
            let backends = group.backends.iter().map(|one| key(&one.into())).collect();
            (name(id, &group.name, clb), backends)
        })
        .collect();
    let names: BTreeSet<&GroupName> = here.keys().chain(ccm.keys()).collect();
    names.into_iter().find_map(|name| {
        let (ccm, here) = (ccm.get(name), here.get(name));
        (ccm != here).then(|| format!("group {name:?}: CCM {ccm:?}, here {here:?}"))
    })
}

fn same_service(
    round: &Round,
    service: &Value,
    is_gone: bool,
    result: &RoundResult,
    expected: &Expected,
) -> Option<String> {
    let Some(wanted) = &result.service else {
        return (!is_gone).then(|| "service: gone in CCM only".to_owned());
    };
    if is_gone {
        return Some("service: gone here only".to_owned());
    }
    let labels = service["metadata"]["labels"].as_object();
    let here: BTreeMap<String, String> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .map(|(key, value)| {
            let made = round.cloud.balancer(&value).map(|balancer| balancer.name.clone());
            let known =
                expected.load_balancers.iter().find(|(_, b)| Some(&b.name) == made.as_ref());
            (key, known.map_or(value, |(id, _)| id.clone()))
        })
        .collect();
    let ccm = wanted.labels.clone().unwrap_or_default();
    (ccm != here).then(|| format!("labels: CCM {ccm:?}, here {here:?}"))
}
