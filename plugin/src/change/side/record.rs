//! The record that a change leaves on its Service.

use std::collections::BTreeMap;

use clbmigrate_cluster::live::LiveService;
use clbmigrate_core::{
    annotation,
    history::{self, ChangedService, History, HistoryEntry, ValueChange, Whole},
    index::ServiceRef,
    patch::{AnnotationEdit, ServiceEdit},
};

use crate::output::Printer;

/// What the record says of a change besides its values.
#[derive(Debug, Clone, Default)]
pub struct EntryPlan {
    /// The command.
    pub verb: String,
    /// Why, in the user's words.
    pub reason: Option<String>,
    /// The id of the change that this one takes back.
    pub undoes: Option<String>,
    /// The id of the change that this one is a step of.
    pub step_of: Option<String>,
    /// All parts of the change, where it has others than this Service's.
    pub whole: Option<Whole>,
}

impl EntryPlan {
    /// What the record says where the change of that id is taken back.
    pub fn of_way_back(&self, written: &str) -> Self {
        let undoes = Some(written.to_owned());
        let verb = "undo".to_owned();
        Self { verb, undoes, step_of: None, whole: None, reason: self.reason.clone() }
    }

    /// The edit, without what stays as it is, and with the record of the change of that id by `who`. A
    /// record that cannot be read is begun anew, with a warning.
    pub fn recorded(
        &self,
        edit: &ServiceEdit,
        (service_ref, now): (&ServiceRef<'_>, &LiveService),
        (id, who): (&str, String),
        printer: &mut Printer,
    ) -> ServiceEdit {
        let old = now.annotation(history::KEY).map(str::to_owned);
        let known = now.history().unwrap_or_else(|error| {
            printer.warning(&format!(
                "{error}; it is begun anew, and was: {}",
                old.as_deref().unwrap_or_default()
            ));
            History::default()
        });
        let changed = || edit.annotations.iter().filter(|edit| edit.old != edit.new);
        let is_weight =
            |edit: &&AnnotationEdit| annotation::suffix_of(&edit.key) == Some(annotation::WEIGHT);
        let weight = changed().find(is_weight);
        let others = changed().filter(|edit| !is_weight(edit));
        let meta = &service_ref.service.metadata;
        let present = || meta.annotations.effective(annotation::WEIGHT);
        let unchanged = || present().map(|found| found.text.to_owned());
        let entry = HistoryEntry {
            change: id.to_owned(),
            verb: self.verb.clone(),
            when: now.now(),
            who,
            from: weight.map_or_else(unchanged, |edit| edit.old.clone()),
            to: weight.map_or_else(unchanged, |edit| edit.new.clone()),
            reason: self.reason.clone(),
            undoes: self.undoes.clone(),
            step_of: self.step_of.clone(),
            annotations: others
                .map(|edit| {
                    let change = ValueChange { from: edit.old.clone(), to: edit.new.clone() };
                    (edit.key.clone(), change)
                })
                .collect(),
            service_type: edit
                .service_type
                .as_ref()
                .map(|edit| ValueChange { from: edit.old.clone(), to: Some(edit.new.clone()) }),
            whole: self.whole.clone(),
            service: Some(ChangedService {
                cluster_uid: service_ref.cluster.uid.clone(),
                uid: Some(now.uid().to_owned()).filter(|uid| !uid.is_empty()),
                namespace: meta.namespace().to_owned(),
                name: meta.name.clone(),
            }),
            servers_left_out: 0,
            more: BTreeMap::new(),
        };
        let mut annotations: Vec<AnnotationEdit> = changed().cloned().collect();
        let new = Some(known.with(entry).to_text());
        annotations.push(AnnotationEdit { key: history::KEY.to_owned(), old, new });
        ServiceEdit { annotations, service_type: edit.service_type.clone() }
    }
}
