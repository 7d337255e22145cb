use std::{collections::BTreeMap, fmt};

use clbmigrate_core::snapshot::{Inserted, Object, Snapshot};

use crate::{
    Problem, live,
    parse::{Kind, LoadError, ObjectParser, RawObject},
};

/// The result of reading files or a cluster.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The clusters and answers of the CLB API that were read.
    pub snapshot: Snapshot,
    /// What could not be read, in the order of reading.
    pub problems: Vec<Problem>,
    /// Why nodes or EndpointSlices of a cluster could not be listed, other than that the user may
    /// not. Each is one of the problems as well. What CCM would write is not known then.
    pub failures: Vec<live::Error>,
    /// The number of objects that are not used, by kind. A kind of the same name as a known one has
    /// its API group behind it: `Service.serving.knative.dev`.
    pub skipped: BTreeMap<String, usize>,
    /// The number of objects in the snapshot.
    pub objects: usize,
    /// The number of answers of the CLB API in the snapshot.
    pub answers: usize,
    /// The number of files that were opened.
    pub files: usize,
}

impl Loaded {
    /// Adds a problem.
    pub(crate) fn report(
        &mut self,
        place: impl fmt::Display,
        line: Option<u32>,
        error: &LoadError,
    ) {
        let place = place.to_string();
        self.problems.push(Problem { file: place, line, message: error.to_string() });
    }

    /// Inserts an object into the cluster of this index in the snapshot. `None` where the object is
    /// not used, or there is no such cluster.
    pub(crate) fn insert(&mut self, cluster: usize, read: ParsedObject) -> Option<Inserted> {
        let object = match read {
            ParsedObject::Object(object) => object,
            ParsedObject::Skipped(label) => {
                *self.skipped.entry(label).or_default() += 1;
                return None;
            }
        };
        let inserted = self.snapshot.clusters.get_mut(cluster)?.insert(object);
        if !matches!(inserted, Inserted::Conflict(_)) {
            self.objects += 1;
        }
        Some(inserted)
    }

    /// Adds the problems and counts of another result. Its snapshot is not added.
    pub fn merge_report(&mut self, other: &Self) {
        self.problems.extend(other.problems.iter().cloned());
        self.failures.extend(other.failures.iter().cloned());
        for (kind, count) in &other.skipped {
            *self.skipped.entry(kind.clone()).or_default() += count;
        }
        self.objects += other.objects;
        self.answers += other.answers;
        self.files += other.files;
    }
}

/// An object that was parsed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ParsedObject {
    /// An object of the snapshot.
    Object(Object),
    /// An object that is not used, by its kind.
    Skipped(String),
}

impl ParsedObject {
    /// Parses an object.
    pub fn of(
        reader: &ObjectParser<'_>,
        kind: Kind,
        raw: &RawObject<'_>,
    ) -> Result<Self, LoadError> {
        Ok(match reader.read(kind, raw)? {
            Some(object) => Self::Object(object),
            None => Self::Skipped(Kind::label(raw.api_version, raw.kind.unwrap_or_default())),
        })
    }
}
