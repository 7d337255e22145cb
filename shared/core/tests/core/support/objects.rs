//! Kubernetes objects and answers of the CLB API, of the few fields that matter.

use clbmigrate_core::annotation::{self, full_key};
use serde_json::{Value, json};

use super::CLUSTER_ID;

/// Service `shop/web`: port 80 in group `rsp-a` of CLB `lb-a`, weight 30.
pub fn service() -> Value {
    json!({
        "kind": "Service",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "annotations": {
                full_key(annotation::ID): "lb-a",
                full_key(annotation::VGROUP_PORT): "rsp-a:80",
                full_key(annotation::WEIGHT): "30",
            },
        },
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080}],
        },
    })
}

/// A Service like `shop/web`, of another name, node port and selector.
pub fn sibling(name: &str) -> Value {
    let service = merged(service(), &json!({"metadata": {"name": name}}));
    let port = json!({"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30081});
    merged(service, &json!({"spec": {"selector": {"app": name}, "ports": [port]}}))
}

/// Ready node `n<number>` on instance `i-<number>`.
pub fn node(number: usize) -> Value {
    json!({
        "kind": "Node",
        "metadata": {"name": format!("n{number}"), "labels": {"pool": "web"}},
        "spec": {"providerID": format!("cn-example.i-{number}")},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.32.1-aliyun.1"},
        },
    })
}

/// Ready endpoint `10.0.0.<number>` on node `n<node>`.
pub fn endpoint(number: usize, node: usize) -> Value {
    json!({
        "addresses": [format!("10.0.0.{number}")],
        "nodeName": format!("n{node}"),
        "conditions": {"ready": true},
        "targetRef": {"kind": "Pod", "namespace": "shop", "name": format!("web-{number}")},
    })
}

/// The slice of Service `shop/<service>`.
pub fn slice(service: &str, endpoints: &[Value]) -> Value {
    json!({
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{service}-1"),
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "http", "port": 8080}],
    })
}

/// A main container that serves port 8080, with probe and hook.
pub fn container() -> Value {
    json!({
        "name": "app",
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"tcpSocket": {"port": 8080}},
        "lifecycle": {"preStop": {"sleep": {"seconds": 30}}},
    })
}

/// Workload `shop/<name>` of that kind with three replicas; its pods carry `app: <name>`.
pub fn workload(kind: &str, name: &str) -> Value {
    json!({
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "replicas": 3,
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 75, "containers": [container()]},
            },
        },
    })
}

/// Pod `shop/<name>` without a controller, which carries `app: web`.
pub fn pod(name: &str) -> Value {
    json!({
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"terminationGracePeriodSeconds": 75, "containers": [container()]},
    })
}

/// A backend of `shop/web` on instance `i-<number>`.
pub fn backend(number: usize, weight: u32) -> Value {
    json!({
        "ServerId": format!("i-{number}"), "Port": 30080, "Weight": weight, "Type": "ecs",
        "Description": format!("k8s/30080/web/shop/{CLUSTER_ID}"),
    })
}

/// A backend of `shop/web` at pod `10.0.0.<number>`.
pub fn pod_backend(number: usize, weight: u32) -> Value {
    json!({
        "ServerId": format!("eni-{number}"), "ServerIp": format!("10.0.0.{number}"),
        "Port": 8080, "Weight": weight, "Type": "eni",
        "Description": format!("k8s/8080/web/shop/{CLUSTER_ID}"),
    })
}

/// A machine outside all clusters.
pub fn outside(weight: u32) -> Value {
    json!({
        "ServerId": "i-ext", "Port": 8080, "Weight": weight, "Type": "ecs", "Description": "",
    })
}

/// The answer about group `id` of CLB `lb-a`.
pub fn group(id: &str, backends: &[Value]) -> Value {
    json!({
        "VServerGroupId": id, "VServerGroupName": format!("group-{id}"), "LoadBalancerId": "lb-a",
        "BackendServers": {"BackendServer": backends},
    })
}

/// The list of the groups of CLB `lb-a`, as pairs of id and name.
pub fn groups(pairs: &[(&str, &str)]) -> Value {
    let group = |(id, name): &(&str, &str)| json!({"VServerGroupId": id, "VServerGroupName": name});
    let list: Vec<Value> = pairs.iter().map(group).collect();
    json!({"LoadBalancerId": "lb-a", "VServerGroups": {"VServerGroup": list}})
}

/// The listeners of CLB `lb-a`: port 80 forwards to group `rsp-a`, but for what `patch` says.
pub fn listener(patch: &Value) -> Value {
    let listener = json!({
        "LoadBalancerId": "lb-a", "ListenerPort": 80, "ListenerProtocol": "tcp",
        "Scheduler": "wrr", "VServerGroupId": "rsp-a",
        "TCPListenerConfig": {"PersistenceTimeout": 0},
    });
    json!({"Listeners": [merged(listener, patch)]})
}

/// The health of the backends of the healthy groups at listener `tcp/80` of CLB `lb-a`: all normal,
/// apart from the servers and pods that are `changed` to another status.
pub fn health(changed: &[(&str, &str)]) -> Value {
    let nodes = (1..=3).map(|number| json!({"ServerId": format!("i-{number}"), "Port": 30080}));
    let pods = (1..=3).map(|number| {
        let address = format!("10.0.0.{number}");
        json!({"ServerId": format!("eni-{number}"), "ServerIp": address, "Port": 8080})
    });
    let outside = json!({"ServerId": "i-ext", "Port": 8080});
    let servers = nodes.chain(pods).chain([outside]).map(|server| {
        let id = server["ServerId"].clone();
        let status =
            changed.iter().find(|(of, _)| id == *of).map_or("normal", |(_, status)| status);
        merged(
            server,
            &json!({"ListenerPort": 80, "Protocol": "tcp", "ServerHealthStatus": status}),
        )
    });
    json!({
        "LoadBalancerId": "lb-a",
        "BackendServers": {"BackendServer": servers.collect::<Vec<_>>()},
    })
}

/// `object` with `patch` merged into it.
pub fn merged(mut object: Value, patch: &Value) -> Value {
    merge(&mut object, patch);
    object
}

pub(super) fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            object.as_object_mut().map(|map| map.remove(key));
        } else {
            merge(&mut object[key], value);
        }
    }
}
