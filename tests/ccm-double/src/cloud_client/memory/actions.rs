//! The actions of the cloud API that CCM uses, on a [`State`].

use serde_json::{Map, Value, json};

use super::refusal;
use super::state::{Group, LoadBalancer, State, typed};
use crate::cloud_client::backend::{Backend, BackendAnswer};
use crate::cloud_client::request::{ApiError, ApiRequest};

pub(super) fn answer(state: &mut State, call: &ApiRequest) -> Result<Value, ApiError> {
    match call.action {
        "DescribeLoadBalancers" => Ok(balancers(state, call)),
        "CreateLoadBalancer" => Ok(create_balancer(state, call)),
        "DescribeNetworkInterfaces" => Ok(interfaces(state, call)),
        "DescribeVpcAttribute" => Ok(json!({"CidrBlock": state.range})),
        "DescribeEipAddresses" => Ok(json!({"EipAddresses": {"EipAddress": []}})),
        "ListTagResources" => Ok(tags(load_balancer(state, call, "ResourceId.1")?)),
        "TagResources" => Ok(tag(call, load_balancer(state, call, "ResourceId.1")?)),
        "UntagResources" => Ok(untag(call, load_balancer(state, call, "ResourceId.1")?)),
        "DescribeVServerGroupAttribute" => Ok(group_attribute(group(state, call)?)),
        "DeleteVServerGroup" => delete_group(state, call),
        "AddVServerGroupBackendServers" => change(state, call, Group::put),
        "RemoveVServerGroupBackendServers" => change(state, call, |group, one| group.remove(&one)),
        "SetVServerGroupAttribute" => change(state, call, |group, one| group.set(&one)),
        "DescribeLoadBalancerListeners" => {
            Ok(listeners(load_balancer(state, call, "LoadBalancerId.1")?))
        }
        "CreateVServerGroup" => create_group(state, call),
        _ => of_balancer(state, call),
    }
}

/// Actions whose `LoadBalancerId` says what they are about.
fn of_balancer(state: &mut State, call: &ApiRequest) -> Result<Value, ApiError> {
    const CHANGES: [&str; 5] = [
        "SetLoadBalancerName",
        "SetLoadBalancerDeleteProtection",
        "SetLoadBalancerModificationProtection",
        "ModifyLoadBalancerInternetSpec",
        "ModifyLoadBalancerInstanceSpec",
    ];
    let protocol = |prefix: &str, suffix: &str| {
        let name = call.action.strip_prefix(prefix)?.strip_suffix(suffix)?;
        ["TCP", "UDP", "HTTP", "HTTPS"].contains(&name).then(|| name.to_lowercase())
    };
    let created = protocol("CreateLoadBalancer", "Listener");
    let set = protocol("SetLoadBalancer", "ListenerAttribute");
    match call.action {
        "DescribeLoadBalancerAttribute" => {
            Ok(Value::Object(load_balancer(state, call, "LoadBalancerId")?.attributes.clone()))
        }
        "DescribeVServerGroups" => Ok(groups(load_balancer(state, call, "LoadBalancerId")?)),
        "DeleteLoadBalancer" => {
            load_balancer(state, call, "LoadBalancerId")?;
            state.balancers.remove(call.parameter("LoadBalancerId"));
            Ok(json!({}))
        }
        "StartLoadBalancerListener" => listener(state, call, &wanted_protocol(call), |found| {
            found.insert("Status".to_owned(), json!("running"));
        }),
        "DeleteLoadBalancerListener" => {
            let key = listener_key(call, &wanted_protocol(call));
            load_balancer(state, call, "LoadBalancerId")?.listeners.remove(&key);
            Ok(json!({}))
        }
        action if CHANGES.contains(&action) => {
            let balancer = load_balancer(state, call, "LoadBalancerId")?;
            for (name, value) in &call.parameters {
                balancer.set(name, value);
            }
            Ok(json!({}))
        }
        _ => match (created, set) {
            (Some(protocol), _) => {
                let mut new = parameters(call);
                new.insert("ListenerProtocol".to_owned(), json!(protocol));
                new.insert("Status".to_owned(), json!("stopped"));
                let key = listener_key(call, &protocol);
                load_balancer(state, call, "LoadBalancerId")?.listeners.insert(key, new);
                Ok(json!({}))
            }
            (_, Some(protocol)) => {
                listener(state, call, &protocol, |found| found.extend(parameters(call)))
            }
            _ => Err(refusal(call, "InvalidAction.NotFound", "The action does not exist.")),
        },
    }
}

fn load_balancer<'a>(
    state: &'a mut State,
    call: &ApiRequest,
    name: &str,
) -> Result<&'a mut LoadBalancer, ApiError> {
    state.balancers.get_mut(call.parameter(name)).ok_or_else(|| {
        let message = "The specified LoadBalancerId does not exist.";
        refusal(call, "InvalidLoadBalancerId.NotFound", message)
    })
}

fn group<'a>(state: &'a mut State, call: &ApiRequest) -> Result<&'a mut Group, ApiError> {
    state.group_mut(call.parameter("VServerGroupId")).ok_or_else(|| {
        refusal(call, "InvalidParameter.VServerGroupId", "The VServerGroupId does not exist.")
    })
}

fn balancers(state: &State, call: &ApiRequest) -> Value {
    let tags: Vec<Map<String, Value>> =
        serde_json::from_str(call.parameter("Tags")).unwrap_or_default();
    let name = call.parameter("LoadBalancerName");
    let carries = |balancer: &LoadBalancer| {
        tags.iter().all(|tag| {
            let text = |key| tag.get(key).and_then(Value::as_str).unwrap_or_default();
            balancer.tags.get(text("TagKey")).is_some_and(|value| value == text("TagValue"))
        })
    };
    let found: Vec<_> = state
        .balancers
        .values()
        .filter(|one| carries(one) && (name.is_empty() || one.is("LoadBalancerName", name)))
        .map(|one| &one.attributes)
        .collect();
    json!({"LoadBalancers": {"LoadBalancer": found}})
}

fn create_balancer(state: &mut State, call: &ApiRequest) -> Value {
    let number = state.next();
    let id = format!("lb-new-{number}");
    let mut balancer = LoadBalancer { attributes: parameters(call), ..LoadBalancer::default() };
    balancer.set("LoadBalancerId", &id);
    if call.parameter("Address").is_empty() {
        // 192.0.2.0/24 is set aside for documentation.
        balancer.set("Address", &format!("192.0.2.{}", number % 256));
    }
    state.balancers.insert(id.clone(), balancer);
    json!({"LoadBalancerId": id})
}

fn parameters(call: &ApiRequest) -> Map<String, Value> {
    call.parameters.iter().map(|(name, value)| (name.clone(), typed(name, value))).collect()
}

fn interfaces(state: &State, call: &ApiRequest) -> Value {
    let addresses = call.parameters.iter().filter(|(name, address)| {
        name.starts_with("PrivateIpAddress.") && !state.missing_interfaces.contains(address)
    });
    let found: Vec<_> = addresses
        .map(|(_, address)| {
            json!({"NetworkInterfaceId": format!("eni-{address}"), "PrivateIpAddress": address})
        })
        .collect();
    json!({"NetworkInterfaceSets": {"NetworkInterfaceSet": found}})
}

fn tags(balancer: &LoadBalancer) -> Value {
    let tags: Vec<_> = balancer
        .tags
        .iter()
        .map(|(key, value)| json!({"TagKey": key, "TagValue": value}))
        .collect();
    json!({"TagResources": {"TagResource": tags}})
}

fn tag(call: &ApiRequest, balancer: &mut LoadBalancer) -> Value {
    for (name, key) in &call.parameters {
        if let Some(number) = name.strip_prefix("Tag.").and_then(|rest| rest.strip_suffix(".Key")) {
            let value = call.parameter(&format!("Tag.{number}.Value"));
            balancer.tags.insert(key.clone(), value.to_owned());
        }
    }
    json!({})
}

fn untag(call: &ApiRequest, balancer: &mut LoadBalancer) -> Value {
    for (_, key) in call.parameters.iter().filter(|(name, _)| name.starts_with("TagKey.")) {
        balancer.tags.remove(key);
    }
    json!({})
}

fn groups(balancer: &LoadBalancer) -> Value {
    let groups: Vec<_> = balancer
        .groups
        .iter()
        .map(|group| json!({"VServerGroupId": group.id, "VServerGroupName": group.name}))
        .collect();
    json!({"VServerGroups": {"VServerGroup": groups}})
}

fn group_attribute(group: &Group) -> Value {
    let backends: Vec<_> = group.backends.iter().map(BackendAnswer::from).collect();
    json!({
        "VServerGroupId": group.id,
        "VServerGroupName": group.name,
        "BackendServers": {"BackendServer": backends},
    })
}

fn create_group(state: &mut State, call: &ApiRequest) -> Result<Value, ApiError> {
    load_balancer(state, call, "LoadBalancerId")?;
    let id = format!("rsp-new-{}", state.next());
    let name = call.parameter("VServerGroupName").to_owned();
    load_balancer(state, call, "LoadBalancerId")?.groups.push(Group {
        id: id.clone(),
        name,
        backends: Vec::new(),
    });
    Ok(json!({"VServerGroupId": id}))
}

fn delete_group(state: &mut State, call: &ApiRequest) -> Result<Value, ApiError> {
    let id = group(state, call)?.id.clone();
    for balancer in state.balancers.values_mut() {
        balancer.groups.retain(|group| group.id != id);
    }
    Ok(json!({}))
}

fn change(
    state: &mut State,
    call: &ApiRequest,
    apply: impl Fn(&mut Group, Backend),
) -> Result<Value, ApiError> {
    let backends: Vec<BackendAnswer> = serde_json::from_str(call.parameter("BackendServers"))
        .map_err(|error| {
            refusal(call, "InvalidParameter", format!("BackendServers cannot be read: {error}"))
        })?;
    let group = group(state, call)?;
    for backend in backends {
        apply(group, backend.into());
    }
    Ok(group_attribute(group))
}

fn listener_key(call: &ApiRequest, protocol: &str) -> (String, String) {
    (call.parameter("ListenerPort").to_owned(), protocol.to_owned())
}

fn wanted_protocol(call: &ApiRequest) -> String {
    call.parameter("ListenerProtocol").to_owned()
}

fn listener(
    state: &mut State,
    call: &ApiRequest,
    protocol: &str,
    apply: impl Fn(&mut Map<String, Value>),
) -> Result<Value, ApiError> {
    let key = listener_key(call, protocol);
    match load_balancer(state, call, "LoadBalancerId")?.listeners.get_mut(&key) {
        Some(found) => {
            apply(found);
            Ok(json!({}))
        }
        None => Err(refusal(call, "InvalidListenerPort.NotFound", "The listener does not exist.")),
    }
}

fn listeners(balancer: &LoadBalancer) -> Value {
    let listeners: Vec<_> = balancer.listeners.values().collect();
    json!({"Listeners": listeners})
}
