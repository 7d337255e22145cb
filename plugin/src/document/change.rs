//! What `set`, `undo` and `attach` answer, and the manifest of `-o patch`.

use std::io::{self, Write};

use clbmigrate_core::{
    history::HistoryEntry, outcome::Outcome, patch::AnnotationEdit, transfer::Ending,
};
use serde_json::{Value, json};

use super::{preview::PreviewAnswer, shares::shares};
use crate::{
    change::{Intent, Proof, ServiceSide},
    error::{Error, Exit},
    output::{
        Detail, Printable, Terminal, human,
        json::{
            AnnotationChange, ApiVersion, ChangeKind, ChangeReport, ChangeState, Object, TypeChange,
        },
    },
};

/// What a command that writes one Service answers, as far as it is known.
pub struct ChangeAnswer {
    /// The Service as kubectl takes it.
    name: String,
    /// What happens to its traffic.
    traffic: Option<String>,
    document: ChangeReport,
    exit: Exit,
}

impl ChangeAnswer {
    /// The answer about a change that is not written yet, with its preview. `outcome` is what CCM makes
    /// of the Service afterwards.
    pub fn new(
        intent: &Intent,
        side: &ServiceSide<'_>,
        (shown, outcome): (&PreviewAnswer, Outcome),
    ) -> Self {
        let object = side.object();
        let document = ChangeReport {
            api_version: ApiVersion::V1Alpha1,
            kind: ChangeKind::Change,
            verb: intent.verb.to_owned(),
            object: Object::from(&object),
            annotations: side.edit.annotations.iter().map(described).collect(),
            service_type: side.edit.service_type.as_ref().map(|edit| TypeChange {
                old: side.manifest.is_none().then(|| edit.old().to_owned()),
                new: edit.new.clone(),
            }),
            commands: intent.commands.clone(),
            change: None,
            undoes: intent.undoes.clone(),
            outcome: outcome.into(),
            routes: shown.document().routes.iter().map(shares).collect(),
            state: ChangeState::Unchanged,
            verified: false,
            message: String::new(),
        };
        let name = format!("service/{}", object.name);
        Self { name, traffic: shown.traffic(), document, exit: Exit::Done }
    }

    /// The answer where nothing is to be written. `last` is the last recorded change.
    #[must_use]
    pub fn unchanged(mut self, last: Option<&HistoryEntry>) -> Self {
        let last = last
            .map(|last| format!("; last change {} by {} at {}", last.change, last.who, last.when));
        "none".clone_into(&mut self.document.verb);
        self.document.annotations = Vec::new();
        self.document.service_type = None;
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

    /// The answer after a proof of what stands as it is written.
    #[must_use]
    pub fn waited(mut self, proof: &Proof) -> Self {
        self.document.state = proof.state();
        self.document.verified = proof.is_verified();
        self.document.message = proof.message();
        self.exit = proof.exit();
        self
    }

    /// The answer once the change of that id is written, and CCM was not waited for.
    ///
    /// # Errors
    /// Where nothing was written.
    pub fn written(mut self, id: &str, ending: &Ending) -> Result<Self, Error> {
        match ending {
            Ending::Untouched(_) | Ending::Held(_) => return Err(Error::Aborted),
            Ending::Done => {
                self.document.change = Some(id.to_owned());
                self.document.state = ChangeState::Written;
                "written; CCM has not been waited for".clone_into(&mut self.document.message);
            }
            Ending::RolledBack { why, .. } | Ending::Standing { why, .. } => {
                self.document.change = Some(id.to_owned());
                self.document.state = ChangeState::Written;
                self.document.message.clone_from(why);
                self.exit = Exit::Error;
            }
        }
        Ok(self)
    }

    /// The answer when the change of that id has ended, and CCM was waited for.
    ///
    /// # Errors
    /// Where nothing was written.
    pub fn ended(self, id: &str, ending: &Ending, side: &ServiceSide<'_>) -> Result<Self, Error> {
        let proof = side.progress.proof.as_ref();
        let mut answer = match proof {
            Some(proof) => self.waited(proof),
            None => self,
        };
        answer.document.change = Some(id.to_owned());
        match ending {
            Ending::Done => {}
            Ending::Untouched(_) | Ending::Held(_) => return Err(Error::Aborted),
            Ending::RolledBack { why, taken, .. } if taken.is_empty() => {
                let now = side.progress.way_back.as_deref();
                let now = now.unwrap_or("it was taken back already");
                answer.document.state = ChangeState::RolledBack;
                answer.document.verified = false;
                answer.document.message = format!("taken back, because {why}. Now: {now}");
                answer.exit = Exit::PutBack;
            }
            Ending::RolledBack { why, .. } | Ending::Standing { why, .. } => {
                let is_gone = proof == Some(&Proof::Gone);
                let left = match ending {
                    Ending::Standing { left, .. } => left.first(),
                    _ => None,
                };
                let stands_as_proven = left.is_none()
                    && matches!(ending, Ending::Standing { taken, .. } if taken.is_empty());
                if stands_as_proven && proof.is_some() {
                    return Ok(answer);
                }
                answer.document.verified = false;
                answer.document.message = match left {
                    Some((_, because)) => format!("{why}; it could not be taken back: {because}"),
                    None => why.clone(),
                };
                if left.is_some() {
                    answer.exit = Exit::Error;
                } else if !is_gone {
                    answer.document.state = ChangeState::PutBack;
                    answer.exit = Exit::PutBack;
                }
            }
        }
        Ok(answer)
    }

    /// How the command ends after this answer.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl Printable for ChangeAnswer {
    type Document = ChangeReport;

    fn document(&self) -> &ChangeReport {
        &self.document
    }

    fn write_text(&self, terminal: Terminal, _: Detail, out: &mut dyn Write) -> io::Result<()> {
        let traffic = self.traffic.as_deref();
        human::change_report(&self.document, &self.name, traffic, terminal, out)
    }

    fn names(&self) -> Vec<String> {
        vec![self.name.clone()]
    }
}

fn described(edit: &AnnotationEdit) -> AnnotationChange {
    AnnotationChange { key: edit.key.clone(), old: edit.old.clone(), new: edit.new.clone() }
}

/// A manifest of the Service with what changes alone, for `kubectl apply --server-side` or a commit; of
/// a new Service, the whole. An annotation that goes is null.
pub fn manifest(side: &ServiceSide<'_>) -> Value {
    let meta = &side.service_ref.service.metadata;
    let manifest = side.manifest.clone().unwrap_or_else(|| {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": meta.name, "namespace": meta.namespace()},
        })
    });
    side.edit.made_in(manifest)
}
