//! A Service's part.

use std::time::Duration;

use clbmigrate_core::transfer::Came;
use tokio::time::{Instant, sleep};

use super::WriteOptions;
use crate::{
    change::{
        Change, GroupCheck, Patience, Rollback, Verification, WaitResult, WriteFailure,
        WrittenChange,
    },
    error::Error,
    output::Printer,
};

/// Between two attempts to put something back.
const PAUSE: Duration = Duration::from_secs(2);
/// How long the CLB is asked where CCM does not answer.
const LOOK: Duration = Duration::from_secs(20);

/// Writes a Service's weight, and remembers how far that is.
pub struct ServiceWriter<'t> {
    /// The change of the Service.
    pub change: Change<'t>,
    is_guarded: bool,
    begun: Option<WrittenChange>,
    back: Option<(Box<Change<'t>>, WrittenChange)>,
    /// CCM did not do it in time, so it is not waited for a second time.
    is_ccm_silent: bool,
    /// Whether the CLB's groups were seen to carry the weight.
    pub is_proven: bool,
}

impl<'t> ServiceWriter<'t> {
    /// A part of which nothing is written yet.
    pub fn new(change: Change<'t>) -> Self {
        let is_guarded = !change.managers().is_empty();
        Self { change, is_guarded, begun: None, back: None, is_ccm_silent: false, is_proven: false }
    }

    /// Writes it. An error that came before anything was written is given as it is.
    pub fn write(
        &mut self,
        id: &str,
        options: &WriteOptions<'_>,
        printer: &mut Printer,
    ) -> (Came, Option<Error>) {
        match self.change.write_recorded(id, options.write, printer) {
            Ok(begun) => {
                self.begun = Some(begun);
                (Came::Done, None)
            }
            Err(WriteFailure::NotWritten(error)) => {
                let why = error.to_string();
                let came = match self.is_as_before() {
                    // Somebody was faster.
                    Some(false) => Came::Taken(why),
                    _ => Came::Nothing(why),
                };
                (came, Some(error))
            }
            Err(WriteFailure::Unknown(error)) => (Came::Failed(error.to_string()), Some(error)),
        }
    }

    /// Whether the Service's values are those before the change; `None` where it cannot be read.
    fn is_as_before(&self) -> Option<bool> {
        let now = self.change.read_service().ok()?;
        Some(self.change.is_as_before(&now))
    }

    /// Waits until CCM has carried it out and the CLB's groups carry it.
    pub fn verify(&mut self, options: &WriteOptions<'_>, printer: &mut Printer) -> Came {
        let Some(begun) = self.begun.take() else {
            return Came::Failed("it was not written".to_owned());
        };
        match wait_and_verify(&self.change, begun, self.is_guarded, options, printer) {
            Err(error) => Came::Failed(error.to_string()),
            Ok(end @ WaitResult::Done(_, Verification::AtClb)) => {
                self.is_proven = true;
                proven(&end, printer)
            }
            Ok(end @ WaitResult::Done(..)) if options.is_unverified => proven(&end, printer),
            Ok(WaitResult::PutBack(how)) => match self.is_as_before() {
                Some(true) => Came::Nothing(how),
                _ => Came::Taken(how),
            },
            Ok(end @ WaitResult::Gone) => Came::Taken(end.message()),
            Ok(end) => {
                self.is_ccm_silent = matches!(end, WaitResult::TimedOut(_));
                Came::Failed(end.message())
            }
        }
    }

    /// Writes what was there before, again and again as long as the API server does not answer.
    pub fn restore(&mut self, id: &str, options: &WriteOptions<'_>, printer: &mut Printer) -> Came {
        let deadline = Instant::now() + options.write.timeout.0;
        let mut last_message = String::new();
        loop {
            let error = match self.change.take_back(Some(id), options.write, printer) {
                Ok(Rollback::Written(back, begun)) => {
                    self.back = Some((back, begun));
                    return Came::Done;
                }
                Ok(Rollback::NotNeeded) => return Came::Done,
                Ok(Rollback::ChangedByOthers(how)) => return Came::Taken(how),
                Err(error) => error,
            };
            let may_pass = matches!(&error, Error::Cluster(error) if error.is_transient());
            if !may_pass || Instant::now() + PAUSE >= deadline {
                return Came::Failed(error.to_string());
            }
            let message = format!("{}: {error}; trying again", self.change.service_ref.label());
            if message != last_message {
                printer.warning(&message);
                last_message = message;
            }
            self.change.session.block_on(async { sleep(PAUSE).await });
        }
    }

    /// Waits until CCM has carried out what [`Self::restore`] wrote.
    pub fn confirm(&mut self, options: &WriteOptions<'_>, printer: &mut Printer) -> Came {
        let Some((back, begun)) = self.back.take() else {
            return Came::Done;
        };
        if self.is_ccm_silent {
            return held_as_before(&back);
        }
        match wait_and_verify(&back, begun, false, options, printer) {
            Ok(WaitResult::Done(_, Verification::AtClb)) => Came::Done,
            Ok(WaitResult::Done(..)) if options.is_unverified => Came::Done,
            Ok(end @ (WaitResult::PutBack(_) | WaitResult::Gone)) => Came::Taken(end.message()),
            Ok(end @ (WaitResult::TimedOut(_) | WaitResult::Failed(_))) => {
                match held_as_before(&back) {
                    Came::Done => Came::Done,
                    _ => Came::Failed(end.message()),
                }
            }
            Ok(end) => Came::Failed(end.message()),
            Err(error) => Came::Failed(error.to_string()),
        }
    }
}

/// Waits for CCM and the CLB, and lets CCM write once more where they disagree.
fn wait_and_verify(
    change: &Change<'_>,
    begun: WrittenChange,
    is_guarded: bool,
    options: &WriteOptions<'_>,
    printer: &mut Printer,
) -> Result<WaitResult, Error> {
    match change.wait_and_verify(begun, is_guarded, Patience::Long, options.write, printer)? {
        WaitResult::Differs(how) => change.resync(&how, Patience::Long, options.write, printer),
        end => Ok(end),
    }
}

/// Whether the groups hold what was there before, whatever CCM says: one that is stuck has not
/// written anything.
fn held_as_before(back: &Change<'_>) -> Came {
    let Some(clb) = back.session.clb().client() else {
        return Came::Failed("CCM was not done in time, and the CLB cannot be asked".to_owned());
    };
    match back.session.block_on(back.check_groups(&clb, LOOK)) {
        GroupCheck::Agrees => Came::Done,
        GroupCheck::Differs(how) | GroupCheck::Unknown(how) => {
            Came::Failed(format!("CCM was not done in time, and {how}"))
        }
    }
}

fn proven(end: &WaitResult, printer: &mut Printer) -> Came {
    printer.info(&format!("  {}", end.message()));
    Came::Done
}
