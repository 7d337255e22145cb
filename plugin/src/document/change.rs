//! What a command that writes answers.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use clbmigrate_cluster::live::LiveService;
use clbmigrate_core::{
    annotation, index::ServiceRef, object::ObjectRef, outcome::Outcome, patch::AnnotationEdit,
};

use super::{Change, wait::End};
use crate::{
    cli::ChangeFormat,
    error::{Error, Exit},
    output::{
        Printer,
        json::{self, AnnotationChange, ApiVersion, ChangeKind, ChangeReport, ChangeState, Object},
        yaml,
    },
};

/// The answer, as far as it is known.
pub struct Report {
    object: ObjectRef,
    document: ChangeReport,
}

impl Report {
    /// A change that is not written yet.
    pub fn new(change: &Change<'_>, outcome: Outcome) -> Self {
        let object = change.object();
        let document = ChangeReport {
            api_version: ApiVersion::V1Alpha1,
            kind: ChangeKind::Change,
            verb: change.plan.verb.to_owned(),
            object: Object::from(&object),
            annotations: change.plan.edits.iter().map(described).collect(),
            change: None,
            undoes: change.plan.undoes.clone(),
            outcome: outcome.into(),
            state: ChangeState::Unchanged,
            verified: false,
            message: String::new(),
        };
        Self { object, document }
    }

    /// Nothing is to be written.
    pub fn unchanged(mut self, present: &LiveService) -> Self {
        let last = present.history().ok().and_then(|history| history.last().cloned());
        let last = last
            .map(|last| format!("; last change {} by {} at {}", last.change, last.who, last.when));
        "none".clone_into(&mut self.document.verb);
        self.document.annotations = Vec::new();
        self.document.undoes = None;
        self.document.message =
            format!("is so already, nothing was written{}", last.unwrap_or_default());
        self
    }

    /// Ends a dry run.
    pub fn dry(
        mut self,
        kind: &str,
        format: ChangeFormat,
        printer: &mut Printer,
    ) -> Result<Exit, Error> {
        self.document.state = ChangeState::DryRun;
        self.document.message = format!("{kind} dry run: nothing was written");
        self.show(format, printer)?;
        Ok(Exit::Done)
    }

    /// The change is on the Service.
    pub fn written(mut self, id: &str) -> Self {
        self.document.change = Some(id.to_owned());
        self.document.state = ChangeState::Written;
        "written; CCM has not been waited for".clone_into(&mut self.document.message);
        self
    }

    /// The wait for CCM is over.
    pub fn ended(mut self, end: &End) -> Self {
        self.document.state = end.state();
        self.document.verified = end.is_verified();
        self.document.message = end.message();
        self
    }

    /// Writes the answer.
    pub fn show(&self, format: ChangeFormat, printer: &mut Printer) -> Result<(), Error> {
        let name = format!("service/{}", self.object.name);
        match format {
            ChangeFormat::Json => json::write(&self.document, printer.data())?,
            ChangeFormat::Yaml => yaml::write(&self.document, printer.data())?,
            ChangeFormat::Name => writeln!(printer.data(), "{name}")?,
            // A patch is printed without ever coming here.
            ChangeFormat::Table | ChangeFormat::Patch => self.words(&name, printer.text())?,
        }
        printer.flush()
    }

    fn words(&self, name: &str, out: &mut dyn Write) -> io::Result<()> {
        let ChangeReport { annotations, change, message, .. } = &self.document;
        for annotation in annotations {
            let short = annotation::suffix_of(&annotation.key).unwrap_or(&annotation.key);
            let short = short.strip_prefix("loadbalancer-").unwrap_or(short);
            let value = |value: &Option<String>| value.as_deref().unwrap_or("none").to_owned();
            let (old, new) = (value(&annotation.old), value(&annotation.new));
            writeln!(out, "{name} {short} {old} -> {new}")?;
        }
        match change {
            Some(id) => writeln!(out, "change {id}: {message}"),
            None if annotations.is_empty() => writeln!(out, "{name} {message}"),
            None => writeln!(out, "{message}"),
        }
    }
}

fn described(edit: &AnnotationEdit) -> AnnotationChange {
    AnnotationChange { key: edit.key.clone(), old: edit.old.clone(), new: edit.new.clone() }
}

/// The same of a whole change.
pub fn print_patch(change: &Change<'_>, printer: &mut Printer) -> Result<Exit, Error> {
    patch(&change.service_ref, &change.plan.edits, printer)
}

/// A manifest with the changed annotations alone, for `kubectl apply --server-side` or a commit.
pub fn patch(
    service_ref: &ServiceRef<'_>,
    edits: &[AnnotationEdit],
    printer: &mut Printer,
) -> Result<Exit, Error> {
    let meta = &service_ref.service.metadata;
    let annotations: BTreeMap<&str, Option<&str>> =
        edits.iter().map(|edit| (edit.key.as_str(), edit.new.as_deref())).collect();
    let document = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": meta.name,
            "namespace": meta.namespace(),
            "annotations": annotations,
        },
    });
    yaml::write(&document, printer.data())?;
    printer.flush()?;
    if edits.iter().any(|edit| edit.new.is_none()) {
        printer.remark(
            "null takes an annotation away with kubectl patch --type=merge --patch-file; \
             in a repository, delete its line",
        );
    }
    Ok(Exit::Done)
}
