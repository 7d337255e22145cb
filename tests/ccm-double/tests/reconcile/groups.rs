//! The calls about groups: which at the same time, in which order, how often.

use std::sync::Arc;
use std::time::Duration;

use clbmigrate_ccm_double::cloud_client::{ApiError, ApiRequest, HttpTransport, Transport};
use clbmigrate_clb_double::{Fault, FaultEffect};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::cloud::parameter;
use crate::fixture::{Fixture, actions, node};

/// Sends some requests only when all of them have been asked for.
#[derive(Debug)]
struct BarrierTransport {
    transport: HttpTransport,
    groups: Vec<(&'static [&'static str], Barrier)>,
}

impl BarrierTransport {
    fn new(transport: HttpTransport, groups: &[&'static [&'static str]]) -> Arc<Self> {
        let groups = groups.iter().map(|all| (*all, Barrier::new(all.len()))).collect();
        Arc::new(Self { transport, groups })
    }
}

impl Transport for BarrierTransport {
    fn call(&self, call: ApiRequest) -> BoxFuture<'_, Result<Value, ApiError>> {
        async move {
            let waits = self.groups.iter().find(|(actions, _)| actions.contains(&call.action));
            if let Some((_, barrier)) = waits {
                barrier.wait().await;
            }
            self.transport.call(call).await
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
    let fixture =
        Fixture::through(|cloud| BarrierTransport::new(cloud, &together), &json!({})).await;
    let round = tokio::time::timeout(Duration::from_secs(20), fixture.round());
    let (_, calls) = round.await.expect("one waits for an answer to another");
    assert_eq!(calls.len(), 2 + 1 + 4 + 3, "{:?}", actions(&calls));
}

#[tokio::test]
async fn a_lost_answer_is_told_in_an_event_with_the_signed_url_of_the_request() {
    let fixture = Fixture::new(&json!({})).await;
    fixture.round().await;
    for (weight, effect) in
        [("30", FaultEffect::LoseAnswer {}), ("20", FaultEffect::LoseRequest {})]
    {
        fixture.annotate(&json!({"weight": weight}));
        fixture.kubernetes().take_events();
        let action = "SetVServerGroupAttribute";
        fixture.cloud.fault(Fault::new(effect).for_action(action).times(1));
        fixture.round().await;
        let events = fixture.kubernetes().take_events();
        let begin = "Warning SyncLoadBalancerFailed Error syncing load balancer [lb-a]: apply model error: \
                     Post \"http://127.0.0.1:";
        let told = events.iter().find_map(|event| event.strip_prefix(begin)).expect("a failure");
        for part in [
            "/?AccessKeyId=key-ccm&Action=SetVServerGroupAttribute&BackendServers=",
            "&Signature=",
            "&SignatureNonce=",
        ] {
            assert!(told.contains(part), "no {part} in {told}");
        }
        assert!(told.ends_with("\": EOF"), "{told}");
    }
}

#[tokio::test]
async fn where_there_is_no_room_adding_is_tried_again_after_the_removal() {
    let fixture = Fixture::new(&json!({"vgroup-port": "rsp-a:80"})).await;
    let port = json!({"port": 80, "protocol": "TCP", "targetPort": 8080, "nodePort": 30080});
    fixture.kubernetes().patch("Service", "web", &json!({"spec": {"ports": [port]}}));
    fixture.cloud.edit(|state| state.quotas.backends_per_load_balancer = 1);
    fixture.round().await;
    fixture.kubernetes().remove("Node", "node-1");
    fixture.kubernetes().put(&node("node-2"));
    let (ended, calls) = fixture.round().await;
    assert!(ended.report.outcome.is_success(), "{ended:?}");
    let of_a: Vec<_> = calls
        .iter()
        .filter(|logged| parameter(logged, "VServerGroupId") == "rsp-a")
        .map(|logged| (logged.action.as_str(), logged.code.as_deref()))
        .collect();
    assert_eq!(
        of_a,
        [
            ("DescribeVServerGroupAttribute", None),
            ("AddVServerGroupBackendServers", Some("InstanceBackendServerNumberOverLimit")),
            ("RemoveVServerGroupBackendServers", None),
            ("AddVServerGroupBackendServers", None),
        ]
    );
    assert_eq!(fixture.cloud.backends("rsp-a").len(), 1);
}

#[tokio::test]
async fn a_refused_write_stops_neither_the_others_nor_the_other_group() {
    let fixture = Fixture::new(&json!({})).await;
    fixture.round().await;
    fixture.kubernetes().remove("Node", "node-1");
    fixture.kubernetes().put(&node("node-2"));
    fixture.cloud.refuse("AddVServerGroupBackendServers", 0, 1, "Throttling.User", "slower");
    let (ended, _) = fixture.round().await;
    assert!(!ended.report.outcome.is_success(), "{ended:?}");
    let mut left = [fixture.cloud.backends("rsp-a").len(), fixture.cloud.backends("rsp-b").len()];
    left.sort_unstable();
    assert_eq!(left, [0, 1], "one is empty, the other was carried out");
}

#[tokio::test]
async fn cleaning_up_comes_last_and_only_with_another_hash() {
    let fixture = Fixture::new(&json!({})).await;
    fixture.round().await;
    fixture.annotate(&json!({"vgroup-port": "rsp-a:443,rsp-b:0"}));
    let (_, calls) = fixture.round().await;
    let writes: Vec<_> = calls
        .iter()
        .filter(|logged| !logged.action.starts_with("Describe"))
        .map(|logged| (logged.action.as_str(), parameter(logged, "VServerGroupId")))
        .collect();
    assert_eq!(writes.last(), Some(&("RemoveVServerGroupBackendServers", "rsp-b")), "{writes:?}");
    // The same again by hand: no event, no clean-up.
    let left = fixture.cloud.backends("rsp-a").into_iter().next().expect("a backend");
    fixture.cloud.put_backend("rsp-b", left);
    let (_, calls) = fixture.round().await;
    assert!(!actions(&calls).iter().any(|action| action == "RemoveVServerGroupBackendServers"));
    assert_eq!(fixture.cloud.backends("rsp-b").len(), 1);
}

#[tokio::test]
async fn a_group_of_ccm_that_a_person_put_something_into_is_emptied_but_stays() {
    let fixture = Fixture::new(&json!({"vgroup-port": "rsp-a:80"})).await;
    fixture.round().await;
    let mut groups = fixture.cloud.load_balancer("lb-a").expect("the CLB").groups;
    let own = groups.pop().expect("the group of port 443").id;
    let mut by_hand = fixture.cloud.backends(&own).pop().expect("a backend");
    by_hand.server_id = "i-person".to_owned();
    by_hand.description = "mine".to_owned();
    fixture.cloud.put_backend(&own, by_hand.clone());
    fixture.annotate(&json!({"vgroup-port": "rsp-a:80,rsp-b:443"}));
    fixture.round().await;
    assert_eq!(fixture.cloud.backends(&own), [by_hand]);
}
