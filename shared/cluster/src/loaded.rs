use std::{collections::BTreeMap, fmt};

use clbmigrate_core::snapshot::{Inserted, Object, Snapshot};

use crate::{
    Problem,
    parse::{Kind, LoadError, ObjectParser, RawObject},
};

/// What was read, and what was not.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The clusters and the CLB API's answers.
    pub snapshot: Snapshot,
    /// Everything that could not be read, in the order it was met.
    pub problems: Vec<Problem>,
    /// How many objects of each kind nobody needs. A kind that shares its name with a known one
    /// carries its group: `Service.serving.knative.dev`.
    pub skipped: BTreeMap<String, usize>,
    /// How many objects were taken.
    pub objects: usize,
    /// How many of the CLB API's answers were taken.
    pub answers: usize,
    /// How many files were opened.
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

    /// Puts what was read into a cluster, by its place in the snapshot; says what became of it, or
    /// nothing where nobody needs it.
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

    /// Takes over what another reading says of itself. Its snapshot is not taken.
    pub fn merge_report(&mut self, other: &Self) {
        self.problems.extend(other.problems.iter().cloned());
        for (kind, count) in &other.skipped {
            *self.skipped.entry(kind.clone()).or_default() += count;
        }
        self.objects += other.objects;
        self.answers += other.answers;
        self.files += other.files;
    }
}

/// What an object's text says.
pub(crate) enum ParsedObject {
    /// An object.
    Object(Object),
    /// One that nobody needs, by its kind.
    Skipped(String),
}

impl ParsedObject {
    /// Reads an object.
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
