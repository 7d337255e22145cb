//! `status` of a CLB with clusters at hand, and of saved answers.

use insta::assert_snapshot;
use rstest::rstest;
use serde_json::json;

use crate::{
    api_server::{ApiServer, Served, migrated_service},
    clb::{Cloud, NEW, OLD, holders},
    program::{Folder, command, finish},
};

/// A Service of the new cluster, and none of the name that the old cluster's backends have.
fn cluster() -> (Folder, ApiServer) {
    cluster_without(Vec::new())
}

/// The same, where these paths may not be read.
fn cluster_without(forbidden: Vec<&'static str>) -> (Folder, ApiServer) {
    let service = migrated_service("shop", "lb-bp1example", "rsp-bp1web");
    let server =
        ApiServer::start_serving(Served { objects: vec![service], forbidden, ..Served::default() });
    (server.kubeconfig("blog"), server)
}

#[rstest]
#[case::member_and_remote(NEW, ["web: member, 20, 0.2", "web: remote, 60, 0.6"])]
#[case::member_and_remote_the_other_way(OLD, ["web: member, 60, 0.6", "web: remote, 20, 0.2"])]
fn a_cluster_at_hand_says_who_they_are(#[case] id: &str, #[case] expected: [&str; 2]) {
    let cloud = Cloud::start();
    let (folder, _server) = cluster();
    let kubeconfig = folder.path("kubeconfig");
    for flag in [format!("--kubeconfig {kubeconfig}"), "--context prod".to_owned()] {
        let arguments = format!("status lb-bp1example -o json --cluster-id {id} {flag}");
        let ran = finish(cloud.command(&arguments).env("KUBECONFIG", &kubeconfig));
        assert_eq!(ran.code, 0, "{}", ran.err);
        let clb = &ran.json()["loadBalancers"][0];
        assert_eq!(holders(clb, "rsp-bp1web")[..2], expected);
    }
}

#[test]
fn no_cluster_is_asked_that_is_not_named() {
    let cloud = Cloud::start();
    let (folder, server) = cluster();
    let kubeconfig = folder.path("kubeconfig");
    for arguments in ["status lb-bp1example", "status 203.0.113.10 -n shop"] {
        let ran = finish(cloud.command(arguments).env("KUBECONFIG", &kubeconfig));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    }
    assert_eq!(server.requests(), []);
    let ran = cloud.run(&format!("status lb-bp1example --kubeconfig {kubeconfig}"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(!server.requests().is_empty());
}

#[test]
fn what_a_cluster_at_hand_has_left_behind_is_an_orphan() {
    let cloud = Cloud::start();
    cloud.double.edit(|state| {
        for backend in &mut state.load_balancers[0].groups[2].backends {
            backend.description = backend.description.replace("/web/", "/gone/");
        }
    });
    let (folder, _server) = cluster();
    let kubeconfig = folder.path("kubeconfig");
    let arguments = format!("status lb-bp1example --cluster-id {NEW} --kubeconfig {kubeconfig}");
    let ran = cloud.run(&format!("{arguments} -o json"));
    let holders = holders(&ran.json()["loadBalancers"][0], "rsp-bp1web");
    assert_eq!(holders[0], "web: member, 0, 0.0");
    assert!(holders.contains(&"gone: orphan, 20, 0.2".to_owned()), "{holders:?}");
    assert!(holders.contains(&"gone: remote, 60, 0.6".to_owned()), "{holders:?}");
    assert_snapshot!("clb-with-a-cluster", cloud.run(&arguments).out);
}

#[test]
fn what_may_not_be_looked_for_is_no_orphan() {
    let cloud = Cloud::start();
    cloud.double.edit(|state| {
        for backend in &mut state.load_balancers[0].groups[2].backends {
            backend.description = backend.description.replace("/web/shop/", "/gone/blog/");
        }
    });
    let (folder, _server) = cluster_without(vec!["/api/v1/services"]);
    let kubeconfig = folder.path("kubeconfig");
    let arguments =
        format!("status lb-bp1example -n shop --cluster-id {NEW} --kubeconfig {kubeconfig}");
    let ran = cloud.run(&format!("{arguments} -o json"));
    let holders = holders(&ran.json()["loadBalancers"][0], "rsp-bp1web");
    assert!(holders.contains(&"gone: null, 20, 0.2".to_owned()), "{holders:?}");
    assert!(holders.contains(&"gone: remote, 60, 0.6".to_owned()), "{holders:?}");
    let ran = cloud.run(&arguments);
    let note = "whether it is there is unknown: Services of namespace blog could not be listed";
    assert!(ran.out.contains(note) && !ran.out.contains("orphan"), "{}", ran.out);
}

/// Answers as the `aliyun` command line prints them, saved into files.
fn saved() -> Folder {
    let balancer = json!({
        "LoadBalancerId": "lb-bp1example", "LoadBalancerName": "shop", "Address": "203.0.113.10",
        "LoadBalancerStatus": "active", "RegionId": "cn-hangzhou",
        "BackendServers": {"BackendServer": [{"ServerId": "i-bp1m1", "Weight": 100}]},
    });
    let group = json!({
        "VServerGroupId": "rsp-bp1web", "VServerGroupName": "shop-web",
        "LoadBalancerId": "lb-bp1example",
        "BackendServers": {"BackendServer": [
            {"ServerId": "i-bp1n1", "Port": 30080, "Weight": 30, "Type": "ecs",
             "Description": format!("k8s/30080/web/shop/{NEW}")},
            {"ServerId": "i-bp1old", "Port": 80, "Weight": 10, "Type": "ecs"},
        ]},
    });
    let listeners = json!({"Listeners": [
        {"LoadBalancerId": "lb-bp1example", "ListenerPort": 80, "ListenerProtocol": "tcp",
         "Status": "running", "Scheduler": "wrr", "VServerGroupId": "rsp-bp1web"},
        {"LoadBalancerId": "lb-bp1example", "ListenerPort": 25, "ListenerProtocol": "tcp",
         "Status": "running", "Scheduler": "wrr", "BackendServerPort": 2525},
    ]});
    let files = [("clb.json", balancer), ("group.json", group), ("listeners.json", listeners)];
    let files = files.map(|(name, answer)| (name, answer.to_string()));
    Folder::new(&files.each_ref().map(|(name, text)| (*name, text.as_str())))
}

#[test]
fn saved_answers_show_a_clb_without_credentials() {
    let folder = saved();
    let run = |target: &str| {
        let arguments = ["status", target, "-f", &folder.path("")];
        finish(command().args(arguments).env("KUBECONFIG", "/nonexistent"))
    };
    let ran = run("lb-bp1example");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_snapshot!("clb-of-files", ran.out);
    assert_eq!(run("203.0.113.10").out, ran.out);
    let gone = run("lb-bp1gone");
    assert_eq!((gone.code, gone.out.as_str()), (1, ""));
    assert!(gone.err.contains("no file tells anything of CLB lb-bp1gone"), "{}", gone.err);
    assert!(gone.err.contains("there is lb-bp1example"), "{}", gone.err);
}
