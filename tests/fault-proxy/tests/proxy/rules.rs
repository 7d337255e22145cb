//! Which requests a fault meets.

use std::time::Duration;

use clbmigrate_fault_proxy::{Fault, FaultProxy, Match, Request, StatusCode};

use crate::{api_server::ApiServer, client::Client};

fn teapot() -> Fault {
    Fault::status(StatusCode::IM_A_TEAPOT, "Teapot", "the fault")
}

/// The statuses of these requests, in order.
fn statuses(proxy: &FaultProxy, requests: &[(&str, &str)]) -> Vec<u16> {
    let mut client = Client::of_proxy(proxy);
    requests.iter().map(|(method, target)| client.request(method, target).status).collect()
}

#[test]
fn every_condition_must_hold() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let patches = Match::method("PATCH").path("/services/").without_parameter("dryRun");
    let rule = proxy.add_rule(patches, teapot());

    let statuses = statuses(
        &proxy,
        &[
            ("GET", "/api/v1/namespaces/shop/services/web"),
            ("PATCH", "/api/v1/namespaces/shop/pods/web"),
            ("PATCH", "/api/v1/namespaces/shop/services/web?force=true&dryRun=All"),
            ("PATCH", "/api/v1/namespaces/shop/services/web?dryRun"),
            ("PATCH", "/api/v1/namespaces/shop/services/web?dryRunner=1"),
            ("PATCH", "/api/v1/namespaces/shop/services/web"),
        ],
    );

    assert_eq!(statuses, [200, 200, 200, 200, 418, 418]);
    assert_eq!(rule.hits(), 2);
}

#[test]
fn a_condition_can_be_a_parameters_value_the_paths_end_or_anything_else() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    proxy.add_rule(Match::any().parameter("watch", "true"), teapot());
    proxy.add_rule(Match::any().path_end("/status"), teapot());
    proxy.add_rule(
        Match::any().when(|request: &Request| request.path.starts_with("/readyz")),
        teapot(),
    );

    let statuses = statuses(
        &proxy,
        &[
            ("GET", "/a?watch=true"),
            ("GET", "/a?watch=false"),
            ("GET", "/a/status"),
            ("GET", "/status/a"),
            ("GET", "/readyz/ping"),
        ],
    );

    assert_eq!(statuses, [418, 200, 418, 200, 418]);
}

#[test]
fn a_rule_can_skip_requests_and_meet_only_some() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let rule = proxy.add_rule(Match::method("GET").skip(1).times(2), teapot());

    let requests = [("GET", "/1"), ("PATCH", "/p"), ("GET", "/2"), ("GET", "/3"), ("GET", "/4")];

    assert_eq!(statuses(&proxy, &requests), [200, 200, 418, 418, 200]);
    assert_eq!(rule.hits(), 2);
}

#[test]
fn of_several_rules_the_oldest_that_still_takes_the_request_counts() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let first = proxy.add_rule(Match::any().times(1), teapot());
    let second = proxy.add_rule(Match::any(), Fault::too_many_requests(1));

    assert_eq!(statuses(&proxy, &[("GET", "/1"), ("GET", "/2")]), [418, 429]);
    assert_eq!((first.hits(), second.hits()), (1, 1));
}

#[test]
fn a_removed_rule_meets_nothing_more() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let rule = proxy.add_rule(Match::any(), teapot());

    assert_eq!(statuses(&proxy, &[("GET", "/1")]), [418]);
    rule.remove();
    assert_eq!(statuses(&proxy, &[("GET", "/2")]), [200]);
    assert_eq!(rule.hits(), 1);
}

#[test]
fn waiting_for_requests_that_do_not_come_fails_and_says_what_came() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let rule = proxy.add_rule(Match::method("GET").skip(1), teapot());
    statuses(&proxy, &[("GET", "/1"), ("GET", "/2"), ("PATCH", "/3")]);

    rule.wait_for_hits(1, Duration::ZERO).expect("one that was there before");
    let error = rule.wait_for_hits(2, Duration::from_millis(50)).expect_err("only one hit");

    let message = error.to_string();
    assert!(message.starts_with("1 of 2 requests met Answer(418)"), "{message}");
    assert!(message.ends_with("2 matched it"), "{message}");
}
