//! Weights that are written, and writes that fail.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use clbmigrate_clb::{BackendKey, ErrorKind, Weight};
use serde_json::{Value, json};

use crate::{
    environment::client,
    server::{Reply, Server},
};

const READ: &str = "DescribeVServerGroupAttribute";
const WRITE: &str = "SetVServerGroupAttribute";

/// A group of instances `i-00`, `i-01`, … at weight 10, whose writes count.
#[derive(Clone)]
struct Group(Arc<Mutex<BTreeMap<String, u64>>>);

impl Group {
    fn of(backends: usize) -> Self {
        let weights = (0..backends).map(|number| (format!("i-{number:02}"), 10)).collect();
        Self(Arc::new(Mutex::new(weights)))
    }

    fn weights(&self) -> BTreeMap<String, u64> {
        self.0.lock().expect("weights").clone()
    }

    /// What was told to the server changes the group, whatever the client hears of it.
    fn write(&self, elements: &str) {
        let elements: Vec<Value> = serde_json::from_str(elements).expect("JSON");
        assert!(elements.len() <= 20, "{} backends in one call", elements.len());
        let mut weights = self.0.lock().expect("weights");
        for element in &elements {
            assert_eq!(element["Description"], "by hand");
            assert_eq!(element["Type"], "ecs");
            assert_eq!(element["Port"], 80);
            let id = element["ServerId"].as_str().expect("an id");
            weights.insert(id.to_owned(), element["Weight"].as_u64().expect("a weight"));
        }
    }

    fn answer(&self) -> Value {
        let backend = |(id, weight): (&String, &u64)| {
            json!({
                "ServerId": id, "ServerIp": "", "Port": 80, "Weight": weight, "Type": "ecs",
                "Description": "by hand",
            })
        };
        let backends: Vec<Value> = self.weights().iter().map(backend).collect();
        json!({"VServerGroupId": "rsp-bp1example", "BackendServers": {"BackendServer": backends}})
    }

    /// A server of the group whose n-th write, counted from 0, ends as `faults` say.
    async fn serve(&self, faults: Vec<(usize, bool, Reply)>) -> Server {
        let group = self.clone();
        let writes = Mutex::new(0);
        Server::start(move |seen| {
            if seen.action() == READ {
                return Reply::ok(group.answer());
            }
            let mut writes = writes.lock().expect("a number");
            let fault = faults.iter().find(|(at, ..)| at == &*writes);
            *writes += 1;
            if fault.is_none_or(|(_, carried_out, _)| *carried_out) {
                group.write(seen.parameter("BackendServers"));
            }
            fault.map_or_else(|| Reply::ok(group.answer()), |(.., reply)| reply.clone())
        })
        .await
    }
}

fn wishes(backends: usize, weight: u32) -> Vec<(BackendKey, Weight)> {
    let weight = Weight::try_from(weight).expect("a weight");
    (0..backends).map(|number| (BackendKey::ecs(format!("i-{number:02}"), 80), weight)).collect()
}

fn throttling() -> Reply {
    Reply::refusal(400, "Throttling.User", "Request was denied due to user flow control.")
}

#[tokio::test]
async fn weights_are_written_in_batches_of_20_with_everything_else_kept() {
    let group = Group::of(45);
    let server = group.serve(Vec::new()).await;
    let changes = client(&server).await.set_weights("rsp-bp1example", &wishes(45, 30)).await;
    let changes = changes.expect("written");
    assert_eq!(changes.len(), 45);
    assert_eq!((changes[0].from, changes[0].to.get()), (10, 30));
    assert!(group.weights().values().all(|weight| *weight == 30));
    assert_eq!(server.actions(), [READ, WRITE, WRITE, WRITE]);
}

#[tokio::test]
async fn a_weight_that_is_there_already_is_not_written() {
    let group = Group::of(2);
    let server = group.serve(Vec::new()).await;
    let changes = client(&server).await.set_weights("rsp-bp1example", &wishes(2, 10)).await;
    assert_eq!(changes.expect("nothing to do"), []);
    assert_eq!(server.actions(), [READ]);
}

#[tokio::test]
async fn a_backend_that_is_not_in_the_group_stops_the_write_before_it_begins() {
    let group = Group::of(2);
    let server = group.serve(Vec::new()).await;
    let interrupted = client(&server).await.set_weights("rsp-bp1example", &wishes(3, 30)).await;
    let interrupted = interrupted.expect_err("i-02 is not there");
    assert_eq!(interrupted.error.kind, ErrorKind::NotFound);
    assert_eq!(
        interrupted.to_string(),
        "i-02:80 is not in group rsp-bp1example; no weight was written"
    );
    assert_eq!(server.actions(), [READ]);
}

#[tokio::test]
async fn a_write_that_is_throttled_is_repeated() {
    let group = Group::of(2);
    let server = group.serve(vec![(0, false, throttling()), (1, false, throttling())]).await;
    let changes = client(&server).await.set_weights("rsp-bp1example", &wishes(2, 30)).await;
    assert_eq!(changes.expect("written").len(), 2);
    assert_eq!(server.actions(), [READ, WRITE, WRITE, WRITE]);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_reported_and_never_repeated() {
    let gateway = Reply::Text(502, "<html>bad gateway</html>");
    let garbage = Reply::Text(200, "<html>log in to the hotel's network</html>");
    let unavailable = Reply::refusal(503, "ServiceUnavailable", "temporary failure");
    for reply in [Reply::Cut, gateway, garbage, unavailable] {
        let group = Group::of(2);
        let server = group.serve(vec![(0, true, reply.clone())]).await;
        let interrupted = client(&server).await.set_weights("rsp-bp1example", &wishes(2, 30)).await;
        let interrupted = interrupted.expect_err("a lost answer");
        assert!(interrupted.is_lost_answer() && interrupted.error.is_lost_answer(), "{reply:?}");
        assert_eq!((interrupted.written.len(), interrupted.unknown.len()), (0, 2));
        assert_eq!(server.actions(), [READ, WRITE], "{reply:?}");
    }
}

#[tokio::test]
async fn a_write_that_is_not_answered_in_time_is_a_lost_answer() {
    let group = Group::of(2);
    let server = group.serve(vec![(0, true, Reply::Silence)]).await;
    let clb = client(&server).await.with_operation_timeout(Duration::from_secs(1));
    let interrupted = clb.set_weights("rsp-bp1example", &wishes(2, 30)).await.expect_err("late");
    assert_eq!(interrupted.error.kind, ErrorKind::Timeout);
    assert!(interrupted.is_lost_answer());
    assert_eq!(server.actions(), [READ, WRITE]);
}

#[tokio::test]
async fn a_write_that_fails_in_the_middle_tells_what_is_done_and_what_is_not() {
    let refusal = Reply::refusal(403, "Forbidden.RAM", "not authorized");
    let group = Group::of(45);
    let server = group.serve(vec![(1, false, refusal)]).await;
    let interrupted = client(&server).await.set_weights("rsp-bp1example", &wishes(45, 30)).await;
    let interrupted = interrupted.expect_err("forbidden");
    let sizes =
        (interrupted.written.len(), interrupted.unknown.len(), interrupted.not_written.len());
    assert_eq!(sizes, (20, 0, 25));
    assert_eq!(
        interrupted.to_string(),
        "SetVServerGroupAttribute: not authorized (Forbidden.RAM, request R-1); 20 weights are written, 25 are not"
    );
    assert_eq!(
        interrupted.not_written[0].backend,
        BackendKey::ecs("i-20", 80),
        "in the order given"
    );
    assert_eq!(group.weights().values().filter(|weight| **weight == 30).count(), 20);
}

#[tokio::test]
async fn nothing_to_write_asks_nobody() {
    let server = Group::of(1).serve(Vec::new()).await;
    let changes = client(&server).await.set_weights("rsp-bp1example", &[]).await;
    assert_eq!(changes.expect("nothing to do"), []);
    assert!(server.seen().is_empty());
}
