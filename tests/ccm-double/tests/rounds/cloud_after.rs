//! The CLBs and the listeners after a round.

use std::collections::BTreeMap;

use clbmigrate_ccm_double::cloud_client::{ApiProduct, ApiRequest, Transport as _};
use clbmigrate_clb_double::state::{AddressType, IpVersion, LoadBalancer, NetworkType};
use serde::Serialize;
use serde_json::Value;

use crate::case::{Case, ListenerState, LoadBalancerState, Tag};
use crate::cloud::TestCloud;
use crate::names::Names;
use crate::writes;

/// Fields of a listener that are compared by themselves, and its bandwidth: the CLB double describes every listener as
/// one without a limit.
const NO_ATTRIBUTES: [&str; 7] = [
    "Bandwidth",
    "Description",
    "ListenerPort",
    "ListenerProtocol",
    "LoadBalancerId",
    "Status",
    "VServerGroupId",
];

/// CLBs by name.
pub type Balancers = BTreeMap<String, LoadBalancerState>;
/// Listeners by CLB, protocol and port: group, description, status, attributes.
pub type Listeners = BTreeMap<String, (String, String, String, BTreeMap<String, String>)>;

/// The CLBs that were recorded. Where the recording tells of none they are as before.
pub fn recorded_balancers(case: &Case, names: &Names) -> Balancers {
    let balancers: Vec<&LoadBalancerState> = match &case.expected.load_balancers {
        Some(changed) => changed.values().collect(),
        None => case.cloud.load_balancers.iter().collect(),
    };
    balancers.into_iter().map(|balancer| by_name(balancer.clone(), names)).collect()
}

/// The CLBs that the CLB double has.
pub fn balancers(cloud: &TestCloud, names: &Names) -> Balancers {
    cloud.state().load_balancers.into_iter().map(|one| by_name(described(one), names)).collect()
}

fn described(balancer: LoadBalancer) -> LoadBalancerState {
    let protection =
        balancer.modification_protection.map_or("NonProtection", |_| "ConsoleProtection");
    LoadBalancerState {
        id: balancer.id,
        name: balancer.name,
        address: balancer.address.map(|ip| ip.to_string()).unwrap_or_default(),
        address_type: word::<AddressType>(balancer.address_type),
        ip_version: word::<IpVersion>(balancer.ip_version),
        network_type: word::<NetworkType>(balancer.network_type),
        spec: balancer.spec,
        instance_charge_type: balancer.instance_charge_type,
        internet_charge_type: balancer.internet_charge_type,
        bandwidth: balancer.bandwidth,
        master_zone: balancer.master_zone_id.unwrap_or_default(),
        slave_zone: balancer.slave_zone_id,
        resource_group_id: balancer.resource_group_id,
        delete_protection: if balancer.delete_protection { "on" } else { "off" }.to_owned(),
        modification_protection: protection.to_owned(),
        tags: balancer.tags.into_iter().map(|(key, value)| Tag { key, value }).collect(),
    }
}

fn word<T: Serialize>(value: T) -> String {
    serde_json::to_value(value).expect("a word").as_str().expect("a word").to_owned()
}

/// What the recording does not tell of protection is none. Of a CLB that is made without the fields that the cloud fills in.
fn by_name(mut balancer: LoadBalancerState, names: &Names) -> (String, LoadBalancerState) {
    let name = names.balancer(&balancer.id);
    balancer.tags.sort();
    balancer.id.clone_from(&name);
    for (protection, none) in [
        (&mut balancer.delete_protection, "off"),
        (&mut balancer.modification_protection, "NonProtection"),
    ] {
        if protection.is_empty() {
            none.clone_into(protection);
        }
    }
    if Names::is_made(&name) {
        for text in [
            &mut balancer.address,
            &mut balancer.spec,
            &mut balancer.internet_charge_type,
            &mut balancer.master_zone,
            &mut balancer.slave_zone,
            &mut balancer.resource_group_id,
        ] {
            text.clear();
        }
        balancer.bandwidth = 0;
    }
    (name, balancer)
}

/// The listeners that were recorded. Where the recording tells of none they are as before.
pub fn recorded_listeners(case: &Case, names: &Names) -> Listeners {
    let (told, before) = (&case.expected.listeners, &case.cloud.listeners);
    let listeners = told.as_ref().unwrap_or(before);
    let is_left = |listener: &&ListenerState| told.is_some() || !is_deleted(case, listener);
    let left = listeners.iter().filter(is_left);
    left.map(|listener| listener_by_place(listener, names)).collect()
}

/// Whether the round deletes a listener. The recording leaves a list out that has become empty.
fn is_deleted(case: &Case, listener: &ListenerState) -> bool {
    let place = format!("{}:{}", listener.protocol, listener.port);
    case.expected.round.writes.iter().any(|write| {
        write.action == "DeleteLoadBalancerListener"
            && write.refused.is_none()
            && write.lb.as_ref() == Some(&listener.lb)
            && write.listener.as_ref() == Some(&place)
    })
}

/// The listeners that the CLB double describes.
pub async fn listeners(cloud: &TestCloud, names: &Names) -> Listeners {
    let request = ApiRequest {
        product: ApiProduct::Slb,
        action: "DescribeLoadBalancerListeners",
        parameters: vec![("MaxResults".to_owned(), "500".to_owned())],
    };
    let answer = cloud.transport().call(request).await.expect("listeners");
    let listeners = answer["Listeners"].as_array().expect("listeners");
    listeners.iter().map(|listener| listener_by_place(&as_recorded(listener), names)).collect()
}

fn as_recorded(listener: &Value) -> ListenerState {
    let mut fields = BTreeMap::new();
    let nested = listener.as_object().into_iter().flatten().filter_map(|(_, one)| one.as_object());
    for object in listener.as_object().into_iter().chain(nested) {
        for (name, value) in object.iter().filter(|(_, value)| !value.is_object()) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            fields.insert(name.clone(), text);
        }
    }
    let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
    ListenerState {
        lb: text("LoadBalancerId"),
        port: text("ListenerPort").parse().expect("a port"),
        protocol: text("ListenerProtocol"),
        group: text("VServerGroupId"),
        description: text("Description"),
        status: text("Status"),
        attributes: fields,
    }
}

fn listener_by_place(
    listener: &ListenerState,
    names: &Names,
) -> (String, (String, String, String, BTreeMap<String, String>)) {
    let place = format!("{} {}:{}", names.balancer(&listener.lb), listener.protocol, listener.port);
    let mut attributes = listener.attributes.clone();
    attributes.retain(|name, value| {
        let is_default = writes::is_default(name, value)
            || [("PersistenceTimeout", "0"), ("ListenerForward", "off")].contains(&(name, value));
        !is_default && !NO_ATTRIBUTES.contains(&name.as_str())
    });
    let group = names.group(&listener.group);
    (place, (group, listener.description.clone(), listener.status.clone(), attributes))
}
