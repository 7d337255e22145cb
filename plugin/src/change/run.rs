//! Writes the sides one after the other, in the order of [`Course`].

use clbmigrate_core::transfer::{Act, Came, Course, Ending, Part};

use super::{
    side::{NeededProof, Policy, Side},
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
    /// How far each side came.
    pub states: Vec<PartState>,
    /// What kept the first side from being written.
    pub error: Option<Error>,
}

/// Writes, verifies, restores and confirms sides until the course ends. `parts` name them.
pub async fn run(
    id: &str,
    (sides, parts): (&mut [Side<'_>], &[Part]),
    policy: &Policy,
    stop: &Stop,
    printer: &mut Printer,
) -> RunResult {
    let mut course = Course::new(parts.iter().map(Part::is_raise).collect());
    let mut states = vec![PartState::Untouched; sides.len()];
    let mut first = None;
    loop {
        if stop.is_asked() {
            course.stop();
        }
        let act = course.next();
        let at = match act {
            Act::End(ending) => return RunResult { ending, states, error: first },
            Act::Write(at) | Act::Verify(at) | Act::Restore(at) | Act::Confirm(at) => at,
        };
        // The course has as many parts as there are sides.
        let (Some(side), Some(part)) = (sides.get_mut(at), parts.get(at)) else {
            let ending = Ending::Untouched(None);
            return RunResult { ending, states, error: first };
        };
        let place = format!("[{}/{}] {}", at + 1, states.len(), part_in_words(part));
        let came = match act {
            Act::Write(_) => {
                if parts.len() > 1 {
                    printer.info(&place);
                }
                let (came, error) = side.write(id, policy, printer).await;
                first = first.or(error.filter(|_| at == 0));
                came
            }
            Act::Verify(_) if policy.proof == NeededProof::Write => Came::Done,
            Act::Verify(_) => side.verify(policy, stop, printer).await,
            Act::Restore(_) => {
                printer.warning(&format!("{place}: it is taken back"));
                side.restore(id, policy, printer).await
            }
            Act::Confirm(_) | Act::End(_) => side.confirm(policy, printer).await,
        };
        let why = match &came {
            Came::NotWritten(_) if at == 0 => None,
            Came::NotWritten(why)
            | Came::AsBeforeAtTheClb(why)
            | Came::PutBack(why)
            | Came::Failed(why)
            | Came::Taken(why) => Some(why),
            Came::Done | Came::Stays(_) => None,
        };
        if let Some(why) = why.filter(|_| parts.len() > 1) {
            printer.warning(why);
        }
        if let Some(state) = states.get_mut(at) {
            *state = state_after(&act, &came, side.is_proven(), *state);
        }
        course.came(came);
    }
}

fn state_after(act: &Act, came: &Came, is_proven: bool, now: PartState) -> PartState {
    match (act, came) {
        (Act::End(_), _) => now,
        (_, Came::Taken(_)) => PartState::Taken,
        (Act::Write(_), Came::NotWritten(_)) => PartState::Untouched,
        (_, Came::AsBeforeAtTheClb(_)) | (Act::Confirm(_), Came::Done) => PartState::RolledBack,
        (Act::Verify(_), Came::Done) if is_proven => PartState::Done,
        (Act::Verify(_), Came::Done) => PartState::Unverified,
        (Act::Write(_) | Act::Verify(_), _) => PartState::Written,
        (Act::Restore(_), Came::Done | Came::PutBack(_)) | (Act::Confirm(_), _) => {
            PartState::Unconfirmed
        }
        (Act::Restore(_), _) => PartState::Left,
    }
}
