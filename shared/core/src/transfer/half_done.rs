use super::{Part, Standing, Whole};
use crate::{
    history::{self, History},
    snapshot::Snapshot,
};

/// A change that came to an end between its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HalfDone {
    /// Its id.
    pub change: String,
    /// The command that began it.
    pub verb: String,
    /// A Service that holds the record: index of its cluster, namespace, name.
    pub holder: (usize, String, String),
    /// The change that it takes back; such a one can only be finished.
    pub undoes: Option<String>,
    /// The whole of it.
    pub whole: Whole,
    /// Indexes of the parts that are as after the change.
    pub done: Vec<usize>,
    /// Indexes of those that are as before it, or in between.
    pub missing: Vec<usize>,
}

impl HalfDone {
    /// The parts of these indexes.
    pub fn parts<'h>(&'h self, indexes: &'h [usize]) -> impl Iterator<Item = &'h Part> {
        indexes.iter().filter_map(|index| self.whole.parts.get(*index))
    }
}

/// The changes that are half done, as far as both what is done and what is missing is at hand. One of
/// which somebody has changed any part since is over: nobody can say what was meant.
pub fn half_done(snapshot: &Snapshot) -> Vec<HalfDone> {
    let mut found: Vec<HalfDone> = Vec::new();
    for (index, cluster) in snapshot.clusters.iter().enumerate() {
        for service in cluster.services() {
            let meta = &service.metadata;
            let Some(text) = meta.annotations.get(history::KEY) else { continue };
            let Ok(history) = History::parse(Some(text)) else { continue };
            let Some(last) = history.last() else { continue };
            let Some(whole) = &last.whole else { continue };
            if found.iter().any(|known| known.change == last.change) {
                continue;
            }
            let standings: Vec<Standing> =
                whole.parts.iter().map(|part| part.standing(snapshot)).collect();
            let of = |wanted: &[Standing]| -> Vec<usize> {
                let all = standings.iter().enumerate();
                all.filter(|(_, standing)| wanted.contains(standing)).map(|(at, _)| at).collect()
            };
            let done = of(&[Standing::After]);
            let missing = of(&[Standing::Before, Standing::Between]);
            let is_begun = !done.is_empty() || standings.contains(&Standing::Between);
            if !is_begun || missing.is_empty() || done.len() + missing.len() != standings.len() {
                continue;
            }
            found.push(HalfDone {
                change: last.change.clone(),
                verb: last.verb.clone(),
                holder: (index, meta.namespace().to_owned(), meta.name.clone()),
                undoes: last.undoes.clone(),
                whole: whole.clone(),
                done,
                missing,
            });
        }
    }
    found
}
