//! In which namespaces there is more to be read than Services.

use std::collections::{BTreeMap, BTreeSet};

use clbmigrate_core::{annotation, object::Service};
use futures::channel::mpsc::UnboundedSender;

/// Finds the namespaces whose endpoints and workloads are needed, while Services are being listed:
/// all that have a candidate, or those that share a group with one namespace.
pub(in crate::live) struct NeededNamespaces {
    found: UnboundedSender<String>,
    told: BTreeSet<String>,
    /// The namespace that is looked at; `None` where all are.
    only: Option<String>,
    /// The groups that its Services name.
    groups: BTreeSet<String>,
    /// Namespaces of other Services, by the groups that these name.
    others: BTreeMap<String, BTreeSet<String>>,
}

impl NeededNamespaces {
    /// Sends the namespaces to `found`, each once.
    pub fn new(only: Option<&str>, found: UnboundedSender<String>) -> Self {
        Self {
            found,
            told: BTreeSet::new(),
            only: only.map(str::to_owned),
            groups: BTreeSet::new(),
            others: BTreeMap::new(),
        }
    }

    /// A Service has been read. It may be seen several times.
    pub fn see(&mut self, service: &Service) {
        if !service.is_candidate() {
            return;
        }
        let namespace = service.metadata.namespace();
        let is_needed = match &self.only {
            None => true,
            Some(only) if only == namespace => {
                for group in groups_of(service) {
                    for other in self.others.remove(&group).into_iter().flatten() {
                        self.tell(&other);
                    }
                    self.groups.insert(group);
                }
                true
            }
            Some(_) => {
                let groups = groups_of(service);
                let is_shared = groups.iter().any(|group| self.groups.contains(group));
                for group in groups.into_iter().filter(|_| !is_shared) {
                    self.others.entry(group).or_default().insert(namespace.to_owned());
                }
                is_shared
            }
        };
        if is_needed {
            self.tell(namespace);
        }
    }

    fn tell(&mut self, namespace: &str) {
        if self.told.insert(namespace.to_owned()) {
            // The receiver is gone where another listing has failed already.
            let _ = self.found.unbounded_send(namespace.to_owned());
        }
    }
}

/// Everything in the mapping of a Service that may be meant as a group: also what is misspelt, swapped
/// with the port, or released.
fn groups_of(service: &Service) -> BTreeSet<String> {
    let mapping = service.metadata.annotations.text(annotation::VGROUP_PORT);
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let parts = mapping.split(|c: char| !is_part(c));
    let is_group = |part: &&str| !part.is_empty() && part.parse::<u16>().is_err();
    parts.filter(is_group).map(str::to_owned).collect()
}
