//! The way back of a Service's side: what was there before is written, and proven.

use std::time::Duration;

use clbmigrate_cluster::live::new_change_id;
use clbmigrate_core::{agreement::Expectation, patch::AnnotationEdit, transfer::Came};

use super::{
    NeededProof, Policy, Proof, ServiceSide,
    groups::GroupCheck,
    prove::ProofOptions,
    send::{PAUSE, Written},
    words::WriteFailure,
};
use crate::{change::Deadline, error::Error, output::Printer};

/// How long the groups are looked at where CCM gives no sign.
const LAST_LOOK: Duration = Duration::from_secs(20);

impl ServiceSide<'_> {
    /// Writes what was there before, again and again as long as the API server does not answer.
    pub async fn restore(&mut self, id: &str, policy: &Policy, printer: &mut Printer) -> Came {
        let deadline = Deadline::after(policy.timeout);
        self.progress.deadline = Some(deadline);
        let mut last_message = String::new();
        loop {
            let error = match self.restore_once(id, deadline, printer).await {
                Ok(came) => return came,
                Err(error) => error,
            };
            let may_pass = matches!(&error, Error::Cluster(error) if error.is_transient());
            if !may_pass || deadline.is_over() {
                return Came::Failed(error.to_string());
            }
            let message = format!("{}: {error}; trying again", self.service_ref.label());
            if message != last_message {
                printer.warning(&message);
                last_message = message;
            }
            deadline.pause(PAUSE).await;
        }
    }

    async fn restore_once(
        &mut self,
        id: &str,
        deadline: Deadline,
        printer: &mut Printer,
    ) -> Result<Came, Error> {
        let now = self.read().await?;
        if self.is_as_before(&now) {
            return Ok(Came::Done);
        }
        if let Some(how) = self.taken(&now) {
            return Ok(Came::Taken(how));
        }
        let edit = self.edit.reversed();
        let entry = self.entry.of_way_back(id);
        let change = new_change_id();
        match self.write_recorded(&edit, (&entry, &change), (deadline, true), printer).await {
            Ok(written) => {
                self.progress.back = Some(written);
                Ok(Came::Done)
            }
            Err(WriteFailure::Taken(error)) => Ok(Came::Taken(error.to_string())),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Proves that what was there before is there again, whoever put it back.
    pub async fn confirm(&mut self, policy: &Policy, printer: &mut Printer) -> Came {
        let deadline = self.progress.deadline.unwrap_or(Deadline::after(policy.timeout));
        let meta = &self.service_ref.service.metadata;
        let (at, namespace) = (self.service_ref.cluster_index, meta.namespace());
        let changed = self.before.snapshot.with_edit(at, namespace, &meta.name, &self.edit);
        let mut expected = self.expectation(&changed, &self.edit.reversed());
        if !self.progress.was_sent {
            return self.was_left_alone(&mut expected, policy, printer).await;
        }
        if self.progress.is_ccm_silent && self.has_cloud() {
            // One that is stuck has not written anything.
            return self
                .held_as_before(&mut expected, deadline, "CCM was not done in time", printer)
                .await;
        }
        let written = match self.progress.back.take() {
            Some(written) => written,
            None => match self.written_by_others(printer).await {
                Ok(written) => written,
                Err(error) => return Came::Failed(error.to_string()),
            },
        };
        let options = ProofOptions {
            deadline,
            stop: None,
            is_guarded: false,
            needs_health: false,
            is_last_resort: true,
        };
        let proof = self.prove(written, &mut expected, options, printer).await;
        self.progress.way_back = Some(proof.message());
        match &proof {
            proof if policy.accepts(proof) => Came::Done,
            Proof::PutBack(how) => Came::Taken(how.clone()),
            Proof::Gone => Came::Taken(proof.message()),
            Proof::TimedOut(_) | Proof::Failed(_) if self.has_cloud() => {
                self.held_as_before(&mut expected, deadline, &proof.message(), printer).await
            }
            _ => Came::Failed(proof.message()),
        }
    }

    /// Whether a Service that was not written is as before. Its API server may be gone, and the CLB
    /// tells it all the same.
    async fn was_left_alone(
        &mut self,
        expected: &mut Expectation,
        policy: &Policy,
        printer: &Printer,
    ) -> Came {
        if let Ok(now) = self.read().await
            && let Some(how) = self.taken_before(&now)
        {
            return Came::Taken(how);
        }
        if !self.has_cloud() && policy.proof <= NeededProof::Ccm {
            return Came::Done;
        }
        let deadline = Deadline::after(policy.timeout);
        self.held_as_before(expected, deadline, "it was not written", printer).await
    }

    /// The values from before, as somebody else has written them.
    async fn written_by_others(&self, printer: &mut Printer) -> Result<Written, Error> {
        let now = self.read().await?;
        let before = self.observe(&now, printer).await?;
        let edits = self.edit.annotations.iter();
        let edits = edits.map(|edit| AnnotationEdit { new: edit.old.clone(), ..edit.clone() });
        Ok(Written { before, edits: edits.collect() })
    }

    /// Whether the groups hold what was there before, whatever CCM says.
    async fn held_as_before(
        &mut self,
        expected: &mut Expectation,
        deadline: Deadline,
        why: &str,
        printer: &Printer,
    ) -> Came {
        let check = self.check_groups(expected, deadline.at_most(LAST_LOOK), printer).await;
        let came = match check {
            Some(GroupCheck::Agrees) => {
                self.progress.way_back = Some("the CLB's groups hold what they held".to_owned());
                return Came::Done;
            }
            Some(GroupCheck::Differs { how, .. } | GroupCheck::Unknown(how)) => {
                format!("{why}, and {how}")
            }
            None => format!("{why}, and the CLB cannot be asked"),
        };
        self.progress.way_back = Some(came.clone());
        Came::Failed(came)
    }
}
