//! vServer groups and their backends.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::state::{Backend, Group, State};

use super::backends::{self, BackendElement};
use super::{Answer, ApiError, CallContext, fresh_id};

/// All of them: the real API has no pages here either.
pub(super) fn list(state: &State, context: &CallContext<'_>) -> Answer {
    let lb = state.load_balancer(context.required("LoadBalancerId")?)?;
    let groups = lb
        .groups
        .iter()
        .map(|group| {
            let listeners = lb
                .listeners
                .iter()
                .filter(|listener| listener.v_server_group_id.as_ref() == Some(&group.id))
                .map(|listener| json!({"Port": listener.port, "Protocol": listener.protocol}))
                .collect::<Vec<_>>();
            json!({
                "VServerGroupId": group.id,
                "VServerGroupName": group.name,
                "ServerCount": group.backends.len(),
                "AssociatedObjects": {
                    "Listeners": {"Listener": listeners},
                    "Rules": {"Rule": []},
                },
            })
        })
        .collect::<Vec<_>>();
    Ok(json!({"VServerGroups": {"VServerGroup": groups}}))
}

pub(super) fn attribute(state: &State, context: &CallContext<'_>) -> Answer {
    let id = context.required("VServerGroupId")?;
    let lb = state.load_balancer_of_group(id)?;
    let mut answer = description(lb.group(id)?);
    if let Value::Object(fields) = &mut answer {
        fields.insert("LoadBalancerId".to_owned(), json!(lb.id));
    }
    Ok(answer)
}

pub(super) fn create(state: &mut State, context: &CallContext<'_>) -> Answer {
    let lb = context.required("LoadBalancerId")?;
    let name = context.params.optional("VServerGroupName").unwrap_or_default().to_owned();
    let elements = elements(state, context)?.unwrap_or_default();
    state.load_balancer(lb)?;
    room_for(state, lb, elements.iter().map(BackendElement::key).collect::<BTreeSet<_>>().len())?;
    let mut group = Group { id: fresh_id("rsp")?, name, backends: Vec::new() };
    put(&mut group, elements);
    let answer = description(&group);
    state.load_balancer_mut(lb)?.groups.push(group);
    Ok(answer)
}

pub(super) fn delete(state: &mut State, context: &CallContext<'_>) -> Answer {
    let id = context.required("VServerGroupId")?;
    let lb = state.load_balancer_of_group(id)?;
    if lb.listeners.iter().any(|listener| listener.v_server_group_id.as_deref() == Some(id)) {
        let message = "there are vips associating with this vServer group.";
        return Err(ApiError::new(400, "RspoolVipExist", message));
    }
    let lb = lb.id.clone();
    state.load_balancer_mut(&lb)?.groups.retain(|group| group.id != id);
    Ok(json!({}))
}

/// Adds backends. What is in the group already gets the new weight and description: what the cloud
/// does with it is not documented.
pub(super) fn add(state: &mut State, context: &CallContext<'_>) -> Answer {
    let id = context.required("VServerGroupId")?;
    let elements = required_elements(state, context)?;
    let group = state.group(id)?;
    let fresh = elements
        .iter()
        .filter(|element| !group.backends.iter().any(|backend| element.means(backend)))
        .map(BackendElement::key)
        .collect::<BTreeSet<_>>();
    let lb = state.load_balancer_of_group(id)?.id.clone();
    room_for(state, &lb, fresh.len())?;
    let group = state.group_mut(id)?;
    put(group, elements);
    Ok(description(group))
}

/// Removes backends. What is not there needs no removing.
pub(super) fn remove(state: &mut State, context: &CallContext<'_>) -> Answer {
    let elements = required_elements(state, context)?;
    let group = state.group_mut(context.required("VServerGroupId")?)?;
    group.backends.retain(|backend| !elements.iter().any(|element| element.means(backend)));
    Ok(description(group))
}

/// Changes name, weights and descriptions. It neither adds nor removes: what is not in the group is
/// passed over in silence, so that a client which does not look afterwards is found out.
pub(super) fn set(state: &mut State, context: &CallContext<'_>) -> Answer {
    let elements = elements(state, context)?.unwrap_or_default();
    let group = state.group_mut(context.required("VServerGroupId")?)?;
    if let Some(name) = context.params.optional("VServerGroupName") {
        name.clone_into(&mut group.name);
    }
    for element in elements {
        for backend in group.backends.iter_mut().filter(|backend| element.means(backend)) {
            change(backend, &element);
        }
    }
    Ok(description(group))
}

fn put(group: &mut Group, elements: Vec<BackendElement>) {
    for element in elements {
        match group.backends.iter_mut().find(|backend| element.means(backend)) {
            Some(backend) => change(backend, &element),
            None => group.backends.push(element.into()),
        }
    }
}

fn change(backend: &mut Backend, element: &BackendElement) {
    backend.weight = element.weight.unwrap_or(backend.weight);
    if let Some(description) = &element.description {
        description.clone_into(&mut backend.description);
    }
}

fn elements(
    state: &State,
    context: &CallContext<'_>,
) -> Result<Option<Vec<BackendElement>>, ApiError> {
    let key = &context.caller.access_key_id;
    let account = state.accounts.iter().find(|account| account.access_key_id == *key);
    let own = account.and_then(|account| account.backends_per_call);
    let most = own.unwrap_or(state.quotas.backends_per_call);
    context.params.optional("BackendServers").map(|text| backends::read(text, most)).transpose()
}

fn required_elements(
    state: &State,
    context: &CallContext<'_>,
) -> Result<Vec<BackendElement>, ApiError> {
    elements(state, context)?.ok_or_else(|| ApiError::missing("BackendServers"))
}

/// CCM 2.14 knows this code, and adds once more after it has removed.
fn room_for(state: &State, lb: &str, more: usize) -> Result<(), ApiError> {
    let most = state.quotas.backends_per_load_balancer;
    let lb = state.load_balancer(lb)?;
    let present = lb.groups.iter().map(|group| group.backends.len()).sum::<usize>();
    if more == 0 || present + more <= most {
        return Ok(());
    }
    let message = format!(
        "The number of backend servers of the load balancer is over the limit: {present} and \
         {more} more than {most}."
    );
    Err(ApiError::new(400, "InstanceBackendServerNumberOverLimit", message))
}

fn description(group: &Group) -> Value {
    let backends = group
        .backends
        .iter()
        .map(|backend| {
            json!({
                "ServerId": backend.server_id,
                "ServerIp": backend.server_ip,
                "Port": backend.port,
                "Weight": backend.weight,
                "Type": backend.kind,
                "Description": backend.description,
            })
        })
        .collect::<Vec<_>>();
    json!({
        "VServerGroupId": group.id,
        "VServerGroupName": group.name,
        "BackendServers": {"BackendServer": backends},
    })
}
