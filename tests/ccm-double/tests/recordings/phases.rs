//! Calls as lines of text, in the phases of a round. Within a phase some run at the same time, so that only the
//! order of what belongs together counts.

use clbmigrate_ccm_double::cloud_client::memory::Logged;
use clbmigrate_ccm_double::cloud_client::{ApiProduct, ApiRequest};
use serde_json::Value;

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
pub fn line(logged: &Logged) -> Option<String> {
    let call = &logged.call;
    if call.product == ApiProduct::Vpc {
        return None;
    }
    let mut words = vec![call.product.version().to_owned(), call.action.to_owned()];
    for name in SHOWN.iter().filter(|name| !call.parameter(name).is_empty()) {
        words.push(format!("{name}={}", call.parameter(name)));
    }
    if !call.parameter("BackendServers").is_empty() {
        words.push(format!("BackendServers={}", backends(call).join(",")));
    }
    if let Some(code) = &logged.refused {
        words.push(format!("!{code}"));
    }
    Some(words.join(" "))
}

/// The backends of a call: `id:port wWEIGHT`, the address after the id.
pub fn backends(call: &ApiRequest) -> Vec<String> {
    let sent: Value = serde_json::from_str(call.parameter("BackendServers")).expect("JSON");
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
