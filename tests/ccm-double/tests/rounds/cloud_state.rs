//! The cloud of a recorded round as the state of the CLB double.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use clbmigrate_clb_double::state::{Group, Listener, LoadBalancer, NetworkInterface};
use clbmigrate_clb_double::{Fault, FaultEffect, State};
use serde_json::{Map, Value, json};

use crate::case::{Case, CloudState, ListenerState, LoadBalancerState};

/// Replaces what a double has by the cloud of a case.
pub fn load(state: &mut State, case: &Case) {
    // The cloud of the recordings looked neither at values of listeners nor at quotas, except that of a call.
    state.takes_any_listener_value = true;
    state.quotas.backends_per_load_balancer = usize::MAX;
    state.quotas.listeners_per_load_balancer = usize::MAX;
    state.vpc.id.clone_from(&case.cloud.vpc_id);
    state.vpc.cidrs.clone_from(&case.cloud.vpc_cidrs);
    state.load_balancers =
        case.cloud.load_balancers.iter().map(|balancer| read(balancer, &case.cloud)).collect();
    let slices = case.before.endpoint_slices.iter().chain(&case.after.endpoint_slices);
    let endpoints = slices.filter_map(|slice| slice["endpoints"].as_array()).flatten();
    let addresses = endpoints.filter_map(|endpoint| endpoint["addresses"].as_array()).flatten();
    let addresses: BTreeSet<&str> = addresses.filter_map(Value::as_str).collect();
    state.network_interfaces = addresses
        .into_iter()
        .filter(|ip| !case.cloud.ips_without_eni.contains(*ip))
        .filter(|ip| case.cloud.vpc_cidrs.iter().any(|range| contains(range, ip)))
        .filter_map(|ip| Some(NetworkInterface { id: format!("eni-{ip}"), ip: ip.parse().ok()? }))
        .collect();
}

/// What the first round meets.
pub fn faults(cloud: &CloudState) -> Vec<Fault> {
    let throttled = cloud.faults.iter().map(|fault| {
        let throttle = Fault::new(FaultEffect::Throttle {}).for_action(&fault.action);
        match fault.call.checked_sub(1) {
            None => throttle,
            Some(before) => throttle.after(before).times(1),
        }
    });
    throttled.collect()
}

fn read(balancer: &LoadBalancerState, cloud: &CloudState) -> LoadBalancer {
    let mut fields = json!({
        "id": balancer.id,
        "name": balancer.name,
        "address": balancer.address.parse::<IpAddr>().ok(),
        "addressType": balancer.address_type,
        "networkType": balancer.network_type,
        "spec": balancer.spec,
        "instanceChargeType": balancer.instance_charge_type,
        "internetChargeType": balancer.internet_charge_type,
        "ipVersion": balancer.ip_version,
        "masterZoneId": balancer.master_zone,
        "bandwidth": balancer.bandwidth,
        "slaveZoneId": balancer.slave_zone,
        "resourceGroupId": balancer.resource_group_id,
        "deleteProtection": balancer.delete_protection == "on",
        "tags": balancer.tags.iter()
            .map(|tag| (tag.key.clone(), json!(tag.value)))
            .collect::<Map<String, Value>>(),
        "groups": groups(&balancer.id, cloud),
        "listeners": listeners(&balancer.id, cloud),
    });
    if balancer.modification_protection == "ConsoleProtection" {
        fields["modificationProtection"] = json!({"reason": ""});
    }
    serde_json::from_value(fields).expect("a CLB")
}

fn groups(balancer: &str, cloud: &CloudState) -> Vec<Group> {
    let own = cloud.groups.iter().filter(|group| group.lb == balancer);
    own.map(|group| {
        let backends = group.backends.iter().map(|backend| {
            let fields = json!({
                "type": backend.kind,
                "serverId": backend.server_id,
                "serverIp": backend.server_ip,
                "port": backend.port,
                "weight": backend.weight,
                "description": backend.description,
            });
            serde_json::from_value(fields).expect("a backend")
        });
        Group { id: group.id.clone(), name: group.name.clone(), backends: backends.collect() }
    })
    .collect()
}

fn listeners(balancer: &str, cloud: &CloudState) -> Vec<Listener> {
    cloud.listeners.iter().filter(|listener| listener.lb == balancer).map(listener).collect()
}

fn listener(listener: &ListenerState) -> Listener {
    let mut fields = json!({
        "port": listener.port,
        "protocol": listener.protocol,
        "status": listener.status,
        "description": listener.description,
    });
    if !listener.group.is_empty() {
        fields["vServerGroupId"] = json!(listener.group);
    }
    let mut stored = Map::new();
    for (name, value) in &listener.attributes {
        let number = || json!(value.parse::<u32>().expect("a number"));
        match name.as_str() {
            // The double describes every listener as one without a limit.
            "Bandwidth" => assert_eq!(value, "-1", "the bandwidth of a listener"),
            "Scheduler" => fields["scheduler"] = json!(value),
            "PersistenceTimeout" => fields["persistenceTimeout"] = number(),
            "EstablishedTimeout" => fields["establishedTimeout"] = number(),
            "ConnectionDrain" if ["on", "off"].contains(&value.as_str()) => {
                fields["connectionDrain"] = json!(value == "on");
            }
            "ConnectionDrainTimeout" => fields["connectionDrainTimeout"] = number(),
            "ForwardPort" => fields["forwardPort"] = number(),
            "ListenerForward" => {}
            _ => {
                stored.insert(name.clone(), json!(value));
            }
        }
    }
    fields["attributes"] = Value::Object(stored);
    serde_json::from_value(fields).expect("a listener")
}

/// Whether a range like `10.0.0.0/8` contains an address. The rounds have none of IPv6.
fn contains(range: &str, address: &str) -> bool {
    let (network, length) = range.split_once('/').expect("a range");
    let (Ok(network), Ok(address)) = (network.parse::<Ipv4Addr>(), address.parse::<Ipv4Addr>())
    else {
        return false;
    };
    let length: u32 = length.parse().expect("a length");
    let differs = u32::from(network) ^ u32::from(address);
    differs.checked_shr(32 - length).unwrap_or(0) == 0
}
