//! Writing a change, and seeing what came of it.

use std::time::Duration;

use clbmigrate_cluster::live::{LiveService, new_change_id};
use clbmigrate_core::{patch::AnnotationEdit, reconciliation::ObservedService};

use super::{
    Change,
    failure::Unsent,
    record,
    truth::{self, Truth},
    wait::{End, Proof, Waiting},
};
use crate::{cli::WriteArgs, error::Error, output::Printer};

/// How long the CLB API is asked until it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Long enough for a throttled call; then CCM's word alone is told.
    Short,
    /// As long as CCM is waited for: it is a step, and without an answer nothing goes on.
    Long,
}

/// A change that is written, as it is waited for.
pub struct Begun {
    pub(super) marks: ObservedService,
    pub(super) edits: Vec<AnnotationEdit>,
}

impl Change<'_> {
    /// Has the API server judge the write, record included.
    pub fn try_out(&self, args: &WriteArgs, printer: &mut Printer) -> Result<(), Error> {
        let edits = record::with_history(self, &new_change_id(), args, printer);
        Ok(self.live.wait_for(self.connection.dry_run(&self.present, &edits))?)
    }

    /// Writes it, and says what there is to say of it.
    pub fn begin(
        &self,
        id: &str,
        args: &WriteArgs,
        printer: &mut Printer,
    ) -> Result<Begun, Unsent> {
        let edits = record::with_history(self, id, args, printer);
        let marks = self.marks(printer).map_err(Unsent::NotWritten)?;
        self.send(&self.present, &edits, id, printer)?;
        Ok(Begun { marks, edits })
    }

    /// Writes, and says what there is to say of it.
    pub(super) fn send(
        &self,
        present: &LiveService,
        edits: &[AnnotationEdit],
        id: &str,
        printer: &mut Printer,
    ) -> Result<(), Unsent> {
        let written = self.live.wait_for(self.connection.write(present, edits, id));
        let written = written.map_err(|error| Unsent::new(self, error))?;
        if written.recovered {
            printer.remark("the answer to the write was lost; the change is there");
        }
        for warning in &written.service.warnings {
            printer.warning(warning);
        }
        Ok(())
    }

    /// Waits for CCM, and asks the CLB what came of it.
    pub fn seen(
        &self,
        begun: Begun,
        is_guarded: bool,
        patience: Patience,
        args: &WriteArgs,
        printer: &mut Printer,
    ) -> Result<End, Error> {
        let waiting = Waiting::new(self, begun.marks, begun.edits, is_guarded);
        let (waiting, limit) = match patience {
            Patience::Short => (waiting, truth::PATIENCE),
            Patience::Long => (waiting.in_a_row(), args.timeout.0.max(truth::PATIENCE)),
        };
        let end = self.live.wait_for(waiting.run(args.timeout.0, printer))?;
        Ok(self.live.wait_for(self.verified(end, limit)))
    }

    /// Holds CCM's success against what the CLB says, where that can be asked.
    async fn verified(&self, end: End, limit: Duration) -> End {
        let End::Done(mark, _) = end else { return end };
        let Some(clb) = self.live.clb().get() else { return end };
        match self.truth(&clb, limit).await {
            Truth::Agrees => End::Done(mark, Proof::Clb),
            Truth::Unknown(why) => End::Done(mark, Proof::Unread(why)),
            Truth::Differs(how) => End::Differs(how),
        }
    }

    /// What CCM left on the Service so far: read anew, for the question may have stood for long.
    pub fn marks(&self, printer: &mut Printer) -> Result<ObservedService, Error> {
        let meta = &self.service_ref.service.metadata;
        let marks = self.live.wait_for(async {
            let now = self.connection.service(meta.namespace(), &meta.name).await?;
            self.connection.marks(now.as_ref().unwrap_or(&self.present)).await
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
