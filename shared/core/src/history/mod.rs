//! The record of changes that a Service carries: the annotation `clbmigrate.io/history`, a JSON
//! list.

mod compact;
mod size;
mod text;
mod whole;

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::object::ObjectMeta;

pub use size::MAX_BYTES;
pub use whole::{OneService, Part, Server, Servers, Whole};

/// The annotation's full key.
pub const KEY: &str = "clbmigrate.io/history";

/// How many changes are kept.
pub const MAX_ENTRIES: usize = 10;

/// The changes of a Service, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History {
    entries: Vec<HistoryEntry>,
}

/// One change of a Service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The change's id, the same in every cluster that it touched.
    pub change: String,
    /// The command that made it, for example `set`.
    #[serde(default)]
    pub verb: String,
    /// When, by the API server's clock, as RFC 3339 in UTC.
    pub when: String,
    /// The user's name as the API server knows it.
    pub who: String,
    /// The weight annotation before; `None` where there was none.
    #[serde(default)]
    pub from: Option<String>,
    /// The weight annotation after; `None` where there is none.
    #[serde(default)]
    pub to: Option<String>,
    /// Why, in the user's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The id of the change that this one took back, if it took one back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// The id of the change that this one is a step of, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_of: Option<String>,
    /// Other annotations that were changed with the weight, by full key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, ValueChange>,
    /// The Service's type before and after, where it was changed. `from` is `None` where the Service was
    /// made by the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_type: Option<ValueChange>,
    /// All parts of the change, where it has other parts than this Service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Whole>,
    /// The Service that was changed, which need not be the one that carries the record: a copy of a
    /// Service brings its record along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ChangedService>,
    /// How many servers of the change are not in `whole`: with them the record would be too large.
    /// Such a change can be neither finished nor taken back by its record.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub servers_left_out: usize,
    /// Fields that a newer release wrote; they are written back as they are.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

/// An annotation's values before and after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueChange {
    /// The value before; `None` where the annotation was absent.
    pub from: Option<String>,
    /// The value after; `None` where the annotation was removed.
    pub to: Option<String>,
}

/// The annotation's value is no list of changes.
#[derive(Debug, Error)]
#[error("annotation {KEY} is no list of changes: {0}")]
pub struct HistoryError(#[from] serde_json::Error);

impl History {
    /// Reads the annotation's value. An absent or empty one is a history without changes. Any other
    /// text that is no list of changes is an error.
    pub fn parse(text: Option<&str>) -> Result<Self, HistoryError> {
        Ok(match text {
            None | Some("") => Self::default(),
            Some(text) => serde_json::from_str(text)?,
        })
    }

    /// The annotation's value for this history.
    pub fn to_text(&self) -> String {
        text::of(self)
    }

    /// The changes, the oldest first.
    pub fn entries(&self) -> &[HistoryEntry] {
        &self.entries
    }

    /// This history with one change more. The oldest changes are dropped where there are more than
    /// [`MAX_ENTRIES`], and where the annotation would not stay below [`MAX_BYTES`]. The newest
    /// stays, without its servers if it is too large by itself.
    #[must_use]
    pub fn with(&self, entry: HistoryEntry) -> Self {
        let mut entries = self.entries.clone();
        entries.push(entry);
        let surplus = entries.len().saturating_sub(MAX_ENTRIES);
        entries.drain(..surplus);
        let mut history = Self { entries };
        history.fit();
        history
    }

    /// Whether the change of that id is among the entries.
    pub fn contains(&self, change: &str) -> bool {
        self.entries.iter().any(|entry| entry.change == change)
    }

    /// The newest change; `None` in an empty history.
    pub fn last(&self) -> Option<&HistoryEntry> {
        self.entries.last()
    }

    /// The change that the next undo takes back: the newest that is not taken back, takes none back
    /// itself and is no step of another. An undo that was taken back leaves its change to undo
    /// again. `None` where nothing is left.
    pub fn last_to_undo(&self) -> Option<&HistoryEntry> {
        let mut undone: HashSet<&str> = HashSet::new();
        let standing = self.entries.iter().rev().filter(|entry| {
            let stands = !undone.contains(entry.change.as_str());
            if stands {
                undone.extend(entry.undoes.as_deref());
            }
            stands
        });
        let mut changes =
            standing.filter(|entry| entry.undoes.is_none() && entry.step_of.is_none());
        changes.next()
    }
}

/// The Service that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedService {
    /// The UID of namespace `kube-system` of its cluster, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,
    /// Its UID; none where the change has made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl HistoryEntry {
    /// Whether the change was made of this Service, in the cluster whose `kube-system` has that UID, if
    /// it is known. One that was made anew in its cluster counts as the same. A record that does not
    /// say is about the Service that carries it.
    pub fn is_of(&self, cluster_uid: Option<&str>, meta: &ObjectMeta) -> bool {
        let Some(of) = &self.service else { return true };
        let is_named = of.name == meta.name && of.namespace == meta.namespace();
        let recorded = [of.cluster_uid.as_deref(), of.uid.as_deref()];
        is_named && is_proven(recorded, [cluster_uid, Some(&meta.uid)])
    }
}

/// Whether the recorded UIDs, of `kube-system` and of the Service, prove that it is the one with the
/// present UIDs. Those of `kube-system` tell where both are known.
pub(crate) fn is_proven(recorded: [Option<&str>; 2], present: [Option<&str>; 2]) -> bool {
    let ([cluster, service], [its_cluster, its_service]) =
        (recorded.map(non_empty), present.map(non_empty));
    match (cluster, its_cluster) {
        (Some(cluster), Some(its_cluster)) => cluster == its_cluster,
        _ => service.is_some() && service == its_service,
    }
}

/// A UID that says something.
pub(crate) fn non_empty(uid: Option<&str>) -> Option<&str> {
    uid.filter(|uid| !uid.is_empty())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {

    use super::*;

    fn entry(change: &str, undoes: Option<&str>) -> HistoryEntry {
        HistoryEntry {
            change: change.to_owned(),
            verb: "set".to_owned(),
            when: "2026-11-21T01:02:03Z".to_owned(),
            who: "ann".to_owned(),
            from: Some("20".to_owned()),
            to: Some("40".to_owned()),
            reason: None,
            undoes: undoes.map(str::to_owned),
            step_of: None,
            annotations: BTreeMap::new(),
            service_type: None,
            whole: None,
            service: None,
            servers_left_out: 0,
            more: BTreeMap::new(),
        }
    }

    fn history(entries: &[(&str, Option<&str>)]) -> History {
        let entries = entries.iter().map(|(change, undoes)| entry(change, *undoes));
        entries.fold(History::default(), |history, entry| history.with(entry))
    }

    fn to_undo(history: &History) -> Option<&str> {
        history.last_to_undo().map(|entry| entry.change.as_str())
    }

    #[test]
    fn undo_after_undo_goes_further_back() {
        assert_eq!(to_undo(&history(&[("a", None), ("b", None)])), Some("b"));
        assert_eq!(to_undo(&history(&[("a", None), ("b", None), ("c", Some("b"))])), Some("a"));
        let all = history(&[("a", None), ("b", None), ("c", Some("b")), ("d", Some("a"))]);
        assert_eq!(to_undo(&all), None);
    }

    #[test]
    fn a_change_after_an_undo_is_undone_first() {
        let history = history(&[("a", None), ("b", Some("a")), ("c", None)]);
        assert_eq!(to_undo(&history), Some("c"));
    }

    #[test]
    fn an_undo_that_was_taken_back_leaves_its_change_to_undo() {
        let history = history(&[("a", None), ("b", Some("a")), ("c", Some("b"))]);
        assert_eq!(to_undo(&history), Some("a"));
        let again = history.with(entry("d", Some("a")));
        assert_eq!(to_undo(&again), None);
    }

    #[test]
    fn a_step_of_a_change_is_not_undone_on_its_own() {
        let mut step = entry("b", None);
        step.step_of = Some("a".to_owned());
        assert_eq!(to_undo(&history(&[("a", None)]).with(step)), Some("a"));
    }

    #[test]
    fn the_oldest_change_goes_when_there_are_too_many() {
        let many: Vec<String> = (0..MAX_ENTRIES + 2).map(|number| number.to_string()).collect();
        let history = many.iter().fold(History::default(), |h, name| h.with(entry(name, None)));
        assert_eq!(history.entries().len(), MAX_ENTRIES);
        assert!(!history.contains("1"));
        assert!(history.contains("2") && history.contains("11"));
    }

    #[test]
    fn what_a_newer_release_wrote_is_kept() {
        let text = r#"[{"change":"a","when":"w","who":"x","phase":"raised"}]"#;
        let history = History::parse(Some(text)).expect("a history");
        assert!(history.with(entry("b", None)).to_text().contains(r#""phase":"raised""#));
    }

    #[test]
    fn what_is_no_history_is_an_error_not_an_empty_one() {
        for text in ["{}", "[1]", "yes", r#"[{"when":"w"}]"#] {
            assert!(History::parse(Some(text)).is_err(), "{text}");
        }
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn a_history_is_read_back(who in any::<String>(), reason in proptest::option::of(any::<String>())) {
                let history = History::default().with(HistoryEntry { who, reason, ..entry("a", None) });
                let read = History::parse(Some(&history.to_text())).expect("a history");
                prop_assert_eq!(read, history);
            }

            #[test]
            fn no_text_makes_the_reader_panic(text in any::<String>()) {
                let _ = History::parse(Some(&text));
            }
        }
    }
}
