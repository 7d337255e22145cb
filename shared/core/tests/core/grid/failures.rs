//! Rounds that fail, and Services that CCM does not look at.

use clbmigrate_core::annotation::{BACKEND_TYPE, ID, VGROUP_PORT, WEIGHT};
use serde_json::json;

use super::{Rule, change, rule};
use crate::support::*;

const CLB: &str = "service.k8s.alibaba/loadbalancer-id";

pub fn rules() -> Vec<Rule> {
    vec![refused_clb(), no_node_port(), refused(), own_group(), other_type()]
}

/// The Service has an address, of the CLB that its label names.
fn bound(setup: TestSnapshot, clb: &str) -> TestSnapshot {
    let status = json!({"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}});
    setup.edit("Service", &json!({"metadata": {"labels": {CLB: clb}}, "status": status}))
}

fn balancer(fields: &serde_json::Value) -> serde_json::Value {
    merged(json!({"LoadBalancerId": "lb-a", "LoadBalancerName": "shop"}), fields)
}

fn refused_clb() -> Rule {
    let of = |fields: serde_json::Value| healthy().answer(balancer(&fields));
    rule("CLB029")
        .error("the label names another CLB", bound(healthy(), "lb-made"))
        .saying("lb-made")
        .error("it has the address of another CLB", {
            bound(of(json!({"Address": "198.51.100.7"})), "lb-a")
        })
        .saying("203.0.113.9")
        .error("CCM made the CLB for another Service", {
            let tag = json!({"TagKey": "kubernetes.do.not.delete", "TagValue": "a0"});
            of(json!({"Tags": {"Tag": [tag]}}))
        })
        .error("the CLB is another kind of CLB", {
            of(json!({"AddressType": "internet"})).note("loadbalancer-address-type", "intranet")
        })
        .saying("cannot be changed")
        .error("a Service with an address gets a CLB id and a mapping", {
            let before = bound(healthy().bare(ID).bare(VGROUP_PORT).bare(WEIGHT), "lb-made");
            change(before, bound(healthy(), "lb-made"))
        })
        .error("it goes from a CLB of IPv6, which CCM 2.12 and later refuse", {
            let before =
                of(json!({"AddressIPVersion": "ipv6"})).note("loadbalancer-ip-version", "ipv6");
            change(before.clone(), before.without("Service"))
        })
        .silent("its own CLB", bound(healthy(), "lb-a"))
        .silent("its own address", bound(of(json!({"Address": "203.0.113.9"})), "lb-a"))
        .silent("what it wants of the CLB is so", {
            of(json!({"AddressType": "intranet"})).note("loadbalancer-address-type", "intranet")
        })
}

fn no_node_port() -> Rule {
    let ports = json!([{"name": "http", "port": 80, "targetPort": 8080}]);
    let none = json!({"spec": {"ports": ports, "allocateLoadBalancerNodePorts": false}});
    let setup = |setup: TestSnapshot| setup.edit("Service", &none);
    rule("CLB030")
        .error("nodes as backends", setup(healthy()))
        .error("nodes that pods run on", setup(healthy_local()))
        .error("nodes that are not at hand", {
            setup(healthy().without("Node")).key(BACKEND_TYPE, "ecs")
        })
        .silent("pods as backends", setup(healthy_eni()))
        .silent("Kubernetes gives them when the manifest is applied", {
            healthy().edit("Service", &json!({"spec": {"ports": ports}}))
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
        .error("an HTTPS listener without certificate", https(healthy()))
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
