//! Failed rounds: which count, and how often.

use super::*;

#[rstest]
#[case::that_stays(REFUSED, 2)]
#[case::that_may_pass(THROTTLED, 3)]
fn a_failure_is_one_after_some_rounds(#[case] message: &str, #[case] limit: u64) {
    let mut pending = to_40(shows("h20", "h20", "20", &[]));
    let mut after = |count| {
        pending.progress(&shows("h20", "h40", "40", &[("f", failure(message, count, "t1"))]))
    };
    for count in 1..limit {
        assert_eq!(after(count), waiting(count, message));
    }
    assert_eq!(after(limit), failed(limit, message));
}

#[test]
fn rounds_that_fail_in_different_ways_count_together() {
    let mut pending = to_40(shows("h20", "h20", "20", &[]));
    let mut events = vec![("f", failure(THROTTLED, 1, "t1")), ("g", failure(REFUSED, 1, "t2"))];
    assert_eq!(pending.progress(&shows("h20", "h40", "40", &events)), waiting(2, REFUSED));
    events.push(("h", failure(THROTTLED, 1, "t3")));
    assert_eq!(pending.progress(&shows("h20", "h40", "40", &events)), failed(3, THROTTLED));
}

#[rstest]
#[case("FailedAddFinalizer")]
#[case("FailedUpdateReadinessGate")]
#[case("FailedAddHash")]
#[case("FailedUpdateStatus")]
fn a_round_that_kubernetes_ends_is_a_failed_one(#[case] reason: &str) {
    let mut pending = to_40(shows("h20", "h20", "20", &[]));
    let mut after = |count| {
        let events = [("f", event(true, reason, REFUSED, count, "t1"))];
        pending.progress(&shows("h20", "h40", "40", &events))
    };
    assert_eq!(after(1), waiting(1, REFUSED));
    assert_eq!(after(2), failed(2, REFUSED));
}

#[rstest]
#[case("AnnotationChanged")]
#[case("UnAvailableLoadBalancer")]
#[case("")]
fn another_event_says_nothing(#[case] reason: &str) {
    let mut pending = to_40(shows("h20", "h20", "20", &[]));
    let events = [("e", event(true, reason, REFUSED, 5, "t1"))];
    assert_eq!(pending.progress(&shows("h20", "h40", "40", &events)), waiting(0, ""));
}

#[test]
fn failures_before_the_change_do_not_count() {
    let old = [("f", failure(REFUSED, 7, "t1"))];
    let mut pending = to_40(shows("h10", "h20", "20", &old));
    assert_eq!(pending.progress(&shows("h10", "h40", "40", &old)), waiting(0, ""));
    assert!(!pending.hashes_differently(), "a failing CCM leaves an old label");
}

#[test]
fn a_failure_that_is_counted_on_under_a_new_uid_is_one() {
    // It failed once an hour ago; that event has expired before the change, or expires after it.
    for old in [&[][..], &[("f", failure(REFUSED, 1, "t1"))]] {
        let mut pending = to_40(shows("h20", "h20", "20", old));
        let mut after = |count, last| {
            let events = [("g", failure(REFUSED, count, last))];
            pending.progress(&shows("h20", "h40", "40", &events))
        };
        assert_eq!(after(2, "t2"), waiting(1, REFUSED));
        assert_eq!(after(2, "t2"), waiting(1, REFUSED), "it is counted once");
        assert_eq!(after(3, "t3"), failed(2, REFUSED));
    }
}

#[test]
fn a_failure_whose_event_vanishes_is_forgotten() {
    let mut pending = to_40(shows("h20", "h20", "20", &[]));
    let events = [("f", failure(REFUSED, 1, "t1"))];
    assert_eq!(pending.progress(&shows("h20", "h40", "40", &events)), waiting(1, REFUSED));
    assert_eq!(pending.progress(&shows("h20", "h40", "40", &[])), waiting(0, ""));
}

#[test]
fn failures_before_a_success_over_an_earlier_change_do_not_count() {
    let mut pending = to_40(shows("h10", "h20", "20", &[]));
    let mut events = vec![("f", failure(REFUSED, 1, "t1"))];
    assert_eq!(pending.progress(&shows("h10", "h40", "40", &events)), waiting(1, REFUSED));
    events.push(("s", success(1, "t2")));
    assert_eq!(pending.progress(&shows("h20", "h40", "40", &events)), waiting(0, ""));
    let fails = |count, last| [("f", failure(REFUSED, count, last)), ("s", success(1, "t2"))];
    assert_eq!(pending.progress(&shows("h20", "h40", "40", &fails(2, "t3"))), waiting(1, REFUSED));
    let progress = pending.progress(&shows("h20", "h40", "40", &fails(3, "t4")));
    assert_eq!(progress, failed(2, REFUSED));
}

#[test]
fn failures_and_a_success_in_one_second_are_no_failure_yet() {
    let mut pending = to_40(shows("h20", "h20", "20", &[("f", failure(REFUSED, 5, "t0"))]));
    let mut after = |count, last| {
        let events = [("f", failure(REFUSED, count, last)), ("s", success(1, "t1"))];
        pending.progress(&shows("h20", "h40", "40", &events))
    };
    assert_eq!(after(7, "t1"), waiting(2, REFUSED));
    assert_eq!(after(8, "t2"), failed(3, REFUSED));
}
