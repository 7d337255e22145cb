//! Writing a change, and seeing what came of it.

use std::time::Duration;

use clbmigrate_cluster::live::{LiveService, WRITE_PATIENCE, new_change_id};
use clbmigrate_core::{patch::AnnotationEdit, reconciliation::ObservedService};
use tokio::time::Instant;

use super::{
    Change,
    failure::WriteFailure,
    record,
    truth::{self, GroupCheck},
    wait::{Verification, WaitResult, Waiting},
};
use crate::{cli::WriteArgs, error::Error, output::Printer};

/// How long the CLB API is asked until it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Long enough for a throttled call. After that the answer is that CCM reports success.
    Short,
    /// As long as CCM is waited for: it is a step, and without an answer nothing goes on.
    Long,
}

/// A change that is written, and what is needed to wait for CCM.
pub struct WrittenChange {
    pub(super) marks: ObservedService,
    pub(super) edits: Vec<AnnotationEdit>,
}

impl Change<'_> {
    /// Asks the API server for a dry run of the write, record included.
    ///
    /// # Errors
    /// Where the API server, or a webhook of it, refuses it.
    pub fn dry_run(&self, args: &WriteArgs, printer: &mut Printer) -> Result<(), Error> {
        let edits = record::with_history(self, &new_change_id(), args, printer);
        Ok(self.session.block_on(self.connection.dry_run(&self.present, &edits.into()))?)
    }

    /// Writes the change with its record, and tells the API server's warnings.
    ///
    /// # Errors
    /// Says whether anything was written.
    pub fn write_recorded(
        &self,
        id: &str,
        args: &WriteArgs,
        printer: &mut Printer,
    ) -> Result<WrittenChange, WriteFailure> {
        let edits = record::with_history(self, id, args, printer);
        let marks = self.observe(printer).map_err(WriteFailure::NotWritten)?;
        self.send(&self.present, &edits, id, printer)?;
        Ok(WrittenChange { marks, edits })
    }

    /// Writes annotations, and tells the API server's warnings.
    pub(super) fn send(
        &self,
        present: &LiveService,
        edits: &[AnnotationEdit],
        id: &str,
        printer: &mut Printer,
    ) -> Result<(), WriteFailure> {
        let edit = edits.to_vec().into();
        let written = self.session.block_on(async {
            let deadline = Instant::now() + WRITE_PATIENCE;
            self.connection.write(present, &edit, id, Some(deadline)).await
        });
        let written = written.map_err(|error| WriteFailure::new(self, error))?;
        if written.recovered {
            printer.info("the answer to the write was lost; the change is there");
        }
        for warning in &written.service.warnings {
            printer.warning(warning);
        }
        Ok(())
    }

    /// Waits for CCM, and then reads the groups from the CLB API where that is connected.
    pub fn wait_and_verify(
        &self,
        begun: WrittenChange,
        is_guarded: bool,
        patience: Patience,
        args: &WriteArgs,
        printer: &mut Printer,
    ) -> Result<WaitResult, Error> {
        let waiting = Waiting::new(self, begun.marks, begun.edits, is_guarded);
        let (mut waiting, limit) = match patience {
            Patience::Short => (waiting, truth::PATIENCE),
            Patience::Long => (waiting.into_step(), args.timeout.0.max(truth::PATIENCE)),
        };
        let end = self.session.block_on(waiting.run(args.timeout.0, printer))?;
        Ok(self.session.block_on(self.verify_at_clb(end, limit)))
    }

    /// Compares CCM's success with the groups, where the CLB API is connected.
    async fn verify_at_clb(&self, end: WaitResult, limit: Duration) -> WaitResult {
        let WaitResult::Done(mark, _) = end else { return end };
        let Some(clb) = self.session.clb().client() else { return end };
        match self.check_groups(&clb, limit).await {
            GroupCheck::Agrees => WaitResult::Done(mark, Verification::AtClb),
            GroupCheck::Unknown(why) => WaitResult::Done(mark, Verification::Failed(why)),
            GroupCheck::Differs(how) => WaitResult::Differs(how),
        }
    }

    /// Reads the marks that CCM has left on the Service so far. They are read anew: a question may
    /// have stood for long.
    pub fn observe(&self, printer: &mut Printer) -> Result<ObservedService, Error> {
        let meta = &self.service_ref.service.metadata;
        let marks = self.session.block_on(async {
            let now = self.connection.service(meta.namespace(), &meta.name).await?;
            let version = self.service_ref.cluster.ccm_version;
            self.connection.marks(now.as_ref().unwrap_or(&self.present), version).await
        });
        let (marks, hidden) = marks?;
        if let Some(error) = hidden {
            printer.warning(&format!(
                "CCM's events may not be read, so its failures are not seen ({error})"
            ));
        }
        Ok(marks)
    }
}
