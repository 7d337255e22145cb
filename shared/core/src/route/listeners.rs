//! What the listeners of a route's CLB do for its group.

use crate::{
    annotation,
    clb_answers::ListenerName,
    index::{Index, RouteKey, ServiceRef},
    known_cloud, listener,
    outcome::has_hash,
    prediction::Prediction,
    round::Listener,
};

/// What the listeners of a CLB do for a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum GroupListeners {
    /// It is not known: no answer shows all listeners of the CLB, or which group it is is not known.
    #[default]
    Unknown,
    /// These running listeners send to it, by port and protocol.
    Sending(Vec<(u16, String)>),
    /// None of them sends to it.
    NoneSends(Vec<String>),
}

impl GroupListeners {
    /// The names of the running listeners that send to the group; `None` where they are not known.
    pub fn names(&self) -> Option<Vec<ListenerName<'_>>> {
        match self {
            Self::Unknown => None,
            Self::NoneSends(_) => Some(Vec::new()),
            Self::Sending(names) => {
                let names = names.iter();
                Some(names.map(|(port, protocol)| ListenerName { port: *port, protocol }).collect())
            }
        }
    }
}

/// What the listeners do for a route's group, as the rounds of `prediction` leave them, else as the
/// answers show them. A listener that CCM is about to make for a Service that it has not seen yet
/// counts, too. `members` are the Services that share the group, with their ports.
pub(super) fn of_group(
    index: &Index<'_>,
    key: &RouteKey<'_>,
    members: &[(ServiceRef<'_>, Vec<u16>)],
    prediction: &Prediction,
) -> GroupListeners {
    if key.vgroup.is_empty() {
        return GroupListeners::Unknown;
    }
    let Some(known) = index.listeners_of(key.clb) else { return GroupListeners::Unknown };
    let found = match prediction.listeners_of(key.clb) {
        Some(predicted) => sending(predicted, key.vgroup),
        None => known
            .iter()
            .filter(|of| of.is_running() && of.forward_port().is_none() && of.vgroup == key.vgroup)
            .map(|of| (of.port, of.protocol.clone()))
            .collect(),
    };
    if !found.is_empty() {
        return GroupListeners::Sending(found);
    }
    if !index.shows_all_listeners(key.clb) {
        return GroupListeners::Unknown;
    }
    let news = members.iter().filter(|(of, _)| is_new_with_override(of, prediction));
    for (service_ref, _) in news {
        let next = Prediction::of_unchanged(index, service_ref, 1);
        let made = next.listeners_of(key.clb).map(|listeners| sending(listeners, key.vgroup));
        if let Some(made) = made.filter(|made| !made.is_empty()) {
            return GroupListeners::Sending(made);
        }
    }
    let answered;
    let all = match prediction.listeners_of(key.clb) {
        Some(predicted) => predicted,
        None => {
            answered = known_cloud::listeners(index, key.clb);
            &answered
        }
    };
    GroupListeners::NoneSends(instead(all, key, members))
}

fn sending(listeners: &[Listener], vgroup: &str) -> Vec<(u16, String)> {
    let sending = listeners
        .iter()
        .filter(|of| !of.is_stopped && of.forward_port.is_none() && of.vgroup == vgroup);
    sending.map(|of| (of.port, of.protocol.clone())).collect()
}

/// Whether CCM has not carried out a round over the Service yet, and handles its listeners.
fn is_new_with_override(service_ref: &ServiceRef<'_>, prediction: &Prediction) -> bool {
    let service = service_ref.service;
    service.metadata.annotations.text(annotation::FORCE_OVERRIDE) == "true"
        && !has_hash(service)
        && !prediction.is_changed(service_ref)
}

/// What there is instead of a listener that sends to the group: on the ports of the Services, and
/// listeners that do not run.
fn instead(
    all: &[Listener],
    key: &RouteKey<'_>,
    members: &[(ServiceRef<'_>, Vec<u16>)],
) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut add = |what: String| {
        if !found.contains(&what) {
            found.push(what);
        }
    };
    for (port, protocol) in ports(members) {
        let here = all.iter().filter(|of| of.port == port && shares_ports(&of.protocol, &protocol));
        let mut here = here.peekable();
        if here.peek().is_none() {
            let name = ListenerName { port, protocol: &protocol };
            add(format!("it has none on {name}"));
        }
        here.for_each(|listener| add(in_words(listener, key.vgroup)));
    }
    let elsewhere = all.iter().filter(|of| of.vgroup == key.vgroup);
    elsewhere.for_each(|listener| add(in_words(listener, key.vgroup)));
    found
}

/// The ports by which Services share a group, with the protocol that CCM would give the listener of
/// each (CCM 2.14: `listeners.go`).
fn ports(members: &[(ServiceRef<'_>, Vec<u16>)]) -> Vec<(u16, String)> {
    let mut ports = Vec::new();
    for (service_ref, numbers) in members {
        let service = service_ref.service;
        let protocols = service.metadata.annotations.text(annotation::PROTOCOL_PORT);
        for port in service.spec.ports.iter().filter(|port| numbers.contains(&port.port)) {
            let protocol = listener::protocol(protocols, port);
            ports.push((port.port, protocol.unwrap_or_else(|_| port.protocol.to_lowercase())));
        }
    }
    ports
}

/// Whether a CLB has one listener of one of these protocols on a port. A UDP listener may share its
/// port with one of another protocol.
fn shares_ports(one: &str, other: &str) -> bool {
    one.is_empty() || (one == "udp") == (other == "udp")
}

fn in_words(listener: &Listener, vgroup: &str) -> String {
    let name = ListenerName { port: listener.port, protocol: &listener.protocol };
    let target = match listener.forward_port {
        Some(port) => format!("redirects to port {port}"),
        None if listener.vgroup.is_empty() => {
            "sends to no vServer group, but to the CLB's default servers".to_owned()
        }
        None => format!("sends to group {}", listener.vgroup),
    };
    match listener.is_stopped {
        true if listener.vgroup == vgroup => format!("listener {name} is stopped"),
        true => format!("listener {name} is stopped and {target}"),
        false => format!("listener {name} {target}"),
    }
}
