//! The nodes. Their heartbeats change nothing that rules ask, and reach no reader.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwapOption;
use clbmigrate_core::{
    backends::NodeSet,
    object::{Annotations, Node},
};

use super::watched_resource::ObjectStore;

/// All nodes, published as one set.
#[derive(Default)]
pub(super) struct NodeStore {
    state: Mutex<State>,
    published: ArcSwapOption<NodeSet>,
}

#[derive(Default)]
struct State {
    nodes: BTreeMap<String, Node>,
    /// Whether all nodes have been listed once. Before, none are published: a part would mislead.
    is_listed: bool,
}

impl NodeStore {
    /// All nodes; `None` before they have been listed.
    pub fn all(&self) -> Option<Arc<NodeSet>> {
        self.published.load_full()
    }

    fn change(&self, change: impl FnOnce(&mut State) -> bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if change(&mut state) && state.is_listed {
            self.published.store(Some(Arc::new(state.nodes.values().cloned().collect())));
        }
    }
}

impl ObjectStore for NodeStore {
    fn put(&self, object: &str) -> Result<(), serde_json::Error> {
        let mut node: Node = serde_json::from_str(object)?;
        node.metadata.annotations = Annotations::default();
        self.change(|state| match state.nodes.get_mut(&node.metadata.name) {
            Some(same) if *same == node => false,
            Some(other) => {
                *other = node;
                true
            }
            None => {
                state.nodes.insert(node.metadata.name.clone(), node);
                true
            }
        });
        Ok(())
    }

    fn remove(&self, _: &str, name: &str) {
        self.change(|state| state.nodes.remove(name).is_some());
    }

    fn retain(&self, is_there: &dyn Fn(&str, &str) -> bool) {
        self.change(|state| {
            state.nodes.retain(|name, _| is_there("", name));
            state.is_listed = true;
            true
        });
    }
}
