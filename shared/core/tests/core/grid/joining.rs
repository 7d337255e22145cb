//! 4xx: Services that come into a group with weight, and what a CLB takes.

use clbmigrate_core::annotation::{BACKEND_LABEL, BACKEND_TYPE, WEIGHT};
use serde_json::{Value, json};

use super::{Input, Rule, applied, change, rule};
use crate::support::{
    TestSnapshot, backend, endpoint, healthy, healthy_eni, healthy_local, node, outside, sibling,
    slice,
};

pub fn rules() -> Vec<Rule> {
    vec![joins(), quota()]
}

/// The Service is created in the healthy snapshot as `after` changes it.
fn created(after: TestSnapshot) -> Input {
    change(
        healthy().without("Service").group("rsp-a", &[outside(70)]),
        after.group("rsp-a", &[outside(70)]),
    )
}

/// None of the endpoints is ready.
fn not_ready(setup: TestSnapshot) -> TestSnapshot {
    let mut endpoint = endpoint(1, 1);
    endpoint["conditions"] = json!({"ready": false, "serving": false});
    setup.edit("EndpointSlice", &json!({"endpoints": [endpoint]}))
}

fn joins() -> Rule {
    rule("CLB419")
        .warning("created at weight 30 beside a machine that serves", created(healthy()))
        .saying("server i-ext holds weights of 70")
        .saying("\"0\"")
        .warning("created without a weight: 100 for each backend", created(healthy().bare(WEIGHT)))
        .warning("its EndpointSlices are not at hand", created(healthy().without("EndpointSlice")))
        .error("none of its endpoints is ready", created(not_ready(healthy())))
        .saying("none of its endpoints is ready")
        .warning("beside a Service of another cluster", {
            let other =
                |setup: TestSnapshot| setup.no_answers().beside("old", "c1", &[sibling("web")]);
            let other = |setup| other(setup).within(1).note(WEIGHT, "80").within(0);
            change(other(healthy()).without("Service"), other(healthy()))
        })
        .warning("a ClusterIP Service becomes a load balancer", {
            let before = healthy().edit("Service", &json!({"spec": {"type": "ClusterIP"}}));
            let alone = |setup: TestSnapshot| setup.group("rsp-a", &[outside(70)]);
            change(alone(before), alone(healthy()))
        })
        .warning("a manifest is applied", {
            let before = healthy().without("Service").group("rsp-a", &[outside(70)]);
            applied(before, healthy().only("Service"))
        })
        .silent("created at 0", created(healthy().note(WEIGHT, "0")))
        .silent("nobody else holds weight", {
            let alone = |setup: TestSnapshot| setup.group("rsp-a", &[outside(0)]);
            change(alone(healthy().without("Service")), alone(healthy()))
        })
        .silent("who else is in the group is not known", {
            change(healthy().without("Service").no_answers(), healthy().no_answers())
        })
        .silent("it was there before", change(healthy(), healthy().note(WEIGHT, "40")))
        .silent("nothing changes", healthy())
        .silent("it has no mapping", created(healthy().bare("loadbalancer-vgroup-port")))
}

/// The healthy snapshot with so many nodes.
fn with_nodes(count: usize) -> TestSnapshot {
    (4..=count)
        .fold(healthy().no_answers(), |setup, number| setup.add(node(number)))
        .note(WEIGHT, "100")
}

/// So many pods, all as backends.
fn with_pods(count: usize) -> TestSnapshot {
    let endpoints: Vec<Value> = (1..=count).map(|n| endpoint(n, 1 + n % 3)).collect();
    healthy_eni().no_answers().edit("EndpointSlice", &json!({"endpoints": endpoints}))
}

fn quota() -> Rule {
    let sum = |own: usize| {
        let others = (1..=200 - own).map(|n| {
            let mut one = outside(1);
            one["ServerId"] = json!(format!("i-ext{n}"));
            one
        });
        let own = (1..=own).map(|n| backend(n, 10));
        healthy().group("rsp-a", &own.chain(others).collect::<Vec<_>>())
    };
    rule("CLB417")
        .warning("201 nodes", with_nodes(201))
        .saying("201 backends")
        .saying("quota")
        .silent("200 nodes", with_nodes(200))
        .warning("201 pods", with_pods(201))
        .silent("200 pods", with_pods(200))
        .silent("201 nodes, with pods on three of them as backends", {
            (4..=201).fold(healthy_local(), |setup, number| setup.add(node(number)))
        })
        .silent("201 nodes, of which a label picks three", {
            with_nodes(201).note(BACKEND_LABEL, "pool=other")
                .edit("Node", &json!({"metadata": {"labels": {"pool": "other"}}}))
        })
        .warning("others in the group count too", sum(3).add(node(4)))
        .silent("200 with the others", sum(3))
        .warning("two groups of one CLB count together", {
            with_nodes(101).two_ports().note("loadbalancer-vgroup-port", "rsp-a:80,rsp-b:443")
        })
        .silent("two CLBs count by themselves", {
            let other = sibling("api");
            let mut other = other;
            other["metadata"]["annotations"]["service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id"] = json!("lb-b");
            other["metadata"]["annotations"]["service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port"] = json!("rsp-z:80");
            with_nodes(150).add(other).add(slice("api", &[endpoint(7, 1)]))
        })
        .warning("while a change replaces them: nodes become pods", {
            let before = with_nodes(150);
            let endpoints: Vec<Value> = (1..=60).map(|n| endpoint(n, 1 + n % 3)).collect();
            let before = before.edit("EndpointSlice", &json!({"endpoints": endpoints}));
            let after = before.clone().key(BACKEND_TYPE, "eni");
            change(before, after)
        })
        .saying("210 backends")
        .saying("150 that the change replaces")
        .silent("a change that replaces few", {
            let before = with_nodes(150);
            let after = before.clone().key(BACKEND_TYPE, "eni");
            change(before, after)
        })
        .blind("not all nodes are at hand", with_nodes(150).nodes_not_listed())
        .blind("pods whose EndpointSlices are not at hand", with_pods(150).without("EndpointSlice"))
}
