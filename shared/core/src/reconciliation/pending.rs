//! How far CCM is with a change of annotations.

use std::collections::BTreeMap;

use crate::patch::AnnotationEdit;

use super::{Event, ObservedService, Settlement, failure::may_pass};

/// After how many failed rounds a change counts as failed, where the failure does not pass by
/// itself: one round may have begun before the change.
const LASTING_ROUNDS: u64 = 2;
/// After how many where it may pass. CCM tries again after 5 and 10 seconds, and up to 300 seconds
/// where rounds failed before the change already (CCM 2.14).
const ROUNDS: u64 = 3;

const NO_PROOF: &str =
    "CCM writes the hash of an empty text, whatever the Service says, so its label tells nothing";
const SAME_HASH: &str = "the hash that CCM writes to its label does not change with this write, so the label tells nothing";
const SAME_LABEL: &str =
    "CCM's label was the hash of this state before the write already, so it tells nothing";
const OTHER_STATE: &str = "CCM wrote the hash of another state of the Service to its label";
const OTHER_HASH: &str = "CCM wrote a new label that no known release computes, and no event of a success after it is there; CCM's events \
     are limited";

/// A change of annotations that CCM is to carry out.
#[derive(Debug, Clone)]
pub struct PendingChange {
    before: ObservedService,
    edits: Vec<AnnotationEdit>,
    /// Up to which count the events are of the time before the change, by UID.
    counted: BTreeMap<String, u64>,
}

/// How far CCM is with a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// CCM has not finished a round over the change yet.
    Waiting {
        /// How many rounds failed since the change, and since the last success.
        failed: u64,
        /// The text of the last of these failures.
        message: Option<String>,
        /// Whether the last of these failures may pass by itself: one more round makes sense, and
        /// CCM's own may come late.
        may_pass: bool,
    },
    /// CCM finished a round over the change and takes it for a success.
    Done(CompletionSign),
    /// Signs say that CCM has finished a round, and don't suffice: only the groups can tell. Holds
    /// the reason in words.
    Unproven(String),
    /// Several rounds over the change failed, and none succeeded since.
    Failed {
        /// How many rounds failed since the change, and since the last success.
        rounds: u64,
        /// The text of the last of these failures.
        message: String,
    },
    /// Somebody wrote another value than the change did.
    Overwritten {
        /// The annotation.
        key: String,
        /// The annotation's value now; `None` where it is absent.
        value: Option<String>,
    },
}

/// What tells that a round over the change is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionSign {
    /// The hash label is one that a known release of CCM writes for the Service as it is.
    Hash,
    /// The label changed to an unknown value and CCM reported a success: this CCM computes another
    /// hash than the known releases.
    LabelAndEvent,
    /// CCM reported a success. The label is the hash of the Service as it is, and would be without
    /// a round over the change, too.
    Event,
}

/// What the hash label says about the change.
enum LabelSign {
    /// A round over the Service as it is succeeded.
    Finished,
    /// A round succeeded, by a CCM that seems to hash in an unknown way.
    Unknown,
    /// A round over an unknown state succeeded: CCM hashed in a known way before.
    OfAnotherState,
    /// It would be the same with and without a round; why.
    Silent(&'static str),
    /// No round over the change succeeded.
    Unfinished,
}

/// CCM's events since the change.
struct Since<'e> {
    success: Option<&'e Event>,
    failure: Option<&'e Event>,
    /// How many rounds failed.
    rounds: u64,
    /// How many of them for a reason that does not pass by itself.
    lasting: u64,
}

impl PendingChange {
    /// A change by `edits`, made on a Service that showed `before`.
    pub fn new(before: ObservedService, edits: Vec<AnnotationEdit>) -> Self {
        let counted = before.events.iter().map(|(uid, event)| (uid.clone(), event.count)).collect();
        Self { before, edits, counted }
    }

    /// Whether, before the change, the label was not the hash that a known release computes, and no
    /// round had failed. CCM then computes another hash, or is still busy with an earlier change.
    pub fn hashes_differently(&self) -> bool {
        let label = self.before.label.as_ref();
        let is_unknown = label.is_some_and(|label| !self.before.computed.contains(label));
        is_unknown && !matches!(self.before.settlement(), Settlement::Failing(_))
    }

    /// How far CCM is, given what the Service shows now.
    ///
    /// An event whose UID is seen for the first time counts as one, whatever its own count: CCM
    /// counts on when an event has expired. What is added later is counted in full. No clock of this
    /// machine is compared.
    pub fn progress(&mut self, now: &ObservedService) -> Progress {
        for edit in &self.edits {
            let value = now.annotations.get(&edit.key);
            if value != edit.new.as_ref() {
                return Progress::Overwritten { key: edit.key.clone(), value: value.cloned() };
            }
        }
        for (uid, event) in &now.events {
            self.counted.entry(uid.clone()).or_insert(event.count.saturating_sub(1));
        }
        let since = self.since(now);
        let progress = self.judge(now, &since);
        if since.is_success_last() {
            // Failures before a success are over: a later one is the first again.
            for (uid, event) in now.events.iter().filter(|(_, event)| event.is_failure()) {
                self.counted.insert(uid.clone(), event.count);
            }
        }
        progress
    }

    fn judge(&self, now: &ObservedService, since: &Since<'_>) -> Progress {
        let skipped = now.skipped_backends();
        let done = |sign| skipped.clone().map_or(Progress::Done(sign), Progress::Unproven);
        let is_success_last = since.is_success_last();
        let open = match self.label_sign(now) {
            LabelSign::Finished => return done(CompletionSign::Hash),
            LabelSign::Unknown if is_success_last => return done(CompletionSign::LabelAndEvent),
            LabelSign::Silent(_) if is_success_last => return done(CompletionSign::Event),
            LabelSign::Unfinished => return since.failed().unwrap_or_else(|| since.waiting()),
            LabelSign::Unknown => OTHER_HASH,
            LabelSign::OfAnotherState => OTHER_STATE,
            LabelSign::Silent(why) => why,
        };
        let why = match (skipped, since.failure) {
            (Some(skipped), _) => skipped,
            (None, Some(failure)) => format!("{open}; a round failed: {}", failure.message),
            (None, None) => open.to_owned(),
        };
        since.failed().unwrap_or(Progress::Unproven(why))
    }

    fn label_sign(&self, now: &ObservedService) -> LabelSign {
        let Some(label) = now.label.as_deref() else { return LabelSign::Unfinished };
        let before = &self.before;
        let is_new = before.label.as_deref() != Some(label);
        let is_of_before = before.computed.contains(label);
        if !now.computed.contains(label) {
            let hashed_as_known =
                before.label.as_deref().is_some_and(|label| before.computed.is_proven_by(label));
            return match (is_new && !is_of_before, hashed_as_known) {
                // The hash of the Service as it was: CCM has not seen the change yet.
                (false, _) => LabelSign::Unfinished,
                (true, true) => LabelSign::OfAnotherState,
                (true, false) => LabelSign::Unknown,
            };
        }
        if !now.computed.is_proven_by(label) {
            return LabelSign::Silent(NO_PROOF);
        }
        match (self.edits_differ(), is_of_before, is_new) {
            (true, true, _) => LabelSign::Silent(SAME_HASH),
            // The change leads back to what CCM saw last. CCM may be busy with what was between.
            (true, false, false) => LabelSign::Silent(SAME_LABEL),
            (true, false, true) | (false, ..) => LabelSign::Finished,
        }
    }

    /// Whether the change is one of what the Service said before.
    fn edits_differ(&self) -> bool {
        let before = &self.before.annotations;
        self.edits.iter().any(|edit| before.get(&edit.key) != edit.new.as_ref())
    }

    fn since<'e>(&self, now: &'e ObservedService) -> Since<'e> {
        let mut since = Since { success: None, failure: None, rounds: 0, lasting: 0 };
        let newer = |of: Option<&'e Event>, event: &'e Event| match of {
            Some(of) if of.last > event.last => Some(of),
            _ => Some(event),
        };
        for (uid, event) in &now.events {
            let counted = self.counted.get(uid).copied().unwrap_or_default();
            let times = event.count.saturating_sub(counted);
            if times == 0 {
                continue;
            }
            if event.is_success() {
                since.success = newer(since.success, event);
            } else if event.is_failure() {
                since.failure = newer(since.failure, event);
                since.rounds = since.rounds.saturating_add(times);
                let lasting = if may_pass(&event.message) { 0 } else { times };
                since.lasting = since.lasting.saturating_add(lasting);
            }
        }
        since
    }
}

impl Since<'_> {
    /// Whether there is a success, and surely no failure after it.
    fn is_success_last(&self) -> bool {
        let Some(success) = self.success else { return false };
        self.failure.is_none_or(|failure| success.is_after(failure))
    }

    /// The last failure, where surely no success is after it.
    fn open_failure(&self) -> Option<&Event> {
        let is_open =
            |failure: &&Event| self.success.is_none_or(|success| failure.is_after(success));
        self.failure.filter(is_open)
    }

    fn failed(&self) -> Option<Progress> {
        let is_failed = self.lasting >= LASTING_ROUNDS || self.rounds >= ROUNDS;
        let failure = self.open_failure().filter(|_| is_failed)?;
        Some(Progress::Failed { rounds: self.rounds, message: failure.message.clone() })
    }

    fn waiting(&self) -> Progress {
        if self.is_success_last() {
            return Progress::Waiting { failed: 0, message: None, may_pass: false };
        }
        let message = self.failure.map(|failure| failure.message.clone());
        let may_pass = message.as_deref().is_some_and(may_pass);
        Progress::Waiting { failed: self.rounds, message, may_pass }
    }
}
