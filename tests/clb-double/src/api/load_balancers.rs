//! CLBs themselves.

use std::net::IpAddr;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::state::{
    AddressType, IpVersion, LoadBalancer, ModificationProtection, NetworkType, State,
};

use super::{Answer, ApiError, CallContext, Page, Params, fresh_id, tags};

pub(super) fn attribute(state: &State, context: &CallContext<'_>) -> Answer {
    let lb = state.load_balancer(context.required("LoadBalancerId")?)?;
    let mut answer = summary(state, lb);
    let ports = lb.listeners.iter().map(|listener| listener.port).collect::<Vec<_>>();
    let listeners = lb
        .listeners
        .iter()
        .map(|listener| {
            json!({
                "ListenerPort": listener.port,
                "ListenerProtocol": listener.protocol,
                "ListenerForward": "off",
                "Description": listener.description,
            })
        })
        .collect::<Vec<_>>();
    if let Value::Object(fields) = &mut answer {
        fields.insert("ListenerPorts".to_owned(), json!({"ListenerPort": ports}));
        fields.insert(
            "ListenerPortsAndProtocol".to_owned(),
            json!({"ListenerPortAndProtocol": listeners}),
        );
        let servers = lb.default_servers.iter().map(|server| {
            json!({
                "ServerId": server.server_id,
                "Weight": server.weight,
                "Type": "ecs",
                "Description": server.description,
            })
        });
        let servers = servers.collect::<Vec<_>>();
        fields.insert("BackendServers".to_owned(), json!({"BackendServer": servers}));
    }
    Ok(answer)
}

pub(super) fn list(state: &State, context: &CallContext<'_>) -> Answer {
    let params = context.params;
    let ids = params.optional("LoadBalancerId").map(|ids| ids.split(',').collect::<Vec<_>>());
    let version: Option<IpVersion> = word(params, "AddressIPVersion")?;
    let mut tags = params.optional("Tags").map(wanted_tags).transpose()?.unwrap_or_default();
    tags.extend(params.tags().into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())));
    let found = state
        .load_balancers
        .iter()
        .filter(|lb| ids.as_ref().is_none_or(|ids| ids.contains(&lb.id.as_str())))
        .filter(|lb| params.optional("LoadBalancerName").is_none_or(|name| lb.name == name))
        .filter(|lb| {
            let wanted = params.optional("Address");
            wanted.is_none_or(|address| lb.address.is_some_and(|ip| ip.to_string() == address))
        })
        .filter(|lb| version.is_none_or(|version| lb.ip_version == version))
        .filter(|lb| tags.iter().all(|(key, value)| lb.tags.get(key) == Some(value)))
        .map(|lb| summary(state, lb))
        .collect::<Vec<_>>();
    let page = Page::from_params(params)?;
    let total = found.len();
    Ok(json!({
        "LoadBalancers": {"LoadBalancer": page.cut(found)},
        "PageNumber": page.number,
        "PageSize": page.size,
        "TotalCount": total,
    }))
}

/// Makes a CLB, unless one has been made with the same `ClientToken`. Without `Address` it gets the first free one of
/// 192.0.2.0/24, which is set aside for documentation.
pub(super) fn create(state: &mut State, context: &CallContext<'_>) -> Answer {
    let params = context.params;
    let client_token = params.optional("ClientToken");
    if let Some(token) = client_token {
        let made = state.load_balancers.iter().find(|lb| lb.client_token.as_deref() == Some(token));
        if let Some(made) = made {
            return Ok(summary(state, made));
        }
    }
    let text = |name: &str| params.optional(name).unwrap_or_default().to_owned();
    let mut lb = LoadBalancer::new(fresh_id("lb")?, text("LoadBalancerName"));
    lb.address_type = word(params, "AddressType")?.unwrap_or(AddressType::Internet);
    if lb.address_type == AddressType::Internet {
        lb.network_type = NetworkType::Classic;
    }
    lb.ip_version = word(params, "AddressIPVersion")?.unwrap_or_default();
    lb.address = match params.optional("Address") {
        Some(address) => Some(address.parse().map_err(|_| invalid("Address", address))?),
        None => free_address(state),
    };
    lb.slave_zone_id = text("SlaveZoneId");
    lb.master_zone_id = params.optional("MasterZoneId").map(str::to_owned);
    lb.resource_group_id = text("ResourceGroupId");
    set_sizes(&mut lb, params)?;
    lb.delete_protection = params.switch("DeleteProtection")?.unwrap_or_default();
    if params.optional("ModificationProtectionStatus").is_some() {
        lb.modification_protection = modification_protection(context)?;
    }
    lb.client_token = client_token.map(str::to_owned);
    let own = params.tags().into_iter();
    lb.tags = own.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let answer = summary(state, &lb);
    state.load_balancers.push(lb);
    Ok(answer)
}

/// Deletes a CLB with its groups and listeners.
pub(super) fn delete(state: &mut State, context: &CallContext<'_>) -> Answer {
    let id = context.required("LoadBalancerId")?;
    if state.load_balancer(id)?.delete_protection {
        let message = "The load balancer is protected from deletion.";
        return Err(ApiError::new(400, "OperationDenied.DeleteProtection", message));
    }
    state.load_balancers.retain(|lb| lb.id != id);
    Ok(json!({}))
}

pub(super) fn modify_spec(state: &mut State, context: &CallContext<'_>) -> Answer {
    context.required("LoadBalancerSpec")?;
    modify_internet_spec(state, context)
}

/// Changes whether a specification or what is used is paid for.
pub(super) fn modify_instance_charge_type(state: &mut State, context: &CallContext<'_>) -> Answer {
    context.required("InstanceChargeType")?;
    modify_internet_spec(state, context)
}

pub(super) fn modify_internet_spec(state: &mut State, context: &CallContext<'_>) -> Answer {
    let lb = state.load_balancer_mut(context.required("LoadBalancerId")?)?;
    set_sizes(lb, context.params)?;
    Ok(json!({}))
}

/// Takes over specification, charge types and bandwidth, as far as the parameters name them.
fn set_sizes(lb: &mut LoadBalancer, params: &Params) -> Result<(), ApiError> {
    if let Some(spec) = params.optional("LoadBalancerSpec") {
        spec.clone_into(&mut lb.spec);
    }
    match params.optional("InstanceChargeType") {
        None => {}
        Some(kind @ ("PayBySpec" | "PayByCLCU")) => {
            kind.clone_into(&mut lb.instance_charge_type);
        }
        Some(other) => return Err(invalid("InstanceChargeType", other)),
    }
    match params.optional("InternetChargeType") {
        None => {}
        Some(kind @ ("paybytraffic" | "paybybandwidth")) => {
            kind.clone_into(&mut lb.internet_charge_type);
        }
        Some(other) => return Err(invalid("InternetChargeType", other)),
    }
    lb.bandwidth = params.number("Bandwidth", -1..=10_000)?.unwrap_or(lb.bandwidth);
    Ok(())
}

fn free_address(state: &State) -> Option<IpAddr> {
    let is_free = |ip: &IpAddr| state.load_balancers.iter().all(|lb| lb.address != Some(*ip));
    (1..255).map(|number| IpAddr::from([192, 0, 2, number])).find(is_free)
}

/// A parameter whose values are the words of an enum.
fn word<T: DeserializeOwned>(params: &Params, name: &str) -> Result<Option<T>, ApiError> {
    let Some(text) = params.optional(name) else { return Ok(None) };
    serde_json::from_value(json!(text)).map(Some).map_err(|_| invalid(name, text))
}

fn invalid(name: &str, value: &str) -> ApiError {
    ApiError::invalid(format!("The specified {name} {value:?} is invalid."))
}

pub(super) fn set_name(state: &mut State, context: &CallContext<'_>) -> Answer {
    let name = context.required("LoadBalancerName")?;
    let lb = state.load_balancer_mut(context.required("LoadBalancerId")?)?;
    name.clone_into(&mut lb.name);
    Ok(json!({}))
}

pub(super) fn set_delete_protection(state: &mut State, context: &CallContext<'_>) -> Answer {
    let switch = "DeleteProtection";
    let on = context.params.switch(switch)?.ok_or_else(|| ApiError::missing(switch))?;
    state.load_balancer_mut(context.required("LoadBalancerId")?)?.delete_protection = on;
    Ok(json!({}))
}

pub(super) fn set_modification_protection(state: &mut State, context: &CallContext<'_>) -> Answer {
    let protection = modification_protection(context)?;
    let lb = state.load_balancer_mut(context.required("LoadBalancerId")?)?;
    lb.modification_protection = protection;
    Ok(json!({}))
}

fn modification_protection(
    context: &CallContext<'_>,
) -> Result<Option<ModificationProtection>, ApiError> {
    match context.required("ModificationProtectionStatus")? {
        "NonProtection" => Ok(None),
        "ConsoleProtection" => {
            let reason =
                context.params.optional("ModificationProtectionReason").unwrap_or_default();
            Ok(Some(ModificationProtection { reason: reason.to_owned() }))
        }
        other => Err(ApiError::invalid(format!(
            "The specified ModificationProtectionStatus {other:?} is not NonProtection or \
             ConsoleProtection."
        ))),
    }
}

/// What a list tells of a CLB.
fn summary(state: &State, lb: &LoadBalancer) -> Value {
    let protection = lb.modification_protection.as_ref();
    json!({
        "LoadBalancerId": lb.id,
        "LoadBalancerName": lb.name,
        "LoadBalancerStatus": "active",
        "LoadBalancerSpec": lb.spec,
        "InstanceChargeType": lb.instance_charge_type,
        "Address": lb.address.map(|ip| ip.to_string()).unwrap_or_default(),
        "AddressType": lb.address_type,
        "AddressIPVersion": lb.ip_version,
        "NetworkType": lb.network_type,
        "VpcId": state.vpc.id,
        "VSwitchId": state.metadata.vswitch_id,
        "RegionId": state.region,
        "RegionIdAlias": state.region,
        "MasterZoneId": lb.master_zone_id.as_ref().unwrap_or(&state.metadata.zone_id),
        "SlaveZoneId": lb.slave_zone_id,
        "ResourceGroupId": lb.resource_group_id,
        "PayType": "PayOnDemand",
        "InternetChargeType": lb.internet_charge_type,
        "Bandwidth": lb.bandwidth,
        "DeleteProtection": if lb.delete_protection { "on" } else { "off" },
        "ModificationProtectionStatus":
            protection.map_or("NonProtection", |_| "ConsoleProtection"),
        "ModificationProtectionReason":
            protection.map_or("", |protection| protection.reason.as_str()),
        "Tags": {"Tag": tags::describe(lb)},
    })
}

/// CCM 2.14 asks for tags as JSON.
fn wanted_tags(text: &str) -> Result<Vec<(String, String)>, ApiError> {
    let wrong = || ApiError::invalid("The specified Tags is not a JSON list of TagKey, TagValue.");
    let Value::Array(tags) = serde_json::from_str(text).map_err(|_| wrong())? else {
        return Err(wrong());
    };
    tags.iter()
        .map(|tag| {
            let key = tag.get("TagKey").and_then(Value::as_str).ok_or_else(wrong)?;
            let value = tag.get("TagValue").and_then(Value::as_str).unwrap_or_default();
            Ok((key.to_owned(), value.to_owned()))
        })
        .collect()
}
