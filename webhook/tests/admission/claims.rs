//! Services that are written in the same instant: the cache knows none of them yet.

use std::{sync::Barrier, thread};

use serde_json::{Value, json};

use super::support::*;

/// The n-th Service that joins `rsp-bp1example`, for a port of its own.
fn joining(n: u16) -> Value {
    let port = 8000 + n;
    let ports = json!([{"name": "http", "port": port, "targetPort": 8080}]);
    let service = edited(
        &web(),
        &json!({"metadata": {"name": format!("web-{n}")}, "spec": {"ports": ports}}),
    );
    with_annotations(&service, &[("vgroup-port", json!(format!("rsp-bp1example:{port}")))])
}

#[test]
fn of_many_services_for_one_group_and_different_ports_one_is_let_through() {
    const SERVICES: u16 = 8;
    for _ in 0..20 {
        let admission = test_cluster().admission();
        let barrier = Barrier::new(SERVICES.into());
        let allowed: Vec<bool> = thread::scope(|scope| {
            let mut threads = Vec::new();
            for n in 0..SERVICES {
                let (admission, barrier) = (&admission, &barrier);
                threads.push(scope.spawn(move || {
                    let review = review(USER, "CREATE", None, Some(&joining(n)));
                    barrier.wait();
                    validate(admission, &review).allowed()
                }));
            }
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(allowed.iter().filter(|is_allowed| **is_allowed).count(), 1, "{allowed:?}");
    }
}

#[test]
fn the_second_of_two_is_refused_with_the_name_of_the_first() {
    let admission = test_cluster().admission();
    let create = |n| validate(&admission, &review(USER, "CREATE", None, Some(&joining(n))));
    assert!(create(1).allowed());
    let response = create(2);
    assert_eq!(response.action_on("CLB102"), "denied");
    assert!(response.message().contains("shop/web-1"), "{response:?}");
    assert!(create(1).allowed(), "the first may try again");
}

#[test]
fn a_dry_run_reserves_nothing_but_sees_what_is_reserved() {
    let admission = test_cluster().admission();
    let dry = |n| {
        let mut review = review(USER, "CREATE", None, Some(&joining(n)));
        review["request"]["dryRun"] = json!(true);
        validate(&admission, &review)
    };
    assert!(dry(1).allowed());
    assert!(validate(&admission, &review(USER, "CREATE", None, Some(&joining(2)))).allowed());
    assert!(!dry(3).allowed());
}

#[test]
fn a_service_that_is_refused_for_something_else_keeps_nobody_out() {
    let admission = test_cluster().admission();
    let bad = with_annotations(&joining(1), &[("weight", json!("101"))]);
    assert!(!validate(&admission, &review(USER, "CREATE", None, Some(&bad))).allowed());
    assert!(validate(&admission, &review(USER, "CREATE", None, Some(&joining(2)))).allowed());
}

#[test]
fn what_the_cluster_shows_needs_no_reservation() {
    let cluster = test_cluster();
    let admission = cluster.admission();
    let create =
        |service: &Value| validate(&admission, &review(USER, "CREATE", None, Some(service)));
    assert!(create(&joining(1)).allowed());
    cluster.cache.put_service(&joining(1).to_string()).expect("a Service");
    // It moves to another group: the reservation must not keep the old one closed.
    let moved = with_annotations(&joining(1), &[("vgroup-port", json!("rsp-bp2example:8001"))]);
    assert!(!create(&joining(2)).allowed());
    cluster.cache.put_service(&moved.to_string()).expect("a Service");
    assert!(create(&joining(2)).allowed());
}

#[test]
fn two_services_for_one_port_are_told_of_each_other() {
    let admission = test_cluster().admission();
    let create =
        |service: &Value| validate(&admission, &review(USER, "CREATE", None, Some(service)));
    assert!(create(&web()).allowed());
    let response = create(&neighbour(&[]));
    assert_eq!(response.action_on("CLB104"), "warned", "{response:?}");
}
