//! A way out where CCM reports success and the CLB's groups hold something else. One throttled call
//! while CCM works on an edit is enough for that (CCM 2.14: `BuildLocalModel` drops the error), and
//! nothing but another edit makes CCM look again.

use clbmigrate_cluster::live::{Present, new_change};
use clbmigrate_core::patch::AnnotationEdit;

use super::{
    Change, Plan,
    judge::Leniency,
    record,
    wait::{End, Waiting},
};
use crate::{cli::WriteArgs, error::Error, output::Printer};

/// Any value will do: what counts for CCM is that an annotation changes.
const RESYNC: &str = "clbmigrate.io/resync";

impl Change<'_> {
    /// Lets CCM write the groups once more, and takes the change back where that does not help.
    pub(super) fn recover(
        &self,
        how: &str,
        args: &WriteArgs,
        printer: &mut Printer,
    ) -> Result<End, Error> {
        printer.warning(&format!("CCM reports success, but {how}; CCM is called once more"));
        let now = self.now()?;
        let old = now.annotation(RESYNC).map(str::to_owned);
        let id = new_change();
        let edits = vec![AnnotationEdit { key: RESYNC.to_owned(), old, new: Some(id.clone()) }];
        let how = match self.written_and_seen(&now, edits, &id, args, printer)? {
            End::Differs(how) => how,
            end => return Ok(end),
        };
        if self.plan.is_unchanged() {
            return Ok(End::Differs(how));
        }
        printer.warning(&format!("{how} still; the change is taken back"));
        let back = Change { present: self.now()?, plan: self.reversed(), ..*self };
        let (edits, id) = record::with_history(&back, args, printer);
        let end = back.written_and_seen(&back.present, edits, &id, args, printer)?;
        Ok(End::RolledBack(format!(
            "taken back, because CCM reported success while {how}. Now: {}",
            end.message()
        )))
    }

    /// Writes, waits for CCM, and asks the CLB.
    fn written_and_seen(
        &self,
        present: &Present,
        edits: Vec<AnnotationEdit>,
        id: &str,
        args: &WriteArgs,
        printer: &mut Printer,
    ) -> Result<End, Error> {
        let marks = self.marks(printer)?;
        self.send(present, &edits, id, printer)?;
        self.seen(&Waiting::new(self, marks, edits, false), args, printer)
    }

    /// The Service as it is now.
    fn now(&self) -> Result<Present, Error> {
        let meta = &self.seat.service.metadata;
        let now = self.live.wait_for(self.connection.service(meta.namespace(), &meta.name))?;
        now.ok_or_else(|| Error::NotFound {
            message: format!("Service {} is gone", self.seat.label()),
            hints: Vec::new(),
        })
    }

    fn reversed(&self) -> Plan {
        let back = |edit: &AnnotationEdit| AnnotationEdit {
            key: edit.key.clone(),
            old: edit.new.clone(),
            new: edit.old.clone(),
        };
        Plan {
            verb: "undo",
            edits: self.plan.edits.iter().map(back).collect(),
            undoes: None,
            step_of: None,
            leniency: Leniency::Zero,
            next: None,
        }
    }
}
