//! What tests see and change over HTTP.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use clbmigrate_clb_double::State;
use serde_json::{Value, json};

use crate::client::{Client, SignatureMethod, plain};
use crate::fixture::{Fixture, read, state};

#[tokio::test]
async fn the_state_is_read_and_replaced() {
    let fixture = Fixture::new().await;
    let address = fixture.client.address;
    let text = plain(address, "GET", "/state", "").await.text;
    assert_eq!(text.parse::<State>().expect("a state"), fixture.double.state());
    assert_eq!(fixture.double.state(), read(&state()));

    let mut other = state();
    other["loadBalancers"][0]["groups"][0]["backends"][1]["weight"] = json!(1);
    let put = plain(address, "PUT", "/state", &other.to_string()).await;
    assert_eq!(put.status, 200, "{}", put.text);
    assert_eq!(fixture.backends("rsp-a").await[1], "i-2:30080 1 by hand");
}

#[tokio::test]
async fn a_wrong_state_is_refused_with_its_place_and_changes_nothing() {
    let fixture = Fixture::new().await;
    let mut wrong = state();
    wrong["loadBalancers"][0]["groups"][0]["backends"][1]["weight"] = json!(101);
    let put = plain(fixture.client.address, "PUT", "/state", &wrong.to_string()).await;
    assert_eq!(put.status, 400);
    assert!(put.text.contains("loadBalancers[0].groups[0].backends[1].weight"), "{}", put.text);
    assert_eq!(fixture.double.state(), read(&state()));
}

#[tokio::test]
async fn calls_are_told_in_order_with_who_and_what_became_of_them() {
    let fixture = Fixture::new().await;
    fixture.done("DescribeLoadBalancerAttribute", &[("LoadBalancerId", "lb-1")]).await;
    let other = Client {
        key: "key-b".to_owned(),
        secret: "secret-b".to_owned(),
        signature: SignatureMethod::HmacSha1,
        ..fixture.client.clone()
    };
    let answer = other.slb("DescribeVServerGroups", &[("LoadBalancerId", "lb-x")]).await;
    let calls: Value = plain(fixture.client.address, "GET", "/calls", "").await.json();
    assert_eq!(calls.as_array().expect("a list").len(), 2);
    assert_eq!(calls[0]["action"], "DescribeLoadBalancerAttribute");
    assert_eq!(calls[0]["accessKeyId"], "key-a");
    assert_eq!(calls[0]["parameters"], json!({"LoadBalancerId": "lb-1"}));
    assert_eq!(calls[0]["status"], 200);
    assert_eq!(calls[0]["code"], Value::Null);
    assert_eq!(calls[1]["accessKeyId"], "key-b");
    assert_eq!(calls[1]["status"], 404);
    assert_eq!(calls[1]["code"], "InvalidLoadBalancerId.NotFound");
    assert_eq!(calls[1]["requestId"], answer.json()["RequestId"]);
    assert_eq!(calls[1]["parameters"]["Signature"], "***");
    assert!(!calls.to_string().contains("secret"), "{calls}");

    assert_eq!(plain(fixture.client.address, "DELETE", "/calls", "").await.status, 200);
    assert!(fixture.double.calls().is_empty());
}

#[tokio::test]
async fn what_is_not_there_is_told_with_what_is() {
    let fixture = Fixture::new().await;
    let answer = plain(fixture.client.address, "GET", "/stat", "").await;
    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("/state"), "{}", answer.text);
}

#[tokio::test]
async fn the_program_tells_where_it_listens_and_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("state.json");
    let program = || {
        let mut program = Command::new(env!("CARGO_BIN_EXE_clb-double"));
        program.arg("--state").arg(&file);
        program
    };

    fs::write(&file, state().to_string()).expect("written");
    let mut child = program()
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("listening on http://").expect("an address");
    let text = plain(address.parse().expect("an address"), "GET", "/state", "").await.text;
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!(text.parse::<State>().expect("a state"), read(&state()));

    fs::write(&file, r#"{"region": "r", "loadBalancers": [{"name": "x"}]}"#).expect("written");
    let output = program().args(["--listen", "127.0.0.1:0"]).output().expect("ended");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(error.contains("state.json"), "{error}");
    assert!(error.contains("loadBalancers[0]: missing field `id`"), "{error}");

    let output = program().output().expect("ended");
    assert_eq!(output.status.code(), Some(2), "a double must listen somewhere");
}
