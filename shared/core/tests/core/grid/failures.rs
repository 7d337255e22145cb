//! Rounds that fail, and Services that CCM does not look at.

use clbmigrate_core::annotation::{BACKEND_TYPE, ID, VGROUP_PORT, WEIGHT};
use serde_json::json;

use super::{Rule, change, rule};
use crate::support::*;

pub fn rules() -> Vec<Rule> {
    vec![no_node_port(), refused(), own_group(), other_type()]
}

fn no_node_port() -> Rule {
    let ports = json!([{"name": "http", "port": 80, "targetPort": 8080}]);
    let none = json!({"spec": {"ports": ports, "allocateLoadBalancerNodePorts": false}});
    let setup = |setup: TestSnapshot| setup.edit("Service", &none);
    rule("CLB030")
        .error("nodes as backends", setup(healthy()))
        .error("nodes that pods run on", setup(healthy_local()))
        .saying("port 80 has no node port")
        .error("nodes that are not at hand", {
            setup(healthy().without("Node")).key(BACKEND_TYPE, "ecs")
        })
        .error("one port of two", {
            let second = json!({"name": "https", "port": 443, "targetPort": 8443});
            let ports = json!([{"name": "http", "port": 80, "nodePort": 30080}, second]);
            let none = json!({"spec": {"ports": ports, "allocateLoadBalancerNodePorts": false}});
            healthy().note(VGROUP_PORT, "rsp-a:80,rsp-b:443").edit("Service", &none)
        })
        .saying("port 443 has no node port")
        .error("both ports of two", {
            let second = json!({"name": "https", "port": 443, "targetPort": 8443});
            let ports = json!([{"name": "http", "port": 80}, second]);
            let none = json!({"spec": {"ports": ports, "allocateLoadBalancerNodePorts": false}});
            healthy().note(VGROUP_PORT, "rsp-a:80,rsp-b:443").edit("Service", &none)
        })
        .saying("ports 80 and 443 have no node port")
        .error("a port that is 0", {
            let ports = json!([{"name": "http", "port": 80, "nodePort": 0}]);
            let none = json!({"spec": {"ports": ports, "allocateLoadBalancerNodePorts": false}});
            healthy().edit("Service", &none)
        })
        .silent("pods as backends", setup(healthy_eni()))
        .silent("Kubernetes gives them when the manifest is applied", {
            healthy().edit("Service", &json!({"spec": {"ports": ports}}))
        })
        .silent("Kubernetes gives them when it is told to", {
            let ask = json!({"spec": {"ports": ports, "allocateLoadBalancerNodePorts": true}});
            healthy().edit("Service", &ask)
        })
        .silent("it need not allocate them: they are written down", {
            healthy().edit("Service", &json!({"spec": {"allocateLoadBalancerNodePorts": false}}))
        })
        .silent("node ports", healthy())
}

fn refused() -> Rule {
    let https = |setup: TestSnapshot| {
        setup
            .note("loadbalancer-protocol-port", "https:80")
            .note("loadbalancer-force-override-listeners", "true")
    };
    rule("CLB033")
        .error("an HTTPS listener without certificate", {
            https(healthy().unanswered("Listeners"))
        })
        .saying("cert-id")
        .silent("listeners are not touched", {
            healthy().note("loadbalancer-protocol-port", "https:80")
        })
        .silent("nothing is refused", healthy())
}

fn own_group() -> Rule {
    let name = format!("k8s/30080/web/shop/{CLUSTER_ID}");
    let list = groups(&[("rsp-a", "shop"), ("rsp-own", &name)]);
    let behind = listener(&json!({"VServerGroupId": "rsp-own"}));
    let shared = || healthy().answer(list.clone()).answer(behind.clone());
    let before = || {
        shared()
            .bare(VGROUP_PORT)
            .bare(WEIGHT)
            .note("loadbalancer-force-override-listeners", "true")
    };
    rule("CLB418")
        .error("a mapping comes and override goes in one edit", change(before(), shared()))
        .saying("rsp-own")
        .error("it is so", shared())
        .silent("a mapping comes and override stays", {
            let after = shared().note("loadbalancer-force-override-listeners", "true");
            change(before(), after)
        })
        .silent("no listener sends there", healthy().answer(list.clone()))
}

fn other_type() -> Rule {
    let plain = json!({"spec": {"type": "ClusterIP"}});
    rule("CLB032")
        .warning("a ClusterIP Service", {
            let keys = healthy().bare(VGROUP_PORT).bare(ID);
            keys.edit("Service", &plain)
        })
        .saying("ClusterIP")
        .warning("a Service without type", {
            let keys = healthy().bare(VGROUP_PORT).bare(ID);
            keys.edit("Service", &json!({"spec": {"type": null}}))
        })
        .silent("it is no load balancer any more", {
            change(healthy(), healthy().edit("Service", &plain))
        })
        .silent("without CCM's keys", {
            healthy().bare(VGROUP_PORT).bare(ID).bare(WEIGHT).edit("Service", &plain)
        })
        .silent("a load balancer", healthy())
}
