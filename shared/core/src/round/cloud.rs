//! CLBs as a round finds and leaves them, and what the cloud refuses.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::clb_answers::RegisteredBackend;

/// The CLBs that a round may touch, with their groups and listeners.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cloud {
    /// The CLBs.
    pub balancers: Vec<Balancer>,
    /// The vServer groups of all of them.
    pub groups: Vec<ServerGroup>,
    /// The listeners of all of them.
    pub listeners: Vec<Listener>,
    /// The VPC of the cluster.
    pub network: Network,
}

/// A CLB. What is not known of it is `None`, and no check fails on it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Balancer {
    /// `lb-…`; empty for one that a round made.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its IP address.
    pub address: Option<String>,
    /// `internet` or `intranet`.
    pub address_type: Option<String>,
    /// `ipv4` or `ipv6`.
    pub ip_version: Option<String>,
    /// `vpc` or `classic`.
    pub network_type: Option<String>,
    /// The id of its first zone.
    pub master_zone: Option<String>,
    /// The id of its second zone.
    pub slave_zone: Option<String>,
    /// The id of its resource group.
    pub resource_group: Option<String>,
    /// The id of its VPC; `None` also for one that is in none, as those of the internet are.
    pub vpc: Option<String>,
    /// Its tags, by key.
    pub tags: BTreeMap<String, String>,
}

/// A vServer group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerGroup {
    /// `rsp-…`; a made-up one for a group that a round made.
    pub id: String,
    /// Its name; `k8s/…/…/…/…` for one that CCM made.
    pub name: String,
    /// The id of its CLB.
    pub clb: String,
    /// The backends. Type, server and port tell them apart.
    pub backends: Vec<RegisteredBackend>,
}

/// A listener of a CLB.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listener {
    /// The id of its CLB.
    pub clb: String,
    /// Its port.
    pub port: u16,
    /// `tcp`, `udp`, `http` or `https`.
    pub protocol: String,
    /// The id of the group that it sends to; empty where it sends to none.
    pub vgroup: String,
    /// `k8s/…` where CCM wrote it.
    pub description: String,
    /// The port of the HTTPS listener that it redirects to; `None` where it does not redirect.
    pub forward_port: Option<u16>,
    /// Whether it takes no connections.
    pub is_stopped: bool,
}

/// The VPC of a cluster, and what it says of pods' addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Its id; `None` where it is not known.
    pub vpc: Option<String>,
    /// The address ranges of the VPC, for example `10.0.0.0/8`. `None` where they are not known:
    /// every address then counts as one with a network interface.
    pub ranges: Option<Vec<String>>,
    /// The addresses inside the ranges that have no network interface.
    pub without_interface: BTreeSet<String>,
}

/// What becomes of a pod's address where it is to be a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// It has a network interface.
    Known,
    /// It is inside the VPC and has no network interface, yet or any more.
    WithoutInterface,
    /// It is outside the VPC.
    Elsewhere,
}

impl Network {
    /// What becomes of an address.
    pub fn find(&self, ip: &str) -> Address {
        let Some(ranges) = &self.ranges else { return Address::Known };
        if !ranges.iter().any(|range| contains(range, ip)) {
            Address::Elsewhere
        } else if self.without_interface.contains(ip) {
            Address::WithoutInterface
        } else {
            Address::Known
        }
    }
}

/// Whether an address lies in a range such as `10.0.0.0/8`. What cannot be read contains nothing.
fn contains(range: &str, ip: &str) -> bool {
    let Some((network, length)) = range.split_once('/') else { return false };
    let (Ok(network), Ok(ip), Ok(length)) = (
        network.parse::<std::net::Ipv4Addr>(),
        ip.parse::<std::net::Ipv4Addr>(),
        length.parse::<u32>(),
    ) else {
        return false;
    };
    let differing = network.to_bits() ^ ip.to_bits();
    length <= 32 && differing.checked_shr(32 - length).unwrap_or(0) == 0
}

/// Why the cloud refuses a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Refusal {
    /// The port of a backend is not within 1..=65535.
    #[error("the CLB takes no backend with port {0}")]
    Port(u16),
    /// The weight of a backend is not within 0..=100.
    #[error("the CLB takes no backend with weight {0}")]
    Weight(u32),
    /// A backend without server.
    #[error("the CLB takes no backend without a server, as pod {0} would be")]
    NoServer(String),
    /// A listener sends to the group that is to be deleted (`RspoolVipExist`).
    #[error("group {0:?} cannot be deleted while a listener sends to it")]
    GroupInUse(String),
    /// A listener is to send to a group that is not in its CLB.
    #[error("listener {port}/{protocol} cannot send to group {vgroup:?}, which is not in this CLB")]
    NoSuchGroup {
        /// The listener's port.
        port: u16,
        /// Its protocol.
        protocol: String,
        /// The group.
        vgroup: String,
    },
    /// There is another listener on the port.
    #[error("listener {port}/{protocol} cannot be made, for the port has a listener already")]
    PortInUse {
        /// The port.
        port: u16,
        /// The protocol of the listener that was to be made.
        protocol: String,
    },
    /// An HTTPS listener without certificate.
    #[error("HTTPS listener {0} cannot be made without cert-id")]
    NoCertificate(u16),
    /// The HTTPS listener to redirect to does not exist.
    #[error("listener {port} cannot redirect to port {to}, which has no HTTPS listener")]
    NoForwardTarget {
        /// The listener that redirects.
        port: u16,
        /// The port that it redirects to.
        to: u16,
    },
    /// Another listener redirects to the one that is to be deleted.
    #[error("listener {0} cannot be deleted while another redirects to it")]
    ForwardTarget(u16),
}

/// How many backends CCM sends in one call (CCM 2.14: `--sg-batch-size`, default 40).
const BATCH: usize = 40;

/// Whether two backends are the same for the cloud: by type, server and port.
fn is_same(a: &RegisteredBackend, b: &RegisteredBackend) -> bool {
    a.port == b.port && a.server_id == b.server_id && a.server_ip == b.server_ip && a.kind == b.kind
}

fn check(batch: &[RegisteredBackend], awaits_ports: bool) -> Result<(), Refusal> {
    batch.iter().try_for_each(|backend| match backend {
        _ if backend.port == 0 && !awaits_ports => Err(Refusal::Port(backend.port)),
        _ if backend.weight > 100 => Err(Refusal::Weight(backend.weight)),
        _ if backend.server_id.is_empty() => Err(Refusal::NoServer(backend.server_ip.clone())),
        _ => Ok(()),
    })
}

impl ServerGroup {
    /// Registers backends, in batches. One that is there already is overwritten. With `awaits_ports`
    /// port 0 stands for one that is not assigned yet, and is not refused.
    pub(super) fn add(
        &mut self,
        backends: &[RegisteredBackend],
        awaits_ports: bool,
    ) -> Result<(), Refusal> {
        self.write(backends, awaits_ports, |known, new| known.push(new.clone()))
    }

    /// Removes backends. One that is not there is no error.
    pub(super) fn remove(&mut self, backends: &[RegisteredBackend]) {
        self.backends.retain(|known| !backends.iter().any(|gone| is_same(known, gone)));
    }

    /// Sets weights and descriptions, in batches. A backend that is not there is no error.
    pub(super) fn set(
        &mut self,
        backends: &[RegisteredBackend],
        awaits_ports: bool,
    ) -> Result<(), Refusal> {
        self.write(backends, awaits_ports, |_, _| ())
    }

    /// Overwrites the backends that are there, and hands the others to `on_missing`.
    fn write(
        &mut self,
        backends: &[RegisteredBackend],
        awaits_ports: bool,
        on_missing: impl Fn(&mut Vec<RegisteredBackend>, &RegisteredBackend),
    ) -> Result<(), Refusal> {
        for batch in backends.chunks(BATCH) {
            check(batch, awaits_ports)?;
            for new in batch {
                match self.backends.iter_mut().find(|known| is_same(known, new)) {
                    Some(known) => known.clone_from(new),
                    None => on_missing(&mut self.backends, new),
                }
            }
        }
        Ok(())
    }
}

impl Cloud {
    /// The CLB of that id; `None` where there is none.
    pub fn balancer(&self, id: &str) -> Option<&Balancer> {
        self.balancers.iter().find(|balancer| balancer.id == id)
    }

    /// The groups of a CLB.
    pub fn groups_of(&self, clb: &str) -> impl Iterator<Item = &ServerGroup> {
        self.groups.iter().filter(move |group| group.clb == clb)
    }

    /// The group of that id; `None` where there is none.
    pub fn group(&self, id: &str) -> Option<&ServerGroup> {
        self.groups.iter().find(|group| group.id == id)
    }

    pub(super) fn group_mut(&mut self, id: &str) -> Option<&mut ServerGroup> {
        self.groups.iter_mut().find(|group| group.id == id)
    }

    /// Makes an empty group and returns its id, which no real group has.
    pub(super) fn create_group(&mut self, clb: &str, name: &str) -> String {
        let id = format!("new group {name}");
        self.groups.push(ServerGroup {
            id: id.clone(),
            name: name.to_owned(),
            clb: clb.to_owned(),
            backends: Vec::new(),
        });
        id
    }

    pub(super) fn delete_group(&mut self, id: &str) -> Result<(), Refusal> {
        if self.listeners.iter().any(|listener| listener.vgroup == id) {
            return Err(Refusal::GroupInUse(id.to_owned()));
        }
        self.groups.retain(|group| group.id != id);
        Ok(())
    }

    /// Deletes a CLB with all that it has.
    pub(super) fn delete_balancer(&mut self, id: &str) {
        self.balancers.retain(|balancer| balancer.id != id);
        self.groups.retain(|group| group.clb != id);
        self.listeners.retain(|listener| listener.clb != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("10.0.0.0/8", "10.96.0.1", true)]
    #[case("10.0.0.0/8", "11.0.0.1", false)]
    #[case("0.0.0.0/0", "192.0.2.1", true)]
    #[case("192.0.2.1/32", "192.0.2.1", true)]
    #[case("192.0.2.1/32", "192.0.2.2", false)]
    #[case("10.0.0.0", "10.0.0.0", false)]
    #[case("10.0.0.0/33", "10.0.0.0", false)]
    #[case("10.0.0.0/8", "2001:db8::1", false)]
    fn a_range_contains(#[case] range: &str, #[case] ip: &str, #[case] expected: bool) {
        assert_eq!(contains(range, ip), expected);
    }

    fn backend(port: u16, weight: u32) -> RegisteredBackend {
        RegisteredBackend {
            server_id: "i-bp1example".to_owned(),
            server_ip: String::new(),
            port,
            weight,
            kind: "ecs".to_owned(),
            description: String::new(),
        }
    }

    #[test]
    fn a_batch_is_carried_out_whole_or_not_at_all() {
        let mut group = ServerGroup::default();
        let mut many: Vec<_> = (1..=50).map(|port| backend(port, 1)).collect();
        many.push(backend(0, 1));
        assert_eq!(group.add(&many, false), Err(Refusal::Port(0)));
        assert_eq!(group.backends.len(), BATCH);
        group.remove(&many);
        assert!(group.backends.is_empty());
        assert_eq!(group.set(&many[..2], false), Ok(()));
        assert!(group.backends.is_empty());
    }

    #[test]
    fn what_is_added_again_is_overwritten() {
        let mut group = ServerGroup::default();
        group.add(&[backend(80, 1)], false).expect("added");
        group.add(&[backend(80, 7)], false).expect("overwritten");
        assert_eq!(group.backends, [backend(80, 7)]);
        assert_eq!(group.add(&[backend(80, 101)], false), Err(Refusal::Weight(101)));
    }
}
