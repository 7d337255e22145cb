//! The verbs that write, up to what they write: what is shown before, and what is answered.

use insta::assert_snapshot;
use rstest::rstest;
use serde_json::{Value, json};

use super::{program, screens};
use crate::{
    api_server::{ApiServer, Served},
    program::Folder,
};

const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";

/// A cluster with a migrated Service and one that is in no group, and what the CLB API answers.
struct World {
    folder: Folder,
    server: ApiServer,
}

fn service(name: &str, kind: &str, annotations: &Value, node_port: u16) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("uid-{name}"),
            "resourceVersion": "1", "annotations": annotations,
        },
        "spec": {
            "type": kind, "selector": {"app": name},
            "ports": [{"port": 80, "targetPort": 8080, "nodePort": node_port, "protocol": "TCP"}],
        },
    })
}

fn node(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "spec": {"providerID": format!("cn-hangzhou.i-bp1{name}")},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// The Pods behind the Services.
fn slice(name: &str) -> Value {
    let endpoint = |ip: &str, node: &str| {
        json!({
            "addresses": [ip], "nodeName": node,
            "conditions": {"ready": true, "serving": true, "terminating": false},
        })
    };
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": format!("{name}-1"), "namespace": "shop",
            "labels": {"kubernetes.io/service-name": name},
        },
        "endpoints": [endpoint("10.0.0.1", "n1"), endpoint("10.0.0.2", "n2")],
        "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
    })
}

/// The record of a change that raised the weight from 10 to 20.
fn record() -> String {
    json!([{
        "change": "c1", "verb": "set", "when": "2026-11-21T01:02:03Z", "who": "ann",
        "from": "10", "to": "20",
    }])
    .to_string()
}

impl World {
    fn start(forbidden: Vec<&'static str>) -> Self {
        let mapped = json!({
            format!("{PREFIX}id"): "lb-bp1example",
            format!("{PREFIX}vgroup-port"): "rsp-bp1example:80",
            format!("{PREFIX}weight"): "20",
            "clbmigrate.io/history": record(),
        });
        let objects = vec![
            service("web", "LoadBalancer", &mapped, 30080),
            service("new", "ClusterIP", &json!({}), 30081),
            slice("web"),
            slice("new"),
            node("n1"),
            node("n2"),
        ];
        let server = ApiServer::start_serving(Served { objects, forbidden, broken: Vec::new() });
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "prod",
            "contexts": [{"name": "prod", "context": {
                "cluster": "prod", "user": "ann", "namespace": "shop",
            }}],
            "clusters": [{"name": "prod", "cluster": {"server": server.url}}],
            "users": [{"name": "ann", "user": {}}],
        });
        let of_ccm = |name: &str, weight: u32| {
            json!({
                "ServerId": format!("i-bp1{name}"), "Port": 30080, "Weight": weight, "Type": "ecs",
                "Description": "k8s/30080/web/shop/c0a00000000000000000000000000aaa1",
            })
        };
        let group = json!({
            "VServerGroupId": "rsp-bp1example", "LoadBalancerId": "lb-bp1example",
            "VServerGroupName": "shop-web",
            "BackendServers": {"BackendServer": [
                of_ccm("n1", 10), of_ccm("n2", 10),
                {"ServerId": "i-bp1old", "Port": 8080, "Weight": 80, "Type": "ecs", "Description": ""},
            ]},
        });
        let files = [("config", config.to_string()), ("group.json", group.to_string())];
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        Self { folder: Folder::new(&files), server }
    }

    /// What a command prints, without what differs from run to run.
    fn screens(&self, arguments: &str) -> String {
        let arguments = arguments.replace("GROUP", &self.folder.path("group.json"));
        let config = self.folder.path("config");
        let shown = screens(|| program(&format!("{arguments} --no-clb --kubeconfig {config}")));
        let shown = shown.replace(&self.server.url, "https://prod.example");
        without_ids(&shown.replace(&self.folder.path(""), ""))
    }
}

/// The text with the id of each new change replaced.
fn without_ids(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("change ") {
        let end = after.find([':', ' ', '\n']).unwrap_or(after.len());
        let (id, left) = after.split_at(end);
        let is_id = id.len() > 6 && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        masked += before;
        masked += "change ";
        masked += if is_id && id.contains(|c: char| c.is_ascii_digit()) { "ID" } else { id };
        rest = left;
    }
    masked + rest
}

const COMPLETE: &str =
    "--overlay GROUP --cluster-id c0a00000000000000000000000000aaa1 --backend-type ecs";

#[rstest]
#[case::set_without_a_terminal("set-asked", format!("set svc/web 40 {COMPLETE}"))]
#[case::set_tried_out("set-dry-run", format!("set svc/web 40 --dry-run=client {COMPLETE}"))]
#[case::set_written("set-written", format!("set svc/web 40 --yes {COMPLETE}"))]
#[case::set_that_is_so("set-unchanged", format!("set svc/web 20 --yes {COMPLETE}"))]
#[case::set_refused("set-refused", format!("set svc/web 101 --yes {COMPLETE}"))]
#[case::undo_written("undo-written", format!("undo svc/web --yes {COMPLETE}"))]
#[case::undo_tried_out("undo-dry-run", format!("undo svc/web --dry-run=client {COMPLETE}"))]
#[case::attach_tried_out("attach-dry-run", format!(
    "attach svc/new --clb lb-bp1example --vgroup rsp-bp1example:80 --dry-run=client {COMPLETE}"
))]
fn changes(#[case] name: &str, #[case] arguments: String) {
    assert_snapshot!(name, World::start(Vec::new()).screens(&arguments));
}

/// What a user may not list who has a right to Services alone.
const FORBIDDEN: [&str; 5] = [
    "/api/v1/nodes",
    "/apis/discovery.k8s.io/v1/endpointslices",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
];

#[rstest]
#[case::set("set-unknown", "set svc/web 40 --yes")]
#[case::set_by_force("set-unknown-forced", "set svc/web 40 --yes --force")]
#[case::undo("undo-unknown", "undo svc/web --yes")]
#[case::attach(
    "attach-unknown",
    "attach svc/new --clb lb-bp1example --vgroup rsp-bp1example:80 --dry-run=client"
)]
#[case::status("status-live-unknown", "status")]
#[case::check("check-live-unknown", "check")]
fn where_everything_is_unknown(#[case] name: &str, #[case] arguments: &str) {
    assert_snapshot!(name, World::start(FORBIDDEN.to_vec()).screens(arguments));
}
