//! A way out where CCM reports success and the CLB's groups hold something else. One throttled call
//! while CCM works on an edit is enough for that (CCM 2.14: `BuildLocalModel` drops the error), and
//! nothing but another edit makes CCM look again.

use clbmigrate_cluster::live::{LiveService, RESYNC, new_change_id};
use clbmigrate_core::patch::AnnotationEdit;

use super::{
    Change, Patience, Plan, WrittenChange,
    judge::Leniency,
    wait::{WaitResult, describe_overwrite},
};
use crate::{cli::WriteArgs, error::Error, output::Printer};

/// What taking a change back has led to.
pub enum Rollback<'c> {
    /// The old values are written.
    Written(Box<Change<'c>>, WrittenChange),
    /// The old values stand already.
    NotNeeded,
    /// Somebody wrote something else, which stays; what, in words.
    ChangedByOthers(String),
}

impl<'c> Change<'c> {
    /// Lets CCM write the groups once more, and takes the change of that id back where that does
    /// not help.
    pub(super) fn recover(
        &self,
        how: &str,
        written: Option<&str>,
        args: &WriteArgs,
        printer: &mut Printer,
    ) -> Result<WaitResult, Error> {
        let how = match (self.resync(how, Patience::Short, args, printer)?, written) {
            (WaitResult::Differs(how), Some(_)) => how,
            (end, _) => return Ok(end),
        };
        printer.warning(&format!("{how} still; the change is taken back"));
        let end = match self.take_back(written, args, printer)? {
            Rollback::Written(back, begun) => {
                back.wait_and_verify(begun, false, Patience::Short, args, printer)?.message()
            }
            Rollback::NotNeeded => "it was taken back already".to_owned(),
            Rollback::ChangedByOthers(how) => return Ok(WaitResult::PutBack(how)),
        };
        Ok(WaitResult::RolledBack(format!(
            "taken back, because CCM reported success while {how}. Now: {end}"
        )))
    }

    /// Lets CCM write the groups once more.
    pub fn resync(
        &self,
        how: &str,
        patience: Patience,
        args: &WriteArgs,
        printer: &mut Printer,
    ) -> Result<WaitResult, Error> {
        printer.warning(&format!("CCM reports success, but {how}; CCM is called once more"));
        let now = self.read_service()?;
        let old = now.annotation(RESYNC).map(str::to_owned);
        let id = new_change_id();
        let edits = vec![AnnotationEdit { key: RESYNC.to_owned(), old, new: Some(id.clone()) }];
        let marks = self.observe(printer)?;
        self.send(&now, &edits, &id, printer)?;
        self.wait_and_verify(WrittenChange { marks, edits }, false, patience, args, printer)
    }

    /// Writes what was there before the change of that id, unless somebody wrote something else
    /// since.
    pub fn take_back(
        &self,
        written: Option<&str>,
        args: &WriteArgs,
        printer: &mut Printer,
    ) -> Result<Rollback<'c>, Error> {
        let present = self.read_service()?;
        if self.is_as_before(&present) {
            return Ok(Rollback::NotNeeded);
        }
        let edits = &self.plan.edits;
        if edits.iter().any(|edit| present.annotation(&edit.key) != edit.new.as_deref()) {
            return Ok(Rollback::ChangedByOthers(self.taken(&present)));
        }
        let back = Change { present, plan: self.reversed(written), ..*self };
        let begun = back.write_recorded(&new_change_id(), args, printer)?;
        Ok(Rollback::Written(Box::new(back), begun))
    }

    /// Whether the values are those before the change.
    pub fn is_as_before(&self, present: &LiveService) -> bool {
        let edits = &self.plan.edits;
        edits.iter().all(|edit| present.annotation(&edit.key) == edit.old.as_deref())
    }

    /// What somebody else has made of it.
    fn taken(&self, present: &LiveService) -> String {
        let other = self
            .plan
            .edits
            .iter()
            .find(|edit| present.annotation(&edit.key) != edit.new.as_deref());
        match other {
            Some(edit) => describe_overwrite(present, &edit.key, present.annotation(&edit.key)),
            None => "it is as it was written".to_owned(),
        }
    }

    /// Reads the Service anew.
    ///
    /// # Errors
    /// Where it is gone, or cannot be read.
    pub fn read_service(&self) -> Result<LiveService, Error> {
        let meta = &self.service_ref.service.metadata;
        let now = self.session.block_on(self.connection.service(meta.namespace(), &meta.name))?;
        now.ok_or_else(|| Error::NotFound {
            message: format!("Service {} is gone", self.service_ref.label()),
            hints: Vec::new(),
        })
    }

    fn reversed(&self, written: Option<&str>) -> Plan {
        let back = |edit: &AnnotationEdit| AnnotationEdit {
            key: edit.key.clone(),
            old: edit.new.clone(),
            new: edit.old.clone(),
        };
        Plan {
            verb: "undo",
            edits: self.plan.edits.iter().map(back).collect(),
            undoes: written.map(str::to_owned),
            step_of: None,
            whole: None,
            leniency: Leniency::Zero,
            next: None,
        }
    }
}
