//! Signs of CCM, and what they come to.

mod failures;
mod properties;
mod settlement;

use rstest::rstest;

use super::*;
use crate::patch::AnnotationEdit;

const KEY: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight";
const SYNC_FAILED: &str = "SyncLoadBalancerFailed";
const THROTTLED: &str = "Error syncing load balancer [lb-bp1example]: Message: Request was denied due to user flow control.";
const REFUSED: &str = "Error syncing load balancer [lb-bp1example]: Message: it is locked";
/// The hash of an empty text.
const NOTHING: &str = "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f";

type Events<'e> = &'e [(&'e str, Event)];

fn success(count: u64, last: &str) -> Event {
    event(false, ENSURED, "Ensured load balancer [lb-bp1example]", count, last)
}

fn failure(message: &str, count: u64, last: &str) -> Event {
    event(true, SYNC_FAILED, message, count, last)
}

fn skip(count: u64, last: &str) -> Event {
    event(true, SKIPPED, "Not sync pods [10.9.9.9] whose eni is invalid", count, last)
}

fn event(is_warning: bool, reason: &str, message: &str, count: u64, last: &str) -> Event {
    let (reason, message, last) = (reason.to_owned(), message.to_owned(), last.to_owned());
    Event { is_warning, reason, message, count, last }
}

/// What a Service shows: its label, the hashes that are known for it, separated by a space, and its
/// weight; an empty text is absent.
fn shows(label: &str, computed: &str, weight: &str, events: Events<'_>) -> ObservedService {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    ObservedService {
        label: some(label),
        computed: KnownHashes::new(computed.split(' ').map(str::to_owned)),
        annotations: some(weight).map(|weight| (KEY.to_owned(), weight)).into_iter().collect(),
        events: events.iter().map(|(uid, event)| ((*uid).to_owned(), event.clone())).collect(),
    }
}

/// The change of the weight to 40, made on a Service that showed `before`.
fn to_40(before: ObservedService) -> PendingChange {
    let old = before.annotations.get(KEY).cloned();
    PendingChange::new(before, vec![edit(old.as_deref(), Some("40"))])
}

fn edit(old: Option<&str>, new: Option<&str>) -> AnnotationEdit {
    AnnotationEdit { key: KEY.to_owned(), old: old.map(str::to_owned), new: new.map(str::to_owned) }
}

fn waiting(failed: u64, message: &str) -> Progress {
    let message = (!message.is_empty()).then(|| message.to_owned());
    let may_pass = message.as_deref() == Some(THROTTLED);
    Progress::Waiting { failed, message, may_pass }
}

fn failed(rounds: u64, message: &str) -> Progress {
    Progress::Failed { rounds, message: message.to_owned() }
}

/// Makes sure that it is unproven, for a reason with that text in it.
#[track_caller]
fn assert_unproven(progress: &Progress, why: &str) {
    match progress {
        Progress::Unproven(reason) => assert!(reason.contains(why), "{reason}"),
        other => panic!("not unproven, but {other:?}"),
    }
}

const DONE: Progress = Progress::Done(CompletionSign::Hash);

#[test]
fn the_new_hash_ends_the_wait() {
    let mut pending = to_40(shows("h20", "h20", "20", &[]));
    assert_eq!(pending.progress(&shows("h20", "h40", "40", &[])), waiting(0, ""));
    assert_eq!(pending.progress(&shows("h40", "h40", "40", &[])), DONE);
    assert!(!pending.hashes_differently());
}

#[test]
fn a_service_without_label_waits_for_the_hash_too() {
    let mut pending = to_40(shows("", "h20", "20", &[]));
    assert_eq!(pending.progress(&shows("", "h40", "40", &[])), waiting(0, ""));
    assert_eq!(pending.progress(&shows("h40", "h40", "40", &[])), DONE);
    assert!(!pending.hashes_differently());
}

#[rstest]
#[case::of_the_release("a40")]
#[case::of_another_release("b40")]
fn the_hash_of_any_known_release_ends_the_wait(#[case] label: &str) {
    let mut pending = to_40(shows("b20", "a20 b20", "20", &[]));
    assert!(!pending.hashes_differently());
    assert_eq!(pending.progress(&shows("b20", "a40 b40", "40", &[])), waiting(0, ""));
    assert_eq!(pending.progress(&shows(label, "a40 b40", "40", &[])), DONE);
}

#[rstest]
#[case::no_events(&[])]
#[case::a_newer_failure(&[("f", failure(REFUSED, 1, "t2"))])]
#[case::many_newer_failures(&[("f", failure(REFUSED, 9, "t2")), ("g", failure(THROTTLED, 9, "t2"))])]
#[case::a_failure_after_a_success(&[("f", failure(REFUSED, 2, "t2")), ("s", success(1, "t1"))])]
#[case::both_in_one_second(&[("f", failure(REFUSED, 2, "t1")), ("s", success(1, "t1"))])]
#[case::an_old_failure(&[("old", failure(REFUSED, 7, "t0"))])]
fn the_new_hash_is_done_whatever_failures_say(#[case] events: Events<'_>) {
    // The success after the failure need not have left an event.
    let old = [("old", failure(REFUSED, 7, "t0"))];
    let mut pending = to_40(shows("h10", "h20", "20", &old));
    assert_eq!(pending.progress(&shows("h40", "h40", "40", events)), DONE);
}

#[test]
fn a_repaired_service_is_done_although_its_last_event_is_a_failure() {
    let old = [("f", failure(REFUSED, 3, "t1"))];
    let mut pending = to_40(shows("h20", "h20", "20", &old));
    assert_eq!(pending.progress(&shows("h40", "h40", "40", &old)), DONE);
}

#[test]
fn a_ccm_that_hashes_differently_is_done_at_a_new_label_and_a_newer_success() {
    let old = [("u", success(3, "t1"))];
    let new = [("u", success(4, "t2"))];
    let mut pending = to_40(shows("x20", "h20", "20", &old));
    assert!(pending.hashes_differently());
    assert_eq!(pending.progress(&shows("x20", "h40", "40", &new)), waiting(0, ""));
    assert_unproven(&pending.progress(&shows("x40", "h40", "40", &old)), "no event of a success");
    let done = pending.progress(&shows("x40", "h40", "40", &new));
    assert_eq!(done, Progress::Done(CompletionSign::LabelAndEvent));
}

#[rstest]
#[case::before("t1", "t2", false)]
#[case::in_one_second("t2", "t2", true)]
#[case::after("t3", "t2", true)]
#[case::at_an_unknown_time("", "t2", true)]
fn a_new_unknown_label_is_done_only_where_the_success_is_surely_last(
    #[case] failed: &str,
    #[case] ensured: &str,
    #[case] is_unproven: bool,
) {
    let mut pending = to_40(shows("x20", "h20", "20", &[]));
    let events = [("f", failure(THROTTLED, 1, failed)), ("s", success(1, ensured))];
    let progress = pending.progress(&shows("x40", "h40", "40", &events));
    if is_unproven {
        assert_unproven(&progress, THROTTLED);
    } else {
        assert_eq!(progress, Progress::Done(CompletionSign::LabelAndEvent));
    }
}

#[test]
fn the_events_of_a_success_may_have_expired_meanwhile() {
    let old = [("u", success(3, "t1"))];
    let mut pending = to_40(shows("x20", "h20", "20", &old));
    assert_unproven(&pending.progress(&shows("x40", "h40", "40", &[])), "no event of a success");
    // The recorder counts on in a new object.
    let new = [("v", success(4, "t2"))];
    let done = pending.progress(&shows("x40", "h40", "40", &new));
    assert_eq!(done, Progress::Done(CompletionSign::LabelAndEvent));
}

#[test]
fn where_ccm_hashes_as_known_a_label_of_another_state_is_no_success() {
    // Somebody edited the Service in between, and CCM is done with that.
    let mut pending = to_40(shows("h20", "h20", "20", &[]));
    let now = shows("h20-edited", "h40-edited", "40", &[("s", success(1, "t1"))]);
    assert_unproven(&pending.progress(&now), "another state");
    assert_eq!(pending.progress(&shows("h40-edited", "h40-edited", "40", &[])), DONE);
}

#[rstest]
#[case::of_the_release("a20")]
#[case::of_another_release("b20")]
fn a_round_over_an_earlier_change_does_not_end_the_wait(#[case] label: &str) {
    // The label was of weight 10 still when 20 became 40; now CCM has seen 20.
    let mut pending = to_40(shows("h10", "a20 b20", "20", &[]));
    let now = shows(label, "a40 b40", "40", &[("u", success(1, "t1"))]);
    assert_eq!(pending.progress(&now), waiting(0, ""));
}

#[test]
fn a_change_back_to_what_ccm_saw_last_needs_a_newer_success() {
    // 20 became 40, which CCM has not carried out, and now 20 again.
    let edits = || vec![edit(Some("40"), Some("20"))];
    let mut pending = PendingChange::new(shows("h20", "h40", "40", &[]), edits());
    assert_unproven(&pending.progress(&shows("h20", "h20", "20", &[])), "before the write");
    let done = pending.progress(&shows("h20", "h20", "20", &[("s", success(1, "t1"))]));
    assert_eq!(done, Progress::Done(CompletionSign::Event));

    let mut pending = PendingChange::new(shows("h20", "h40", "40", &[]), edits());
    assert_eq!(pending.progress(&shows("h40", "h20", "20", &[])), waiting(0, ""));
    let now = shows("h20", "h20", "20", &[("f", failure(REFUSED, 1, "t1"))]);
    assert_unproven(&pending.progress(&now), REFUSED);
    let now = shows("h20", "h20", "20", &[("f", failure(REFUSED, 2, "t2"))]);
    assert_eq!(pending.progress(&now), failed(2, REFUSED));
}

#[rstest]
#[case::of_nothing(NOTHING)]
#[case::of_what_is_the_same_to_ccm("h")]
fn a_hash_that_does_not_change_with_the_write_proves_nothing(#[case] hash: &str) {
    let old = [("s", success(3, "t1")), ("f", failure(THROTTLED, 1, "t0"))];
    let mut pending = to_40(shows(hash, hash, "20", &old));
    assert!(!pending.hashes_differently());
    assert_unproven(&pending.progress(&shows(hash, hash, "40", &old)), "label tells nothing");

    let failing = [("s", success(3, "t1")), ("f", failure(THROTTLED, 2, "t2"))];
    assert_unproven(&pending.progress(&shows(hash, hash, "40", &failing)), THROTTLED);
    let failing = [("s", success(3, "t1")), ("f", failure(THROTTLED, 4, "t3"))];
    assert_eq!(pending.progress(&shows(hash, hash, "40", &failing)), failed(3, THROTTLED));

    let over = [("s", success(4, "t4")), ("f", failure(THROTTLED, 4, "t3"))];
    let done = pending.progress(&shows(hash, hash, "40", &over));
    assert_eq!(done, Progress::Done(CompletionSign::Event));
}

#[test]
fn a_write_that_ends_the_hash_of_nothing_is_proven_by_the_hash() {
    let mut pending = to_40(shows(NOTHING, NOTHING, "20", &[]));
    assert_eq!(pending.progress(&shows(NOTHING, "h40", "40", &[])), waiting(0, ""));
    assert_eq!(pending.progress(&shows("h40", "h40", "40", &[])), DONE);
}

#[test]
fn a_write_that_leads_to_the_hash_of_nothing_is_not_proven_by_it() {
    let mut pending = to_40(shows("h20", "h20", "20", &[]));
    assert_eq!(pending.progress(&shows("h20", NOTHING, "40", &[])), waiting(0, ""));
    assert_unproven(&pending.progress(&shows(NOTHING, NOTHING, "40", &[])), "empty text");
    let done = pending.progress(&shows(NOTHING, NOTHING, "40", &[("s", success(1, "t1"))]));
    assert_eq!(done, Progress::Done(CompletionSign::Event));
}

#[rstest]
#[case::no_edit(vec![])]
#[case::an_edit_to_what_is_there(vec![edit(Some("20"), Some("40"))])]
fn a_wait_for_an_older_change_ends_at_the_hash(#[case] edits: Vec<AnnotationEdit>) {
    let mut pending = PendingChange::new(shows("h20", "h40", "40", &[]), edits.clone());
    assert_eq!(pending.progress(&shows("h20", "h40", "40", &[])), waiting(0, ""));
    assert_eq!(pending.progress(&shows("h40", "h40", "40", &[])), DONE);
    let mut pending = PendingChange::new(shows("h40", "h40", "40", &[]), edits.clone());
    assert_eq!(pending.progress(&shows("h40", "h40", "40", &[])), DONE);
    let mut pending = PendingChange::new(shows(NOTHING, NOTHING, "40", &[]), edits);
    assert_unproven(&pending.progress(&shows(NOTHING, NOTHING, "40", &[])), "empty text");
}

#[rstest]
#[case::a_new_event(&[("k", skip(1, "t2"))])]
#[case::counted_on(&[("old", skip(2, "t2"))])]
#[case::a_success_before(&[("k", skip(1, "t2")), ("s", success(1, "t1"))])]
#[case::a_success_in_the_same_second(&[("k", skip(1, "t2")), ("s", success(1, "t2"))])]
#[case::at_an_unknown_time(&[("k", skip(1, "")), ("s", success(1, "t2"))])]
#[case::of_before_the_write(&[("old", skip(1, "t0"))])]
fn skipped_backends_are_never_done(
    #[case] events: Events<'_>,
    #[values("h40", "x40")] label: &str,
) {
    // CCM writes the label before it fails.
    let mut pending = to_40(shows("x20", "h20", "20", &[("old", skip(1, "t0"))]));
    let progress = pending.progress(&shows(label, "h40", "40", events));
    assert_unproven(&progress, "CCM skipped backends: Not sync pods [10.9.9.9]");
}

#[test]
fn skipped_backends_are_over_with_a_newer_success() {
    let mut pending = to_40(shows("h20", "h20", "20", &[]));
    let events = [("k", skip(3, "t2")), ("s", success(1, "t3"))];
    assert_eq!(pending.progress(&shows("h40", "h40", "40", &events)), DONE);
}

#[test]
fn pods_outside_the_vpc_are_skipped_for_good_and_no_failure() {
    let skip = Event { is_warning: false, ..skip(1, "t2") };
    let mut pending = to_40(shows("h20", "h20", "20", &[]));
    let now = shows("h40", "h40", "40", &[("k", skip)]);
    assert_eq!(pending.progress(&now), DONE);
    assert_eq!(now.settlement(), Settlement::Settled);
}

#[rstest]
#[case::by_a_value("20", Some("20"))]
#[case::by_removal("", None)]
fn another_value_means_that_somebody_put_it_back(
    #[case] weight: &str,
    #[case] value: Option<&str>,
) {
    let mut pending = to_40(shows("h20", "h20", "20", &[]));
    let expected = Progress::Overwritten { key: KEY.to_owned(), value: value.map(str::to_owned) };
    assert_eq!(pending.progress(&shows("h20", "h20", weight, &[])), expected);
}

#[test]
fn a_removed_annotation_is_waited_for_as_a_written_one() {
    let removal = || vec![edit(Some("20"), None)];
    let mut pending = PendingChange::new(shows("h20", "h20", "20", &[]), removal());
    assert_eq!(pending.progress(&shows("h20", "h", "", &[])), waiting(0, ""));
    assert_eq!(pending.progress(&shows("h", "h", "", &[])), DONE);
    let put_back = Progress::Overwritten { key: KEY.to_owned(), value: Some("20".to_owned()) };
    assert_eq!(pending.progress(&shows("h", "h", "20", &[])), put_back);
}
