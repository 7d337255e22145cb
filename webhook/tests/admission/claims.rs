//! Services that are written in the same instant: the cache knows of none of them yet.

use std::{sync::Barrier, thread};

use serde_json::{Value, json};

use super::support::*;

/// The n-th Service that wants `rsp-bp1example`, for a port of its own.
fn wants(n: u16) -> Value {
    let port = 8000 + n;
    let ports = json!([{"name": "http", "port": port, "targetPort": 8080}]);
    let service = edited(
        &web(),
        &json!({"metadata": {"name": format!("web-{n}")}, "spec": {"ports": ports}}),
    );
    noted(&service, &[("vgroup-port", json!(format!("rsp-bp1example:{port}")))])
}

#[test]
fn of_many_services_for_one_group_and_different_ports_one_is_let_through() {
    for _ in 0..20 {
        let admission = scene().admission();
        let barrier = Barrier::new(8);
        let passed = thread::scope(|scope| {
            let ask_for = |n| {
                let (admission, barrier) = (&admission, &barrier);
                scope.spawn(move || {
                    let review = review(JANE, "CREATE", None, Some(&wants(n)));
                    barrier.wait();
                    ask(admission, &review).allowed()
                })
            };
            let threads: Vec<_> = (0..8).map(ask_for).collect();
            threads
                .into_iter()
                .filter(|_| true)
                .map(|t| t.join().expect("no panic"))
                .filter(|p| *p)
                .count()
        });
        assert!(passed <= 1, "{passed} passed");
    }
}

#[test]
fn the_second_of_two_is_refused_with_the_name_of_the_first() {
    let admission = scene().admission();
    let create = |n| ask(&admission, &review(JANE, "CREATE", None, Some(&wants(n))));
    assert!(create(1).allowed());
    let reply = create(2);
    assert_eq!(reply.of("CLB102"), "denied");
    assert!(reply.message().contains("shop/web-1"), "{reply:?}");
    assert!(create(1).allowed(), "the first may try again");
}

#[test]
fn a_dry_run_reserves_nothing_but_sees_what_is_reserved() {
    let admission = scene().admission();
    let dry = |n| {
        let mut review = review(JANE, "CREATE", None, Some(&wants(n)));
        review["request"]["dryRun"] = json!(true);
        ask(&admission, &review)
    };
    assert!(dry(1).allowed());
    assert!(ask(&admission, &review(JANE, "CREATE", None, Some(&wants(2)))).allowed());
    assert!(!dry(3).allowed());
}

#[test]
fn a_service_that_is_refused_for_something_else_keeps_nobody_out() {
    let admission = scene().admission();
    let bad = noted(&wants(1), &[("weight", json!("101"))]);
    assert!(!ask(&admission, &review(JANE, "CREATE", None, Some(&bad))).allowed());
    assert!(ask(&admission, &review(JANE, "CREATE", None, Some(&wants(2)))).allowed());
}

#[test]
fn what_the_cluster_shows_needs_no_reservation() {
    let scene = scene();
    let admission = scene.admission();
    let create = |service: &Value| ask(&admission, &review(JANE, "CREATE", None, Some(service)));
    assert!(create(&wants(1)).allowed());
    scene.cache.put_service(&wants(1).to_string()).expect("a Service");
    // It moves to another group: the reservation must not keep the old one closed.
    let moved = noted(&wants(1), &[("vgroup-port", json!("rsp-bp2example:8001"))]);
    assert!(!create(&wants(2)).allowed());
    scene.cache.put_service(&moved.to_string()).expect("a Service");
    assert!(create(&wants(2)).allowed());
}

#[test]
fn two_services_for_one_port_are_told_of_each_other() {
    let admission = scene().admission();
    let create = |service: &Value| ask(&admission, &review(JANE, "CREATE", None, Some(service)));
    assert!(create(&web()).allowed());
    let reply = create(&neighbour(&[]));
    assert_eq!(reply.of("CLB104"), "warned", "{reply:?}");
}
