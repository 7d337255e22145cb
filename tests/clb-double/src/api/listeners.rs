//! Listeners. The data plane forwards those for TCP; the others are stored and described.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use crate::state::{
    HealthCheck, HealthCheckType, Listener, LoadBalancer, Protocol, Scheduler, State, Status,
    default_drain, default_established,
};

use super::{Answer, ApiError, CallContext, Params, TokenPage};

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
    let takes_any = state.takes_any_listener_value;
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
    apply(&mut listener, lb, context, takes_any)?;
    if let Some(to) = listener.forward_port {
        let is_target = |other: &Listener| other.port == to && other.protocol == Protocol::Https;
        if !lb.listeners.iter().any(is_target) {
            let message = format!("There is no HTTPS listener of port {to} to forward to.");
            return Err(ApiError::invalid(message));
        }
    }
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
    let takes_any = state.takes_any_listener_value;
    let lb = state.load_balancer_mut(context.required("LoadBalancerId")?)?;
    let port = context.params.port("ListenerPort")?;
    let mut listener = lb.listener(port, Some(protocol))?.clone();
    apply(&mut listener, lb, context, takes_any)?;
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
    let forwards_here = |other: &Listener| {
        gone.protocol == Protocol::Https && other.forward_port == Some(gone.port)
    };
    if let Some(other) = lb.listeners.iter().find(|other| forwards_here(other)) {
        let message = format!("The listener of port {} forwards to this one.", other.port);
        return Err(ApiError::invalid(message));
    }
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
    word(context.params, "ListenerProtocol", &["tcp", "udp", "http", "https"])
}

/// A parameter that is one of a few words.
fn word<T: serde::de::DeserializeOwned>(
    params: &Params,
    name: &str,
    words: &[&str],
) -> Result<Option<T>, ApiError> {
    let Some(text) = params.optional(name) else {
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
    takes_any: bool,
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
    if params.switch("ListenerForward")? == Some(true) {
        listener.forward_port = Some(params.port("ForwardPort")?);
    }
    for name in STORED_ONLY {
        if let Some(value) = params.optional(name) {
            listener.attributes.insert(name.to_owned(), value.to_owned());
        }
    }
    let mut values = Values { context, takes_any, attributes: &mut listener.attributes };
    values.take("Scheduler", &mut listener.scheduler, |params, name| {
        word(params, name, &["wrr", "rr", "wlc"])
    })?;
    values.number("PersistenceTimeout", &mut listener.persistence_timeout, 0..=3600)?;
    values.number("EstablishedTimeout", &mut listener.established_timeout, 10..=900)?;
    values.take("ConnectionDrain", &mut listener.connection_drain, Params::switch)?;
    values.number("ConnectionDrainTimeout", &mut listener.connection_drain_timeout, 10..=900)?;
    apply_health_check(&mut listener.health_check, &mut values)
}

fn apply_health_check(check: &mut HealthCheck, values: &mut Values<'_>) -> Result<(), ApiError> {
    // The second is the name of HTTP and HTTPS listeners.
    values.take("HealthCheckSwitch", &mut check.enabled, Params::switch)?;
    values.take("HealthCheck", &mut check.enabled, Params::switch)?;
    values.take("HealthCheckType", &mut check.kind, |params, name| {
        word::<HealthCheckType>(params, name, &["tcp", "http"])
    })?;
    values.take("HealthCheckConnectPort", &mut check.port, |params, name| {
        // -520 is the cloud's word for the backend's own port.
        let port = params.number(name, -520..=65535)?;
        Ok(port.map(|port| u16::try_from(port).ok().filter(|port| *port > 0)))
    })?;
    values.number("HealthCheckInterval", &mut check.interval, 1..=50)?;
    values.number("HealthyThreshold", &mut check.healthy_threshold, 2..=10)?;
    values.number("UnhealthyThreshold", &mut check.unhealthy_threshold, 2..=10)?;
    values.number("HealthCheckConnectTimeout", &mut check.connect_timeout, 1..=300)
}

/// The values of parameters that may be out of their range.
struct Values<'a> {
    context: &'a CallContext<'a>,
    /// Whether a value that is none is stored among the attributes instead of refused.
    takes_any: bool,
    attributes: &'a mut BTreeMap<String, String>,
}

impl Values<'_> {
    /// Replaces what is at a place by what a parameter says.
    fn take<T>(
        &mut self,
        name: &str,
        place: &mut T,
        read: impl FnOnce(&Params, &str) -> Result<Option<T>, ApiError>,
    ) -> Result<(), ApiError> {
        let params = self.context.params;
        match read(params, name) {
            Err(_) if self.takes_any => {
                let text = params.optional(name).unwrap_or_default();
                self.attributes.insert(name.to_owned(), text.to_owned());
            }
            Ok(Some(value)) => {
                self.attributes.remove(name);
                *place = value;
            }
            other => {
                other?;
            }
        }
        Ok(())
    }

    fn number(
        &mut self,
        name: &str,
        place: &mut u32,
        range: RangeInclusive<u32>,
    ) -> Result<(), ApiError> {
        self.take(name, place, |params, name| params.number(name, range))
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
    if let Some(scheduler) = listener.attributes.get("Scheduler") {
        answer.insert("Scheduler".to_owned(), json!(scheduler));
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
        if listener.protocol == Protocol::Http {
            let forwards = on_off(listener.forward_port.is_some());
            fields.insert("ListenerForward".to_owned(), json!(forwards));
        }
        if let Some(port) = listener.forward_port {
            fields.insert("ForwardPort".to_owned(), json!(port));
        }
        fields.extend(listener.attributes.iter().map(|(name, value)| (name.clone(), json!(value))));
    }
    details
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
