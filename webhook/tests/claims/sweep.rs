//! When a group's Lease is needed no more.

use clbmigrate_webhook::claims::{
    group::GroupClaims,
    lease_sweep::{LeaseSweep, SweepStep},
};

use super::support::*;

#[test]
fn a_lease_without_claims_is_deleted_in_the_version_that_was_read() {
    let mut sweep = LeaseSweep::new(read_at(NOW, &GroupClaims::default()));
    assert_eq!(sweep.next(None), SweepStep::Delete("7".to_owned()));
}

#[test]
fn a_lease_stays_while_a_write_may_be_carried_out() {
    let claims = claims(&[("a", 80, create("u-1"))]);
    assert_eq!(LeaseSweep::new(read_at(LATER - 1, &claims)).next(None), SweepStep::Keep);
    let mut sweep = LeaseSweep::new(read_at(LATER, &claims));
    assert_eq!(sweep.next(None), SweepStep::Observe(service("a")));
    assert_eq!(sweep.next(Some(&gone(&[]))), SweepStep::Delete("7".to_owned()));
}

#[test]
fn all_services_are_read_and_one_that_has_its_binding_keeps_the_lease() {
    let claims = claims(&[("a", 80, create("u-1")), ("b", 80, create("u-2"))]);
    let mut sweep = LeaseSweep::new(read_at(LATER, &claims));
    assert_eq!(sweep.next(None), SweepStep::Observe(service("a")));
    assert_eq!(sweep.next(Some(&gone(&[]))), SweepStep::Observe(service("b")));
    assert_eq!(sweep.next(Some(&seen(1, port(80)))), SweepStep::Keep);
}
