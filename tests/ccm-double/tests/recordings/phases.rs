//! Calls as lines of text, in the phases of a round. Within a phase some run at the same time, so that only the
//! order of what belongs together counts.

use clbmigrate_clb_double::LoggedCall;
use serde_json::Value;

use crate::cloud::parameter;

/// The version of the network's API.
const VPC: &str = "2016-04-28";

/// Parameters that the recordings show.
const SHOWN: [&str; 8] = [
    "LoadBalancerId",
    "VServerGroupId",
    "VServerGroupName",
    "LoadBalancerName",
    "ResourceId.1",
    "Tag.1.Key",
    "ResourceType",
    "Tags",
];

/// A call in the recordings' format. Those to the network's API were not recorded.
pub fn line(call: &LoggedCall) -> Option<String> {
    if call.version == VPC {
        return None;
    }
    let mut words = vec![call.version.clone(), call.action.clone()];
    for name in SHOWN.iter().filter(|name| !parameter(call, name).is_empty()) {
        words.push(format!("{name}={}", parameter(call, name)));
    }
    if !parameter(call, "BackendServers").is_empty() {
        words.push(format!("BackendServers={}", backends(call).join(",")));
    }
    if let Some(code) = &call.code {
        words.push(format!("!{code}"));
    }
    Some(words.join(" "))
}

/// The backends of a call: `id:port wWEIGHT`, the address after the id.
pub fn backends(call: &LoggedCall) -> Vec<String> {
    let sent: Value = serde_json::from_str(parameter(call, "BackendServers")).expect("JSON");
    let backend = |one: &Value| {
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        format!("{}{}:{} w{}", text("serverId"), text("serverIp"), one["port"], one["weight"])
    };
    sent.as_array().expect("a list").iter().map(backend).collect()
}

/// The calls of a round in a form that is equal for equal rounds: what comes before the CLB is known, one by
/// one; then reads in any order; then writes, those of one group and of listeners in their order; then groups
/// that go, in any order.
pub fn ordered(calls: &[String]) -> Vec<String> {
    let is = |call: &str, prefixes: &[&str]| {
        let action = call.split(' ').nth(1).unwrap_or_default();
        prefixes.iter().any(|prefix| action.starts_with(prefix))
    };
    let found =
        |call: &String| is(call, &["DescribeLoadBalancerAttribute", "DescribeLoadBalancers"]);
    let known = calls.iter().rposition(found).map_or(calls.len(), |place| place + 1);
    let (before, after) = calls.split_at(known);
    let (mut reads, rest): (Vec<String>, Vec<String>) =
        after.iter().cloned().partition(|call| is(call, &["Describe", "List"]));
    let (mut gone, mut writes): (Vec<String>, Vec<String>) =
        rest.into_iter().partition(|call| is(call, &["DeleteVServerGroup"]));
    reads.sort();
    gone.sort();
    // A stable sort keeps the order within a chain.
    writes.sort_by_key(|call| chain(call));
    [before.to_vec(), reads, writes, gone].concat()
}

/// What a write belongs to: a group, the listeners, or nothing but itself.
fn chain(call: &str) -> String {
    if call.contains("Listener") {
        return "listeners".to_owned();
    }
    let group = call.split(' ').find(|word| word.starts_with("VServerGroupId="));
    group.unwrap_or(call).to_owned()
}
