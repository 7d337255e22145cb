use std::{collections::HashMap, sync::LazyLock};

use thiserror::Error;

use crate::{
    annotation,
    object::{Node, Service},
    version::CcmVersion,
};

/// A cluster's nodes, in the order of insertion, with an index by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeSet {
    nodes: Vec<Node>,
    by_name: HashMap<String, usize>,
}

impl NodeSet {
    /// The set without nodes.
    pub fn empty() -> &'static Self {
        static EMPTY: LazyLock<NodeSet> = LazyLock::new(NodeSet::default);
        &EMPTY
    }

    /// Adds a node; one of the same name is replaced.
    pub fn insert(&mut self, node: Node) {
        match self.by_name.get(&node.metadata.name).and_then(|index| self.nodes.get_mut(*index)) {
            Some(known) => *known = node,
            None => {
                self.by_name.insert(node.metadata.name.clone(), self.nodes.len());
                self.nodes.push(node);
            }
        }
    }

    /// The node of that name, if it is in the set.
    pub fn by_name(&self, name: &str) -> Option<&Node> {
        self.by_name.get(name).and_then(|index| self.nodes.get(*index))
    }

    /// All nodes, in the order of insertion.
    pub fn iter(&self) -> std::slice::Iter<'_, Node> {
        self.nodes.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }
}

impl FromIterator<Node> for NodeSet {
    fn from_iter<I: IntoIterator<Item = Node>>(nodes: I) -> Self {
        let mut set = Self::default();
        nodes.into_iter().for_each(|node| set.insert(node));
        set
    }
}

impl<'a> IntoIterator for &'a NodeSet {
    type Item = &'a Node;
    type IntoIter = std::slice::Iter<'a, Node>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A `backend-label` entry without `=`. CCM fails the whole round on it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("backend-label entry {0:?} has no '='; write KEY=VALUE, several separated by commas")]
pub struct BackendLabelError(pub String);

/// The nodes CCM considers for a Service (CCM 2.14: `backend.go`, `GetNodes`). Virtual and excluded
/// nodes are still among them, for their pods may count. Fails where CCM meets a malformed entry of
/// `backend-label`.
pub fn accepted_nodes<'a>(
    service: &Service,
    nodes: &'a NodeSet,
) -> Result<Vec<&'a Node>, BackendLabelError> {
    let annotations = &service.metadata.annotations;
    let label = annotations.text(annotation::BACKEND_LABEL);
    let drops_cordoned = annotations.text(annotation::REMOVE_UNSCHEDULED) == "on";
    let mut accepted = Vec::with_capacity(nodes.len());
    for node in nodes {
        let fits = carries(node, label)?;
        if fits && !node.is_rejected && !(node.unschedulable && drops_cordoned) {
            accepted.push(node);
        }
    }
    Ok(accepted)
}

/// Whether at least one node can be a backend of a Service, or be virtual and host its pods.
/// `false` where `backend-label` is malformed.
pub fn has_eligible_node(service: &Service, nodes: &NodeSet, version: CcmVersion) -> bool {
    // Most nodes are fine; one is enough, unless a later one shows that the label is malformed.
    let is_plain = service.metadata.annotations.text(annotation::BACKEND_LABEL).is_empty();
    let can_take_part = |node: &Node| node.is_virtual || !node.is_excluded(version);
    let is_fine = |node: &Node| !node.is_rejected && !node.unschedulable && can_take_part(node);
    (is_plain && nodes.iter().any(is_fine))
        || accepted_nodes(service, nodes)
            .is_ok_and(|nodes| nodes.iter().any(|node| can_take_part(node)))
}

/// How many nodes carry a Service's `backend-label`, whatever else keeps them out. Fails where CCM
/// meets a malformed entry.
pub fn count_labelled_nodes(
    service: &Service,
    nodes: &NodeSet,
) -> Result<usize, BackendLabelError> {
    let label = service.metadata.annotations.text(annotation::BACKEND_LABEL);
    nodes.iter().try_fold(0, |count, node| Ok(count + usize::from(carries(node, label)?)))
}

/// The first malformed entry of a Service's `backend-label`, whether or not CCM gets as far with
/// the nodes there are.
pub fn backend_label_error(service: &Service) -> Option<BackendLabelError> {
    let label = service.metadata.annotations.text(annotation::BACKEND_LABEL);
    let mut entries = label.split(',').filter(|_| !label.is_empty());
    entries.find(|entry| !entry.contains('=')).map(|entry| BackendLabelError(entry.to_owned()))
}

/// Whether a node carries every `key=value` of `label`. CCM compares exactly and stops at the first
/// that does not fit, so a malformed entry behind it goes unnoticed.
fn carries(node: &Node, label: &str) -> Result<bool, BackendLabelError> {
    if label.is_empty() {
        return Ok(true);
    }
    for entry in label.split(',') {
        let mut parts = entry.split('=');
        let (Some(key), Some(value)) = (parts.next(), parts.next()) else {
            return Err(BackendLabelError(entry.to_owned()));
        };
        if node.labels().get(key).map(String::as_str) != Some(value) {
            return Ok(false);
        }
    }
    Ok(true)
}
