//! One test a fault.

use std::time::{Duration, Instant};

use clbmigrate_fault_proxy::{Fault, Match, StatusCode};
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    client::{Client, DEADLINE},
};

const SERVICE: &str = "/api/v1/namespaces/shop/services/web";

#[test]
fn a_lost_answer_is_one_to_a_request_that_was_carried_out() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let rule = proxy.add_rule(Match::method("PATCH"), Fault::CutAfterAnswer);
    let mut client = Client::of_proxy(&proxy);

    client.send("PATCH", SERVICE, "", "{}");

    assert_eq!(client.rest(), b"");
    assert_eq!(server.seen(), [format!("PATCH {SERVICE}")]);
    assert_eq!(rule.hits(), 1);
    let logged = &proxy.requests()[0];
    assert_eq!((logged.status, logged.upstream_status), (None, Some(200)));
}

#[test]
fn a_request_that_is_cut_before_is_never_heard_of() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    proxy.add_rule(Match::any(), Fault::CutBefore);
    let mut client = Client::of_proxy(&proxy);

    client.send("PATCH", SERVICE, "", "{}");

    assert_eq!(client.rest(), b"");
    assert!(server.seen().is_empty());
    assert_eq!(proxy.requests()[0].upstream_status, None);
}

#[test]
fn a_cut_is_one_even_on_a_connection_that_was_used_before() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    proxy.add_rule(Match::method("PATCH"), Fault::CutAfterAnswer);
    let mut client = Client::of_proxy(&proxy);

    assert_eq!(client.request("GET", SERVICE).status, 200);
    client.send("PATCH", SERVICE, "", "{}");
    assert_eq!(client.rest(), b"");
}

#[test]
fn the_proxy_answers_with_a_status_object_itself() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    proxy.add_rule(Match::any(), Fault::status(StatusCode::FORBIDDEN, "Forbidden", "not for you"));

    let answer = Client::of_proxy(&proxy).request("GET", SERVICE);

    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("retry-after"), None);
    assert_eq!(
        answer.json(),
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "not for you", "reason": "Forbidden", "code": 403,
        })
    );
    assert!(server.seen().is_empty());
    let logged = &proxy.requests()[0];
    assert_eq!((logged.status, logged.upstream_status), (Some(403), None));
}

#[test]
fn too_many_requests_tell_when_to_try_again_in_header_and_body() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    proxy.add_rule(Match::any(), Fault::too_many_requests(7));

    let answer = Client::of_proxy(&proxy).request("GET", SERVICE);

    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), Some("7"));
    assert_eq!(answer.json()["details"]["retryAfterSeconds"], 7);
}

#[test]
fn a_delayed_request_is_answered_after_the_delay() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let delay = Duration::from_millis(300);
    proxy.add_rule(Match::any(), Fault::Delay(delay));
    let mut client = Client::of_proxy(&proxy);

    let start = Instant::now();
    let answer = client.request("GET", SERVICE);

    assert!(start.elapsed() >= delay);
    assert_eq!(answer.status, 200);
}

#[test]
fn a_hanging_request_hangs_until_the_proxy_is_dropped() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let rule = proxy.add_rule(Match::any(), Fault::Hang);
    let mut client = Client::of_proxy(&proxy);

    client.send("GET", SERVICE, "", "");
    rule.wait_for_hits(1, DEADLINE).expect("the request to arrive");
    assert!(client.is_waiting());
    drop(proxy);

    assert_eq!(client.rest(), b"");
    assert!(server.seen().is_empty());
}

#[test]
fn a_listing_can_get_a_malformed_object() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    proxy.add_rule(
        Match::method("GET").path_end("/services"),
        Fault::rewrite(|mut list| {
            if let Some(items) = list["items"].as_array_mut() {
                items.push(json!({"metadata": "not an object"}));
            }
            list
        }),
    );
    let mut client = Client::of_proxy(&proxy);

    client.send("GET", "/api/v1/services", "accept-encoding: gzip\r\n", "");
    let list = client.answer().json();

    assert_eq!(
        list["items"],
        json!([{"metadata": {"name": "web"}}, {"metadata": "not an object"}])
    );
    assert_eq!(list["acceptEncoding"], Value::Null, "a packed answer could not be rewritten");
    assert_eq!(
        client.request("GET", "/api/v1/services/web").json()["items"].as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn an_answer_that_cannot_be_rewritten_is_a_502_that_says_so() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    proxy.add_rule(Match::any(), Fault::rewrite(|value| value));

    let answer = Client::of_proxy(&proxy).request("GET", "/text");

    assert_eq!(answer.status, 502);
    let message = answer.json()["message"].to_string();
    assert!(message.contains("not JSON"), "{message}");
    assert_eq!(proxy.requests()[0].upstream_status, Some(200));
}

#[test]
fn a_held_writer_is_overtaken_by_another() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let rule = proxy.add_rule(Match::method("PATCH").times(1), Fault::Hold);
    let (mut slow, mut fast) = (Client::of_proxy(&proxy), Client::of_proxy(&proxy));

    slow.send("PATCH", "/slow", "", "{}");
    rule.wait_for_hits(1, DEADLINE).expect("the first request to be held");
    assert_eq!(fast.request("PATCH", "/fast").status, 200);
    assert!(slow.is_waiting());
    rule.release();

    assert_eq!(slow.answer().status, 200);
    assert_eq!(server.seen(), ["PATCH /fast", "PATCH /slow"]);
}

#[test]
fn held_writers_are_let_go_together_and_later_ones_are_not_held() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let rule = proxy.add_rule(Match::any(), Fault::Hold);
    let mut writers = [Client::of_proxy(&proxy), Client::of_proxy(&proxy)];

    for writer in &mut writers {
        writer.send("PATCH", SERVICE, "", "{}");
    }
    rule.wait_for_hits(2, DEADLINE).expect("both requests to be held");
    assert!(server.seen().is_empty());
    rule.release();

    for writer in &mut writers {
        assert_eq!(writer.answer().status, 200);
    }
    assert_eq!(Client::of_proxy(&proxy).request("PATCH", SERVICE).status, 200);
}
