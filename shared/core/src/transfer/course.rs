//! What to do next, and what is the case at the end.

/// The course of a change over its parts, those that gain first.
///
/// No part is written before the ones before it are proven, and where one fails, all that was written
/// is taken back: the last one first, so that nobody who gained gives it up before those who lost are
/// proven to have theirs again. Where that cannot be proven, those who gained keep it: a side that
/// carries more than was asked for serves, and traffic that nobody carries is lost.
#[derive(Debug, Clone)]
pub struct Course {
    /// Whether each part gains.
    raises: Vec<bool>,
    at: usize,
    way: Way,
    /// Somebody asked for an end.
    is_stopped: bool,
    unconfirmed: Vec<usize>,
    taken: Vec<usize>,
    left: Vec<(usize, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    Write,
    Verify,
    Restore(String),
    Confirm(String),
    Ended(Ending),
}

/// The next step of a course. Holds the index of the part that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Write the part.
    Write(usize),
    /// Prove that CCM or the CLB has carried the part out.
    Verify(usize),
    /// Write back what the part was before.
    Restore(usize),
    /// Prove that this is carried out.
    Confirm(usize),
    /// The course is over.
    End(Ending),
}

/// The result of a step. The texts are reasons, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// The step was carried out. After [`Act::Verify`] and [`Act::Confirm`]: the CLB was seen to carry
    /// it, or whoever made the change does without that proof.
    Done,
    /// Nothing was written, for certain.
    NotWritten(String),
    /// The CLB was seen to hold what it held before the change.
    AsBeforeAtTheClb(String),
    /// Somebody has written the values from before the change. What the CLB holds is not known.
    PutBack(String),
    /// The step failed, and may have been carried out in part.
    Failed(String),
    /// The part is written and not proven, and is to stay as it is: an answer about a change of one
    /// part, which nobody's traffic depends on.
    Stays(String),
    /// Somebody else wrote another value, which is left alone.
    Taken(String),
}

/// How a change ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// All parts are written and proven.
    Done,
    /// Nothing was written. Holds the reason; `None` where somebody asked for an end.
    Untouched(Option<String>),
    /// Somebody asked for an end. Holds how many of the first parts are written and proven; the
    /// others are not written.
    Held(usize),
    /// Everything that was written is taken back.
    RolledBack {
        /// Why.
        why: String,
        /// Parts of which it is not proven that what was before is there again.
        unconfirmed: Vec<usize>,
        /// Parts that somebody else wrote.
        taken: Vec<usize>,
    },
    /// Not everything could be taken back.
    Standing {
        /// Why it went wrong at all.
        why: String,
        /// So many of the first parts stand as written, for what they gained may be needed.
        standing: usize,
        /// Parts that could not be put back, each with the reason.
        left: Vec<(usize, String)>,
        /// Parts that somebody else wrote.
        taken: Vec<usize>,
    },
}

impl Course {
    /// A course over parts; `raises` tells of each whether it is to carry more traffic.
    pub fn new(raises: Vec<bool>) -> Self {
        let way = if raises.is_empty() { Way::Ended(Ending::Done) } else { Way::Write };
        Self {
            raises,
            at: 0,
            way,
            is_stopped: false,
            unconfirmed: Vec::new(),
            taken: Vec::new(),
            left: Vec::new(),
        }
    }

    /// Asks for an end: no part is begun any more. The part under way is still proven, and taking
    /// back is not stopped.
    pub fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// The next step.
    pub fn next(&self) -> Act {
        match &self.way {
            Way::Write if self.is_stopped && self.at == 0 => Act::End(Ending::Untouched(None)),
            Way::Write if self.is_stopped => Act::End(Ending::Held(self.at)),
            Way::Write => Act::Write(self.at),
            Way::Verify => Act::Verify(self.at),
            Way::Restore(_) => Act::Restore(self.at),
            Way::Confirm(_) => Act::Confirm(self.at),
            Way::Ended(ending) => Act::End(ending.clone()),
        }
    }

    /// Takes the result of the step that [`Self::next`] returned.
    #[allow(clippy::match_same_arms, reason = "a table of what follows what, in order")]
    pub fn came(&mut self, came: Came) {
        self.way = match (self.way.clone(), came) {
            (Way::Write, Came::Done) => Way::Verify,
            (Way::Verify, Came::Done) if self.at + 1 == self.raises.len() => {
                Way::Ended(Ending::Done)
            }
            (Way::Verify, Came::Done) => {
                self.at += 1;
                Way::Write
            }
            (Way::Write, Came::NotWritten(why) | Came::Taken(why)) if self.at == 0 => {
                Way::Ended(Ending::Untouched(Some(why)))
            }
            (Way::Write | Way::Verify, Came::AsBeforeAtTheClb(why)) => self.back(why),
            // It was not written from here. Whether others have changed it is to be seen.
            (Way::Write | Way::Verify, Came::NotWritten(why)) => Way::Confirm(why),
            // The values are back. Whether the CLB carries them again is to be proven.
            (Way::Write | Way::Verify, Came::PutBack(why)) => Way::Confirm(why),
            (Way::Write | Way::Verify, Came::Stays(why)) if self.raises.len() == 1 => {
                self.at += 1;
                self.stand(why)
            }
            (Way::Write | Way::Verify, Came::Failed(why) | Came::Stays(why)) => Way::Restore(why),
            (Way::Write | Way::Verify, Came::Taken(why)) => self.leave_to_others(why),
            (Way::Restore(why), Came::Done | Came::PutBack(_)) => Way::Confirm(why),
            (Way::Restore(why) | Way::Confirm(why), Came::Taken(_)) => self.leave_to_others(why),
            (Way::Restore(why) | Way::Confirm(why), Came::AsBeforeAtTheClb(_))
            | (Way::Confirm(why), Came::Done) => self.back(why),
            (
                Way::Confirm(why),
                Came::Failed(_) | Came::NotWritten(_) | Came::PutBack(_) | Came::Stays(_),
            ) if !self.is_loss() || self.raises.len() == 1 => {
                self.unconfirmed.push(self.at);
                self.back(why)
            }
            (
                Way::Restore(why) | Way::Confirm(why),
                Came::Failed(because)
                | Came::NotWritten(because)
                | Came::PutBack(because)
                | Came::Stays(because),
            ) => {
                self.left.push((self.at, because));
                if self.is_loss() { self.stand(why) } else { self.back(why) }
            }
            (Way::Ended(ending), _) => Way::Ended(ending),
        };
    }

    /// Whether the present part gives something away, which those before it gained.
    fn is_loss(&self) -> bool {
        !self.raises.get(self.at).copied().unwrap_or_default()
    }

    fn leave_to_others(&mut self, why: String) -> Way {
        self.taken.push(self.at);
        if self.is_loss() && self.at > 0 { self.stand(why) } else { self.back(why) }
    }

    fn back(&mut self, why: String) -> Way {
        match self.at.checked_sub(1) {
            Some(before) => {
                self.at = before;
                Way::Restore(why)
            }
            None if !self.left.is_empty() => {
                self.at = 0;
                self.stand(why)
            }
            None => Way::Ended(Ending::RolledBack {
                why,
                unconfirmed: std::mem::take(&mut self.unconfirmed),
                taken: std::mem::take(&mut self.taken),
            }),
        }
    }

    fn stand(&mut self, why: String) -> Way {
        let left = std::mem::take(&mut self.left);
        let taken = std::mem::take(&mut self.taken);
        Way::Ended(Ending::Standing { why, standing: self.at, left, taken })
    }
}
