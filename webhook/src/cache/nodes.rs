//! The nodes. Heartbeats change nothing of what is asked of them, and reach no reader.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use clbmigrate_core::{
    backends::NodeSet,
    object::{Annotations, Node},
};

use super::{Shared, feed::Sink};

/// See the module.
#[derive(Default)]
pub(super) struct Nodes {
    known: Mutex<Known>,
    all: Shared<NodeSet>,
}

#[derive(Default)]
struct Known {
    nodes: BTreeMap<String, Node>,
    /// While the first listing is taken over, nobody is shown a part of it.
    is_listed: bool,
}

impl Nodes {
    /// All of them, once they have been listed.
    pub fn all(&self) -> Option<Arc<NodeSet>> {
        self.all.load_full()
    }

    fn change(&self, change: impl FnOnce(&mut Known) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if change(&mut known) && known.is_listed {
            self.all.store(Some(Arc::new(known.nodes.values().cloned().collect())));
        }
    }
}

impl Sink for Nodes {
    fn put(&self, object: &str) -> Result<(), serde_json::Error> {
        let mut node: Node = serde_json::from_str(object)?;
        node.metadata.annotations = Annotations::default();
        self.change(|known| match known.nodes.get_mut(&node.metadata.name) {
            Some(same) if *same == node => false,
            Some(other) => {
                *other = node;
                true
            }
            None => {
                known.nodes.insert(node.metadata.name.clone(), node);
                true
            }
        });
        Ok(())
    }

    fn remove(&self, _: &str, name: &str) {
        self.change(|known| known.nodes.remove(name).is_some());
    }

    fn retain(&self, is_there: &dyn Fn(&str, &str) -> bool) {
        self.change(|known| {
            known.nodes.retain(|name, _| is_there("", name));
            known.is_listed = true;
            true
        });
    }
}
