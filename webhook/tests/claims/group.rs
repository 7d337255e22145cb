//! What stays of claims after a read, and who stands in whose way.

use clbmigrate_webhook::claims::group::{ClaimedWrite, GroupClaims, Observation, Seconds};
use rstest::rstest;
use serde_json::{Value, json};

use super::support::*;

/// Whether anything keeps another Service from port 81 after `a`, which claimed port 80 at [`NOW`] for
/// `write`, was read.
fn blocks(write: ClaimedWrite, observation: &Observation, now: Seconds) -> bool {
    let mut claims = claims(&[("a", 80, write)]);
    claims.observe(&service("a"), observation, now);
    !claims.in_the_way(&service("b"), &port(81)).is_empty()
}

#[rstest]
#[case::not_yet_there(create("u-1"), gone(&[]), true)]
#[case::there_with_its_binding(create("u-1"), seen(1, port(80)), true)]
#[case::there_and_moved(create("u-1"), seen(2, port(81)), false)]
#[case::there_and_left(create("u-1"), seen(2, [].into()), false)]
#[case::deleted_and_its_uid_was_seen(create("u-1"), gone(&["u-1"]), false)]
#[case::another_uid_was_seen(create("u-1"), gone(&["u-0"]), true)]
#[case::another_service_has_its_name(create("u-2"), seen(1, [].into()), true)]
fn a_creation_counts_until_its_uid_was_seen(
    #[case] write: ClaimedWrite,
    #[case] observation: Observation,
    #[case] expected: bool,
) {
    assert_eq!(blocks(write, &observation, NOW), expected);
}

#[rstest]
#[case::the_version_that_it_changes(update(1), seen(1, [].into()), true)]
#[case::the_next_version_without_it(update(1), seen(2, [].into()), false)]
#[case::the_next_version_with_it(update(1), seen(2, port(80)), true)]
#[case::deleted(update(1), gone(&[]), false)]
fn a_change_counts_while_the_version_that_it_changes_is_there(
    #[case] write: ClaimedWrite,
    #[case] observation: Observation,
    #[case] expected: bool,
) {
    assert_eq!(blocks(write, &observation, NOW), expected);
}

#[test]
fn a_change_of_a_service_that_has_gone_does_not_count_for_its_successor() {
    let write = ClaimedWrite::Update { uid: "u-0".to_owned(), resource_version: "1".to_owned() };
    assert!(!blocks(write, &seen(1, [].into()), NOW));
}

#[rstest]
#[case::creation(create("u-1"), gone(&[]))]
#[case::change(update(1), seen(1, [].into()))]
#[case::many(ClaimedWrite::Many, gone(&[]))]
fn any_write_counts_for_two_minutes_and_no_longer(
    #[case] write: ClaimedWrite,
    #[case] observation: Observation,
) {
    assert!(blocks(write.clone(), &observation, LATER - 1));
    assert!(!blocks(write, &observation, LATER));
}

#[test]
fn time_alone_removes_nothing_a_read_must_show_it() {
    let claims = claims(&[("a", 80, create("u-1"))]);
    assert!(!claims.has_pending(LATER));
    assert_eq!(claims.in_the_way(&service("b"), &port(81)).len(), 1);
}

#[test]
fn a_binding_that_was_seen_counts_until_a_read_shows_it_gone() {
    let mut claims = GroupClaims::default();
    claims.add_seen(&service("a"), &port(80), NOW);
    claims.observe(&service("a"), &seen(1, port(80)), LATER);
    assert_eq!(names(&claims), ["a"]);
    claims.observe(&service("a"), &seen(2, port(81)), LATER);
    assert!(claims.in_the_way(&service("b"), &port(81)).is_empty());
    claims.observe(&service("a"), &gone(&[]), LATER);
    assert!(claims.is_empty());
}

#[test]
fn a_service_that_leaves_and_is_about_to_come_back_keeps_its_claim() {
    let mut claims = claims(&[("a", 80, update(2))]);
    claims.add_seen(&service("a"), &port(80), NOW);
    claims.observe(&service("a"), &seen(2, [].into()), NOW);
    assert_eq!(claims.in_the_way(&service("b"), &port(81)).len(), 1);
}

#[test]
fn a_read_of_one_service_leaves_the_claims_of_others() {
    let mut claims = claims(&[("a", 80, create("u-1")), ("b", 80, create("u-2"))]);
    claims.observe(&service("a"), &gone(&["u-1"]), NOW);
    assert_eq!(names(&claims), ["b"]);
}

#[test]
fn what_was_bound_without_a_claim_is_found_by_a_read() {
    let mut claims = claims(&[("a", 80, create("u-0"))]);
    claims.observe(&service("a"), &seen(1, port(81)), LATER);
    let [holder] = &claims.in_the_way(&service("b"), &port(80))[..] else { panic!("{claims:?}") };
    assert_eq!((holder.binding.port, holder.is_pending), (81, false));
}

#[rstest]
#[case::the_same_port(port(80), false)]
#[case::another_port(port(81), true)]
#[case::another_clb(of_clb("lb-bp2example", 80), true)]
#[case::two_ports(port(80).union(&port(81)).cloned().collect(), true)]
fn one_port_of_one_clb_is_what_services_can_share(
    #[case] wanted: std::collections::BTreeSet<clbmigrate_webhook::claims::binding::Binding>,
    #[case] is_held: bool,
) {
    let claims = claims(&[("a", 80, create("u-1"))]);
    assert_eq!(!claims.in_the_way(&service("b"), &wanted).is_empty(), is_held);
}

#[test]
fn a_services_own_claims_are_never_in_its_way() {
    let claims = claims(&[("a", 80, update(1)), ("a", 81, update(1))]);
    assert!(claims.in_the_way(&service("a"), &port(82)).is_empty());
}

#[test]
fn a_service_that_may_have_two_ports_keeps_others_from_both() {
    let mut claims = claims(&[("a", 81, update(1))]);
    claims.add_seen(&service("a"), &port(80), NOW);
    assert!(!claims.in_the_way(&service("b"), &port(80)).is_empty());
    assert!(!claims.in_the_way(&service("b"), &port(81)).is_empty());
}

#[test]
fn a_write_that_is_tried_once_more_counts_from_then_on() {
    let mut claims = claims(&[("a", 80, update(1))]);
    assert!(!claims.grant(&service("a"), &port(80), &update(1), NOW), "nothing has changed");
    assert!(claims.grant(&service("a"), &port(80), &update(1), LATER));
    assert!(claims.has_pending(LATER));
    let text = serde_json::to_value(&claims).expect("JSON");
    assert_eq!(text["shop/a"].as_array().map(Vec::len), Some(1), "{text}");
}

#[test]
fn of_many_writes_only_the_time_of_the_last_is_kept() {
    let mut claims = GroupClaims::default();
    for version in 0..5 {
        claims.grant(&service("a"), &port(80), &update(version), NOW + i64::from(version));
    }
    let expected = json!({"shop/a": [
        {"clb": "lb-bp1example", "port": 80, "write": "many", "since": NOW + 4},
    ]});
    assert_eq!(serde_json::to_value(&claims).expect("JSON"), expected);
    claims.observe(&service("a"), &seen(9, [].into()), NOW + 4);
    assert_eq!(names(&claims), ["a"], "any of them may still be carried out");
}

#[test]
fn claims_are_the_same_after_they_were_kept_as_text() {
    let mut claims = claims(&[("a", 80, create("u-1")), ("b", 81, update(1))]);
    claims.add_seen(&service("c"), &port(80), NOW);
    let text: Value = serde_json::to_value(&claims).expect("JSON");
    assert_eq!(serde_json::from_value::<GroupClaims>(text).expect("claims"), claims);
}

#[test]
fn a_service_is_pending_until_all_its_writes_were_seen() {
    let mut claims = claims(&[("a", 80, create("u-1"))]);
    assert_eq!(claims.pending(&service("b")), [service("a")]);
    assert!(claims.pending(&service("a")).is_empty(), "its own do not count");
    claims.observe(&service("a"), &seen(1, port(80)), NOW);
    assert!(claims.pending(&service("b")).is_empty());
}
