//! Previews of recorded rounds: what the real CCM 2.14 left in the groups, and whether it failed,
//! is what a preview of the same change says.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use clbmigrate_core::{
    clb_answers::ClbAnswer,
    index::Index,
    object::{ObjectRef, Service},
    outcome::Outcome,
    prediction::Prediction,
    preview::{Preview, preview_including},
    route::Route,
    snapshot::{Cluster, Object, Snapshot},
};
use flate2::read::GzDecoder;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A backend, as text.
type Backends = BTreeSet<String>;

#[test]
fn a_preview_says_what_ccm_left_behind() {
    assert_equal(400, |_| true, difference);
}

#[test]
fn a_status_expects_what_the_next_round_leaves() {
    // Nothing has changed about the Service itself, and no other round comes between.
    let is_compared = |case: &Value| {
        let is_event = case["trigger"] == "endpoints" || case["trigger"] == "nodes";
        let is_alone = objects(&case["expected"], "others").next().is_none();
        is_event && is_alone && case["expected"]["enqueued"] == true
    };
    assert_equal(50, is_compared, expectation_differs);
}

/// Compares the recorded rounds that answers show, of which there must be more than `least`.
fn assert_equal(
    least: usize,
    is_compared: impl Fn(&Value) -> bool,
    difference: impl Fn(&Value) -> Option<String>,
) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/rounds.jsonl.gz");
    let file = File::open(path).expect("the recorded rounds");
    let (mut compared, mut differing) = (0, Vec::new());
    for line in BufReader::new(GzDecoder::new(file)).lines() {
        let case: Value = serde_json::from_str(&line.expect("a line")).expect("a round");
        if !is_shown_by_answers(&case) || !is_compared(&case) {
            continue;
        }
        compared += 1;
        if let Some(difference) = difference(&case) {
            differing.push(format!("{} {}: {difference}", case["name"], case["kind"]));
        }
    }
    assert!(compared > least, "{compared} rounds");
    assert!(
        differing.is_empty(),
        "{} of {compared} differ:\n{}",
        differing.len(),
        differing.join("\n")
    );
}

fn expectation_differs(case: &Value) -> Option<String> {
    let snapshot = snapshot(case, &case["after"]);
    let index = Index::new(&snapshot);
    let expected = &case["expected"];
    let last = expected.get("retry").filter(|retry| !retry.is_null()).unwrap_or(expected);
    let meta = &case["after"]["service"]["metadata"];
    let own = format!(
        "/{}/{}/{}",
        meta["name"].as_str().unwrap_or_default(),
        meta["namespace"].as_str().unwrap_or_default(),
        case["clusterId"].as_str().unwrap_or_default()
    );
    index.routes().filter(|(_, members)| !members.is_empty()).find_map(|(key, _)| {
        let route = Route::build(&index, *key, &Prediction::default());
        let of = route.participants.iter().find(|of| of.service_ref.is_some())?;
        let there: u64 = objects(&last["groups"][key.vgroup], "backends")
            .filter(|one| one["description"].as_str().is_some_and(|text| text.ends_with(&own)))
            .filter_map(|one| one["weight"].as_u64())
            .sum();
        (of.expected_weight_sum != Some(there)).then(|| {
            format!(
                "{}: CCM {there}, here {:?} ({:?} {:?}), measured {:?}, {}",
                key.vgroup,
                of.expected_weight_sum,
                of.outcome,
                of.reasons,
                of.weight_sum,
                last["error"]
            )
        })
    })
}

/// Whether answers of the CLB API and Kubernetes' objects show all that decides the round: no call
/// fails, the Service names a CLB, and every pod has a network interface.
fn is_shown_by_answers(case: &Value) -> bool {
    let id = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id";
    let old = "service.beta.kubernetes.io/alicloud-loadbalancer-id";
    let names_clb = |state: &str| {
        let annotations = &case[state]["service"]["metadata"]["annotations"];
        let is_set = |key| annotations[key].as_str().is_some_and(|id| !id.is_empty());
        is_set(id) || is_set(old)
    };
    let has_fault = case["cloud"]["faults"].as_array().is_some_and(|faults| !faults.is_empty());
    let lacks_interface =
        case["cloud"]["ipsWithoutEni"].as_array().is_some_and(|ips| !ips.is_empty());
    // An edit together with a deletion is no deletion of the Service as it was.
    let is_edited = case["trigger"] == "delete"
        && case["before"]["service"]["metadata"]["annotations"]
            != case["after"]["service"]["metadata"]["annotations"];
    !is_edited
        && !has_fault
        && !lacks_interface
        && case["kind"] != "eni-ip"
        && names_clb("before")
        && names_clb("after")
}

fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value:#}"))
}

fn objects<'v>(state: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    state[field].as_array().into_iter().flatten()
}

fn snapshot(case: &Value, state: &Value) -> Snapshot {
    let mut cluster = Cluster::default();
    cluster.id = case["clusterId"].as_str().map(str::to_owned);
    cluster.nodes_listed = true;
    let services = state.get("service").filter(|service| !service.is_null());
    for service in services.into_iter().chain(objects(state, "otherServices")) {
        let service: Service = read(service);
        cluster.endpoints_listed.insert(service.metadata.namespace().to_owned());
        // An API server has a Service that CCM still cleans up; to the preview it is gone.
        if service.metadata.deletion_timestamp.is_none() {
            cluster.insert(Object::Service(Box::new(service)));
        }
    }
    for node in objects(state, "nodes") {
        cluster.insert(Object::Node(Box::new(read(node))));
    }
    for slice in objects(state, "endpointSlices") {
        cluster.insert(Object::EndpointSlice(Box::new(read(slice))));
    }
    for pod in objects(state, "pods") {
        cluster.insert(Object::Pod(Box::new(read(pod))));
    }
    let mut snapshot = Snapshot { clusters: vec![cluster], ..Snapshot::default() };
    for answer in answers(&case["cloud"]) {
        snapshot.clb_answers.insert(answer);
    }
    snapshot
}

/// The cloud as the CLB API tells it.
fn answers(cloud: &Value) -> Vec<ClbAnswer> {
    let mut answers = Vec::new();
    for balancer in objects(cloud, "loadBalancers") {
        let tags = objects(balancer, "tags")
            .map(|tag| json!({"TagKey": tag["key"], "TagValue": tag["value"]}));
        answers.push(ClbAnswer::LoadBalancer(read(&json!({
            "LoadBalancerId": balancer["id"],
            "LoadBalancerName": balancer["name"],
            "Address": balancer["address"],
            "AddressType": balancer["addressType"],
            "AddressIPVersion": balancer["ipVersion"],
            "NetworkType": balancer["networkType"],
            "MasterZoneId": balancer["masterZone"].as_str().unwrap_or_default(),
            "SlaveZoneId": balancer["slaveZone"].as_str().unwrap_or_default(),
            "ResourceGroupId": balancer["resourceGroupId"].as_str().unwrap_or_default(),
            "Tags": {"Tag": tags.collect::<Vec<_>>()},
        }))));
        let of_it = |one: &&Value| one["lb"] == balancer["id"];
        let groups: Vec<&Value> = objects(cloud, "groups").filter(of_it).collect();
        let listed = groups
            .iter()
            .map(|group| json!({"VServerGroupId": group["id"], "VServerGroupName": group["name"]}));
        answers.push(ClbAnswer::GroupList(read(&json!({
            "LoadBalancerId": balancer["id"],
            "VServerGroups": {"VServerGroup": listed.collect::<Vec<_>>()},
        }))));
        for group in groups {
            let backends = objects(group, "backends").map(|backend| {
                json!({
                    "ServerId": backend["serverId"],
                    "ServerIp": backend["serverIp"],
                    "Port": backend["port"],
                    "Weight": backend["weight"],
                    "Type": backend["type"],
                    "Description": backend["description"],
                })
            });
            answers.push(ClbAnswer::Group(read(&json!({
                "VServerGroupId": group["id"],
                "VServerGroupName": group["name"],
                "LoadBalancerId": balancer["id"],
                "BackendServers": {"BackendServer": backends.collect::<Vec<_>>()},
            }))));
        }
        let listeners = objects(cloud, "listeners").filter(of_it).map(|listener| {
            let forward = listener["attributes"]["ForwardPort"].as_str();
            let forward = forward.and_then(|port| port.parse::<u16>().ok());
            json!({
                "LoadBalancerId": balancer["id"],
                "ListenerPort": listener["port"],
                "ListenerProtocol": listener["protocol"],
                "VServerGroupId": listener["group"],
                "Description": listener["description"],
                "HTTPListenerConfig": {
                    "ListenerForward": if forward.is_some() { "on" } else { "off" },
                    "ForwardPort": forward.unwrap_or_default(),
                },
            })
        });
        answers.push(ClbAnswer::Listeners(read(&json!({
            "Listeners": {"Listener": listeners.collect::<Vec<_>>()},
        }))));
    }
    answers
}

fn difference(case: &Value) -> Option<String> {
    let (before, after) = (snapshot(case, &case["before"]), snapshot(case, &case["after"]));
    let (before, after) = (Index::new(&before), Index::new(&after));
    let meta = match &case["before"]["service"] {
        Value::Null => &case["after"]["service"]["metadata"],
        service => &service["metadata"],
    };
    let named = ObjectRef {
        context: None,
        kind: "Service".to_owned(),
        namespace: meta["namespace"].as_str().map(str::to_owned),
        name: meta["name"].as_str().unwrap_or_default().to_owned(),
    };
    let expected = &case["expected"];
    let is_restart = case["trigger"] == "restart";
    let named = if is_restart { vec![named] } else { Vec::new() };
    let preview = preview_including(&before, &after, &named);
    let (last, is_enqueued) = (
        expected.get("retry").filter(|retry| !retry.is_null()).unwrap_or(expected),
        expected["enqueued"] == true,
    );
    if case["trigger"] == "service" && preview.queued != is_enqueued {
        return Some(format!("queued: CCM {is_enqueued}, here {}", preview.queued));
    }
    // What is recorded of a step that queues nothing is the round after a restart.
    if !is_enqueued && !is_restart {
        return None;
    }
    // CCM looks at each Service whose nodes or endpoints differ.
    let others = objects(expected, "others").filter(|other| is_concerned(case, &other["of"]));
    let last = others.last().unwrap_or(last);
    groups_differ(case, last, &preview)
        .or_else(|| outcome_differs(last, &preview))
        .or_else(|| events_differ(case, last, &preview))
}

/// Whether the round over the Service writes other events than CCM did, by type and reason.
fn events_differ(case: &Value, last: &Value, preview: &Preview<'_>) -> Option<String> {
    if objects(&case["expected"], "others").next().is_some() {
        // The last round may be another Service's.
        return None;
    }
    let mut here: Vec<String> = preview
        .events
        .iter()
        .map(|(_, event)| format!("{} {}", event.kind(), event.reason()))
        .collect();
    let mut there: Vec<String> = objects(last, "events")
        .map(|event| {
            format!(
                "{} {}",
                event["type"].as_str().unwrap_or_default(),
                event["reason"].as_str().unwrap_or_default()
            )
        })
        .collect();
    here.sort();
    there.sort();
    (here != there).then(|| format!("events: CCM {there:?}, here {here:?}"))
}

/// Whether the nodes or the endpoints of another Service differ.
fn is_concerned(case: &Value, name: &Value) -> bool {
    let of = |state: &str| -> Vec<Value> {
        let label = "kubernetes.io/service-name";
        let name = name.as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
        let slices = objects(&case[state], "endpointSlices");
        slices.filter(|slice| slice["metadata"]["labels"][label] == *name).cloned().collect()
    };
    case["before"]["nodes"] != case["after"]["nodes"] || of("before") != of("after")
}

fn groups_differ(case: &Value, last: &Value, preview: &Preview<'_>) -> Option<String> {
    preview.routes.iter().find_map(|route| {
        let vgroup = route.key.vgroup;
        let known = objects(&case["cloud"], "groups").any(|group| group["id"] == vgroup);
        if !known || route.after.participants.iter().any(|of| of.weight_sum.is_none()) {
            return known.then(|| format!("{vgroup} is not known: {:?}", route.after.unknown));
        }
        let here: Backends = route
            .after
            .backends()
            .map(|one| format!("{}:{} {} {}", one.id, one.port, one.weight, one.description))
            .collect();
        let there: Backends = objects(&last["groups"][vgroup], "backends")
            .map(|one| {
                let text = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
                let is_pod = text("type") != "ecs" && !text("serverIp").is_empty();
                let id = if is_pod { text("serverIp") } else { text("serverId") };
                format!("{id}:{} {} {}", one["port"], one["weight"], text("description"))
            })
            .collect();
        (here != there).then(|| format!("{vgroup}:\n  CCM  {there:?}\n  here {here:?}"))
    })
}

fn outcome_differs(last: &Value, preview: &Preview<'_>) -> Option<String> {
    let fails = !last["error"].is_null();
    let says_so = preview.outcome >= Outcome::Frozen;
    let is_silent = |reason: &clbmigrate_core::outcome::Reason| {
        matches!(reason.cause, clbmigrate_core::outcome::Cause::SkippedUntilChange(_))
    };
    let is_kept = preview.reasons.iter().any(|(_, reason)| is_silent(reason));
    // What CCM leaves as it is without a word is frozen for those who look at it.
    let is_equal = fails == says_so || (is_kept && !fails);
    (!is_equal).then(|| {
        let reasons: Vec<String> =
            preview.reasons.iter().map(|(_, reason)| reason.to_string()).collect();
        format!("CCM {}, here {:?} {reasons:?}", last["error"], preview.outcome)
    })
}
