//! Services that are written in the same instant: the cache knows none of them yet.

use std::{
    sync::{Arc, Barrier},
    thread,
};

use clbmigrate_webhook::{
    cache::Cache,
    claims::{
        ClaimResult, ClaimStore, ClaimedGroup, ReviewedWrite,
        binding::{Binding, ServiceName},
        group::Holder,
    },
};
use rstest::rstest;
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

/// How many of some writes, all at the same time, are let through. Each is the old and the new Service.
fn let_through(writes: &[(Option<Value>, Value)]) -> usize {
    let stored = writes.iter().filter_map(|(old, _)| old.as_ref());
    let cluster = stored.fold(test_cluster(), TestCluster::with_service);
    let admission = cluster.admission();
    let barrier = Barrier::new(writes.len());
    let write = |(old, new): &(Option<Value>, Value)| {
        let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
        let review = review(USER, operation, old.as_ref(), Some(new));
        barrier.wait();
        validate(&admission, &review).allowed()
    };
    let write = &write;
    thread::scope(|scope| {
        let threads: Vec<_> = writes.iter().map(|it| scope.spawn(move || write(it))).collect();
        let allowed = threads.into_iter().map(|thread| thread.join().expect("no panic"));
        allowed.filter(|is_allowed| *is_allowed).count()
    })
}

#[test]
fn of_many_services_for_one_group_and_different_ports_one_is_let_through() {
    for _ in 0..20 {
        let writes: Vec<_> = (0..8).map(|n| (None, joining(n))).collect();
        assert_eq!(let_through(&writes), 1);
    }
}

#[rstest]
#[case::of_another_type(json!({"spec": {"type": "ClusterIP"}}))]
#[case::of_another_load_balancer(json!({"spec": {"loadBalancerClass": "example.com/other"}}))]
#[case::of_another_class(
    json!({"metadata": {"annotations": {"service.beta.kubernetes.io/class": "other"}}})
)]
#[case::behind_a_tunnel(
    json!({"metadata": {"annotations": {(key("tunnel-type")): "tunnel"}}})
)]
#[case::without_a_clb(json!({"metadata": {"annotations": {(key("id")): null}}}))]
#[case::without_a_mapping(json!({"metadata": {"annotations": {(key("vgroup-port")): null}}}))]
fn a_service_that_ccm_did_not_bind_joins_its_group_when_it_does(#[case] before: Value) {
    for _ in 0..5 {
        let writes: Vec<_> =
            (0..8).map(|n| (Some(edited(&joining(n), &before)), joining(n))).collect();
        assert_eq!(let_through(&writes), 1);
        // The same beside one that is created.
        let writes = [(None, joining(8)), (Some(edited(&joining(9), &before)), joining(9))];
        assert_eq!(let_through(&writes), 1);
    }
}

#[test]
fn of_many_clbs_for_one_group_one_is_let_through() {
    let of_clb = |n: u16| {
        let name = json!({"metadata": {"name": format!("web-{n}")}});
        with_annotations(&edited(&web(), &name), &[("id", json!(format!("lb-bp{n}example")))])
    };
    let writes: Vec<_> = (0..8).map(|n| (None, of_clb(n))).collect();
    assert_eq!(let_through(&writes), 1);
}

/// A Service of a group of its own.
fn alone(n: u16) -> Value {
    let service =
        edited(&web(), &json!({"metadata": {"name": format!("web-{n}"), "uid": n.to_string()}}));
    with_annotations(&service, &[("vgroup-port", json!(format!("rsp-bp{n}example:80")))])
}

#[test]
fn where_many_admitted_services_never_come_the_next_is_told_to_try_again_until_some_have() {
    const BOUND: u16 = 256;
    let cluster = test_cluster();
    let admission = cluster.admission();
    let create = |n| validate(&admission, &review(USER, "CREATE", None, Some(&alone(n))));
    for n in 0..BOUND {
        assert!(create(n).allowed(), "{n}");
    }
    let response = create(BOUND);
    assert!(response.message().contains("try again"), "{response:?}");
    let keeps = alone(0);
    let relabelled = edited(&keeps, &json!({"metadata": {"annotations": {"example.com/a": "b"}}}));
    let update = review(USER, "UPDATE", Some(&keeps), Some(&relabelled));
    assert!(validate(&admission, &update).allowed(), "it joins nothing");
    cluster.cache.put_service(&alone(7).to_string()).expect("a Service");
    assert!(create(BOUND).allowed());
    assert!(!create(BOUND + 1).allowed());
}

#[test]
fn where_many_of_one_group_never_come_the_next_is_told_to_try_again() {
    const BOUND: u16 = 32;
    let admission = test_cluster().admission();
    let create = |n: u16| {
        let name = json!({"metadata": {"name": format!("web-{n}"), "uid": n.to_string()}});
        validate(&admission, &review(USER, "CREATE", None, Some(&edited(&web(), &name))))
    };
    for n in 0..BOUND {
        assert!(create(n).allowed(), "{n}");
    }
    let response = create(BOUND);
    assert!(response.message().contains("try again"), "{response:?}");
    let another = review(USER, "CREATE", None, Some(&alone(1)));
    assert!(validate(&admission, &another).allowed(), "another group");
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

/// Claims that find a Service in the way, which the cache shows just then.
struct HolderArrives(Arc<Cache>);

impl ClaimStore for HolderArrives {
    async fn claim(&self, _: ReviewedWrite<'_>) -> ClaimResult {
        self.0.put_service(&joining(1).to_string()).expect("a Service");
        let holder = Holder {
            service: ServiceName { namespace: "shop".to_owned(), name: "web-1".to_owned() },
            binding: Binding { clb: "lb-bp1example".to_owned(), port: 8001 },
            is_pending: false,
        };
        let group = "rsp-bp1example".to_owned();
        ClaimResult::Held(vec![ClaimedGroup { group, holders: vec![holder] }])
    }
}

#[test]
fn a_holder_that_reaches_the_cache_while_its_group_is_claimed_is_in_the_way() {
    let cluster = test_cluster();
    let admission = cluster.admission_with(HolderArrives(Arc::clone(&cluster.cache)));
    let response = validate(&admission, &review(USER, "CREATE", None, Some(&joining(2))));
    assert!(!response.allowed(), "{response:?}");
    assert!(response.message().contains("CLB102"), "{response:?}");
}
