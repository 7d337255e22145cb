//! Which replica leads, step by step.

use clbmigrate_webhook::audit::election::{
    Answer, Election, Goal, LEASE_DURATION, LeaderLease, Role, Step, StoredLease,
};
use rstest::rstest;

const NOW: i64 = 1_800_000_000;

fn lease(holder: &str, renewed: i64) -> LeaderLease {
    LeaderLease { holder: holder.to_owned(), acquired: NOW - 1000, renewed, transitions: 3 }
}

fn stored(lease: LeaderLease) -> StoredLease {
    StoredLease { lease, version: "7".to_owned() }
}

/// What the replica `me` does after it has read this Lease.
fn after_reading(goal: Goal, lease: Option<LeaderLease>) -> Step {
    Election::new("me", goal).next(Answer::Lease(NOW, lease.map(stored)))
}

fn end_of(goal: Goal, lease: Option<LeaderLease>, answer: Answer) -> Step {
    let mut election = Election::new("me", goal);
    election.next(Answer::Lease(NOW, lease.map(stored)));
    election.next(answer)
}

#[test]
fn without_a_lease_it_is_created_by_whoever_is_first() {
    let own = LeaderLease { holder: "me".into(), acquired: NOW, renewed: NOW, transitions: 0 };
    assert_eq!(after_reading(Goal::Lead, None), Step::Create(own));
    assert_eq!(end_of(Goal::Lead, None, Answer::Written(true)), Step::End(Role::Leader));
    assert_eq!(end_of(Goal::Lead, None, Answer::Written(false)), Step::Read);
}

#[test]
fn whoever_leads_renews_the_lease_and_changes_nothing_else_of_it() {
    let renewed = LeaderLease { renewed: NOW, ..lease("me", NOW - 5) };
    let step = after_reading(Goal::Lead, Some(lease("me", NOW - 5)));
    assert_eq!(step, Step::Write(stored(renewed)));
}

#[rstest]
#[case::just_renewed(NOW)]
#[case::as_old_as_it_may_be(NOW - LEASE_DURATION)]
#[case::by_a_server_whose_clock_is_a_little_ahead(NOW + 2)]
fn while_another_one_renews_the_lease_nobody_takes_it(#[case] renewed: i64) {
    let step = after_reading(Goal::Lead, Some(lease("other", renewed)));
    assert_eq!(step, Step::End(Role::Follower));
}

#[rstest]
#[case::not_renewed("other", NOW - LEASE_DURATION - 1)]
#[case::given_back("", NOW)]
#[case::of_a_clock_that_was_wrong("other", NOW + 3600)]
#[case::without_a_time("other", 0)]
fn a_lease_that_is_free_is_taken_over(#[case] holder: &str, #[case] renewed: i64) {
    let own = LeaderLease { holder: "me".into(), acquired: NOW, renewed: NOW, transitions: 4 };
    let step = after_reading(Goal::Lead, Some(lease(holder, renewed)));
    assert_eq!(step, Step::Write(stored(own)));
}

#[test]
fn of_two_that_take_over_at_once_the_second_sees_the_first() {
    let free = lease("other", NOW - 60);
    let mut election = Election::new("me", Goal::Lead);
    election.next(Answer::Lease(NOW, Some(stored(free))));
    assert_eq!(election.next(Answer::Written(false)), Step::Read);
    let taken = lease("faster", NOW);
    let step = election.next(Answer::Lease(NOW, Some(stored(taken))));
    assert_eq!(step, Step::End(Role::Follower));
}

#[test]
fn a_lease_that_others_write_all_the_time_is_left_to_the_next_attempt() {
    let mut election = Election::new("me", Goal::Lead);
    let mut steps = Vec::new();
    for _ in 0..3 {
        election.next(Answer::Lease(NOW, Some(stored(lease("me", NOW)))));
        steps.push(election.next(Answer::Written(false)));
    }
    assert_eq!(steps, [Step::Read, Step::Read, Step::End(Role::Follower)]);
}

#[test]
fn whoever_resigns_leaves_the_lease_free() {
    let free = LeaderLease { holder: String::new(), renewed: NOW, ..lease("me", NOW - 5) };
    let step = after_reading(Goal::Resign, Some(lease("me", NOW - 5)));
    assert_eq!(step, Step::Write(stored(free.clone())));
    assert!(free.is_free(NOW));
    let end = end_of(Goal::Resign, Some(lease("me", NOW - 5)), Answer::Written(true));
    assert_eq!(end, Step::End(Role::Follower));
}

#[rstest]
#[case::there_is_none(None)]
#[case::another_one_has_it(Some(lease("other", NOW)))]
#[case::another_one_had_it(Some(lease("other", NOW - 60)))]
fn whoever_does_not_lead_gives_nothing_back(#[case] lease: Option<LeaderLease>) {
    assert_eq!(after_reading(Goal::Resign, lease), Step::End(Role::Follower));
}
