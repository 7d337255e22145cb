//! The work: what the course says is next, and what came of it.

use clbmigrate_core::transfer::{Act, Came, Course, Ending};

use super::{
    Means,
    build::{Built, Hand},
    stop::Stop,
    words::in_words,
};
use crate::{
    error::Error,
    output::{Printer, json::PartState},
};

/// How it went.
pub struct Ran {
    /// How it ended.
    pub ending: Ending,
    /// How far each part came.
    pub states: Vec<PartState>,
    /// What kept the first part from being written.
    pub error: Option<Error>,
    /// Whether nothing was written, for that error.
    pub is_untouched: bool,
}

/// Goes all the way.
pub fn run(
    mut course: Course,
    id: &str,
    built: &mut Built<'_>,
    means: &Means<'_>,
    printer: &mut Printer,
) -> Result<Ran, Error> {
    let stop = Stop::listen(built.live)?;
    let mut states = vec![PartState::Untouched; built.hands.len()];
    let mut first = None;
    loop {
        if stop.is_asked() {
            course.stop();
        }
        let act = course.next();
        let (at, came) = match act {
            Act::End(ending) => {
                let is_untouched = matches!(ending, Ending::Untouched(Some(_)));
                return Ok(Ran { ending, states, error: first, is_untouched });
            }
            Act::Write(at) | Act::Verify(at) | Act::Restore(at) | Act::Confirm(at) => {
                let name = built.parts.get(at).map(in_words).unwrap_or_default();
                let Some(hand) = built.hands.get_mut(at) else {
                    return Err(Error::usage("a part is missing"));
                };
                let place = format!("[{}/{}]", at + 1, states.len());
                let (came, error) = match act {
                    Act::Write(_) => {
                        printer.remark(&format!("{place} {name}"));
                        hand.write(id, means, printer)
                    }
                    Act::Verify(_) => (hand.verify(means, printer), None),
                    Act::Restore(_) => {
                        printer.warning(&format!("{place} {name}: it is taken back"));
                        (hand.restore(id, means, printer), None)
                    }
                    _ => (hand.confirm(means, printer), None),
                };
                first = first.or(error.filter(|_| at == 0));
                (at, came)
            }
        };
        if let Came::Nothing(why) | Came::Failed(why) | Came::Taken(why) = &came {
            printer.warning(why);
        }
        if let Some(state) = states.get_mut(at) {
            let is_proven = built.hands.get(at).is_some_and(Hand::is_proven);
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

impl Hand<'_> {
    /// Whether the CLB was seen to carry what was written.
    pub fn is_proven(&self) -> bool {
        match self {
            Hand::Service(of) => of.is_proven,
            Hand::Servers(_) => true,
        }
    }

    fn write(
        &mut self,
        id: &str,
        means: &Means<'_>,
        printer: &mut Printer,
    ) -> (Came, Option<Error>) {
        match self {
            Hand::Service(of) => of.write(id, means, printer),
            Hand::Servers(of) => of.write(means),
        }
    }

    fn verify(&mut self, means: &Means<'_>, printer: &mut Printer) -> Came {
        match self {
            Hand::Service(of) => of.verify(means, printer),
            Hand::Servers(of) => of.verify(means),
        }
    }

    fn restore(&mut self, id: &str, means: &Means<'_>, printer: &mut Printer) -> Came {
        match self {
            Hand::Service(of) => of.restore(id, means, printer),
            Hand::Servers(of) => of.restore(means),
        }
    }

    fn confirm(&mut self, means: &Means<'_>, printer: &mut Printer) -> Came {
        match self {
            Hand::Service(of) => of.confirm(means, printer),
            Hand::Servers(of) => of.confirm(means),
        }
    }
}
