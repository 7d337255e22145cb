//! Which events make CCM look at a Service (CCM 2.14: `event_handler.go`).

use crate::{
    annotation,
    backends::{Mode, NodeSet},
    object::{EndpointSlice, Node, Service},
    version::{Behaviour, CcmVersion},
};

/// What happened before a round.
#[derive(Debug, Clone, Copy)]
pub enum WatchEvent<'a> {
    /// The Service was created, or changed from the version before.
    Service {
        /// The Service as it was; `None` where it is new.
        before: Option<&'a Service>,
    },
    /// The Service's EndpointSlices changed.
    Endpoints {
        /// The slices as they were.
        before: &'a [EndpointSlice],
        /// The slices as they are.
        after: &'a [EndpointSlice],
    },
    /// The cluster's nodes changed.
    Nodes {
        /// The nodes as they were.
        before: &'a NodeSet,
        /// The nodes as they are.
        after: &'a NodeSet,
    },
    /// CCM started, or tries a failed round again.
    Start,
}

/// The Normal event that CCM writes when a change of a Service queues it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeNoticed {
    /// `TypeChanged`.
    Type,
    /// `AnnotationChanged`.
    Annotations,
    /// `ServiceSpecChanged`.
    Spec,
    /// `DeleteTimestampChanged`.
    DeletionTimestamp,
}

impl WatchEvent<'_> {
    /// Whether the event queues the Service, which is as given after it. `mode` is what its
    /// backends are.
    pub fn queues(&self, service: &Service, mode: Mode, version: CcmVersion) -> bool {
        match self {
            Self::Service { before: Some(before) } => {
                is_noticed(before, service, version) || before.metadata.uid != service.metadata.uid
            }
            Self::Service { before: None } | Self::Start => {
                service.is_taken_by(version) || service.has_finalizer()
            }
            Self::Endpoints { before, after } => {
                service.is_taken_by(version) && slices_differ(before, after)
            }
            Self::Nodes { before, after } => {
                let is_passed_over =
                    mode == Mode::Eni && version.has(Behaviour::IgnoresNodesForPods);
                service.is_taken_by(version)
                    && !is_passed_over
                    && nodes_differ(before, after, version)
            }
        }
    }
}

fn is_noticed(before: &Service, after: &Service, version: CcmVersion) -> bool {
    let is_taken = |service: &Service| service.is_taken_by(version);
    match (is_taken(before), is_taken(after)) {
        (false, false) => false,
        (true, true) => change_noticed(before, after).is_some(),
        _ => !is_given_away(after, version),
    }
}

/// The first difference that CCM looks for between two versions of a Service that it takes.
fn change_noticed(before: &Service, after: &Service) -> Option<ChangeNoticed> {
    let is_deleted = |service: &Service| service.metadata.deletion_timestamp.is_some();
    if before.metadata.annotations != after.metadata.annotations {
        Some(ChangeNoticed::Annotations)
    } else if before.spec != after.spec {
        Some(ChangeNoticed::Spec)
    } else {
        (is_deleted(before) != is_deleted(after)).then_some(ChangeNoticed::DeletionTimestamp)
    }
}

/// Whether an annotation gives the Service to another controller. CCM then passes over the change,
/// and everything stays as it is.
fn is_given_away(service: &Service, version: CcmVersion) -> bool {
    let annotations = &service.metadata.annotations;
    !annotations.get(annotation::CLASS).unwrap_or_default().is_empty()
        || (version.has(Behaviour::ReadsTunnelType)
            && annotations.get(annotation::TUNNEL_TYPE).is_some())
}

fn slices_differ(before: &[EndpointSlice], after: &[EndpointSlice]) -> bool {
    let is_in = |slice: &EndpointSlice, others: &[EndpointSlice]| {
        others.iter().any(|other| {
            other.metadata.name == slice.metadata.name
                && other.endpoints == slice.endpoints
                && other.ports == slice.ports
        })
    };
    before.len() != after.len() || !before.iter().all(|slice| is_in(slice, after))
}

/// Whether a change of a node counts: one appears or goes, or its labels, its `unschedulable` or its
/// readiness change. Taints and annotations do not count, and neither do masters and nodes that are
/// excluded from CCM.
fn nodes_differ(before: &NodeSet, after: &NodeSet, version: CcmVersion) -> bool {
    let is_ignored = |node: &Node| node.is_ignored(version);
    let gone = before.iter().filter(|node| after.by_name(&node.metadata.name).is_none());
    let counts = |node: &Node| match before.by_name(&node.metadata.name) {
        None => !is_ignored(node),
        Some(old) => {
            !(is_ignored(old) && is_ignored(node))
                && (old.labels() != node.labels()
                    || old.unschedulable != node.unschedulable
                    || old.ready != node.ready)
        }
    };
    gone.into_iter().any(|node| !is_ignored(node)) || after.iter().any(counts)
}
