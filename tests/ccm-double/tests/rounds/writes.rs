//! Calls that write, in a form that is equal for equal rounds: by resource, the calls of each in their order.

use std::collections::BTreeMap;

use clbmigrate_clb_double::LoggedCall;

use crate::case::{RecordedBackend, RecordedWrite};
use crate::cloud::parameter;
use crate::names::Names;

/// Codes that were seen of the real cloud. All others stand for any.
const KNOWN_CODES: [&str; 3] =
    ["RspoolVipExist", "InvalidLoadBalancerId.NotFound", "Throttling.User"];

/// Parameters that say which resource is meant, or nothing about it.
const NO_PARAMETERS: [&str; 10] = [
    "BackendServers",
    // Another one each time.
    "ClientToken",
    "ListenerPort",
    "ListenerProtocol",
    "LoadBalancerId",
    "RegionId",
    "ResourceId.1",
    "ResourceType",
    "Signature",
    // The double has no vSwitch.
    "VSwitchId",
];

/// What the CLB double tells of a listener of which nobody has said anything. CCM sends it back where it changes
/// something else; the cloud of the recordings told of nothing that was not set.
const DEFAULTS: [(&str, &str); 9] = [
    ("ConnectionDrain", "off"),
    ("ConnectionDrainTimeout", "300"),
    ("EstablishedTimeout", "900"),
    ("HealthCheck", "on"),
    ("HealthCheckConnectTimeout", "5"),
    ("HealthCheckInterval", "2"),
    ("HealthCheckType", "tcp"),
    ("HealthyThreshold", "3"),
    ("UnhealthyThreshold", "3"),
];

const DELETION: &str = "DeleteVServerGroup";

/// One call, or several of one action that follow each other: batches.
#[derive(Debug, PartialEq, Eq)]
pub struct Write {
    action: String,
    parameters: BTreeMap<String, String>,
    backends: Vec<RecordedBackend>,
    refused: Option<String>,
}

/// The writes of a round by resource.
pub type Writes = BTreeMap<String, Vec<Write>>;

/// The writes that were recorded.
pub fn recorded(writes: &[RecordedWrite], names: &Names) -> Writes {
    by_resource(writes.iter().map(|write| {
        let lb = names.balancer(write.lb.as_deref().unwrap_or_default());
        let resource = match (&write.group, &write.listener) {
            (Some(group), _) => names.group(group),
            (None, Some(listener)) => format!("{lb} {listener}"),
            (None, None) if write.action == "CreateLoadBalancer" => made(&write.params),
            (None, None) => lb,
        };
        let write = Write {
            action: write.action.clone(),
            parameters: named(without_identity(write.params.clone()), names),
            backends: write.backends.clone(),
            refused: write.refused.as_deref().map(code),
        };
        (resource, write)
    }))
}

/// The writes that the CLB double was asked for.
pub fn asked(calls: &[LoggedCall], names: &Names) -> Writes {
    by_resource(calls.iter().filter(|call| is_write(call)).map(|call| {
        let write = Write {
            action: call.action.clone(),
            parameters: named(parameters(call), names),
            backends: backends(call),
            refused: call.code.as_deref().map(code),
        };
        (resource(call, names), write)
    }))
}

/// A call that writes something else after a group was deleted: deletions come last, after all parallel work.
pub fn after_deletion(calls: &[LoggedCall]) -> Option<String> {
    let writes = calls.iter().filter(|call| is_write(call));
    let mut rest = writes.skip_while(|call| call.action != DELETION);
    let found = rest.find(|call| call.action != DELETION)?;
    Some(format!("writes: {} after {DELETION}", found.action))
}

fn is_write(call: &LoggedCall) -> bool {
    !["Describe", "List"].iter().any(|read| call.action.starts_with(read))
}

fn by_resource(writes: impl Iterator<Item = (String, Write)>) -> Writes {
    let mut found = Writes::new();
    for (resource, write) in writes {
        let of_resource = found.entry(resource).or_default();
        match of_resource.last_mut() {
            Some(last) if last.action == write.action && !write.backends.is_empty() => {
                last.backends.extend(write.backends);
                last.refused = write.refused;
            }
            _ => of_resource.push(write),
        }
    }
    for write in found.values_mut().flatten() {
        write.backends.sort();
        if write.action.starts_with("Set") && write.action.ends_with("ListenerAttribute") {
            write.parameters.retain(|name, value| !is_default(name, value));
        }
    }
    found
}

/// Whether a parameter of a listener is what the CLB double tells where nobody has said anything.
pub fn is_default(name: &str, value: &str) -> bool {
    DEFAULTS.contains(&(name, value))
}

/// A code, or what stands for all that are not known.
pub fn code(code: &str) -> String {
    if KNOWN_CODES.contains(&code) { code.to_owned() } else { "refused".to_owned() }
}

fn made(parameters: &BTreeMap<String, String>) -> String {
    Names::made_balancer(parameters.get("LoadBalancerName").map_or("", String::as_str))
}

fn resource(call: &LoggedCall, names: &Names) -> String {
    let lb = names.balancer(parameter(call, "LoadBalancerId"));
    let group = parameter(call, "VServerGroupId");
    let port = parameter(call, "ListenerPort");
    let tagged = parameter(call, "ResourceId.1");
    match call.action.as_str() {
        "CreateLoadBalancer" => made(&call.parameters),
        "CreateVServerGroup" => {
            let balancer = parameter(call, "LoadBalancerId");
            names.made_group(balancer, parameter(call, "VServerGroupName"))
        }
        _ if !port.is_empty() => format!("{lb} {}:{port}", protocol(call)),
        _ if !group.is_empty() => names.group(group),
        _ if !tagged.is_empty() => names.balancer(tagged),
        _ => lb,
    }
}

/// The protocol of a listener: a parameter, or part of the action's name.
fn protocol(call: &LoggedCall) -> String {
    let told = parameter(call, "ListenerProtocol");
    let named = ["TCP", "UDP", "HTTPS", "HTTP"]
        .into_iter()
        .find(|name| call.action.contains(&format!("LoadBalancer{name}Listener")));
    if told.is_empty() { named.unwrap_or_default().to_lowercase() } else { told.to_owned() }
}

fn parameters(call: &LoggedCall) -> BTreeMap<String, String> {
    let is_group = parameter(call, "ListenerPort").is_empty();
    let mut parameters = without_identity(call.parameters.clone());
    parameters.retain(|name, _| !(is_group && name == "VServerGroupId"));
    if call.action == "TagResources" {
        join_tags(&mut parameters);
    }
    parameters
}

fn without_identity(mut parameters: BTreeMap<String, String>) -> BTreeMap<String, String> {
    parameters.retain(|name, value| !value.is_empty() && !NO_PARAMETERS.contains(&name.as_str()));
    parameters
}

/// `Tag.1.Key` and `Tag.1.Value` as the recordings show them: `Tags`, `key=value,key=value`.
fn join_tags(parameters: &mut BTreeMap<String, String>) {
    let mut tags = Vec::new();
    for number in 1.. {
        let Some(key) = parameters.remove(&format!("Tag.{number}.Key")) else { break };
        let value = parameters.remove(&format!("Tag.{number}.Value"));
        tags.push(format!("{key}={}", value.unwrap_or_default()));
    }
    parameters.insert("Tags".to_owned(), tags.join(","));
}

fn named(parameters: BTreeMap<String, String>, names: &Names) -> BTreeMap<String, String> {
    parameters.into_iter().map(|(name, value)| (name, names.in_text(&value))).collect()
}

fn backends(call: &LoggedCall) -> Vec<RecordedBackend> {
    match parameter(call, "BackendServers") {
        "" => Vec::new(),
        text => serde_json::from_str(text).expect("backends"),
    }
}
