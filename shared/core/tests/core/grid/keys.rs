//! 0xx: annotation keys, and where they stand.

use clbmigrate_core::annotation::{
    BACKEND_TYPE, FORCE_OVERRIDE, ID, LEGACY_PREFIX, PREFIX, VGROUP_PORT, WEIGHT, full_key,
};
use serde_json::json;

use super::{Rule, rule};
use crate::support::{TestSnapshot, healthy, merged, pod, workload};

const DOMAIN: &str = "service.beta.kubernetes.io/";

fn legacy(suffix: &str, value: &str) -> TestSnapshot {
    healthy().key(&format!("{LEGACY_PREFIX}{suffix}"), value)
}

fn shared(suffix: &str, value: &str) -> TestSnapshot {
    healthy().note(suffix, value)
}

#[allow(clippy::too_many_lines, reason = "a table")]
pub fn rules() -> Vec<Rule> {
    let weight = full_key(WEIGHT);
    vec![
        rule("CLB009")
            .error("both prefixes, different weights", legacy(WEIGHT, "80"))
            .saying("\"30\"")
            .error("the newer wins even when empty", legacy(WEIGHT, "80").note(WEIGHT, ""))
            .error("different CLBs", legacy(ID, "lb-b"))
            .silent("both prefixes, one value", legacy(WEIGHT, "30"))
            .silent("prefixes mixed key by key", legacy(WEIGHT, "30").bare(WEIGHT))
            .silent("one prefix", healthy()),
        rule("CLB015")
            .warning("renames the CLB", shared("loadbalancer-name", "shop"))
            .warning("resizes it", shared("loadbalancer-spec", "slb.s2.small"))
            .warning("takes others' tags away", {
                shared("loadbalancer-additional-resource-tags", "team=shop")
            })
            .warning("lets it be deleted", shared("loadbalancer-delete-protection", "off"))
            .warning("or changed", shared("loadbalancer-modification-protection", "NonProtection"))
            .warning("changes its charge", shared("loadbalancer-charge-type", "paybytraffic"))
            .warning("or its instance's", shared("loadbalancer-instance-charge-type", "PayBySpec"))
            .warning("or its bandwidth", shared("loadbalancer-bandwidth", "100"))
            .warning("without a mapping too", {
                shared("loadbalancer-name", "shop").bare(VGROUP_PORT).bare(WEIGHT)
            })
            .silent("a CLB that CCM makes is the Service's own", {
                shared("loadbalancer-name", "shop").bare(ID).bare(VGROUP_PORT).bare(WEIGHT)
            })
            .silent("an annotation of the Service's own", {
                shared("loadbalancer-scheduler", "wrr")
            }),
        rule("CLB018")
            .warning("the key without CCM's domain", {
                healthy().key("alibaba-cloud-loadbalancer-id", "lb-a")
            })
            .saying("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id")
            .warning("a hyphen too many", {
                healthy().key(&format!("{PREFIX}load-balancer-spec"), "slb.s1.small")
            })
            .saying("alibaba-cloud-loadbalancer-spec")
            .warning("another vendor's prefix", {
                healthy().key(&format!("{DOMAIN}aliyun-loadbalancer-id"), "lb-a")
            })
            .saying("alibaba-cloud-loadbalancer-id")
            .warning("a slip of the pen", {
                healthy().bare(WEIGHT).note("loadbalancer-wieght", "20")
            })
            .saying("alibaba-cloud-loadbalancer-weight\", value: String(\"20\")")
            .warning("an invention people publish", {
                healthy().note("loadbalancer-health-check-http-code", "http_2xx")
            })
            .saying("loadbalancer-health-check-httpcode")
            .warning("makes a Service a candidate by itself", {
                healthy()
                    .bare(ID)
                    .bare(VGROUP_PORT)
                    .bare(WEIGHT)
                    .key("alibaba-cloud-loadbalancer-id", "lb-a")
            })
            .info("any other unknown key: a newer CCM may know it", {
                healthy().note("loadbalancer-brand-new-thing", "on")
            })
            .info("also under the old prefix", legacy("loadbalancer-brand-new-thing", "on"))
            .silent("the keys that CCM knows", healthy())
            .silent("the other cloud's keys", {
                healthy().key(&format!("{DOMAIN}aws-load-balancer-type"), "nlb")
            })
            .silent("other people's keys", healthy().key("prometheus.io/scrape", "true"))
            .silent("the key of the older articles has its own rule (CLB007)", {
                healthy().bare(VGROUP_PORT).note("loadbalancer-vgroup-ids", "80:rsp-a")
            }),
        rule("CLB021")
            .warning("on a Deployment", {
                let annotations = json!({"metadata": {"annotations": {&weight: "20"}}});
                healthy().edit("Deployment", &annotations)
            })
            .saying("metadata.annotations of the Service")
            .warning("in a pod template", {
                healthy().template(&json!({"metadata": {"annotations": {&weight: "20"}}}))
            })
            .saying("spec.template.metadata.annotations")
            .warning("on a StatefulSet", {
                let annotations = json!({"metadata": {"annotations": {&weight: "20"}}});
                healthy().add(merged(workload("StatefulSet", "db"), &annotations))
            })
            .warning("on a DaemonSet", {
                let annotations = json!({"metadata": {"annotations": {BACKEND_TYPE: "eni"}}});
                healthy().add(merged(workload("DaemonSet", "log"), &annotations))
            })
            .warning("on a bare Pod", {
                let annotations = json!({"metadata": {"annotations": {&weight: "20"}}});
                healthy().add(merged(pod("web-debug"), &annotations))
            })
            .warning("on a Job", {
                let meta =
                    json!({"name": "load", "namespace": "shop", "annotations": {&weight: "20"}});
                healthy().add(json!({"kind": "Job", "metadata": meta}))
            })
            .warning("under spec of a Service", {
                healthy().edit("Service", &json!({"spec": {"annotations": {&weight: "20"}}}))
            })
            .saying("spec.annotations")
            .warning("each key by itself", {
                let both = json!({full_key(ID): "lb-a", &weight: "20"});
                healthy().edit("Deployment", &json!({"metadata": {"annotations": both}}))
            })
            .times(2)
            .silent("on the Service", healthy())
            .silent("other keys on a Deployment", {
                let annotations = json!({"metadata": {"annotations": {"team": "shop"}}});
                healthy().edit("Deployment", &annotations)
            })
            .silent("a custom resource may hand its annotations on", {
                let meta =
                    json!({"name": "web", "namespace": "shop", "annotations": {&weight: "20"}});
                healthy().add(json!({"kind": "Gateway", "metadata": meta}))
            }),
        rule("CLB027")
            .error("a weight without quotes", healthy().note_value(WEIGHT, json!(80)))
            .saying("\"80\"")
            .error("a switch without quotes, which stands for the word CCM reads", {
                healthy().note_value("loadbalancer-connection-drain", json!(true))
            })
            .saying("\"on\"")
            .error("a switch where CCM reads true or false", {
                healthy().note_value(FORCE_OVERRIDE, json!(false))
            })
            .saying("\"false\"")
            .error("other people's key on a Service", healthy().key("prometheus.io/port", 9090))
            .error("any object's: a Deployment's", {
                let annotations = json!({"metadata": {"annotations": {"revision": 3}}});
                healthy().edit("Deployment", &annotations)
            })
            .error("its pod template's", {
                healthy().template(&json!({"metadata": {"annotations": {"scrape": true}}}))
            })
            .error("a ConfigMap's", {
                let meta = json!({"name": "web", "namespace": "shop", "annotations": {"n": 1.5}});
                healthy().add(json!({"kind": "ConfigMap", "metadata": meta}))
            })
            .error("a ClusterIP Service's", {
                healthy()
                    .edit("Service", &json!({"spec": {"type": "ClusterIP"}}))
                    .note_value(WEIGHT, json!(80))
            })
            .silent("strings", healthy()),
    ]
}
