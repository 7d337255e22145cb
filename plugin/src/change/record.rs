//! The record that a change leaves on its Service.

use std::collections::BTreeMap;

use clbmigrate_core::{
    annotation,
    history::{self, History, HistoryEntry},
    patch::AnnotationEdit,
};

use super::Change;
use crate::{cli::WriteArgs, output::Printer};

/// The edits of a change that differ, and one that adds the record of the change of that id. A
/// record that cannot be read is begun anew, with a warning.
pub fn with_history(
    change: &Change<'_>,
    id: &str,
    args: &WriteArgs,
    printer: &mut Printer,
) -> Vec<AnnotationEdit> {
    let old = change.present.annotation(history::KEY).map(str::to_owned);
    let known = change.present.history().unwrap_or_else(|error| {
        printer.warning(&format!(
            "{error}; it is begun anew, and was: {}",
            old.as_deref().unwrap_or_default()
        ));
        History::default()
    });
    let edits = || change.plan.edits.iter().filter(|edit| edit.old != edit.new);
    let is_weight =
        |edit: &&AnnotationEdit| annotation::suffix_of(&edit.key) == Some(annotation::WEIGHT);
    let weight = edits().find(is_weight);
    let others = edits().filter(|edit| !is_weight(edit));
    let present = || change.service_ref.service.metadata.annotations.effective(annotation::WEIGHT);
    let unchanged = || present().map(|found| found.text.to_owned());
    let entry = HistoryEntry {
        change: id.to_owned(),
        verb: change.plan.verb.to_owned(),
        when: change.present.now(),
        who: change.session.block_on(change.connection.whoami()),
        from: weight.map_or_else(unchanged, |edit| edit.old.clone()),
        to: weight.map_or_else(unchanged, |edit| edit.new.clone()),
        reason: args.reason.clone(),
        undoes: change.plan.undoes.clone(),
        step_of: change.plan.step_of.clone(),
        annotations: others
            .map(|edit| {
                let swap = history::ValueChange { from: edit.old.clone(), to: edit.new.clone() };
                (edit.key.clone(), swap)
            })
            .collect(),
        whole: change.plan.whole.clone(),
        servers_left_out: 0,
        more: BTreeMap::new(),
    };
    let mut edits: Vec<AnnotationEdit> = edits().cloned().collect();
    let new = Some(known.with(entry).to_text());
    edits.push(AnnotationEdit { key: history::KEY.to_owned(), old, new });
    edits
}
