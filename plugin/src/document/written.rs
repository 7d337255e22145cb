//! What a command that writes answers: about one Service, or about a change of several sides.

use clbmigrate_core::{history::HistoryEntry, outcome::Outcome, transfer::Ending};

use super::{change::ChangeAnswer, preview::PreviewAnswer, transfer::TransferAnswer};
use crate::{
    change::{Intent, PreparedChange, Proof, RunResult, Side},
    cli::ChangeFormat,
    error::{Error, Exit},
    output::{Printable, Printer},
};

/// What a command that writes answers, as far as it is known.
pub enum WrittenAnswer {
    /// Of one Service.
    Change(Box<ChangeAnswer>),
    /// Of a change of several sides, or of servers outside.
    Transfer(Box<TransferAnswer>),
}

impl WrittenAnswer {
    /// The answer about a change that is not written yet. `outcome` is what CCM makes of the Services
    /// afterwards.
    pub fn new(
        intent: &Intent,
        prepared: &PreparedChange<'_>,
        (shown, outcome): (&PreviewAnswer, Outcome),
    ) -> Self {
        let only = prepared.services().next().filter(|_| intent.whole.is_none());
        match only {
            Some(side) => Self::Change(Box::new(ChangeAnswer::new(intent, side, (shown, outcome)))),
            None => {
                let routes = &shown.document().routes;
                Self::Transfer(Box::new(TransferAnswer::new(intent, &prepared.parts, routes)))
            }
        }
    }

    /// Says on stderr what is about to happen.
    ///
    /// # Errors
    /// Where stderr cannot be written.
    pub fn announce(&self, printer: &mut Printer) -> Result<(), Error> {
        match self {
            // The preview says it.
            Self::Change(_) => Ok(()),
            Self::Transfer(answer) => answer.announce(printer),
        }
    }

    /// The answer of a dry run; `kind` is `client` or `server`.
    #[must_use]
    pub fn dry_run(self, kind: &str) -> Self {
        match self {
            Self::Change(answer) => Self::Change(Box::new(answer.dry_run(kind))),
            Self::Transfer(answer) => Self::Transfer(Box::new(answer.dry_run(kind))),
        }
    }

    /// The answer where nothing is to be written. `last` is the last recorded change.
    #[must_use]
    pub fn unchanged(self, last: Option<&HistoryEntry>) -> Self {
        match self {
            Self::Change(answer) => Self::Change(Box::new(answer.unchanged(last))),
            Self::Transfer(answer) => Self::Transfer(Box::new(answer.unchanged())),
        }
    }

    /// The answer where CCM was waited for, and nothing was written.
    #[must_use]
    pub fn waited(self, proof: Option<&Proof>) -> Self {
        match (self, proof) {
            (Self::Change(answer), Some(proof)) => Self::Change(Box::new(answer.waited(proof))),
            (answer, _) => answer,
        }
    }

    /// The answer when the change of that id has ended.
    ///
    /// # Errors
    /// What kept the first side from being written, where nothing was written.
    pub fn ended(
        self,
        id: &str,
        result: RunResult,
        prepared: &PreparedChange<'_>,
        is_waited_for: bool,
    ) -> Result<Self, Error> {
        let RunResult { ending, states, error } = result;
        if let (Ending::Untouched(_), Some(error)) = (&ending, error) {
            return Err(error);
        }
        Ok(match (self, prepared.services().next()) {
            (Self::Change(answer), Some(side)) if is_waited_for => {
                Self::Change(Box::new(answer.ended(id, &ending, side)?))
            }
            (Self::Change(answer), _) => Self::Change(Box::new(answer.written(id, &ending)?)),
            (Self::Transfer(answer), _) => {
                let contexts = prepared.session.contexts();
                let is_proven = prepared.sides.iter().all(Side::is_proven);
                let answer = answer.ended(id, &ending, &states, is_proven, &contexts);
                Self::Transfer(Box::new(answer))
            }
        })
    }

    /// Prints it.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub fn print(&self, format: ChangeFormat, printer: &mut Printer) -> Result<(), Error> {
        match self {
            Self::Change(answer) => print(&**answer, format, printer),
            Self::Transfer(answer) => print(&**answer, format, printer),
        }
    }

    /// Says on stderr how to go on where the change is half done.
    pub fn print_next_steps(&self, printer: &mut Printer) {
        if let Self::Transfer(answer) = self {
            answer.print_next_steps(printer);
        }
    }

    /// How the command ends after this answer.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Change(answer) => answer.exit(),
            Self::Transfer(answer) => answer.exit(),
        }
    }
}

/// Prints an answer. Where stdout does not take it, stderr does: somebody has to learn what was written.
fn print(
    answer: &impl Printable,
    format: ChangeFormat,
    printer: &mut Printer,
) -> Result<(), Error> {
    printer.answer(format, answer)?;
    if printer.has_lost_answer() {
        let terminal = printer.terminal;
        let detail = printer.detail(false);
        answer.write_text(terminal, detail, printer.stderr())?;
    }
    Ok(())
}
