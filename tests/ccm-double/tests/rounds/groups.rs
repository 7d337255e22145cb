//! The calls about groups: which at the same time, in which order, how often.

use std::sync::Arc;
use std::time::Duration;

use clbmigrate_ccm_double::cloud::memory::{Fault, Memory};
use clbmigrate_ccm_double::cloud::{Api, Call, Refusal};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::site::{Site, actions, node};

/// A cloud that answers some calls only when they have all been asked.
#[derive(Debug)]
struct Together {
    cloud: Arc<Memory>,
    groups: Vec<(&'static [&'static str], Barrier)>,
}

impl Together {
    fn new(cloud: Arc<Memory>, groups: &[&'static [&'static str]]) -> Arc<Self> {
        let groups = groups.iter().map(|all| (*all, Barrier::new(all.len()))).collect();
        Arc::new(Self { cloud, groups })
    }
}

impl Api for Together {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Value, Refusal>> {
        async move {
            let waits = self.groups.iter().find(|(actions, _)| actions.contains(&call.action));
            if let Some((_, barrier)) = waits {
                barrier.wait().await;
            }
            self.cloud.call(call).await
        }
        .boxed()
    }
}

#[tokio::test]
async fn what_ccm_does_at_the_same_time_is_asked_at_the_same_time() {
    // Two groups are read beside the tags, two are filled beside the tag that is written.
    let together: [&[&str]; 2] = [
        &["ListTagResources", "DescribeVServerGroupAttribute", "DescribeVServerGroupAttribute"],
        &["TagResources", "AddVServerGroupBackendServers", "AddVServerGroupBackendServers"],
    ];
    let cloud = Arc::new(Memory::logging());
    let site = Site::over(cloud, |cloud| Together::new(cloud, &together), &json!({}));
    let round = tokio::time::timeout(Duration::from_secs(20), site.round());
    let (_, calls) = round.await.expect("one waits for an answer to another");
    assert_eq!(calls.len(), 2 + 1 + 4 + 3, "{:?}", actions(&calls));
}

#[tokio::test]
async fn where_there_is_no_room_adding_is_tried_again_after_the_removal() {
    let site = Site::new(&json!({"vgroup-port": "rsp-a:80,rsp-b:443"}));
    site.round().await;
    site.store().remove("Node", "node-1");
    site.store().put(&node("node-2"));
    site.cloud.refuse(Fault {
        action: "AddVServerGroupBackendServers".to_owned(),
        skip: 0,
        count: 2,
        code: "InstanceBackendServerNumberOverLimit".to_owned(),
        message: "full".to_owned(),
    });
    let (ended, calls) = site.round().await;
    assert!(ended.report.outcome.is_success(), "{ended:?}");
    let of_a: Vec<_> = calls
        .iter()
        .filter(|logged| logged.call.parameter("VServerGroupId") == "rsp-a")
        .map(|logged| (logged.call.action, logged.refused.is_some()))
        .collect();
    assert_eq!(
        of_a,
        [
            ("DescribeVServerGroupAttribute", false),
            ("AddVServerGroupBackendServers", true),
            ("RemoveVServerGroupBackendServers", false),
            ("AddVServerGroupBackendServers", false),
        ]
    );
    assert_eq!(site.cloud.backends("rsp-a").len(), 1);
}

#[tokio::test]
async fn a_refused_write_stops_neither_the_others_nor_the_other_group() {
    let site = Site::new(&json!({}));
    site.round().await;
    site.store().remove("Node", "node-1");
    site.store().put(&node("node-2"));
    site.cloud.refuse(Fault {
        action: "AddVServerGroupBackendServers".to_owned(),
        skip: 0,
        count: 1,
        code: "Throttling.User".to_owned(),
        message: "slower".to_owned(),
    });
    let (ended, _) = site.round().await;
    assert!(!ended.report.outcome.is_success(), "{ended:?}");
    let mut left = [site.cloud.backends("rsp-a").len(), site.cloud.backends("rsp-b").len()];
    left.sort_unstable();
    assert_eq!(left, [0, 1], "one is empty, the other was carried out");
}

#[tokio::test]
async fn cleaning_up_comes_last_and_only_with_another_hash() {
    let site = Site::new(&json!({}));
    site.round().await;
    site.annotate(&json!({"vgroup-port": "rsp-a:443,rsp-b:0"}));
    let (_, calls) = site.round().await;
    let writes: Vec<_> = calls
        .iter()
        .filter(|logged| !logged.call.action.starts_with("Describe"))
        .map(|logged| (logged.call.action, logged.call.parameter("VServerGroupId")))
        .collect();
    assert_eq!(writes.last(), Some(&("RemoveVServerGroupBackendServers", "rsp-b")), "{writes:?}");
    // The same again by hand: no event, no clean-up.
    let left = site.cloud.backends("rsp-a").into_iter().next().expect("a backend");
    site.cloud.put_backend("rsp-b", left);
    let (_, calls) = site.round().await;
    assert!(!actions(&calls).contains(&"RemoveVServerGroupBackendServers"));
    assert_eq!(site.cloud.backends("rsp-b").len(), 1);
}

#[tokio::test]
async fn a_group_of_ccm_that_a_person_put_something_into_is_emptied_but_stays() {
    let site = Site::new(&json!({"vgroup-port": "rsp-a:80"}));
    site.round().await;
    let own = site.cloud.groups("lb-a").pop().expect("the group of port 443");
    let mut by_hand = site.cloud.backends(&own).pop().expect("a backend");
    by_hand.server_id = "i-person".to_owned();
    by_hand.description = "mine".to_owned();
    site.cloud.put_backend(&own, by_hand.clone());
    site.annotate(&json!({"vgroup-port": "rsp-a:80,rsp-b:443"}));
    site.round().await;
    assert_eq!(site.cloud.backends(&own), [by_hand]);
}
