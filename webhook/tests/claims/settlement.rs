//! What a settlement asks, one step after the other.

use clbmigrate_webhook::claims::{
    group::{ClaimedWrite, GroupClaims, MAX_PENDING},
    settlement::{Answer, ClaimRequest, Settled, Settlement, Step},
};

use super::support::*;

fn request(name: &str, number: u16) -> ClaimRequest {
    ClaimRequest {
        service: service(name),
        bindings: port(number),
        write: create("u-new"),
        is_dry_run: false,
    }
}

fn dry_run(name: &str, number: u16) -> ClaimRequest {
    ClaimRequest { is_dry_run: true, ..request(name, number) }
}

fn read(claims: &GroupClaims) -> Answer {
    Answer::Claims(Some(read_at(NOW, claims)))
}

fn pending(count: usize) -> GroupClaims {
    let mut claims = GroupClaims::default();
    for n in 0..count {
        claims.grant(&service(&format!("s-{n:02}")), &port(80), &create(&format!("u-{n}")), NOW);
    }
    claims
}

#[test]
fn a_missing_lease_is_filled_from_a_list_and_then_read() {
    let request = request("a", 80);
    let mut settlement = Settlement::new(&request);
    assert_eq!(settlement.next(Answer::Claims(None)), Step::Fill);
    assert_eq!(settlement.next(Answer::Filled), Step::Read);
}

#[test]
fn a_group_that_nobody_has_is_claimed_over_the_version_that_was_read() {
    let request = request("a", 80);
    let mut settlement = Settlement::new(&request);
    let Step::Write(stored) = settlement.next(read(&GroupClaims::default())) else {
        panic!("no write")
    };
    assert_eq!((stored.version.as_str(), names(&stored.claims)), ("7", vec!["a".to_owned()]));
    assert_eq!(settlement.next(Answer::Written(true)), Step::End(Settled::Granted(Vec::new())));
}

#[test]
fn one_who_is_overtaken_reads_once_more() {
    let request = request("a", 80);
    let mut settlement = Settlement::new(&request);
    settlement.next(read(&GroupClaims::default()));
    assert_eq!(settlement.next(Answer::Written(false)), Step::Read);
    let Step::Observe(asked) = settlement.next(read(&claims(&[("b", 81, create("u-1"))]))) else {
        panic!("what was read before no longer counts");
    };
    assert_eq!(asked, [service("b")]);
}

#[test]
fn one_who_is_overtaken_again_and_again_gives_up() {
    let request = request("a", 80);
    let mut settlement = Settlement::new(&request);
    for _ in 0..10 {
        settlement.next(read(&GroupClaims::default()));
        assert_eq!(settlement.next(Answer::Written(false)), Step::Read);
    }
    settlement.next(read(&GroupClaims::default()));
    assert_eq!(settlement.next(Answer::Written(false)), Step::End(Settled::Contended));
}

#[test]
fn one_who_stands_in_the_way_is_read_before_anybody_is_refused() {
    let request = request("a", 80);
    let mut settlement = Settlement::new(&request);
    let claims = claims(&[("b", 81, create("u-1"))]);
    assert_eq!(settlement.next(read(&claims)), Step::Observe(vec![service("b")]));
    let Step::End(Settled::Held(holders)) = settlement.next(Answer::Observed(vec![gone(&[])]))
    else {
        panic!("the creation may still be carried out");
    };
    assert_eq!(holders[0].service, service("b"));
    assert!(holders[0].is_pending);
}

#[test]
fn what_a_read_shows_gone_is_written_away_with_the_new_claim() {
    let request = request("a", 80);
    let mut settlement = Settlement::new(&request);
    settlement.next(read(&claims(&[("b", 81, create("u-1"))])));
    let Step::Write(stored) = settlement.next(Answer::Observed(vec![gone(&["u-1"])])) else {
        panic!("nobody is in the way");
    };
    assert_eq!(names(&stored.claims), ["a"]);
}

#[test]
fn nobody_is_read_who_agrees() {
    let request = request("a", 80);
    let mut settlement = Settlement::new(&request);
    let Step::Write(stored) = settlement.next(read(&claims(&[("b", 80, create("u-1"))]))) else {
        panic!("one port");
    };
    assert_eq!(names(&stored.claims), ["a", "b"]);
    let Step::End(Settled::Granted(beside)) = settlement.next(Answer::Written(true)) else {
        panic!("granted");
    };
    assert_eq!(beside[0].service, service("b"));
}

#[test]
fn a_claim_that_is_there_already_is_not_written_again() {
    let request = request("a", 80);
    let mut settlement = Settlement::new(&request);
    let step = settlement.next(read(&claims(&[("a", 80, create("u-new"))])));
    assert_eq!(step, Step::End(Settled::Granted(Vec::new())));
}

#[test]
fn of_many_in_the_way_one_is_read_and_then_eight_at_a_time() {
    let request = request("a", 81);
    let mut settlement = Settlement::new(&request);
    let mut step = settlement.next(read(&pending(10)));
    let mut reads = Vec::new();
    let mut uids = 0..;
    while let Step::Observe(services) = step {
        reads.push(services.len());
        let over = |_| gone(&[&format!("u-{}", uids.next().expect("a number"))]);
        step = settlement.next(Answer::Observed(services.iter().map(over).collect()));
    }
    assert_eq!(reads, [1, 8, 1]);
    assert!(matches!(step, Step::Write(_)), "{step:?}");
}

#[test]
fn a_group_with_too_many_claims_without_a_service_takes_no_more() {
    let request = request("a", 80);
    let mut settlement = Settlement::new(&request);
    let mut step = settlement.next(read(&pending(MAX_PENDING)));
    let mut reads = 0;
    while let Step::Observe(services) = step {
        reads += services.len();
        step = settlement.next(Answer::Observed(vec![gone(&[]); services.len()]));
    }
    assert_eq!((reads, step), (MAX_PENDING, Step::End(Settled::Full)));
}

#[test]
fn of_too_many_claims_those_go_that_a_read_shows_done() {
    let request = request("a", 80);
    let mut settlement = Settlement::new(&request);
    let Step::Observe(services) = settlement.next(read(&pending(MAX_PENDING))) else {
        panic!("it looks whether they are done");
    };
    let mut observations = vec![gone(&[]); services.len()];
    observations[0] = gone(&["u-0"]);
    let Step::Write(stored) = settlement.next(Answer::Observed(observations)) else {
        panic!("there is room for one");
    };
    assert_eq!(names(&stored.claims).len(), MAX_PENDING);
}

/// The claims of a Service that has moved from port to port, each in a version of its own.
fn moved(times: u16) -> GroupClaims {
    let moves: Vec<_> = (0..times).map(|n| ("web", 8000 + n, update(n.into()))).collect();
    claims(&moves)
}

#[test]
fn a_service_that_is_alone_and_has_moved_often_is_read_itself() {
    let request = ClaimRequest { write: update(9), ..request("web", 9000) };
    let mut settlement = Settlement::new(&request);
    let step = settlement.next(read(&moved(9)));
    assert_eq!(step, Step::Observe(vec![service("web")]));
    let Step::Write(stored) = settlement.next(Answer::Observed(vec![seen(9, port(8008))])) else {
        panic!("it may move on");
    };
    let expected = [("web", 8008, ClaimedWrite::Done), ("web", 9000, update(9))];
    assert_eq!(stored.claims, claims(&expected));
    // The usual one costs no read.
    assert!(matches!(Settlement::new(&request).next(read(&moved(8))), Step::Write(_)));
}

#[test]
fn a_service_with_too_many_claims_that_may_still_be_written_gets_no_more() {
    let forged: Vec<_> = (0..64).map(|n| ("web", 8000 + n, update(9))).collect();
    let request = ClaimRequest { write: update(9), ..request("web", 9000) };
    let mut settlement = Settlement::new(&request);
    let step = settlement.next(read(&claims(&forged)));
    assert_eq!(step, Step::Observe(vec![service("web")]));
    let step = settlement.next(Answer::Observed(vec![seen(9, port(80))]));
    assert_eq!(step, Step::End(Settled::Full));
}

#[test]
fn a_dry_run_makes_no_lease_and_writes_nothing() {
    let request = dry_run("a", 80);
    let granted = Step::End(Settled::Granted(Vec::new()));
    assert_eq!(Settlement::new(&request).next(Answer::Claims(None)), granted);
    assert_eq!(Settlement::new(&request).next(read(&GroupClaims::default())), granted);
}

#[test]
fn a_dry_run_is_told_who_stands_in_the_way() {
    let request = dry_run("a", 80);
    let mut settlement = Settlement::new(&request);
    settlement.next(read(&claims(&[("b", 81, ClaimedWrite::Done)])));
    let step = settlement.next(Answer::Observed(vec![seen(1, port(81))]));
    assert!(matches!(step, Step::End(Settled::Held(_))), "{step:?}");
}
