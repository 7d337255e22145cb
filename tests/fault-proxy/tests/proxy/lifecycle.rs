//! Starting, finding and stopping a proxy.

use std::net::TcpStream;

use base64::{Engine, prelude::BASE64_STANDARD};
use clbmigrate_fault_proxy::{FaultProxy, Upstream};
use serde_json::Value;

use crate::{api_server::ApiServer, certificates::trusting, client::Client};

#[test]
fn the_kubeconfig_leads_through_the_proxy() {
    let server = ApiServer::start();
    let proxy = server.proxy();

    let context = "a: \"b\" #c";
    let text = proxy.kubeconfig_with_token(context, "secret");
    let kubeconfig: Value = serde_saphyr::from_str(&text).expect("YAML");

    assert_eq!(kubeconfig["current-context"], context);
    for (list, object) in [("contexts", "context"), ("clusters", "cluster"), ("users", "user")] {
        assert_eq!(kubeconfig[list][0]["name"], context);
        assert!(kubeconfig[list][0][object].is_object());
    }
    assert_eq!(kubeconfig["contexts"][0]["context"]["cluster"], context);
    assert_eq!(kubeconfig["contexts"][0]["context"]["user"], context);
    assert_eq!(kubeconfig["users"][0]["user"]["token"], "secret");
    let cluster = &kubeconfig["clusters"][0]["cluster"];
    let ca = BASE64_STANDARD.decode(cluster["certificate-authority-data"].as_str().expect("text"));
    let ca = String::from_utf8(ca.expect("base64")).expect("PEM");
    let mut client = Client::connect(cluster["server"].as_str().expect("a URL"), trusting(&ca));
    assert_eq!(client.request("GET", "/api").status, 200);
}

#[test]
fn only_http_1_is_spoken() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let mut config = trusting(proxy.ca_pem());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];

    let mut client = Client::connect(&proxy.url(), config);

    assert_eq!(client.request("GET", "/api").status, 200);
    assert_eq!(client.protocol(), Some(&b"http/1.1"[..]));
}

#[test]
fn a_dropped_proxy_closes_its_connections_and_its_port() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let address = proxy.url().strip_prefix("https://").expect("an https URL").to_owned();
    let mut client = Client::of_proxy(&proxy);
    client.request("GET", "/api");

    drop(proxy);

    assert_eq!(client.rest(), b"");
    TcpStream::connect(address).expect_err("nobody listens any more");
}

#[test]
fn a_proxy_starts_and_stops_in_a_test_that_is_asynchronous() {
    let server = ApiServer::start();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");

    let requests = runtime.block_on(async {
        let proxy = server.proxy();
        Client::of_proxy(&proxy).request("GET", "/api");
        proxy.requests().len()
    });

    assert_eq!(requests, 1);
}

#[test]
fn an_upstream_that_cannot_be_is_refused_with_the_field_that_is_wrong() {
    let server = ApiServer::start();
    let good = &server.upstream;
    let junk = || Some("junk".to_owned());
    let url = |url: &str| Upstream { url: url.to_owned(), ..good.clone() };
    let other = ApiServer::start().upstream.client_key_pem.clone();
    let wrong = [
        (url("not a url"), "url not a url"),
        (url("http://127.0.0.1:6443"), "https://HOST:PORT"),
        (url("https://127.0.0.1:6443/path"), "without a path"),
        (url("127.0.0.1:6443"), "https://HOST:PORT"),
        (Upstream { ca_pem: String::new(), ..good.clone() }, "ca_pem: no certificate in PEM"),
        (Upstream { client_cert_pem: None, ..good.clone() }, "client_key_pem needs"),
        (Upstream { client_key_pem: None, ..good.clone() }, "client_cert_pem needs"),
        (Upstream { client_cert_pem: junk(), ..good.clone() }, "client_cert_pem: no certificate"),
        (Upstream { client_key_pem: junk(), ..good.clone() }, "client_key_pem: no private key"),
        (
            Upstream { client_key_pem: other, ..good.clone() },
            "client_cert_pem with client_key_pem cannot be used",
        ),
    ];

    for (upstream, part) in wrong {
        let error = FaultProxy::start(&upstream).err().map(|error| format!("{error:#}"));
        assert!(error.as_ref().is_some_and(|e| e.contains(part)), "{part}: {error:?}");
    }
}
