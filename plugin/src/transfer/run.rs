//! Writes the parts one after the other, in the order of [`Course`].

use clbmigrate_core::transfer::{Act, Came, Course, Ending};

use super::{
    WriteOptions,
    build::{PartWriter, PreparedChange},
    stop::Stop,
};
use crate::{
    document::half_done::part_in_words,
    error::Error,
    output::{Printer, json::PartState},
};

/// How the change went.
pub struct RunResult {
    /// How it ended, by the course.
    pub ending: Ending,
    /// How far each part came.
    pub states: Vec<PartState>,
    /// What kept the first part from being written.
    pub error: Option<Error>,
    /// Whether nothing was written, for that error.
    pub is_untouched: bool,
}

/// Writes, verifies, restores and confirms parts until the course ends.
///
/// # Errors
/// Where no signal can be listened to.
pub fn run(
    mut course: Course,
    id: &str,
    prepared: &mut PreparedChange<'_>,
    options: &WriteOptions<'_>,
    printer: &mut Printer,
) -> Result<RunResult, Error> {
    let stop = Stop::listen(prepared.session)?;
    let mut states = vec![PartState::Untouched; prepared.writers.len()];
    let mut first = None;
    loop {
        if stop.is_asked() {
            course.stop();
        }
        let act = course.next();
        let (at, came) = match act {
            Act::End(ending) => {
                let is_untouched = matches!(ending, Ending::Untouched(Some(_)));
                return Ok(RunResult { ending, states, error: first, is_untouched });
            }
            Act::Write(at) | Act::Verify(at) | Act::Restore(at) | Act::Confirm(at) => {
                let name = prepared.parts.get(at).map(part_in_words).unwrap_or_default();
                let Some(writer) = prepared.writers.get_mut(at) else {
                    return Err(Error::usage("a part is missing"));
                };
                let place = format!("[{}/{}]", at + 1, states.len());
                let (came, error) = match act {
                    Act::Write(_) => {
                        printer.info(&format!("{place} {name}"));
                        writer.write(id, options, printer)
                    }
                    Act::Verify(_) => (writer.verify(options, printer), None),
                    Act::Restore(_) => {
                        printer.warning(&format!("{place} {name}: it is taken back"));
                        (writer.restore(id, options, printer), None)
                    }
                    _ => (writer.confirm(options, printer), None),
                };
                first = first.or(error.filter(|_| at == 0));
                (at, came)
            }
        };
        if let Came::Nothing(why) | Came::Failed(why) | Came::Taken(why) = &came {
            printer.warning(why);
        }
        if let Some(state) = states.get_mut(at) {
            let is_proven = prepared.writers.get(at).is_some_and(PartWriter::is_proven);
            *state = after(&act, &came, is_proven, *state);
        }
        course.came(came);
    }
}

fn after(act: &Act, came: &Came, is_proven: bool, now: PartState) -> PartState {
    match (act, came) {
        (_, Came::Taken(_)) => PartState::Taken,
        (Act::Write(_), Came::Nothing(_)) => PartState::Untouched,
        (Act::Write(_), _) | (Act::Verify(_), Came::Failed(_)) => PartState::Written,
        (Act::Verify(_), Came::Done) if is_proven => PartState::Done,
        (Act::Verify(_), Came::Done) => PartState::Unverified,
        (Act::Verify(_), Came::Nothing(_)) | (Act::Confirm(_), Came::Done) => PartState::RolledBack,
        (Act::Restore(_), Came::Done) | (Act::Confirm(_), _) => PartState::Unconfirmed,
        (Act::Restore(_), _) => PartState::Left,
        (Act::End(_), _) => now,
    }
}

impl PartWriter<'_> {
    /// Whether the CLB was seen to carry what was written.
    pub fn is_proven(&self) -> bool {
        match self {
            PartWriter::Service(of) => of.is_proven,
            PartWriter::Servers(_) => true,
        }
    }

    fn write(
        &mut self,
        id: &str,
        options: &WriteOptions<'_>,
        printer: &mut Printer,
    ) -> (Came, Option<Error>) {
        match self {
            PartWriter::Service(of) => of.write(id, options, printer),
            PartWriter::Servers(of) => of.write(options),
        }
    }

    fn verify(&mut self, options: &WriteOptions<'_>, printer: &mut Printer) -> Came {
        match self {
            PartWriter::Service(of) => of.verify(options, printer),
            PartWriter::Servers(of) => of.verify(options),
        }
    }

    fn restore(&mut self, id: &str, options: &WriteOptions<'_>, printer: &mut Printer) -> Came {
        match self {
            PartWriter::Service(of) => of.restore(id, options, printer),
            PartWriter::Servers(of) => of.restore(options),
        }
    }

    fn confirm(&mut self, options: &WriteOptions<'_>, printer: &mut Printer) -> Came {
        match self {
            PartWriter::Service(of) => of.confirm(options, printer),
            PartWriter::Servers(of) => of.confirm(options),
        }
    }
}
