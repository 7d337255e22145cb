//! Whether CCM takes the CLB that a Service names.

use clbmigrate_core::{
    annotation::{
        ADDRESS_TYPE, EXTERNAL_IP_TYPE, FORCE_OVERRIDE, ID, IP, IP_VERSION, LEGACY_PREFIX,
        MASTER_ZONE, NETWORK_TYPE, RESOURCE_GROUP, SLAVE_ZONE, VGROUP_PORT, WEIGHT,
    },
    version::CcmVersion,
};
use serde_json::{Value, json};

use super::{Rule, change, rule};
use crate::support::*;

const CLB: &str = "service.k8s.alibaba/loadbalancer-id";

pub fn rules() -> Vec<Rule> {
    vec![impossible_id(), refused_clb(), without_effect()]
}

fn impossible_id() -> Rule {
    let id = |id: &str| healthy().note(ID, id);
    rule("CLB028")
        .error("blank", id("  "))
        .saying("blank")
        .error("a placeholder", id("${YOUR_LOADBALANCER_ID}"))
        .saying("placeholder")
        .error("a placeholder in Chinese", id("你的负载均衡ID"))
        .saying("placeholder")
        .error("crosses in the place of characters", id("lb-xxxxxxxx"))
        .saying("placeholder")
        .error("an address", id("203.0.113.7"))
        .saying("IP address")
        .error("an address of IPv6", id("2001:db8::7"))
        .saying("IP address")
        .error("a host name", id("shop.example.com"))
        .saying("host name")
        .error("the id of a group", id("rsp-a"))
        .saying("vServer group")
        .error("the id of a server group of another kind of load balancer", id("sgp-a"))
        .saying("network load balancer")
        .error("white space after it", id("lb-a "))
        .saying("value: String(\"lb-a\")")
        .error("quotes inside quotes", id("\"lb-a\""))
        .saying("value: String(\"lb-a\")")
        .error("white space inside it", id("lb-a b"))
        .error("two of them", id("lb-a,lb-b"))
        .error("without a mapping too", id("203.0.113.7").bare(VGROUP_PORT).bare(WEIGHT))
        .error("it is put in the place of a good one", change(healthy(), id("203.0.113.7")))
        .silent("an id", healthy())
        .silent("an id that does not begin with lb-", {
            healthy().no_answers().note(ID, "14ba0b5e4c8-cn-example-dg-a01")
        })
        .silent("none at all", healthy().bare(ID).bare(VGROUP_PORT).bare(WEIGHT))
        .silent("an empty one, which counts as none", id("").bare(VGROUP_PORT).bare(WEIGHT))
        .silent("it is corrected", change(id("203.0.113.7"), healthy()))
        .error("the API does not know it", healthy().unknown_clb("lb-a", Some("1000000000000001")))
        .saying(
            "no CLB \"lb-a\" in region cn-example of account 1000000000000001 (profile \"prod\")",
        )
        .saying("InvalidLoadBalancerId.NotFound")
        .error("the API of an account that nobody could ask for does not know it", {
            healthy().unknown_clb("lb-a", None)
        })
        .saying("in region cn-example of the account of profile \"prod\"")
        .error("the API does not know it, with the old prefix and without a mapping", {
            healthy().bare(VGROUP_PORT).bare(WEIGHT).unknown_clb("lb-a", None)
        })
        .error("an id that none can have is told as such", {
            id("203.0.113.7").unknown_clb("203.0.113.7", None)
        })
        .saying("IP address")
        .silent("the API does not know another one", healthy().unknown_clb("lb-b", None))
        .blind("the API could not be asked", healthy().unread_clb("lb-a", "Forbidden.RAM"))
        .silent("the API could not be asked about another one", {
            healthy().unread_clb("lb-b", "Forbidden.RAM")
        })
}

/// The Service has an address, of the CLB that its label names.
fn bound(setup: TestSnapshot, clb: &str) -> TestSnapshot {
    let status = json!({"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}});
    setup.edit("Service", &json!({"metadata": {"labels": {CLB: clb}}, "status": status}))
}

fn balancer(fields: &Value) -> Value {
    merged(json!({"LoadBalancerId": "lb-a", "LoadBalancerName": "shop"}), fields)
}

/// The CLB has these attributes.
fn of(fields: &Value) -> TestSnapshot {
    healthy().answer(balancer(fields))
}

fn tagged(key: &str) -> Value {
    json!({"Tags": {"Tag": [{"TagKey": key, "TagValue": "a0"}]}})
}

/// Another Service, with the label that names the CLB, and without an id of its own.
fn owner(id: Option<&str>) -> Value {
    let owner = merged(sibling("own"), &json!({"metadata": {"labels": {CLB: "lb-a"}}}));
    let annotations = match id {
        Some(id) => json!({format!("{LEGACY_PREFIX}{ID}"): id}),
        None => json!(null),
    };
    let bare = merged(owner, &json!({"metadata": {"annotations": null}}));
    merged(bare, &json!({"metadata": {"annotations": annotations}}))
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn refused_clb() -> Rule {
    rule("CLB029")
        .error("the label names another CLB", bound(healthy(), "lb-made"))
        .saying("lb-made")
        .error("it has the address of another CLB", {
            bound(of(&json!({"Address": "198.51.100.7"})), "lb-a")
        })
        .saying("service has been associated with ip [203.0.113.9], cannot be bound to ip [198.51.100.7]")
        .error("CCM made the CLB for another Service, as its tag says", {
            of(&tagged("kubernetes.do.not.delete"))
        })
        .saying("can not reuse loadbalancer created by kubernetes.")
        .error("CCM made the CLB for another Service, as that one's label says", {
            healthy().add(owner(None))
        })
        .saying("can not reuse loadbalancer created by kubernetes.")
        .error("CCM made the CLB for a Service of another cluster", {
            healthy().beside("other", OTHER_ID, &[owner(None)])
        })
        .error("the CLB is the API server's", of(&tagged("ack.aliyun.com")))
        .error("another type of address", {
            of(&json!({"AddressType": "internet"})).note(ADDRESS_TYPE, "intranet")
        })
        .saying("can not change LoadBalancer AddressType once created")
        .saying("value: String(\"internet\")")
        .error("another version of IP", {
            of(&json!({"AddressIPVersion": "ipv4"})).note(IP_VERSION, "ipv6")
        })
        .saying("value: String(\"ipv4\")")
        .error("IPv4, which CCM wants where nothing is said", {
            of(&json!({"AddressIPVersion": "ipv6"}))
        })
        .saying("without loadbalancer-ip-version CCM wants \"ipv4\"")
        .saying("value: String(\"ipv6\")")
        .error("another network", of(&json!({"NetworkType": "vpc"})).note(NETWORK_TYPE, "classic"))
        .error("another first zone", of(&json!({"MasterZoneId": "z-b"})).note(MASTER_ZONE, "z-a"))
        .error("another second zone", of(&json!({"SlaveZoneId": "z-b"})).note(SLAVE_ZONE, "z-a"))
        .error("another address", of(&json!({"Address": "203.0.113.9"})).note(IP, "203.0.113.8"))
        .error("another resource group", {
            of(&json!({"ResourceGroupId": "rg-b"})).note(RESOURCE_GROUP, "rg-a")
        })
        .error("two attributes", {
            let both = of(&json!({"ResourceGroupId": "rg-b", "MasterZoneId": "z-b"}));
            both.note(RESOURCE_GROUP, "rg-a").note(MASTER_ZONE, "z-a")
        })
        .times(2)
        .error("the CLB is in another VPC", of(&json!({"VpcId": "vpc-b"})).vpc("vpc-a"))
        .saying("vpc-b")
        .error("a Service with an address gets a CLB id and a mapping", {
            let before = bound(healthy().bare(ID).bare(VGROUP_PORT).bare(WEIGHT), "lb-made");
            change(before, bound(healthy(), "lb-made"))
        })
        .error("a Service names the CLB that CCM made for it", {
            let before = bound(healthy().bare(ID).bare(VGROUP_PORT).bare(WEIGHT), "lb-a");
            change(before, bound(healthy(), "lb-a"))
        })
        .error("it goes from a CLB of IPv6, which CCM 2.12 and later refuse", {
            let before = of(&json!({"AddressIPVersion": "ipv6"})).note(IP_VERSION, "ipv6");
            change(before.clone(), before.without("Service"))
        })
        .silent("its own CLB", bound(healthy(), "lb-a"))
        .silent("its own address", bound(of(&json!({"Address": "203.0.113.9"})), "lb-a"))
        .silent("its status has a host name", {
            let host = json!({"status": {"loadBalancer": {"ingress": [{"hostname": "shop.example.com"}]}}});
            let labels = json!({"metadata": {"labels": {CLB: "lb-a"}}});
            of(&json!({"Address": "198.51.100.7"})).edit("Service", &labels).edit("Service", &host)
        })
        .silent("its status has a host name, and the label names another CLB", {
            let host = json!({"status": {"loadBalancer": {"ingress": [{"hostname": "shop.example.com"}]}}});
            bound(healthy(), "lb-made").edit("Service", &host)
        })
        .silent("its status has an elastic address, and the label names another CLB", {
            bound(healthy().note(EXTERNAL_IP_TYPE, "eip"), "lb-made")
        })
        .silent("its status has an elastic address", {
            bound(of(&json!({"Address": "198.51.100.7"})).note(EXTERNAL_IP_TYPE, "eip"), "lb-a")
        })
        .silent("CCM reuses the CLB for another Service", healthy().add(owner(Some("lb-a"))))
        .silent("the other Service has lost its id", {
            let mapped = json!({"metadata": {"annotations": {format!("{LEGACY_PREFIX}{VGROUP_PORT}"): "rsp-b:80"}}});
            healthy().add(merged(owner(None), &mapped))
        })
        .silent("CCM has accepted the CLB for this Service before", {
            bound(healthy(), "lb-a").add(owner(None))
        })
        .silent("the CLB's tags are known, and CCM's is not among them", {
            of(&tagged("kubernetes.reused.by.user")).add(owner(None))
        })
        .silent("what it wants of the CLB is so", {
            of(&json!({"AddressType": "intranet"})).note(ADDRESS_TYPE, "intranet")
        })
        .silent("it wants nothing of the CLB", {
            of(&json!({"AddressType": "intranet", "ResourceGroupId": "rg-b", "NetworkType": "vpc"}))
        })
        .silent("the answer does not tell", of(&json!({})).note(ADDRESS_TYPE, "intranet"))
        .silent("CCM 2.11 does not compare the network", {
            let vpc = of(&json!({"NetworkType": "vpc"})).note(NETWORK_TYPE, "classic");
            vpc.ccm(CcmVersion::V2_11)
        })
        .silent("the cluster's VPC", of(&json!({"VpcId": "vpc-a"})).vpc("vpc-a"))
        .silent("a CLB of the internet is in no VPC", of(&json!({"VpcId": ""})).vpc("vpc-a"))
        .silent("the cluster's VPC is not known", of(&json!({"VpcId": "vpc-b"})))
        .silent("an id that no CLB has", healthy().note(ID, "203.0.113.7"))
}

fn without_effect() -> Rule {
    let with = |suffix: &str, value: &str| healthy().note(suffix, value);
    let overriding =
        |value: &str| with("loadbalancer-scheduler", "wrr").note(FORCE_OVERRIDE, value);
    rule("CLB031")
        .warning("the scheduler", with("loadbalancer-scheduler", "wrr"))
        .saying("set it on the listener")
        .warning("connection draining", {
            with("loadbalancer-connection-drain", "on")
                .note("loadbalancer-connection-drain-timeout", "60")
        })
        .times(2)
        .warning("the health check", {
            with("loadbalancer-health-check-type", "tcp")
                .note("loadbalancer-health-check-switch", "on")
                .note("loadbalancer-healthy-threshold", "3")
        })
        .times(3)
        .warning("session persistence", {
            with("loadbalancer-persistence-timeout", "300").note("loadbalancer-cookie", "shop")
        })
        .times(2)
        .warning("access control", with("loadbalancer-acl-status", "on"))
        .warning("a certificate", with("loadbalancer-cert-id", "1234_cn-example"))
        .warning("a protocol", with("loadbalancer-protocol-port", "http:80"))
        .warning("without a mapping", {
            with("loadbalancer-scheduler", "wrr").bare(VGROUP_PORT).bare(WEIGHT)
        })
        .warning("override is written in another way", overriding("True"))
        .saying("only exactly \"true\" counts")
        .silent("override is on", overriding("true"))
        .silent("a CLB that CCM makes", {
            with("loadbalancer-scheduler", "wrr").bare(ID).bare(VGROUP_PORT).bare(WEIGHT)
        })
        .silent("an empty value", with("loadbalancer-scheduler", ""))
        .silent("a value that freezes the round (CLB014)", {
            with("loadbalancer-healthy-threshold", "3s")
        })
        .silent("properties of the CLB itself", with("loadbalancer-name", "shop"))
        .silent("none of them", healthy())
}
