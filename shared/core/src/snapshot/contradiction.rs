//! Objects that were read more than once, with other content each time.

use std::fmt;

use super::{Cluster, Snapshot};
use crate::object::{ObjectRef, SourceLocation};

/// An object that was read several times with other content. Which of its contents the cluster has,
/// nobody knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Contradiction {
    /// The object, without the context of its cluster.
    pub object: ObjectRef,
    /// Where it was read; first the content that stays.
    pub places: Vec<SourceLocation>,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<String> = self.places.iter().filter_map(SourceLocation::shown).collect();
        if places.is_empty() {
            return write!(f, "{} is there several times with other content", self.object);
        }
        write!(f, "{} is in {} with other content", self.object, places.join(" and "))
    }
}

impl Contradiction {
    /// Whether the object decides what stands in groups. Workloads do not, their Pods do.
    pub(crate) fn is_about_backends(&self) -> bool {
        const KINDS: [&str; 5] = ["Service", "Node", "EndpointSlice", "Pod", "ConfigMap"];
        KINDS.contains(&self.object.kind.as_str())
    }
}

impl Cluster {
    /// The objects that were read with several contents.
    pub fn contradictions(&self) -> &[Contradiction] {
        &self.contradictions
    }

    /// Remembers that an object was read with several contents.
    pub fn contradict(&mut self, contradiction: &Contradiction) {
        let is_it = |known: &&mut Contradiction| known.object == contradiction.object;
        let Some(known) = self.contradictions.iter_mut().find(is_it) else {
            self.contradictions.push(contradiction.clone());
            return;
        };
        for place in &contradiction.places {
            if !known.places.iter().any(|of| of.is_same_place(place)) {
                known.places.push(place.clone());
            }
        }
    }
}

impl Snapshot {
    /// Whether an object of one of the clusters was read with several contents.
    pub fn is_contradictory(&self) -> bool {
        self.clusters.iter().any(|cluster| !cluster.contradictions.is_empty())
    }
}
