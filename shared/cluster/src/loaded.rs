use std::{collections::BTreeMap, fmt};

use clbmigrate_core::snapshot::{Inserted, World};

use crate::{
    Problem,
    parse::{Fault, Kind, ObjectReader, Piece, describe},
};

/// What was read, and what was not.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The clusters and the CLB API's answers.
    pub world: World,
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
    pub(crate) fn tell(&mut self, place: impl fmt::Display, line: Option<u32>, fault: &Fault) {
        let place = place.to_string();
        self.problems.push(Problem { file: place, line, message: fault.to_string() });
    }

    /// Puts an object into a cluster, by its place in the world; says whether anybody needs it.
    pub(crate) fn take(
        &mut self,
        cluster: usize,
        reader: &ObjectReader<'_>,
        kind: Kind,
        piece: &Piece<'_>,
    ) -> Result<bool, Fault> {
        let Some(object) = reader.read(kind, piece)? else {
            let label = Kind::label(piece.api_version, piece.kind.unwrap_or_default());
            *self.skipped.entry(label).or_default() += 1;
            return Ok(false);
        };
        let inserted = self.world.clusters.get_mut(cluster).map(|cluster| cluster.insert(object));
        if let Some(Inserted::Conflict(place)) = inserted {
            let there = place.0.map_or_else(String::new, |at| format!("{}:{}", at.file, at.line));
            return Err(Fault::Conflict { object: describe(piece), there });
        }
        self.objects += 1;
        Ok(true)
    }

    /// Takes over what another reading says of itself. Its world is not taken.
    pub fn absorb(&mut self, other: &Self) {
        self.problems.extend(other.problems.iter().cloned());
        for (kind, count) in &other.skipped {
            *self.skipped.entry(kind.clone()).or_default() += count;
        }
        self.objects += other.objects;
        self.answers += other.answers;
        self.files += other.files;
    }
}
