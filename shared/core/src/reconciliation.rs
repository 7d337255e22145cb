//! Whether CCM has carried out a change, told from what it leaves on a Service: its hash label and
//! its events.
//!
//! CCM 2.14 writes the hash of what it read to a label at the end of a round that it takes for a
//! success, and an event `EnsuredLoadBalancer`. A failed round leaves an event
//! `SyncLoadBalancerFailed` and is tried again. A round that CCM takes for a success does not prove
//! that backends exist.

use std::collections::BTreeMap;

use crate::patch::AnnotationEdit;

/// The reason of the event that CCM writes about a round that it takes for a success.
pub const ENSURED: &str = "EnsuredLoadBalancer";
/// The reason of the event that CCM writes about a failed round.
pub const FAILED: &str = "SyncLoadBalancerFailed";

/// After how many failed rounds a change counts as failed: CCM tries again after 5 seconds, and one
/// throttled call is gone by then.
const ROUNDS: u64 = 2;

/// What a Service shows at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedService {
    /// The value of the hash label; `None` where it has none.
    pub label: Option<String>,
    /// The hash that CCM 2.14 would write for the Service as it is.
    pub computed: String,
    /// The annotations, by full key.
    pub annotations: BTreeMap<String, String>,
    /// CCM's events on the Service, by UID.
    pub events: BTreeMap<String, Event>,
}

/// An event of CCM. The API server counts it up when it happens again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its reason, for example `EnsuredLoadBalancer`.
    pub reason: String,
    /// The event's text.
    pub message: String,
    /// How often it happened, from 1.
    pub count: u64,
    /// When it happened last, by CCM's clock, as RFC 3339. Compared as text.
    pub last: String,
}

/// A change of annotations that CCM is to carry out.
#[derive(Debug, Clone)]
pub struct PendingChange {
    before: ObservedService,
    edits: Vec<AnnotationEdit>,
}

/// How far CCM is with a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// CCM has not finished a round over the change yet.
    Waiting {
        /// How many rounds failed since the change.
        failed: u64,
        /// The text of the last of these failures.
        message: Option<String>,
    },
    /// CCM finished a round over the change and takes it for a success.
    Done(CompletionSign),
    /// At least two rounds over the change failed, and none succeeded since.
    Failed {
        /// How many rounds failed since the change.
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
    /// The hash label is the one CCM 2.14 writes for the Service as it is.
    Hash,
    /// The label changed to an unknown value and CCM reported a success: this CCM computes another
    /// hash than CCM 2.14.
    LabelAndEvent,
}

impl PendingChange {
    /// A change by `edits`, made on a Service that showed `before`.
    pub fn new(before: ObservedService, edits: Vec<AnnotationEdit>) -> Self {
        Self { before, edits }
    }

    /// Whether, before the change, the label was not the hash that CCM 2.14 computes, and no round
    /// had failed. CCM then computes another hash, or is still busy with an earlier change.
    pub fn hashes_differently(&self) -> bool {
        let label = self.before.label.as_ref();
        label.is_some_and(|label| *label != self.before.computed) && !self.before.is_failing()
    }

    /// How far CCM is, given what the Service shows now.
    pub fn progress(&self, now: &ObservedService) -> Progress {
        for edit in &self.edits {
            let value = now.annotations.get(&edit.key);
            if value != edit.new.as_ref() {
                return Progress::Overwritten { key: edit.key.clone(), value: value.cloned() };
            }
        }
        let failed = self.newer(now, FAILED);
        let ensured = self.newer(now, ENSURED);
        let rounds = failed.iter().map(|(_, times)| times).sum();
        let last_failure = failed.iter().map(|(event, _)| *event).max_by_key(|event| &event.last);
        let last_success = ensured.iter().map(|(event, _)| &event.last).max();
        let is_failing = last_failure
            .is_some_and(|failure| last_success.is_none_or(|success| failure.last > *success));
        if let (Some(mark), false) = (self.mark(now, !ensured.is_empty()), is_failing) {
            return Progress::Done(mark);
        }
        let message = last_failure.map(|event| event.message.clone());
        match message {
            Some(message) if is_failing && rounds >= ROUNDS => Progress::Failed { rounds, message },
            message => Progress::Waiting { failed: rounds, message },
        }
    }

    fn mark(&self, now: &ObservedService, is_ensured: bool) -> Option<CompletionSign> {
        let label = now.label.as_ref()?;
        if *label == now.computed {
            return Some(CompletionSign::Hash);
        }
        // The hash of the Service as it was: CCM hashes as known, and saw the change not yet.
        let is_of_before = *label == self.before.computed;
        let has_changed = Some(label) != self.before.label.as_ref();
        (has_changed && !is_of_before && is_ensured).then_some(CompletionSign::LabelAndEvent)
    }

    /// Events of a reason that happened since, each with how often.
    fn newer<'m>(&self, now: &'m ObservedService, reason: &str) -> Vec<(&'m Event, u64)> {
        let of_reason = now.events.iter().filter(|(_, event)| event.reason == reason);
        let times = of_reason.map(|(uid, event)| {
            let before = self.before.events.get(uid).map_or(0, |event| event.count);
            (event, event.count.saturating_sub(before))
        });
        times.filter(|(_, times)| *times > 0).collect()
    }
}

impl ObservedService {
    /// Whether a failure is the newest event about a round.
    pub fn is_failing(&self) -> bool {
        let last = |reason: &str| {
            let of_reason = self.events.values().filter(|event| event.reason == reason);
            of_reason.map(|event| event.last.as_str()).max()
        };
        last(FAILED).is_some_and(|failure| last(ENSURED).is_none_or(|success| failure > success))
    }

    /// The text of the newest failure; `None` where there is no event of one.
    pub fn failure(&self) -> Option<&str> {
        let failures = self.events.values().filter(|event| event.reason == FAILED);
        failures.max_by_key(|event| &event.last).map(|event| event.message.as_str())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const KEY: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight";

    fn event(reason: &str, count: u64, last: &str) -> Event {
        let message = format!("{reason} message");
        Event { reason: reason.to_owned(), message, count, last: last.to_owned() }
    }

    fn marks(
        label: &str,
        computed: &str,
        weight: &str,
        events: &[(&str, Event)],
    ) -> ObservedService {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ObservedService {
            label: some(label),
            computed: computed.to_owned(),
            annotations: some(weight).map(|weight| (KEY.to_owned(), weight)).into_iter().collect(),
            events: events.iter().map(|(uid, event)| ((*uid).to_owned(), event.clone())).collect(),
        }
    }

    fn pending(before: ObservedService) -> PendingChange {
        let edit = AnnotationEdit {
            key: KEY.to_owned(),
            old: Some("20".to_owned()),
            new: Some("40".to_owned()),
        };
        PendingChange::new(before, vec![edit])
    }

    fn waiting(failed: u64) -> Progress {
        let message = (failed > 0).then(|| format!("{FAILED} message"));
        Progress::Waiting { failed, message }
    }

    #[test]
    fn the_new_hash_ends_the_wait() {
        let pending = pending(marks("h20", "h20", "20", &[]));
        assert_eq!(pending.progress(&marks("h20", "h40", "40", &[])), waiting(0));
        assert_eq!(
            pending.progress(&marks("h40", "h40", "40", &[])),
            Progress::Done(CompletionSign::Hash)
        );
        assert!(!pending.hashes_differently());
    }

    #[test]
    fn a_service_without_label_waits_for_the_hash_too() {
        let pending = pending(marks("", "h20", "20", &[]));
        assert_eq!(pending.progress(&marks("", "h40", "40", &[])), waiting(0));
        assert_eq!(
            pending.progress(&marks("h40", "h40", "40", &[])),
            Progress::Done(CompletionSign::Hash)
        );
        assert!(!pending.hashes_differently());
    }

    #[test]
    fn a_ccm_that_hashes_differently_is_done_at_a_new_label_and_a_newer_success() {
        let success = |count| [("u", event(ENSURED, count, "t1"))];
        let pending = pending(marks("x20", "h20", "20", &success(3)));
        assert!(pending.hashes_differently());
        assert_eq!(pending.progress(&marks("x20", "h40", "40", &success(4))), waiting(0));
        assert_eq!(pending.progress(&marks("x40", "h40", "40", &success(3))), waiting(0));
        let done = pending.progress(&marks("x40", "h40", "40", &success(4)));
        assert_eq!(done, Progress::Done(CompletionSign::LabelAndEvent));
    }

    #[test]
    fn a_round_over_an_earlier_change_does_not_end_the_wait() {
        // The label was of weight 10 still when 20 became 40; now CCM has seen 20.
        let pending = pending(marks("h10", "h20", "20", &[]));
        let now = marks("h20", "h40", "40", &[("u", event(ENSURED, 1, "t1"))]);
        assert_eq!(pending.progress(&now), waiting(0));
    }

    #[test]
    fn one_failed_round_is_no_failure_and_two_are() {
        let pending = pending(marks("h20", "h20", "20", &[]));
        let failed = |count| marks("h20", "h40", "40", &[("f", event(FAILED, count, "t1"))]);
        assert_eq!(pending.progress(&failed(1)), waiting(1));
        let message = format!("{FAILED} message");
        assert_eq!(pending.progress(&failed(2)), Progress::Failed { rounds: 2, message });
    }

    #[test]
    fn failures_before_the_change_do_not_count() {
        let old = [("f", event(FAILED, 7, "t1"))];
        let pending = pending(marks("h10", "h20", "20", &old));
        assert_eq!(pending.progress(&marks("h10", "h40", "40", &old)), waiting(0));
        assert!(!pending.hashes_differently(), "a failing CCM leaves an old label");
    }

    #[rstest]
    #[case::then_success("t1", "t2", Progress::Done(CompletionSign::Hash))]
    #[case::in_the_same_second("t1", "t1", Progress::Done(CompletionSign::Hash))]
    #[case::then_failure("t2", "t1", waiting(1))]
    fn what_happened_last_counts(
        #[case] failure: &str,
        #[case] success: &str,
        #[case] expected: Progress,
    ) {
        let pending = pending(marks("h20", "h20", "20", &[]));
        let events = [("f", event(FAILED, 1, failure)), ("s", event(ENSURED, 1, success))];
        assert_eq!(pending.progress(&marks("h40", "h40", "40", &events)), expected);
    }

    #[rstest]
    #[case::by_a_value("20", Some("20"))]
    #[case::by_removal("", None)]
    fn another_value_means_that_somebody_put_it_back(
        #[case] weight: &str,
        #[case] value: Option<&str>,
    ) {
        let pending = pending(marks("h20", "h20", "20", &[]));
        let expected =
            Progress::Overwritten { key: KEY.to_owned(), value: value.map(str::to_owned) };
        assert_eq!(pending.progress(&marks("h20", "h20", weight, &[])), expected);
    }
}
