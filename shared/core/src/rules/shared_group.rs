//! Ports of one Service that share a group, by its mapping.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    backends::Mode,
    mapping::Mapping,
    object::{Service, ServicePort},
};

/// A group with the ports of one Service that are mapped to it, of which there are several.
pub(super) struct SharedGroup<'a> {
    /// The group.
    pub group: &'a str,
    /// The ports, in the Service's order.
    pub ports: Vec<&'a ServicePort>,
    /// Whether all ports lead to the same backends, so that each round finds the group as the one
    /// before left it.
    pub is_stable: bool,
}

impl<'a> SharedGroup<'a> {
    /// The groups that a mapping gives to several ports of a Service with that mode.
    pub fn all(service: &'a Service, mode: Option<Mode>, mapping: &Mapping<'a>) -> Vec<Self> {
        let ports = &service.spec.ports;
        if ports.len() < 2 {
            return Vec::new();
        }
        let mut by_group: BTreeMap<&str, Vec<&ServicePort>> = BTreeMap::new();
        for port in ports {
            if let Ok(Some(group)) = mapping.group_of(port.port) {
                by_group.entry(group).or_default().push(port);
            }
        }
        let several = by_group.into_iter().filter(|(_, ports)| ports.len() > 1);
        several
            .map(|(group, ports)| Self { group, is_stable: is_stable(mode, &ports), ports })
            .collect()
    }

    /// The ports in words: by their numbers, with the protocol where these differ.
    pub fn labels(&self) -> Vec<String> {
        let protocols: BTreeSet<&str> = self.ports.iter().map(|of| of.protocol.as_str()).collect();
        let label = |port: &&ServicePort| match protocols.len() {
            1 => port.port.to_string(),
            _ => label(port.port, &port.protocol),
        };
        self.ports.iter().map(label).collect()
    }

    /// The numbers that several of the ports have, for different protocols, with these.
    pub fn ambiguous(&self, service: &'a Service) -> Vec<(u16, Vec<&'a str>)> {
        let numbers: BTreeSet<u16> = self.ports.iter().map(|port| port.port).collect();
        let protocols = numbers.into_iter().map(|number| (number, protocols_of(service, number)));
        protocols.filter(|(_, protocols)| protocols.len() > 1).collect()
    }
}

/// Whether all these ports of one Service have the same backends, under the same description.
fn is_stable(mode: Option<Mode>, ports: &[&ServicePort]) -> bool {
    let Some((first, others)) = ports.split_first() else { return true };
    let is_same = |port: &&ServicePort| {
        let on_nodes = || first.node_port != 0 && port.node_port == first.node_port;
        port.target() == first.target() && (mode == Some(Mode::Eni) || on_nodes())
    };
    others.iter().all(is_same)
}

/// `53/UDP`.
pub(super) fn label(number: u16, protocol: &str) -> String {
    format!("{number}/{protocol}")
}

/// The protocols for which a Service has a port of that number, each once.
pub(super) fn protocols_of(service: &Service, number: u16) -> Vec<&str> {
    let mut protocols: Vec<&str> = Vec::new();
    for port in service.spec.ports.iter().filter(|port| port.port == number) {
        if !protocols.contains(&port.protocol.as_str()) {
            protocols.push(&port.protocol);
        }
    }
    protocols
}

/// What to do where a Service has one number for several protocols, which no mapping tells apart.
/// `groups` are those that the mapping names for the number.
pub(super) fn service_per_protocol(number: u16, protocols: &[&str], groups: &[&str]) -> String {
    let count = match protocols.len() {
        2 => "two".to_owned(),
        3 => "three".to_owned(),
        more => more.to_string(),
    };
    let has_group_for_each = groups.len() == protocols.len();
    let services = protocols.iter().enumerate().map(|(at, protocol)| {
        let port = label(number, protocol);
        match groups.get(at).filter(|_| has_group_for_each) {
            Some(group) => format!("one with port {port} and the mapping {group}:{number}"),
            None => format!("one with port {port}"),
        }
    });
    let services = services.collect::<Vec<_>>().join(", ");
    let apart = if has_group_for_each { "" } else { ", each with a group of its own" };
    format!("make {count} Services of it: {services}{apart}")
}
