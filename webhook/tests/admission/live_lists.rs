//! What reviews of workloads ask an API server for, and how often.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clbmigrate_webhook::{
    Webhook,
    admission::{AdmissionHandler, LiveApiReader},
    metrics::Metrics,
};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    recording_api::{LATENCY, RecordingApi},
    support::*,
};

const SERVICES: &str = "/api/v1/namespaces/shop/services?limit=500";

type Handler = AdmissionHandler<MemoryClaims, LiveApiReader>;

/// A webhook with an empty cache that asks this API server.
fn webhook_before(api: &RecordingApi) -> Handler {
    webhook_with(test_cluster(), api)
}

fn webhook_with(cluster: TestCluster, api: &RecordingApi) -> Handler {
    let claims = memory_claims(&cluster.cache, []);
    let (config, metrics) = (Arc::default(), Arc::new(Metrics::default()));
    AdmissionHandler::new(cluster.cache, config, metrics, claims, api.reader())
}

async fn answer(handler: &Handler, webhook: Webhook, review: &Value) -> Value {
    let answer = handler.review(webhook, review.to_string().as_bytes()).await.expect("a review");
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    answer["response"].clone()
}

async fn create(handler: &Handler, webhook: Webhook, workload: &Value) -> Value {
    answer(handler, webhook, &review(USER, "CREATE", None, Some(workload))).await
}

fn unfit() -> Value {
    with_containers(&deployment(), &[unprobed()])
}

fn named(object: &Value, name: &str) -> Value {
    edited(object, &json!({"metadata": {"name": name}}))
}

fn in_namespace(object: &Value, namespace: &str) -> Value {
    edited(object, &json!({"metadata": {"namespace": namespace}}))
}

#[tokio::test(start_paused = true)]
async fn all_hooks_of_one_request_share_one_list() {
    let api = RecordingApi::listing(&[web()]);
    let handler = webhook_before(&api);
    let hooks = [Webhook::MutateWorkloads, Webhook::MutateWorkloads, Webhook::ValidateWorkloads];
    for webhook in hooks {
        let response = create(&handler, webhook, &unfit()).await;
        let (allowed, patched) = (&response["allowed"], response["patch"].is_string());
        match webhook {
            Webhook::ValidateWorkloads => assert_eq!(allowed, false, "{response:#}"),
            _ => assert!(allowed == true && !patched, "it has a hook: {response:#}"),
        }
    }
    assert_eq!(api.requests(), [SERVICES]);
}

#[tokio::test(start_paused = true)]
async fn many_workloads_of_a_namespace_at_once_share_two_lists() {
    let api = RecordingApi::listing(&[web()]);
    let handler = webhook_before(&api);
    let workloads = (0..500).map(|number| named(&unfit(), &format!("web-{number}")));
    let workloads = workloads.collect::<Vec<_>>();
    let reviews = workloads.iter().map(|it| create(&handler, Webhook::ValidateWorkloads, it));
    let responses = join_all(reviews).await;
    assert!(responses.iter().all(|response| response["allowed"] == false), "each is refused");
    assert_eq!(api.requests(), [SERVICES, SERVICES], "the first has one, and all others the next");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_was_created_after_a_list_began_is_known_to_workloads_that_come_after_it() {
    let exists = Arc::new(AtomicBool::new(false));
    let api = RecordingApi::new({
        let exists = Arc::clone(&exists);
        move |_| {
            let items = if exists.load(Ordering::Relaxed) { vec![web()] } else { Vec::new() };
            (200, json!({"items": items}))
        }
    });
    let handler = webhook_before(&api);
    let workload = |name: &str| named(&unfit(), name);
    let (first, second, third) = (workload("first"), workload("second"), workload("third"));
    let create_after = |share: u32, workload| {
        let handler = &handler;
        async move {
            tokio::time::sleep(LATENCY * share / 4).await;
            create(handler, Webhook::ValidateWorkloads, workload).await["allowed"] == true
        }
    };
    let service = async {
        tokio::time::sleep(LATENCY / 4).await;
        exists.store(true, Ordering::Relaxed);
    };
    // The first list runs while the Service and the second workload come, and has ended before the third.
    let (before, (), during, after) = tokio::join!(
        create_after(0, &first),
        service,
        create_after(2, &second),
        create_after(9, &third)
    );
    assert_eq!((before, during, after), (true, false, false), "who is admitted");
    assert_eq!(api.requests().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn each_namespace_has_a_list_of_its_own() {
    let api = RecordingApi::listing(&[]);
    let handler = webhook_before(&api);
    for namespace in ["a", "b", "a"] {
        create(&handler, Webhook::ValidateWorkloads, &in_namespace(&unfit(), namespace)).await;
    }
    let path = |namespace| format!("/api/v1/namespaces/{namespace}/services?limit=500");
    assert_eq!(api.requests(), [path("a"), path("b")]);
}

#[tokio::test(start_paused = true)]
async fn a_quarter_of_a_second_after_it_was_asked_for_a_list_is_too_old() {
    let api = RecordingApi::listing(&[]);
    let handler = webhook_before(&api);
    let started = Instant::now();
    let mut lists = Vec::new();
    for asked_after in [0, 249, 250] {
        tokio::time::sleep_until(started + Duration::from_millis(asked_after)).await;
        create(&handler, Webhook::ValidateWorkloads, &unfit()).await;
        lists.push(api.requests().len());
    }
    assert_eq!(lists, [1, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_workload_without_a_name_yet_has_a_list_of_its_own() {
    let api = RecordingApi::listing(&[]);
    let handler = webhook_before(&api);
    for _ in 0..2 {
        create(&handler, Webhook::MutateWorkloads, &named(&unfit(), "")).await;
    }
    assert_eq!(api.requests(), [SERVICES, SERVICES]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_is_asked_for_again() {
    let failed = AtomicBool::new(false);
    let api = RecordingApi::new(move |_| {
        if failed.swap(true, Ordering::Relaxed) {
            (200, json!({"items": [web()]}))
        } else {
            (500, json!({"kind": "Status", "code": 500, "message": "etcdserver: leader changed"}))
        }
    });
    let handler = webhook_before(&api);
    let first = create(&handler, Webhook::ValidateWorkloads, &unfit()).await;
    assert_eq!(first["allowed"], true, "nothing is known: {first:#}");
    let second = create(&handler, Webhook::ValidateWorkloads, &unfit()).await;
    assert_eq!(second["allowed"], false, "{second:#}");
    assert_eq!(api.requests(), [SERVICES, SERVICES]);
}

#[tokio::test(start_paused = true)]
async fn a_list_goes_on_when_the_review_that_asked_for_it_is_given_up() {
    let api = RecordingApi::listing(&[web()]);
    let handler = webhook_before(&api);
    let workload = unfit();
    let given_up = create(&handler, Webhook::ValidateWorkloads, &workload);
    let others = async {
        tokio::time::sleep(LATENCY / 4).await;
        create(&handler, Webhook::ValidateWorkloads, &workload).await
    };
    let (given_up, response) = tokio::join!(tokio::time::timeout(LATENCY / 2, given_up), others);
    assert!(given_up.is_err(), "it was still waiting");
    assert_eq!(response["allowed"], false, "{response:#}");
    assert_eq!(api.requests(), [SERVICES]);
}

#[tokio::test(start_paused = true)]
async fn a_long_list_comes_page_by_page() {
    let page =
        |items: &[Value], next: &str| json!({"metadata": {"continue": next}, "items": items});
    let other =
        edited(&web(), &json!({"metadata": {"name": "a"}, "spec": {"selector": {"app": "a"}}}));
    let (first, last) = (page(&[other], "page/2 & more"), page(&[web()], ""));
    let api = RecordingApi::new(move |asked| {
        (200, if asked.contains("continue") { last.clone() } else { first.clone() })
    });
    let response = create(&webhook_before(&api), Webhook::ValidateWorkloads, &unfit()).await;
    assert_eq!(response["allowed"], false, "it is selected from the second page: {response:#}");
    assert_eq!(api.requests(), [SERVICES.to_owned(), format!("{SERVICES}&continue=page/2 & more")]);
}

#[tokio::test(start_paused = true)]
async fn a_workloads_past_is_looked_for_by_the_selector_that_is_stored() {
    let selector = |track: &str| {
        let expressions = json!([{"key": "track", "operator": "In", "values": [track, "all"]}]);
        json!({"matchLabels": {"app": "web"}, "matchExpressions": expressions})
    };
    let with = |workload: &Value, selector: Value| {
        edited(workload, &json!({"spec": {"selector": selector}}))
    };
    let replica_set = |owner: &str| {
        json!({
            "metadata": {"name": "web-1", "ownerReferences": [{"kind": "Deployment", "name": owner}]},
            "spec": {"template": unfit()["spec"]["template"]},
        })
    };
    let update = |api: RecordingApi| async move {
        let handler = webhook_with(test_cluster().with_service(&web()), &api);
        let (old, new) = (with(&deployment(), selector("stable")), with(&unfit(), selector("new")));
        let review = review(USER, "UPDATE", Some(&old), Some(&new));
        let response = answer(&handler, Webhook::ValidateWorkloads, &review).await;
        (response["allowed"].clone(), api.requests())
    };
    let path = "/apis/apps/v1/namespaces/shop/replicasets?labelSelector=app=web,track in (all,stable)&limit=500";
    let (allowed, requests) = update(RecordingApi::listing(&[replica_set("web")])).await;
    assert_eq!((allowed, requests), (json!(true), vec![path.to_owned()]));
    let (allowed, requests) = update(RecordingApi::listing(&[replica_set("other")])).await;
    assert_eq!((allowed, requests), (json!(false), vec![path.to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn without_a_selector_the_past_is_looked_for_in_the_whole_namespace() {
    let api = RecordingApi::listing(&[]);
    let handler = webhook_with(test_cluster().with_service(&web()), &api);
    let review = review(USER, "UPDATE", Some(&deployment()), Some(&unfit()));
    let response = answer(&handler, Webhook::ValidateWorkloads, &review).await;
    assert_eq!(response["allowed"], false, "{response:#}");
    assert_eq!(api.requests(), ["/apis/apps/v1/namespaces/shop/replicasets?limit=500"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_for_the_sake_of_a_name_that_there_cannot_be() {
    let api = RecordingApi::listing(&[web()]);
    let handler = webhook_before(&api);
    for namespace in ["..", "shop/secrets", "shop?watch=true"] {
        let object = in_namespace(&unfit(), namespace);
        let review = review(USER, "CREATE", None, Some(&object)).to_string();
        for webhook in [Webhook::MutateWorkloads, Webhook::ValidateWorkloads] {
            handler.review(webhook, review.as_bytes()).await.expect_err("no such namespace");
        }
    }
    assert!(api.requests().is_empty(), "{:?}", api.requests());
}
