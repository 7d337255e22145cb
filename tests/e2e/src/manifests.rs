//! Manifests, small ones.

use std::fmt::Write;

/// What CCM's keys start with.
pub const KEYS: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";

/// A Service in group `rsp-bp1NAMESPACE` with these further annotations, each as `key: "value"` with
/// the key behind [`KEYS`].
pub fn service(namespace: &str, name: &str, annotations: &[(&str, &str)]) -> String {
    let mut text = format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  annotations:\n"
    );
    let mut annotations = annotations.to_vec();
    let mapping = format!("rsp-bp1{namespace}:80");
    for (key, value) in [("id", "lb-bp1example"), ("vgroup-port", mapping.as_str())] {
        if !annotations.iter().any(|(known, _)| *known == key) {
            annotations.push((key, value));
        }
    }
    // Writing to a string does not fail.
    for (key, value) in annotations.iter().filter(|(_, value)| *value != "-") {
        let _ = writeln!(text, "    {KEYS}{key}: {value:?}");
    }
    if annotations.iter().all(|(_, value)| *value == "-") {
        text.push_str("    example.com/note: none\n");
    }
    text.push_str(
        "spec:\n  type: LoadBalancer\n  selector: {app: web}\n  ports:\n  - {name: http, port: 80, targetPort: 8080}\n---\n",
    );
    text
}

/// An EndpointSlice of a Service with an endpoint on each of these nodes.
pub fn slice(namespace: &str, service: &str, nodes: &[&str]) -> String {
    let mut text = format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: {service}-1\n  namespace: {namespace}\n  labels: {{kubernetes.io/service-name: {service}}}\naddressType: IPv4\nports:\n- {{name: http, port: 8080, protocol: TCP}}\nendpoints:\n"
    );
    for (index, node) in nodes.iter().enumerate() {
        let _ = writeln!(
            text,
            "- {{addresses: [10.1.1.{}], nodeName: {node}, conditions: {{ready: true}}}}",
            index + 1
        );
    }
    text.push_str("---\n");
    text
}

/// Nodes with these names and instance ids; an empty id makes no providerID.
pub fn nodes(nodes: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, instance) in nodes {
        let provider =
            if instance.is_empty() { String::new() } else { format!("cn-bed.{instance}") };
        let _ = writeln!(
            text,
            "apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\nspec: {{providerID: {provider:?}}}\n---"
        );
    }
    text
}
