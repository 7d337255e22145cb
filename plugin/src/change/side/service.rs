//! A Service's side.

use std::{rc::Rc, time::Duration};

use clbmigrate_cluster::live::LiveService;
use clbmigrate_core::{
    agreement::Expectation,
    annotation,
    history::History,
    index::{Index, ServiceRef},
    mapping::Mapping,
    object::ObjectRef,
    patch::ServiceEdit,
    reconciliation::Settlement,
    route::Participant,
    snapshot::Snapshot,
    transfer::Came,
};
use serde_json::Value;

use super::{
    EntryPlan, NeededHealth, Policy, Proof, prove::ProofOptions, send::Written, words::WriteFailure,
};
use crate::{
    change::{
        Deadline,
        api::{CloudApi, ClusterApi},
        gitops::{self, GitOpsTool},
        stop::Stop,
    },
    error::Error,
    output::Printer,
};

/// Between two looks at a CCM that is busy.
const SETTLING_PAUSE: Duration = Duration::from_millis(500);

/// Edits a Service, and remembers how far that is.
pub struct ServiceSide<'t> {
    /// Its API server.
    pub cluster: Rc<dyn ClusterApi + 't>,
    /// The CLB API, where it is connected.
    pub cloud: Option<Rc<dyn CloudApi>>,
    /// The index of the snapshot before the change.
    pub before: &'t Index<'t>,
    /// The Service in that snapshot.
    pub service_ref: ServiceRef<'t>,
    /// The Service as its API server has it, or as it is to be created.
    pub present: LiveService,
    /// What is to change.
    pub edit: ServiceEdit,
    /// The manifest of a Service that is to be created, without the edit.
    pub manifest: Option<Value>,
    /// Whether it is proven only where its groups hold its backends, also at weight 0.
    pub must_register: bool,
    /// What the record says.
    pub entry: EntryPlan,
    /// Whether it gains traffic.
    pub gains: bool,
    /// How far it is, and how the last proof ended.
    pub progress: Progress,
}

/// How far a Service's side is.
#[derive(Default)]
pub struct Progress {
    /// The last proof; `None` where none was led.
    pub proof: Option<Proof>,
    /// The proof that the way back was led to.
    pub way_back: Option<String>,
    written: Option<Written>,
    pub(super) back: Option<Written>,
    pub(super) deadline: Option<Deadline>,
    /// Whether it was written, perhaps.
    pub(super) was_sent: bool,
    /// CCM did not do it in time, so it is not waited for a second time.
    pub(super) is_ccm_silent: bool,
}

impl ServiceSide<'_> {
    /// Whether a participant of a route is the Service.
    pub fn is(&self, of: &Participant<'_>) -> bool {
        of.service_ref.as_ref().is_some_and(|of| of.is_same(&self.service_ref))
    }

    /// The Service, as findings name it.
    pub fn object(&self) -> ObjectRef {
        self.service_ref.service.object_ref(self.service_ref.cluster.context.as_ref())
    }

    /// The tools that may put its values back.
    pub fn gitops_tools(&self) -> Vec<GitOpsTool> {
        let fields: Vec<&str> = self.edit.fields().map(|edit| edit.field).collect();
        gitops::tools(&self.present, &fields)
    }

    /// What the next `kubectl apply` of its manifest puts back, in words.
    pub fn applied(&self) -> Option<String> {
        gitops::applied_in_words(&self.present, &self.edit.annotations)
    }

    /// The changes that its record holds; empty where it cannot be read.
    pub fn history(&self) -> History {
        self.present.history().unwrap_or_default()
    }

    /// Whether the CLB was seen to carry what was written.
    pub fn is_proven(&self) -> bool {
        self.progress.proof.as_ref().is_some_and(Proof::is_verified)
    }

    /// Whether CCM has carried out what the Service says. One that is busy is waited for, up to
    /// `limit`.
    ///
    /// # Errors
    /// Where CCM's marks cannot be read.
    pub async fn settlement(
        &self,
        limit: Duration,
        printer: &mut Printer,
    ) -> Result<Settlement, Error> {
        let deadline = Deadline::after(limit);
        loop {
            let now = self.read().await?;
            let settlement = self.observe(&now, printer).await?.settlement();
            let may_settle = matches!(settlement, Settlement::NoRound | Settlement::Behind);
            if !may_settle || deadline.is_over() {
                return Ok(settlement);
            }
            deadline.pause(SETTLING_PAUSE).await;
        }
    }

    pub(super) fn expectation(&self, before: &Snapshot, edit: &ServiceEdit) -> Expectation {
        Expectation::after(&self.service_ref, before, edit, self.must_register)
    }

    pub(super) fn has_cloud(&self) -> bool {
        self.cloud.is_some()
    }

    /// Whether it takes all traffic away, or takes the Service out of its groups: nothing of that is
    /// ever taken back.
    fn is_brake(&self) -> bool {
        let new_of = |suffix| self.edit.annotation(suffix).and_then(|edit| edit.new.as_deref());
        let releases = new_of(annotation::VGROUP_PORT).is_some_and(|mapping| {
            let mapping = Mapping::parse(mapping);
            !mapping.entries().is_empty() && mapping.entries().iter().all(|of| of.is_release())
        });
        releases || new_of(annotation::WEIGHT) == Some("0")
    }

    /// Waits for a change that was written before.
    ///
    /// # Errors
    /// Where CCM's marks cannot be read.
    pub async fn begin_waiting(
        &mut self,
        policy: &Policy,
        printer: &mut Printer,
    ) -> Result<(), Error> {
        let before = self.observe(&self.present, printer).await?;
        self.progress.written = Some(Written { before, edits: self.edit.annotations.clone() });
        self.progress.deadline = Some(Deadline::after(policy.timeout));
        Ok(())
    }

    /// Writes it as the change of that id.
    pub async fn write(
        &mut self,
        id: &str,
        policy: &Policy,
        printer: &mut Printer,
    ) -> (Came, Option<Error>) {
        let deadline = Deadline::after(policy.timeout);
        self.progress.deadline = Some(deadline);
        let written = match &self.manifest {
            Some(manifest) => self.create(manifest, id, deadline, printer).await,
            None => {
                let way = (deadline, self.is_brake() || self.entry.undoes.is_some());
                self.write_recorded(&self.edit, (&self.entry, id), way, printer).await
            }
        };
        self.progress.was_sent =
            !matches!(written, Err(WriteFailure::NotWritten(_) | WriteFailure::Taken(_)));
        match written {
            Ok(written) => {
                self.progress.written = Some(written);
                (Came::Done, None)
            }
            Err(WriteFailure::NotWritten(error)) => {
                (Came::NotWritten(error.to_string()), Some(error))
            }
            Err(WriteFailure::Taken(error)) => (Came::Taken(error.to_string()), Some(error)),
            Err(WriteFailure::Unknown(error)) if policy.may_stay() => {
                (Came::Stays(error.to_string()), Some(error))
            }
            Err(WriteFailure::Unknown(error)) => (Came::Failed(error.to_string()), Some(error)),
        }
    }

    /// Waits until CCM has carried it out and the CLB's groups carry it, with healthy backends.
    pub async fn verify(&mut self, policy: &Policy, stop: &Stop, printer: &mut Printer) -> Came {
        let Some(written) = self.progress.written.take() else {
            return Came::Failed("it was not written".to_owned());
        };
        let is_brake = self.is_brake();
        // What was not written is not taken back.
        let stays = is_brake || self.edit.is_unchanged();
        let options = ProofOptions {
            deadline: self.progress.deadline.unwrap_or(Deadline::after(policy.timeout)),
            stop: policy.may_stay().then_some(stop),
            is_guarded: !self.gitops_tools().is_empty(),
            needs_health: self.gains && policy.health > NeededHealth::Nothing,
            is_last_resort: is_brake && policy.may_stay(),
        };
        let mut expected = self.expectation(self.before.snapshot, &self.edit);
        let proof = self.prove(written, &mut expected, options, printer).await;
        let message = proof.message();
        let came = match &proof {
            proof if policy.accepts(proof) => {
                if !policy.may_stay() {
                    printer.info(&format!("  {message}"));
                }
                Came::Done
            }
            Proof::PutBack(_) if !policy.may_stay() => match self.read().await {
                Ok(now) if self.is_as_before(&now) => {
                    // To prove that is another way, with its own time.
                    self.progress.deadline = None;
                    Came::PutBack(message)
                }
                _ => Came::Taken(message),
            },
            Proof::PutBack(_) | Proof::Gone => Came::Taken(message),
            Proof::Differs(_) | Proof::Unhealthy(_) if policy.may_stay() && stays => {
                Came::Stays(message)
            }
            Proof::Differs(how) if policy.may_stay() => {
                printer.warning(&format!("{how} still; the change is taken back"));
                Came::Failed(format!("CCM reported success while {how}"))
            }
            Proof::Unhealthy(_) => Came::Failed(message),
            _ if policy.may_stay() => Came::Stays(message),
            _ => Came::Failed(message),
        };
        self.progress.is_ccm_silent = matches!(proof, Proof::TimedOut(_));
        self.progress.proof = Some(proof);
        came
    }
}
