//! Listeners. The data plane forwards those for TCP; the others are stored and described.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::state::{
    HealthCheck, HealthCheckType, Listener, LoadBalancer, Protocol, Scheduler, State, Status,
    default_drain, default_established,
};

use super::{Answer, ApiError, CallContext, TokenPage};

/// Parameters that the double stores and describes, and does nothing with.
const STORED_ONLY: [&str; 17] = [
    "AclId",
    "AclStatus",
    "AclType",
    "Cookie",
    "CookieTimeout",
    "EnableHttp2",
    "HealthCheckDomain",
    "HealthCheckHttpCode",
    "HealthCheckMethod",
    "HealthCheckTimeout",
    "HealthCheckURI",
    "IdleTimeout",
    "RequestTimeout",
    "ServerCertificateId",
    "StickySession",
    "StickySessionType",
    "TLSCipherPolicy",
];

pub(super) fn list(state: &State, context: &CallContext<'_>) -> Answer {
    let ids = context.params.list("LoadBalancerId");
    let protocol = protocol(context)?;
    for id in &ids {
        state.load_balancer(id)?;
    }
    let listeners = state
        .load_balancers
        .iter()
        .filter(|lb| ids.is_empty() || ids.contains(&lb.id.as_str()))
        .flat_map(|lb| lb.listeners.iter().map(move |listener| (lb, listener)))
        .filter(|(_, listener)| protocol.is_none_or(|protocol| protocol == listener.protocol))
        .map(|(lb, listener)| description(lb, listener))
        .collect::<Vec<_>>();
    let total = listeners.len();
    let page = TokenPage::from_params(context.params, 20)?;
    let (listeners, next) = page.cut(listeners);
    Ok(json!({
        "Listeners": listeners,
        "MaxResults": page.most,
        "NextToken": next,
        "TotalCount": total,
    }))
}

pub(super) fn create_tcp(state: &mut State, context: &CallContext<'_>) -> Answer {
    create(state, context, Protocol::Tcp)
}

pub(super) fn create_udp(state: &mut State, context: &CallContext<'_>) -> Answer {
    create(state, context, Protocol::Udp)
}

pub(super) fn create_http(state: &mut State, context: &CallContext<'_>) -> Answer {
    create(state, context, Protocol::Http)
}

pub(super) fn create_https(state: &mut State, context: &CallContext<'_>) -> Answer {
    context.required("ServerCertificateId")?;
    create(state, context, Protocol::Https)
}

fn create(state: &mut State, context: &CallContext<'_>, protocol: Protocol) -> Answer {
    let most = state.quotas.listeners_per_load_balancer;
    let lb = state.load_balancer_mut(context.required("LoadBalancerId")?)?;
    let port = context.params.port("ListenerPort")?;
    let mut listener = Listener {
        port,
        protocol,
        scheduler: Scheduler::Wrr,
        v_server_group_id: None,
        status: Status::Stopped,
        description: String::new(),
        persistence_timeout: 0,
        established_timeout: default_established(),
        connection_drain: false,
        connection_drain_timeout: default_drain(),
        health_check: HealthCheck::default(),
        forward_port: None,
        attributes: BTreeMap::new(),
    };
    let is_taken = |other: &Listener| other.port == port && other.is_udp() == listener.is_udp();
    if lb.listeners.iter().any(is_taken) {
        let message = format!("The listener of port {port} already exists.");
        return Err(ApiError::new(400, "ListenerAlreadyExists", message));
    }
    if lb.listeners.len() >= most {
        let message = format!("The load balancer already has {most} listeners.");
        return Err(ApiError::new(400, "ListenerNumberOverLimit", message));
    }
    apply(&mut listener, lb, context)?;
    lb.listeners.push(listener);
    Ok(json!({}))
}

pub(super) fn set_tcp(state: &mut State, context: &CallContext<'_>) -> Answer {
    set(state, context, Protocol::Tcp)
}

pub(super) fn set_udp(state: &mut State, context: &CallContext<'_>) -> Answer {
    set(state, context, Protocol::Udp)
}

pub(super) fn set_http(state: &mut State, context: &CallContext<'_>) -> Answer {
    set(state, context, Protocol::Http)
}

pub(super) fn set_https(state: &mut State, context: &CallContext<'_>) -> Answer {
    set(state, context, Protocol::Https)
}

fn set(state: &mut State, context: &CallContext<'_>, protocol: Protocol) -> Answer {
    let lb = state.load_balancer_mut(context.required("LoadBalancerId")?)?;
    let port = context.params.port("ListenerPort")?;
    let mut listener = lb.listener(port, Some(protocol))?.clone();
    apply(&mut listener, lb, context)?;
    *lb.listener_mut(port, Some(protocol))? = listener;
    Ok(json!({}))
}

pub(super) fn start(state: &mut State, context: &CallContext<'_>) -> Answer {
    switch(state, context, Status::Running)
}

pub(super) fn stop(state: &mut State, context: &CallContext<'_>) -> Answer {
    switch(state, context, Status::Stopped)
}

pub(super) fn delete(state: &mut State, context: &CallContext<'_>) -> Answer {
    let lb = state.load_balancer_mut(context.required("LoadBalancerId")?)?;
    let gone = lb.listener(context.params.port("ListenerPort")?, protocol(context)?)?.clone();
    lb.listeners.retain(|listener| *listener != gone);
    Ok(json!({}))
}

fn switch(state: &mut State, context: &CallContext<'_>, status: Status) -> Answer {
    let lb = state.load_balancer_mut(context.required("LoadBalancerId")?)?;
    lb.listener_mut(context.params.port("ListenerPort")?, protocol(context)?)?.status = status;
    Ok(json!({}))
}

/// The parameter `ListenerProtocol`.
pub(super) fn protocol(context: &CallContext<'_>) -> Result<Option<Protocol>, ApiError> {
    word(context, "ListenerProtocol", &["tcp", "udp", "http", "https"])
}

/// A parameter that is one of a few words.
fn word<T: serde::de::DeserializeOwned>(
    context: &CallContext<'_>,
    name: &str,
    words: &[&str],
) -> Result<Option<T>, ApiError> {
    let Some(text) = context.params.optional(name) else {
        return Ok(None);
    };
    serde_json::from_value(Value::String(text.to_lowercase())).map(Some).map_err(|_| {
        ApiError::invalid(format!(
            "The specified {name} {text:?} is not one of {}.",
            words.join(", ")
        ))
    })
}

/// Takes over what the parameters say; what they do not say stays.
fn apply(
    listener: &mut Listener,
    lb: &LoadBalancer,
    context: &CallContext<'_>,
) -> Result<(), ApiError> {
    let params = context.params;
    if let Some(id) = params.optional("VServerGroupId") {
        listener.v_server_group_id = Some(lb.group(id)?.id.clone());
    }
    if params.switch("VServerGroup")? == Some(false) {
        listener.v_server_group_id = None;
    }
    if let Some(text) = params.optional("Description") {
        text.clone_into(&mut listener.description);
    }
    replace(&mut listener.scheduler, word(context, "Scheduler", &["wrr", "rr", "wlc"])?);
    replace(&mut listener.persistence_timeout, params.number("PersistenceTimeout", 0..=3600)?);
    replace(&mut listener.established_timeout, params.number("EstablishedTimeout", 10..=900)?);
    replace(&mut listener.connection_drain, params.switch("ConnectionDrain")?);
    let drain = params.number("ConnectionDrainTimeout", 10..=900)?;
    replace(&mut listener.connection_drain_timeout, drain);

    if params.switch("ListenerForward")? == Some(true) {
        listener.forward_port = Some(params.port("ForwardPort")?);
    }
    for name in STORED_ONLY {
        if let Some(value) = params.optional(name) {
            listener.attributes.insert(name.to_owned(), value.to_owned());
        }
    }

    let check = &mut listener.health_check;
    // The second is the name of HTTP and HTTPS listeners.
    replace(&mut check.enabled, params.switch("HealthCheckSwitch")?);
    replace(&mut check.enabled, params.switch("HealthCheck")?);
    replace(
        &mut check.kind,
        word::<HealthCheckType>(context, "HealthCheckType", &["tcp", "http"])?,
    );
    if let Some(port) = params.number("HealthCheckConnectPort", -520..=65535)? {
        // -520 is the cloud's word for the backend's own port.
        check.port = u16::try_from(port).ok().filter(|port| *port > 0);
    }
    replace(&mut check.interval, params.number("HealthCheckInterval", 1..=50)?);
    replace(&mut check.healthy_threshold, params.number("HealthyThreshold", 2..=10)?);
    replace(&mut check.unhealthy_threshold, params.number("UnhealthyThreshold", 2..=10)?);
    replace(&mut check.connect_timeout, params.number("HealthCheckConnectTimeout", 1..=300)?);
    Ok(())
}

fn replace<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn description(lb: &LoadBalancer, listener: &Listener) -> Value {
    let config = match listener.protocol {
        Protocol::Tcp => "TCPListenerConfig",
        Protocol::Udp => "UDPListenerConfig",
        Protocol::Http => "HTTPListenerConfig",
        Protocol::Https => "HTTPSListenerConfig",
    };
    let mut answer = Map::new();
    if let Value::Object(fields) = json!({
        "LoadBalancerId": lb.id,
        "ListenerPort": listener.port,
        "ListenerProtocol": listener.protocol,
        "Status": listener.status,
        "Description": listener.description,
        "Scheduler": listener.scheduler,
        "Bandwidth": -1,
    }) {
        answer = fields;
    }
    if let Some(group) = &listener.v_server_group_id {
        answer.insert("VServerGroupId".to_owned(), json!(group));
    }
    answer.insert(config.to_owned(), details(listener));
    Value::Object(answer)
}

fn details(listener: &Listener) -> Value {
    let check = listener.health_check;
    let mut details = json!({
        "HealthCheck": on_off(check.enabled),
        "HealthCheckType": check.kind,
        "HealthCheckInterval": check.interval,
        "HealthCheckConnectTimeout": check.connect_timeout,
        "HealthyThreshold": check.healthy_threshold,
        "UnhealthyThreshold": check.unhealthy_threshold,
        "PersistenceTimeout": listener.persistence_timeout,
        "EstablishedTimeout": listener.established_timeout,
        "ConnectionDrain": on_off(listener.connection_drain),
        "ConnectionDrainTimeout": listener.connection_drain_timeout,
    });
    if let Value::Object(fields) = &mut details {
        if let Some(port) = check.port {
            fields.insert("HealthCheckConnectPort".to_owned(), json!(port));
        }
        if let Some(port) = listener.forward_port {
            fields.insert("ListenerForward".to_owned(), json!("on"));
            fields.insert("ForwardPort".to_owned(), json!(port));
        }
        fields.extend(listener.attributes.iter().map(|(name, value)| (name.clone(), json!(value))));
    }
    details
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
