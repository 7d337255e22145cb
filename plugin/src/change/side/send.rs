//! Reads a Service anew, and writes it.

use std::time::Duration;

use clbmigrate_cluster::live::{
    ErrorKind, LENIENT_LIMIT, LiveService, RESYNC, WriteError, WrittenService, new_change_id,
};
use clbmigrate_core::{
    patch::{AnnotationEdit, ServiceEdit},
    reconciliation::ObservedService,
};
use serde_json::Value;
use tokio::time::{sleep_until, timeout};

use super::{
    EntryPlan, ServiceSide,
    words::{WriteFailure, describe_overwrite},
};
use crate::{change::Deadline, error::Error, output::Printer};

/// Between two attempts to write where an API server does not answer.
pub(super) const PAUSE: Duration = Duration::from_secs(2);

/// How long the CLB API is left alone before a write. The edit makes CCM read the groups at once, and it
/// takes all backends out of a group where that read is throttled (CCM 2.14: vgroups.go). Our own calls
/// take from the same quota.
const QUIET: Duration = Duration::from_secs(1);

/// A write that was sent, and what is needed to wait for CCM.
pub struct Written {
    /// What the Service showed before it.
    pub before: ObservedService,
    /// What was written, without the record.
    pub edits: Vec<AnnotationEdit>,
}

impl ServiceSide<'_> {
    /// Waits until the CLB API has been left alone for long enough.
    async fn leave_cloud_alone(&self) {
        if let Some(last) = self.cloud.as_ref().and_then(|cloud| cloud.last_call()) {
            sleep_until(last + QUIET).await;
        }
    }

    /// Reads the Service anew.
    ///
    /// # Errors
    /// Where it is gone, made anew, or cannot be read.
    pub(super) async fn read(&self) -> Result<LiveService, Error> {
        let meta = &self.service_ref.service.metadata;
        let now = self.cluster.service(meta.namespace(), &meta.name).await?;
        now.filter(|now| self.is_same(now)).ok_or_else(|| Error::NotFound {
            message: format!("Service {} is gone", self.service_ref.label()),
            hints: Vec::new(),
        })
    }

    /// Whether it is the Service that the change was planned for. One that is to be created has no
    /// UID yet.
    pub(super) fn is_same(&self, now: &LiveService) -> bool {
        self.manifest.is_some() || now.uid() == self.present.uid()
    }

    /// Reads the marks that CCM has left on the Service so far.
    pub async fn observe(
        &self,
        now: &LiveService,
        printer: &mut Printer,
    ) -> Result<ObservedService, Error> {
        let version = self.service_ref.cluster.ccm_version;
        let (marks, hidden) = self.cluster.marks(now, version).await?;
        if let Some(error) = hidden {
            printer.warning(&format!(
                "CCM's events may not be read, so its failures are not seen ({error})"
            ));
        }
        Ok(marks)
    }

    /// The same, without CCM's events where they cannot be read in time: the way to safety does not
    /// wait for them.
    async fn observe_in_time(&self, now: &LiveService, printer: &mut Printer) -> ObservedService {
        let why = match timeout(LENIENT_LIMIT, self.observe(now, printer)).await {
            Ok(Ok(marks)) => return marks,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        printer.warning(&format!(
            "CCM's events could not be read, so an earlier failure may count as a new one ({why})"
        ));
        now.marks_without_events(self.service_ref.cluster.ccm_version)
    }

    /// Has the API server judge the edit with its record, and writes nothing.
    ///
    /// # Errors
    /// Where it, or a webhook of it, refuses the edit.
    pub async fn dry_run(&self, printer: &mut Printer) -> Result<(), Error> {
        let who = self.cluster.whoami().await;
        let id = new_change_id();
        let recorded = self.recorded(&self.edit, (&self.entry, &id), &self.present, who, printer);
        match &self.manifest {
            None => Ok(self.cluster.dry_run(&self.present, &recorded).await?),
            Some(manifest) => {
                let manifest = recorded.made_in(manifest.clone());
                let deadline = Deadline::after(PAUSE);
                let judged = self.cluster.create(&manifest, &id, true, deadline).await;
                judged.map(drop).map_err(|error| WriteFailure::new(self, error).into())
            }
        }
    }

    fn recorded(
        &self,
        edit: &ServiceEdit,
        (entry, id): (&EntryPlan, &str),
        now: &LiveService,
        who: String,
        printer: &mut Printer,
    ) -> ServiceEdit {
        entry.recorded(edit, (&self.service_ref, now), (id, who), printer)
    }

    /// Writes an edit with its record as the change of that id. The way back is written without the
    /// record where the annotations would be too large with it.
    ///
    /// # Errors
    /// Says whether anything was written.
    pub(super) async fn write_recorded(
        &self,
        edit: &ServiceEdit,
        (entry, id): (&EntryPlan, &str),
        (deadline, is_way_back): (Deadline, bool),
        printer: &mut Printer,
    ) -> Result<Written, WriteFailure> {
        let who = self.cluster.whoami().await;
        self.leave_cloud_alone().await;
        // A question may have stood for long.
        let now = self.read().await.map_err(WriteFailure::NotWritten)?;
        let before = if is_way_back {
            self.observe_in_time(&now, printer).await
        } else {
            self.observe(&now, printer).await.map_err(WriteFailure::NotWritten)?
        };
        let recorded = self.recorded(edit, (entry, id), &now, who, printer);
        let mut result = self.send(&now, &recorded, id, deadline, printer).await;
        if is_way_back && result.as_ref().is_err_and(is_too_large) {
            printer.warning("the annotations have no room for the record; it is written without");
            result = self.send(&now, edit, id, deadline, printer).await;
        }
        result.map_err(|error| WriteFailure::new(self, error))?;
        Ok(Written { before, edits: edit.annotations.clone() })
    }

    /// Creates the Service, with the edit and its record.
    ///
    /// # Errors
    /// Says whether anything was written.
    pub(super) async fn create(
        &self,
        manifest: &Value,
        id: &str,
        deadline: Deadline,
        printer: &mut Printer,
    ) -> Result<Written, WriteFailure> {
        let who = self.cluster.whoami().await;
        let recorded = self.recorded(&self.edit, (&self.entry, id), &self.present, who, printer);
        let manifest = recorded.made_in(manifest.clone());
        self.leave_cloud_alone().await;
        let created = self.cluster.create(&manifest, id, false, deadline).await;
        let created = created.map_err(|error| WriteFailure::new(self, error))?;
        report(&created, printer);
        // CCM has left nothing on it before.
        Ok(Written { before: ObservedService::default(), edits: self.edit.annotations.clone() })
    }

    /// Writes an edit, and tells the API server's warnings.
    async fn send(
        &self,
        now: &LiveService,
        edit: &ServiceEdit,
        id: &str,
        deadline: Deadline,
        printer: &mut Printer,
    ) -> Result<(), WriteError> {
        report(&self.cluster.write(now, edit, id, deadline).await?, printer);
        Ok(())
    }

    /// Calls CCM once more, by an edit that means nothing. `edits` are those that CCM is to carry out.
    /// It is tried until the deadline.
    ///
    /// # Errors
    /// The reason in words.
    pub(super) async fn call_ccm(
        &self,
        edits: &[AnnotationEdit],
        deadline: Deadline,
        printer: &mut Printer,
    ) -> Result<Written, String> {
        loop {
            let error = match self.call_ccm_once(edits, deadline, printer).await {
                Ok(written) => return Ok(written),
                Err(error) => error,
            };
            let may_pass = match &error {
                Error::Cluster(error) => error.is_transient(),
                Error::Conflict { .. } => true,
                _ => false,
            };
            if !may_pass || deadline.is_over() {
                return Err(error.to_string());
            }
            printer.note(&format!("{error}; trying again"));
            deadline.pause(PAUSE).await;
        }
    }

    async fn call_ccm_once(
        &self,
        edits: &[AnnotationEdit],
        deadline: Deadline,
        printer: &mut Printer,
    ) -> Result<Written, Error> {
        self.leave_cloud_alone().await;
        let now = self.read().await?;
        let old = now.annotation(RESYNC).map(str::to_owned);
        let id = new_change_id();
        let resync = AnnotationEdit { key: RESYNC.to_owned(), old, new: Some(id.clone()) };
        let before = self.observe(&now, printer).await?;
        let edit = ServiceEdit::from(vec![resync.clone()]);
        let sent = self.send(&now, &edit, &id, deadline, printer).await;
        sent.map_err(|error| WriteFailure::new(self, error))?;
        let is_written = |edit: &&AnnotationEdit| edit.key != RESYNC;
        let written = edits.iter().filter(is_written);
        let written = written.map(|edit| AnnotationEdit { old: edit.new.clone(), ..edit.clone() });
        Ok(Written { before, edits: written.chain([resync]).collect() })
    }

    /// Whether the values are those from before the change.
    pub(super) fn is_as_before(&self, now: &LiveService) -> bool {
        self.edit.fields().all(|edit| now.has_old(edit))
    }

    /// What somebody else has made of the Service; `None` where the values are those that the change
    /// wrote.
    pub(super) fn taken(&self, now: &LiveService) -> Option<String> {
        let other = self.edit.fields().find(|edit| !now.has_new(*edit))?;
        Some(describe_overwrite(now, other.field))
    }

    /// The same; `None` where the values are those from before the change.
    pub(super) fn taken_before(&self, now: &LiveService) -> Option<String> {
        let other = self.edit.fields().find(|edit| !now.has_old(*edit))?;
        Some(describe_overwrite(now, other.field))
    }
}

/// Tells the API server's warnings of a write, and whether its answer was lost.
fn report(written: &WrittenService, printer: &mut Printer) {
    if written.recovered {
        printer.info("the answer to the write was lost; the change is there");
    }
    for warning in &written.service.warnings {
        printer.warning(warning);
    }
}

fn is_too_large(error: &WriteError) -> bool {
    matches!(error, WriteError::Request(error) if error.kind == ErrorKind::TooLarge)
}
