//! What `set`, `undo` and `attach` answer, and the manifest of `-o patch`.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use clbmigrate_core::{
    history::HistoryEntry,
    object::{ObjectRef, Service},
    outcome::Outcome,
    patch::AnnotationEdit,
};
use serde_json::Value;

use crate::output::{
    Printable, Terminal, human,
    json::{AnnotationChange, ApiVersion, ChangeKind, ChangeReport, ChangeState, Object},
};

/// What a command that writes one Service answers, as far as it is known.
pub struct ChangeAnswer {
    /// The Service as kubectl takes it.
    name: String,
    document: ChangeReport,
}

impl ChangeAnswer {
    /// The answer about a change that is not written yet. `undoes` is the id of the change that this
    /// one takes back, `outcome` what CCM makes of the Service afterwards.
    pub fn new(
        verb: &str,
        object: &ObjectRef,
        edits: &[AnnotationEdit],
        undoes: Option<String>,
        outcome: Outcome,
    ) -> Self {
        let document = ChangeReport {
            api_version: ApiVersion::V1Alpha1,
            kind: ChangeKind::Change,
            verb: verb.to_owned(),
            object: Object::from(object),
            annotations: edits.iter().map(described).collect(),
            change: None,
            undoes,
            outcome: outcome.into(),
            state: ChangeState::Unchanged,
            verified: false,
            message: String::new(),
        };
        Self { name: format!("service/{}", object.name), document }
    }

    /// The answer where nothing is to be written. `last` is the last recorded change.
    #[must_use]
    pub fn unchanged(mut self, last: Option<&HistoryEntry>) -> Self {
        let last = last
            .map(|last| format!("; last change {} by {} at {}", last.change, last.who, last.when));
        "none".clone_into(&mut self.document.verb);
        self.document.annotations = Vec::new();
        self.document.undoes = None;
        self.document.message =
            format!("is so already, nothing was written{}", last.unwrap_or_default());
        self
    }

    /// The answer of a dry run; `kind` is `client` or `server`.
    #[must_use]
    pub fn dry_run(mut self, kind: &str) -> Self {
        self.document.state = ChangeState::DryRun;
        self.document.message = format!("{kind} dry run: nothing was written");
        self
    }

    /// The answer once the change of that id is written, and CCM was not waited for.
    #[must_use]
    pub fn written(mut self, id: &str) -> Self {
        self.document.change = Some(id.to_owned());
        self.document.state = ChangeState::Written;
        "written; CCM has not been waited for".clone_into(&mut self.document.message);
        self
    }

    /// The answer after the wait for CCM.
    #[must_use]
    pub fn ended(mut self, state: ChangeState, is_verified: bool, message: String) -> Self {
        self.document.state = state;
        self.document.verified = is_verified;
        self.document.message = message;
        self
    }
}

impl Printable for ChangeAnswer {
    type Document = ChangeReport;

    fn document(&self) -> &ChangeReport {
        &self.document
    }

    fn write_text(&self, _: Terminal, _: bool, out: &mut dyn Write) -> io::Result<()> {
        human::change_report(&self.document, &self.name, out)
    }

    fn names(&self) -> Vec<String> {
        vec![self.name.clone()]
    }
}

fn described(edit: &AnnotationEdit) -> AnnotationChange {
    AnnotationChange { key: edit.key.clone(), old: edit.old.clone(), new: edit.new.clone() }
}

/// A manifest of the Service with the changed annotations alone, for `kubectl apply --server-side`
/// or a commit. An annotation that goes is null.
pub fn manifest(service: &Service, edits: &[AnnotationEdit]) -> Value {
    let meta = &service.metadata;
    let annotations: BTreeMap<&str, Option<&str>> =
        edits.iter().map(|edit| (edit.key.as_str(), edit.new.as_deref())).collect();
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": meta.name,
            "namespace": meta.namespace(),
            "annotations": annotations,
        },
    })
}
