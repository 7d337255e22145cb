//! A Service's part.

use std::time::Duration;

use clbmigrate_core::transfer::Came;
use tokio::time::{Instant, sleep};

use super::Means;
use crate::{
    change::{Begun, Change, End, Patience, Proof, TakeBack, Truth, Unsent},
    error::Error,
    output::Printer,
};

/// Between two attempts to put something back.
const PAUSE: Duration = Duration::from_secs(2);
/// How long the CLB is asked where CCM does not answer.
const LOOK: Duration = Duration::from_secs(20);

/// A Service's part, and how far it is.
pub struct OfService<'t> {
    /// The change.
    pub change: Change<'t>,
    is_guarded: bool,
    begun: Option<Begun>,
    back: Option<(Box<Change<'t>>, Begun)>,
    /// CCM did not do it in time, so it is not waited for a second time.
    is_ccm_silent: bool,
    /// Whether the CLB's groups were seen to carry it.
    pub is_proven: bool,
}

impl<'t> OfService<'t> {
    /// A part that is not begun.
    pub fn new(change: Change<'t>) -> Self {
        let is_guarded = !change.managers().is_empty();
        Self { change, is_guarded, begun: None, back: None, is_ccm_silent: false, is_proven: false }
    }

    /// Writes it. An error that came before anything was written is given as it is.
    pub fn write(
        &mut self,
        id: &str,
        means: &Means<'_>,
        printer: &mut Printer,
    ) -> (Came, Option<Error>) {
        match self.change.begin(id, means.write, printer) {
            Ok(begun) => {
                self.begun = Some(begun);
                (Came::Done, None)
            }
            Err(Unsent::NotWritten(error)) => {
                let why = error.to_string();
                let came = match self.is_as_before() {
                    // Somebody was faster.
                    Some(false) => Came::Taken(why),
                    _ => Came::Nothing(why),
                };
                (came, Some(error))
            }
            Err(Unsent::Perhaps(error)) => (Came::Failed(error.to_string()), Some(error)),
        }
    }

    /// Whether the Service's values are those before the change; `None` where it cannot be read.
    fn is_as_before(&self) -> Option<bool> {
        let now = self.change.now().ok()?;
        Some(self.change.is_as_before(&now))
    }

    /// Waits until it is carried out.
    pub fn verify(&mut self, means: &Means<'_>, printer: &mut Printer) -> Came {
        let Some(begun) = self.begun.take() else {
            return Came::Failed("it was not written".to_owned());
        };
        match seen(&self.change, begun, self.is_guarded, means, printer) {
            Err(error) => Came::Failed(error.to_string()),
            Ok(end @ End::Done(_, Proof::Clb)) => {
                self.is_proven = true;
                proven(&end, printer)
            }
            Ok(end @ End::Done(..)) if means.is_unverified => proven(&end, printer),
            Ok(End::PutBack(how)) => match self.is_as_before() {
                Some(true) => Came::Nothing(how),
                _ => Came::Taken(how),
            },
            Ok(end @ End::Gone) => Came::Taken(end.message()),
            Ok(end) => {
                self.is_ccm_silent = matches!(end, End::TimedOut(_));
                Came::Failed(end.message())
            }
        }
    }

    /// Writes what was there before, again and again as long as the API server does not answer.
    pub fn restore(&mut self, id: &str, means: &Means<'_>, printer: &mut Printer) -> Came {
        let deadline = Instant::now() + means.write.timeout.0;
        let mut told = String::new();
        loop {
            let error = match self.change.take_back(Some(id), means.write, printer) {
                Ok(TakeBack::Begun(back, begun)) => {
                    self.back = Some((back, begun));
                    return Came::Done;
                }
                Ok(TakeBack::IsSo) => return Came::Done,
                Ok(TakeBack::Taken(how)) => return Came::Taken(how),
                Err(error) => error,
            };
            let may_pass = matches!(&error, Error::Cluster(error) if error.is_transient());
            if !may_pass || Instant::now() + PAUSE >= deadline {
                return Came::Failed(error.to_string());
            }
            let message = format!("{}: {error}; trying again", self.change.service_ref.label());
            if message != told {
                printer.warning(&message);
                told = message;
            }
            self.change.live.wait_for(async { sleep(PAUSE).await });
        }
    }

    /// Waits until that is carried out.
    pub fn confirm(&mut self, means: &Means<'_>, printer: &mut Printer) -> Came {
        let Some((back, begun)) = self.back.take() else {
            return Came::Done;
        };
        if self.is_ccm_silent {
            return held_as_before(&back);
        }
        match seen(&back, begun, false, means, printer) {
            Ok(End::Done(_, Proof::Clb)) => Came::Done,
            Ok(End::Done(..)) if means.is_unverified => Came::Done,
            Ok(end @ (End::PutBack(_) | End::Gone)) => Came::Taken(end.message()),
            Ok(end @ (End::TimedOut(_) | End::Failed(_))) => match held_as_before(&back) {
                Came::Done => Came::Done,
                _ => Came::Failed(end.message()),
            },
            Ok(end) => Came::Failed(end.message()),
            Err(error) => Came::Failed(error.to_string()),
        }
    }
}

/// Waits for CCM and the CLB, and lets CCM write once more where they disagree.
fn seen(
    change: &Change<'_>,
    begun: Begun,
    is_guarded: bool,
    means: &Means<'_>,
    printer: &mut Printer,
) -> Result<End, Error> {
    match change.seen(begun, is_guarded, Patience::Long, means.write, printer)? {
        End::Differs(how) => change.resync(&how, Patience::Long, means.write, printer),
        end => Ok(end),
    }
}

/// Whether the groups hold what was there before, whatever CCM says: one that is stuck has not
/// written anything.
fn held_as_before(back: &Change<'_>) -> Came {
    let Some(clb) = back.live.clb().get() else {
        return Came::Failed("CCM was not done in time, and the CLB cannot be asked".to_owned());
    };
    match back.live.wait_for(back.truth(&clb, LOOK)) {
        Truth::Agrees => Came::Done,
        Truth::Differs(how) | Truth::Unknown(how) => {
            Came::Failed(format!("CCM was not done in time, and {how}"))
        }
    }
}

fn proven(end: &End, printer: &mut Printer) -> Came {
    printer.remark(&format!("  {}", end.message()));
    Came::Done
}
