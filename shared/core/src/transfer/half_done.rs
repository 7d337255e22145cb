use super::{Part, Standing, Whole};
use crate::{
    history::{self, History},
    snapshot::Snapshot,
};

/// A change that ended between its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HalfDone {
    /// The change's id.
    pub change: String,
    /// The command that began it.
    pub verb: String,
    /// A Service that carries the record: index of its cluster, namespace, name.
    pub holder: (usize, String, String),
    /// The id of the change that it takes back, if it takes one back. It can only be finished then.
    pub undoes: Option<String>,
    /// All parts of the change, with the names of the snapshot's contexts.
    pub whole: Whole,
    /// The indexes of the parts that are as after the change.
    pub done: Vec<usize>,
    /// The indexes of the parts that are as before the change, or in between.
    pub missing: Vec<usize>,
}

impl HalfDone {
    /// The parts of these indexes.
    pub fn parts<'h>(&'h self, indexes: &'h [usize]) -> impl Iterator<Item = &'h Part> {
        indexes.iter().filter_map(|index| self.whole.parts.get(*index))
    }
}

/// The changes of a snapshot that are half done. A change counts only if the state of all its parts
/// is known, and nobody has given any part a third value since: then nobody can tell what was
/// meant.
pub fn half_done(snapshot: &Snapshot) -> Vec<HalfDone> {
    let mut found: Vec<HalfDone> = Vec::new();
    for (index, cluster) in snapshot.clusters.iter().enumerate() {
        for service in cluster.services() {
            let meta = &service.metadata;
            let Some(text) = meta.annotations.get(history::KEY) else { continue };
            let Ok(history) = History::parse(Some(text)) else { continue };
            let last = history.last().filter(|of| of.is_of(cluster.uid.as_deref(), meta));
            let Some(last) = last else { continue };
            // Nobody can tell the state of servers that the record does not name.
            let Some(whole) = last.whole.as_ref().filter(|_| last.servers_left_out == 0) else {
                continue;
            };
            if found.iter().any(|known| known.change == last.change) {
                continue;
            }
            let whole = whole.located(&last.change, snapshot);
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
                whole,
                done,
                missing,
            });
        }
    }
    found
}
