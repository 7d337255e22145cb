//! What the data plane's health checks found.

use serde_json::json;

use crate::state::State;

use super::{Answer, ApiError, CallContext, listeners};

pub(super) fn describe(state: &State, context: &CallContext<'_>) -> Answer {
    let lb = state.load_balancer(context.required("LoadBalancerId")?)?;
    let protocol = listeners::protocol(context)?;
    let port = match context.params.optional("ListenerPort") {
        None => None,
        Some(_) => Some(context.params.port("ListenerPort")?),
    };
    if let Some(port) = port {
        lb.listener(port, protocol)?;
    }
    let mut answer = Vec::new();
    let wanted = lb
        .listeners
        .iter()
        .filter(|listener| port.is_none_or(|port| listener.port == port))
        .filter(|listener| protocol.is_none_or(|protocol| listener.protocol == protocol));
    for listener in wanted {
        let group = listener.v_server_group_id.as_deref().map(|id| lb.group(id));
        let backends = group.transpose()?.map_or(&[][..], |group| &group.backends);
        answer.extend(backends.iter().map(|backend| {
            json!({
                "ListenerPort": listener.port,
                "Protocol": listener.protocol,
                "Port": backend.port,
                "ServerId": backend.server_id,
                "ServerIp": state.address_of(backend).map_or_else(
                    || backend.server_ip.clone(),
                    |address| address.ip().to_string(),
                ),
                "Type": backend.kind,
                "ServerHealthStatus": context.shared.health(&lb.id, listener, &backend.key()),
            })
        }));
    }
    Ok::<_, ApiError>(json!({"BackendServers": {"BackendServer": answer}}))
}
