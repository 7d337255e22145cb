//! What the cache makes of an API server that misbehaves.

use anyhow::{Context as _, Result, ensure};
use clbmigrate_fault_proxy::{Fault, Match, StatusCode};
use clbmigrate_testbed::try_wait_for;
use serde_json::{Value, json};

use super::cache_through;
use crate::test_namespace::{DEADLINE, Test, TestNamespace};

pub const TESTS: &[Test] = &[
    ("an object of a listing that cannot be read costs nothing but itself", malformed_item),
    ("an event that cannot be read costs nothing but itself", malformed_event),
    ("a version that is too old is listed anew, page by page, and what is gone goes", too_old),
    ("listings and watches that are cut, refused or garbled are tried again", storms),
];

/// More Services than a page holds, and fewer than the testbed has addresses for.
const COUNT: usize = 550;

fn services() -> Match {
    Match::method("GET").path_end("/api/v1/services")
}

fn listings() -> Match {
    services().without_parameter("watch")
}

fn watches() -> Match {
    services().parameter("watch", "1")
}

fn malformed_item(test: &TestNamespace<'_>) -> Result<()> {
    test.create("good")?;
    test.create("odd")?;
    let proxy = test.proxy()?;
    let namespace = test.name.clone();
    let rule = proxy.add_rule(
        listings(),
        Fault::rewrite(move |mut list| {
            for item in list["items"].as_array_mut().into_iter().flatten() {
                if item["metadata"]["name"] == "odd" && item["metadata"]["namespace"] == namespace {
                    item["metadata"]["annotations"] = json!("eighty");
                }
            }
            list
        }),
    );
    let following = cache_through(&proxy)?.synced()?;
    let cache = &following.cache;
    ensure!(rule.hits() > 0, "the listing was rewritten");
    ensure!(cache.service(&test.name, "good").is_some(), "the good one is there");
    ensure!(cache.service(&test.name, "odd").is_none(), "the odd one is not");
    let unreadable = cache.unreadable().find(|(kind, _)| *kind == "services");
    ensure!(unreadable == Some(("services", 1)), "{unreadable:?}");
    // Its next event is readable, and brings it in.
    test.kubectl(&["label", "service", "odd", "x=y"])?;
    test.wait_for(cache, "odd", true)
}

fn malformed_event(test: &TestNamespace<'_>) -> Result<()> {
    test.create("known")?;
    let proxy = test.proxy()?;
    let meta = json!({
        "name": "known", "namespace": test.name, "resourceVersion": "", "annotations": 5,
    });
    let event = json!({"type": "MODIFIED", "object": {"metadata": meta}});
    let rule =
        proxy.add_rule(watches().times(1), Fault::Answer { status: StatusCode::OK, body: event });
    let following = cache_through(&proxy)?.synced()?;
    rule.wait_for_hits(1, DEADLINE)?;
    let cache = &following.cache;
    try_wait_for("the event to be noticed", DEADLINE, || {
        Ok(cache.unreadable().any(|(kind, n)| kind == "services" && n == 1).then_some(()))
    })?;
    ensure!(cache.service(&test.name, "known").is_some(), "what was known stays");
    test.create("next")?;
    test.wait_for(cache, "next", true)
}

fn too_old(test: &TestNamespace<'_>) -> Result<()> {
    let proxy = test.proxy()?;
    let ghost = {
        let mut ghost = test.service("ghost", "rsp-ghost");
        ghost["metadata"]["resourceVersion"] = json!("1");
        ghost
    };
    let add = move |mut list: Value| {
        if let Some(items) = list["items"].as_array_mut() {
            items.push(ghost.clone());
        }
        list
    };
    proxy.add_rule(listings().times(1), Fault::rewrite(add));
    let cut = proxy.add_rule(watches(), Fault::CutBefore);
    let following = cache_through(&proxy)?.synced()?;
    let cache = &following.cache;
    ensure!(cache.service(&test.name, "ghost").is_some(), "listed though it is not there");

    let services: Vec<Value> =
        (0..COUNT).map(|n| test.service(&format!("web-{n}"), &format!("rsp-{n}"))).collect();
    test.cluster
        .apply(&json!({"apiVersion": "v1", "kind": "List", "items": services}).to_string())?;
    let gone =
        json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}});
    proxy.add_rule(watches().times(1), Fault::Answer { status: StatusCode::OK, body: gone });
    cut.remove();
    test.wait_for(cache, "ghost", false)?;
    test.wait_for(cache, "web-549", true)?;
    let is_there = |n: &usize| cache.service(&test.name, &format!("web-{n}")).is_some();
    let count = (0..COUNT).filter(is_there).count();
    ensure!(count == COUNT, "{count} of {COUNT}");
    let pages = proxy.requests().into_iter().filter(|logged| {
        logged.request.path.ends_with("/services") && logged.request.parameter("continue").is_some()
    });
    ensure!(pages.count() > 0, "in pages");
    Ok(())
}

fn storms(test: &TestNamespace<'_>) -> Result<()> {
    let proxy = test.proxy()?;
    let refused = Fault::status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "by the proxy");
    proxy.add_rule(listings().times(1), refused);
    proxy.add_rule(listings().times(1), Fault::CutAfterAnswer);
    proxy.add_rule(
        listings().times(1),
        Fault::Answer { status: StatusCode::OK, body: json!("not a list") },
    );
    proxy.add_rule(listings().times(1), Fault::too_many_requests(1));
    proxy.add_rule(watches().times(2), Fault::CutBefore);
    proxy.add_rule(watches().times(1), Fault::Answer { status: StatusCode::OK, body: json!(5) });
    let gone = Fault::status(StatusCode::GONE, "Expired", "too old resource version");
    let last = proxy.add_rule(watches().times(1), gone);
    let following = cache_through(&proxy)?.synced()?;
    last.wait_for_hits(1, DEADLINE).context("the watches")?;
    test.create("web")?;
    test.wait_for(&following.cache, "web", true)
}
