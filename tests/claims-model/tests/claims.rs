//! The claims of two Services on one group, explored exhaustively.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail, and how many states there are is worth reading"
)]

use clbmigrate_claims_model::{Bounds, ClaimsModel, Event, Explored, Flaw, Name, Shape, explore};

/// Two replicas, and one write of each Service.
const ONE_WRITE_EACH: Bounds = Bounds {
    shapes: &[Shape::Port80, Shape::Port81, Shape::OtherType],
    writes: [1, 1],
    replicas: 2,
    waits: 0,
    lease_deletions: 0,
    forgeries: 0,
};

fn explored(title: &str, bounds: Bounds) -> Explored {
    let explored = explore(ClaimsModel::new(bounds, None));
    let Explored { states, steps, depth, settlements, .. } = explored;
    println!(
        "{title}: {states} states, {steps} steps, {depth} deep, {settlements} states of settlements"
    );
    if let Some((property, trace)) = &explored.counterexample {
        panic!("{title}: not {property}:\n{trace}");
    }
    explored
}

/// Whether bounds are wanted that take minutes, as `make test-full` asks for.
fn is_full() -> bool {
    std::env::var_os("CLBMIGRATE_TEST_FULL").is_some_and(|value| value == "1")
}

fn saw(explored: &Explored, events: impl IntoIterator<Item = Event>) {
    for event in events {
        assert!(explored.events.contains(&event), "{event:?} never happened");
    }
}

#[test]
fn two_services_hold_a_group_for_one_port_while_leases_come_and_go_and_time_passes() {
    let bounds = Bounds { waits: 1, lease_deletions: 1, ..ONE_WRITE_EACH };
    let explored = explored("one write each", bounds);
    saw(&explored, [Event::Overtaken, Event::LeaseDeleted, Event::LeaseMadeAnew]);
    for name in Name::ALL {
        saw(&explored, [Event::Shared(name), Event::Held(name), Event::HeldByNothing(name)]);
        saw(&explored, [Event::AfterMove(name), Event::AfterDeletion(name)]);
    }
    if is_full() {
        self::explored("three replicas", Bounds { replicas: 3, ..ONE_WRITE_EACH });
    }
}

#[test]
fn two_services_hold_a_group_for_one_port_while_one_of_them_changes_again_and_again() {
    let explored = explored("two writes and one", Bounds { writes: [2, 1], ..ONE_WRITE_EACH });
    saw(&explored, [Event::ReviewedAgain]);
    if is_full() {
        self::explored("two writes each", Bounds { writes: [2, 2], ..ONE_WRITE_EACH });
        let waits = Bounds { writes: [2, 1], waits: 1, ..ONE_WRITE_EACH };
        self::explored("two writes and one, and time", waits);
        let sweeps = Bounds { writes: [2, 1], lease_deletions: 1, ..ONE_WRITE_EACH };
        self::explored("two writes and one, and sweeps", sweeps);
    }
}

#[test]
fn another_clb_and_another_class_are_as_another_port_and_another_type() {
    let shapes = &[Shape::Port80, Shape::OtherClb, Shape::OtherClass];
    explored("another CLB and class", Bounds { shapes, waits: 1, ..ONE_WRITE_EACH });
}

#[test]
fn a_forged_review_lets_nothing_in_and_blocks_nothing_for_longer_than_two_minutes() {
    let shapes = &[Shape::Port80, Shape::Port81];
    let explored = explored("forged", Bounds { shapes, forgeries: 1, ..ONE_WRITE_EACH });
    saw(&explored, [Event::HeldByNothing(Name::B)]);
}

#[test]
fn each_broken_protocol_is_found() {
    let changes = Bounds { writes: [2, 1], ..ONE_WRITE_EACH };
    let waits = Bounds { waits: 1, ..ONE_WRITE_EACH };
    let sweeps = Bounds { lease_deletions: 1, ..ONE_WRITE_EACH };
    let flaws = [
        (Flaw::LeaveRemoves, ONE_WRITE_EACH),
        (Flaw::WriteWithoutVersion, ONE_WRITE_EACH),
        (Flaw::EarlyRead, changes),
        (Flaw::UidsAfterRead, ONE_WRITE_EACH),
        (Flaw::OwnClock, ONE_WRITE_EACH),
        (Flaw::FillFromCache, ONE_WRITE_EACH),
        (Flaw::SweepWithoutVersion, sweeps),
        (Flaw::AnnotationsAlone, ONE_WRITE_EACH),
        (Flaw::ImpatientClock, waits),
    ];
    for (flaw, bounds) in flaws {
        let explored = explore(ClaimsModel::new(bounds, Some(flaw)));
        println!("{flaw:?}: {} states until it was found", explored.states);
        let Some((_, trace)) = explored.counterexample else { panic!("{flaw:?} was not found") };
        println!("{trace}");
    }
}
