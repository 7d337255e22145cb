//! CLBs themselves.

use serde_json::{Value, json};

use crate::state::{LoadBalancer, ModificationProtection, State};

use super::{Answer, ApiError, CallContext, Page, tags};

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
        // Servers of the default group, which nobody has here.
        fields.insert("BackendServers".to_owned(), json!({"BackendServer": []}));
    }
    Ok(answer)
}

pub(super) fn list(state: &State, context: &CallContext<'_>) -> Answer {
    let params = context.params;
    let ids = params.optional("LoadBalancerId").map(|ids| ids.split(',').collect::<Vec<_>>());
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
        .filter(|lb| tags.iter().all(|(key, value)| lb.tags.get(key) == Some(value)))
        .map(|lb| summary(state, lb))
        .collect::<Vec<_>>();
    let page = Page::of(params)?;
    let total = found.len();
    Ok(json!({
        "LoadBalancers": {"LoadBalancer": page.cut(found)},
        "PageNumber": page.number,
        "PageSize": page.size,
        "TotalCount": total,
    }))
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
    let protection = match context.required("ModificationProtectionStatus")? {
        "NonProtection" => None,
        "ConsoleProtection" => {
            let reason =
                context.params.optional("ModificationProtectionReason").unwrap_or_default();
            Some(ModificationProtection { reason: reason.to_owned() })
        }
        other => {
            let message = format!(
                "The specified ModificationProtectionStatus {other:?} is not NonProtection or \
                 ConsoleProtection."
            );
            return Err(ApiError::invalid(message));
        }
    };
    let lb = state.load_balancer_mut(context.required("LoadBalancerId")?)?;
    lb.modification_protection = protection;
    Ok(json!({}))
}

/// What a list tells of a CLB.
fn summary(state: &State, lb: &LoadBalancer) -> Value {
    let protection = lb.modification_protection.as_ref();
    json!({
        "LoadBalancerId": lb.id,
        "LoadBalancerName": lb.name,
        "LoadBalancerStatus": "active",
        "LoadBalancerSpec": lb.spec,
        "Address": lb.address.map(|ip| ip.to_string()).unwrap_or_default(),
        "AddressType": lb.address_type,
        "AddressIPVersion": lb.ip_version,
        "NetworkType": lb.network_type,
        "VpcId": state.vpc.id,
        "VSwitchId": state.metadata.vswitch_id,
        "RegionId": state.region,
        "RegionIdAlias": state.region,
        "MasterZoneId": state.metadata.zone_id,
        "PayType": "PayOnDemand",
        "InternetChargeType": "paybytraffic",
        "DeleteProtection": if lb.delete_protection { "on" } else { "off" },
        "ModificationProtectionStatus":
            protection.map_or("NonProtection", |_| "ConsoleProtection"),
        "ModificationProtectionReason":
            protection.map_or("", |protection| protection.reason.as_str()),
        "Tags": {"Tag": tags::of(lb)},
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
