//! What the cloud in memory holds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::cloud_client::backend::Backend;

#[derive(Debug)]
pub(super) struct State {
    pub(super) balancers: BTreeMap<String, LoadBalancer>,
    pub(super) missing_interfaces: BTreeSet<String>,
    /// The range of the network.
    pub(super) range: String,
    made: u32,
}

impl Default for State {
    fn default() -> Self {
        Self {
            balancers: BTreeMap::new(),
            missing_interfaces: BTreeSet::new(),
            range: "10.0.0.0/8".to_owned(),
            made: 0,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct LoadBalancer {
    /// By their names in the cloud API.
    pub(super) attributes: Map<String, Value>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) groups: Vec<Group>,
    /// By port and protocol.
    pub(super) listeners: BTreeMap<(String, String), Map<String, Value>>,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) backends: Vec<Backend>,
}

impl State {
    /// A number that was not given before.
    pub(super) fn next(&mut self) -> u32 {
        self.made += 1;
        self.made
    }

    pub(super) fn group_mut(&mut self, id: &str) -> Option<&mut Group> {
        self.balancers.values_mut().flat_map(|one| &mut one.groups).find(|group| group.id == id)
    }
}

impl LoadBalancer {
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.attributes.insert(name.to_owned(), typed(name, value));
    }

    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.attributes.get(name).and_then(Value::as_str) == Some(value)
    }
}

/// The value of an attribute in an answer: a number where the cloud has one.
pub(super) fn typed(name: &str, value: &str) -> Value {
    match value.parse::<i64>() {
        Ok(number) if name == "Bandwidth" => Value::from(number),
        _ => Value::from(value),
    }
}

impl Group {
    fn at(&mut self, backend: &Backend) -> Option<&mut Backend> {
        self.backends.iter_mut().find(|known| backend.is_at(known))
    }

    /// Adds a backend, or changes the one at its place.
    pub(super) fn put(&mut self, backend: Backend) {
        match self.at(&backend) {
            Some(known) => *known = backend,
            None => self.backends.push(backend),
        }
    }

    /// Changes weight and description of a backend that is there.
    pub(super) fn set(&mut self, backend: &Backend) {
        if let Some(known) = self.at(backend) {
            known.weight = backend.weight;
            known.description.clone_from(&backend.description);
        }
    }

    pub(super) fn remove(&mut self, backend: &Backend) {
        self.backends.retain(|known| !backend.is_at(known));
    }
}
