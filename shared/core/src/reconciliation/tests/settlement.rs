//! Whether CCM has settled.

use super::*;

fn failing(message: &str) -> Settlement {
    Settlement::Failing(message.to_owned())
}

#[rstest]
#[case::no_events(&[])]
#[case::a_failure(&[("f", failure(REFUSED, 3, "t1"))])]
#[case::a_failure_after_a_success(&[("f", failure(REFUSED, 3, "t2")), ("s", success(1, "t1"))])]
fn a_label_of_the_present_state_is_settled_whatever_failures_say(
    #[case] events: Events<'_>,
    #[values("a40", "b40")] label: &str,
) {
    assert_eq!(shows(label, "a40 b40", "40", events).settlement(), Settlement::Settled);
}

#[rstest]
#[case::without_label("", "h40", Settlement::NoRound)]
#[case::of_another_state("h20", "h40", Settlement::Behind)]
#[case::of_nothing(NOTHING, NOTHING, Settlement::Behind)]
fn without_a_proof_the_newest_event_decides(
    #[case] label: &str,
    #[case] computed: &str,
    #[case] otherwise: Settlement,
) {
    let settlement = |events: Events<'_>| shows(label, computed, "40", events).settlement();
    assert_eq!(settlement(&[]), otherwise);
    assert_eq!(settlement(&[("f", failure(REFUSED, 1, "t1"))]), failing(REFUSED));
    let failed = |last| [("f", failure(REFUSED, 1, last)), ("s", success(1, "t2"))];
    assert_eq!(settlement(&failed("t1")), otherwise);
    assert_eq!(
        settlement(&failed("t2")),
        otherwise,
        "a round that failed is not tried again so soon"
    );
    assert_eq!(settlement(&failed("t3")), failing(REFUSED));
}

#[test]
fn the_newest_of_several_failures_is_told() {
    let events = [
        ("a", failure("first", 9, "t1")),
        ("b", failure("last", 1, "t3")),
        ("c", failure("second", 4, "t2")),
    ];
    assert_eq!(shows("h20", "h40", "40", &events).settlement(), failing("last"));
}

#[rstest]
#[case::only(&[("k", skip(1, "t1"))], true)]
#[case::after_a_success(&[("k", skip(1, "t2")), ("s", success(1, "t1"))], true)]
#[case::in_the_second_of_a_success(&[("k", skip(1, "t1")), ("s", success(1, "t1"))], true)]
#[case::before_a_success(&[("k", skip(1, "t1")), ("s", success(1, "t2"))], false)]
fn skipped_backends_are_a_failure_although_the_label_is_written(
    #[case] events: Events<'_>,
    #[case] is_failing: bool,
) {
    let skipped = "CCM skipped backends: Not sync pods [10.9.9.9] whose eni is invalid";
    let expected = if is_failing { failing(skipped) } else { Settlement::Settled };
    assert_eq!(shows("h40", "h40", "40", events).settlement(), expected);
}
