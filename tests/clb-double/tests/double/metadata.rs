//! The metadata server.

use std::net::SocketAddr;

use clbmigrate_clb_double::{ClbDouble, Options};
use http::Request;
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::client::{Answer, Client, SignatureMethod, send};
use crate::fixture::{read, state};

const ROLES: &str = "/latest/meta-data/ram/security-credentials/";
const TTL: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aliyun-ecs-metadata-token";

async fn double() -> (ClbDouble, SocketAddr) {
    let mut options = Options::new(read(&state()));
    options.listen_metadata = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let double = ClbDouble::start(options).await.expect("a double");
    let metadata = double.metadata().expect("an address");
    (double, metadata)
}

async fn ask(address: SocketAddr, method: &str, path: &str, header: (&str, &str)) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", address.to_string())
        .header(header.0, header.1)
        .body(Full::<Bytes>::default())
        .expect("a request");
    send(TcpStream::connect(address).await.expect("a connection"), request)
        .await
        .expect("an answer")
}

#[tokio::test]
async fn an_instance_gets_its_roles_credentials_with_a_token() {
    let (double, address) = double().await;
    double.edit(|state| state.metadata.tokens_only = true);
    let bare = ask(address, "GET", ROLES, ("accept", "*/*")).await;
    assert_eq!(bare.status, 403);
    let token = ask(address, "PUT", "/latest/api/token", (TTL, "21600")).await;
    assert_eq!(token.status, 200);
    let with = (TOKEN, token.text.as_str());
    let role = ask(address, "GET", ROLES, with).await;
    assert_eq!((role.status, role.text.as_str()), (200, "clb"));

    let answer: Value = ask(address, "GET", &format!("{ROLES}clb"), with).await.json();
    assert_eq!(answer["Code"], "Success");
    let text = |key: &str| answer[key].as_str().expect("text").to_owned();
    let client = Client {
        key: text("AccessKeyId"),
        secret: text("AccessKeySecret"),
        token: Some(text("SecurityToken")),
        ..Client::new(double.http().expect("an address"), SignatureMethod::Acs3)
    };
    client.slb("DescribeVServerGroups", &[("LoadBalancerId", "lb-1")]).await.done();
}

#[tokio::test]
async fn without_a_token_it_answers_unless_told_otherwise() {
    let (_double, address) = double().await;
    for (path, wanted) in [
        ("/latest/meta-data/region-id", "cn-example"),
        ("/latest/meta-data/vpc-id", "vpc-example"),
        ("/latest/meta-data/instance-id", "i-bp1example"),
        (ROLES, "clb"),
    ] {
        let answer = ask(address, "GET", path, ("accept", "*/*")).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, wanted), "{path}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let (_double, address) = double().await;
    let none = ("accept", "*/*");
    assert_eq!(ask(address, "GET", &format!("{ROLES}other"), none).await.status, 404);
    assert_eq!(ask(address, "GET", "/latest/meta-data/nothing", none).await.status, 404);
    assert_eq!(ask(address, "PUT", "/latest/api/token", none).await.status, 400);
    assert_eq!(ask(address, "PUT", "/latest/api/token", (TTL, "21601")).await.status, 400);
    assert_eq!(ask(address, "GET", ROLES, (TOKEN, "invented")).await.status, 403);
}

#[tokio::test]
async fn without_tokens_there_is_only_the_old_way_to_ask() {
    let (double, address) = double().await;
    double.edit(|state| state.metadata.without_tokens = true);
    assert_eq!(ask(address, "PUT", "/latest/api/token", (TTL, "21600")).await.status, 404);
    assert_eq!(ask(address, "GET", ROLES, (TOKEN, "guessed")).await.status, 403);
    let role = ask(address, "GET", ROLES, ("accept", "*/*")).await;
    assert_eq!((role.status, role.text.as_str()), (200, "clb"));
}
