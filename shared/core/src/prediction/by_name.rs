//! What is known of Services by their names.

use std::collections::BTreeMap;

use crate::object::Service;

/// Values by the cluster, the namespace and the name of a Service. Every rule asks for some, so to ask
/// takes no copies of names.
#[derive(Debug)]
pub(super) struct ByName<T>(BTreeMap<usize, BTreeMap<String, BTreeMap<String, T>>>);

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> ByName<T> {
    /// Sets the value of a Service.
    pub fn insert(&mut self, cluster: usize, service: &Service, value: T) {
        let meta = &service.metadata;
        let namespaces = self.0.entry(cluster).or_default();
        let names = namespaces.entry(meta.namespace().to_owned()).or_default();
        names.insert(meta.name.clone(), value);
    }

    /// The value of the Service of that name; `None` where it has none.
    pub fn get(&self, cluster: usize, namespace: &str, name: &str) -> Option<&T> {
        self.0.get(&cluster)?.get(namespace)?.get(name)
    }

    /// All values, each with cluster, namespace and name, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &str, &str, &T)> {
        self.0.iter().flat_map(|(cluster, namespaces)| {
            namespaces.iter().flat_map(move |(namespace, names)| {
                let all = names.iter();
                all.map(move |(name, value)| (*cluster, namespace.as_str(), name.as_str(), value))
            })
        })
    }
}
