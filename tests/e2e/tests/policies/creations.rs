//! Creations, each with the rule that refuses it.

use clbmigrate_testkit::Kubectl;

use crate::{difference, refusing_rule};

/// What is created: the annotations and the spec of a Service as JSON, and the rule that refuses it,
/// in lower case, or nothing.
const CASES: &[(&str, &str, &str)] = &[
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        "{}",
        "",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "101"}"#,
        "{}",
        "clb001",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "-1"}"#,
        "{}",
        "clb001",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20%"}"#,
        "{}",
        "clb001",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": " 20"}"#,
        "{}",
        "clb001",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "+50"}"#,
        "{}",
        "",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "050"}"#,
        "{}",
        "",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "-0"}"#,
        "{}",
        "",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "5.5"}"#,
        "{}",
        "clb001",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": ""}"#,
        "{}",
        "",
    ),
    (
        r#"{"OLD-id": "lb-bp1example", "OLD-vgroup-port": "rsp-bp1example:80", "OLD-weight": "101"}"#,
        "{}",
        "clb001",
    ),
    (
        r#"{"OLD-id": "lb-bp1example", "OLD-vgroup-port": "rsp-bp1example:80", "OLD-weight": "10"}"#,
        "{}",
        "",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example", "NEW-weight": "20"}"#,
        "{}",
        "clb003",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80,", "NEW-weight": "20"}"#,
        "{}",
        "clb003",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80, rsp-bp2example:443", "NEW-weight": "20"}"#,
        r#"{"ports": [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "s", "port": 443, "targetPort": 8443}]}"#,
        "clb004",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:8080", "NEW-weight": "20"}"#,
        "{}",
        "clb005",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80,rsp-bp2example:80", "NEW-weight": "20"}"#,
        "{}",
        "clb006",
    ),
    (r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-ids": "80:rsp-bp1example"}"#, "{}", "clb007"),
    (r#"{"NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#, "{}", "clb008"),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20", "OLD-weight": "80"}"#,
        "{}",
        "clb009",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20", "OLD-weight": "20"}"#,
        "{}",
        "",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20", "NEW-default-weight": "101"}"#,
        "{}",
        "clb012",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20", "service.beta.kubernetes.io/backend-type": "ENI"}"#,
        "{}",
        "clb013",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20", "service.beta.kubernetes.io/backend-type": "eni"}"#,
        "{}",
        "",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20", "NEW-healthy-threshold": "3s"}"#,
        "{}",
        "clb014",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20", "NEW-healthy-threshold": "3"}"#,
        "{}",
        "",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20", "NEW-protocol-port": "'https:443'"}"#,
        r#"{"ports": [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "s", "port": 443, "targetPort": 8443}]}"#,
        "clb014",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80,rsp-bp2example:443", "NEW-weight": "20", "NEW-protocol-port": "https:443", "NEW-cert-id": "c"}"#,
        r#"{"ports": [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "s", "port": 443, "targetPort": 8443}]}"#,
        "",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20", "NEW-protocol-port": "http:80,nonsense"}"#,
        "{}",
        "",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20", "NEW-protocol-port": "nonsense,http:80"}"#,
        "{}",
        "clb014",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20", "NEW-domain-extensions": "a.example.com"}"#,
        "{}",
        "clb014",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20", "NEW-backend-label": "pool"}"#,
        "{}",
        "clb016",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20", "NEW-backend-label": "pool=web, zone=a"}"#,
        "{}",
        "clb016",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20", "NEW-backend-label": "pool=web,zone=a"}"#,
        "{}",
        "",
    ),
    (
        r#"{"NEW-id": "203.0.113.7", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        "{}",
        "clb028",
    ),
    (
        r#"{"NEW-id": "rsp-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        "{}",
        "clb028",
    ),
    (
        r#"{"NEW-id": "your-lb-id", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        "{}",
        "clb028",
    ),
    (
        r#"{"NEW-id": "lb-xxxxxxxx", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        "{}",
        "clb028",
    ),
    (
        r#"{"NEW-id": "lb-2zexxx8b3yhv0gq2xxx0t", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        "{}",
        "",
    ),
    (
        r#"{"NEW-id": " ", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        "{}",
        "clb028",
    ),
    (
        r#"{"NEW-id": "14ba0b5e4c8-cn-hangzhou-dg-a01", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        "{}",
        "",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        r#"{"allocateLoadBalancerNodePorts": false}"#,
        "clb030",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20", "service.beta.kubernetes.io/backend-type": "eni"}"#,
        r#"{"allocateLoadBalancerNodePorts": false}"#,
        "",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80,rsp-bp1example:443", "NEW-weight": "20"}"#,
        r#"{"ports": [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "s", "port": 443, "targetPort": 8443}]}"#,
        "clb101",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "101", "service.beta.kubernetes.io/class": "x"}"#,
        "{}",
        "",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "101"}"#,
        r#"{"loadBalancerClass": "example.com/x"}"#,
        "",
    ),
    (
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "101"}"#,
        r#"{"type": "ClusterIP"}"#,
        "",
    ),
];

/// The rules that refuse one of the cases.
pub fn rules() -> Vec<&'static str> {
    let mut rules: Vec<&str> = CASES.iter().map(|(.., rule)| *rule).collect();
    rules.retain(|rule| !rule.is_empty());
    rules.dedup();
    rules
}

/// Whether the first case of a rule is refused by its policy.
pub fn is_refused(kubectl: &Kubectl<'_>, rule: &str) -> anyhow::Result<bool> {
    let case = CASES.iter().find(|(.., of)| *of == rule);
    let Some((annotations, spec, _)) = case else { return Ok(false) };
    let output = kubectl.run("create --dry-run=server", &manifest("web", annotations, spec)?)?;
    Ok(refusing_rule(&output) == rule)
}

/// The cases that end otherwise.
pub fn wrong(kubectl: &Kubectl<'_>) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (annotations, spec, rule) in CASES {
        let manifest = manifest("web", annotations, spec)?;
        let output = kubectl.run("create --dry-run=server", &manifest)?;
        wrong.extend(difference(&manifest, rule, &output));
    }
    Ok(wrong)
}

/// A Service with these annotations, in which NEW and OLD stand for CCM's prefixes.
pub fn manifest(name: &str, annotations: &str, spec: &str) -> anyhow::Result<String> {
    let annotations = annotations
        .replace("NEW-", "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-")
        .replace("OLD-", "service.beta.kubernetes.io/alicloud-loadbalancer-");
    let annotations: serde_json::Value = serde_json::from_str(&annotations)?;
    let mut service = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        },
    });
    let spec: serde_json::Map<String, serde_json::Value> = serde_json::from_str(spec)?;
    for (field, value) in spec {
        service["spec"][field.as_str()] = value;
    }
    Ok(service.to_string())
}
