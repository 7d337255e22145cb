//! How Leases and Services are read.

use std::sync::Arc;

use clbmigrate_webhook::{
    cache::Cache,
    claims::{ClaimBackend as _, LeaseStore, group::GroupClaims},
};
use kube::{Client, Config};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::support::*;

/// A client of an API server that gives one answer, after `before` has happened.
async fn api_server(status: &'static str, before: impl FnOnce() + Send + 'static) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = vec![0; 65_536];
        assert_ne!(stream.read(&mut request).await.expect("a request"), 0);
        before();
        let answer = format!(
            "HTTP/1.1 {status}\r\ndate: Mon, 02 Mar 2026 10:00:00 GMT\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        stream.write_all(answer.as_bytes()).await.expect("an answer");
    });
    let url = format!("http://{address}").parse().expect("a URL");
    Client::try_from(Config::new(url)).expect("a client")
}

/// The model found this way: A's creation is admitted. B's review reads A, which is not there. A is
/// created, and the cache learns of it. What the cache knows by then does not belong to the read.
#[tokio::test]
async fn a_uid_that_becomes_known_while_a_service_is_read_says_nothing_of_the_creation() {
    let cache = Arc::new(Cache::default());
    let prefix = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer";
    let annotations = json!({
        format!("{prefix}-id"): "lb-bp1example",
        format!("{prefix}-vgroup-port"): "rsp-bp1example:80",
    });
    let created = json!({
        "metadata": {"namespace": "shop", "name": "a", "uid": "u-1", "annotations": annotations},
        "spec": {"type": "LoadBalancer"},
    });
    let learns = Arc::clone(&cache);
    let client = api_server("404 Not Found", move || {
        learns.put_service(&created.to_string()).expect("a Service");
    })
    .await;
    let store = LeaseStore::new(client, "clbmigrate-system", Arc::clone(&cache));
    let observation = store.observe("rsp-bp1example", &service("a")).await.expect("no Service");
    assert!(cache.past_uids("shop", "a").contains("u-1"), "the cache has learnt of it");
    assert_eq!(observation, gone(&[]));
}

#[tokio::test]
async fn claims_written_over_a_lease_that_was_deleted_are_read_once_more() {
    let client = api_server("201 Created", || ()).await;
    let store = LeaseStore::new(client, "clbmigrate-system", Arc::default());
    let stored = read_at(NOW, &GroupClaims::default());
    assert!(!store.write("rsp-bp1example", &stored).await.expect("an answer"));
}
