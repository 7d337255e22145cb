//! The file with which a client finds the proxy.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

/// A kubeconfig with one context, which is the current one.
pub(crate) fn kubeconfig(context: &str, server: &str, ca_pem: &str, token: &str) -> String {
    // A JSON string is a YAML string, whatever is in it.
    let [context, server, token] = [context, server, token].map(Value::from);
    let ca = BASE64_STANDARD.encode(ca_pem);
    format!(
        "apiVersion: v1
kind: Config
current-context: {context}
clusters:
- name: {context}
  cluster:
    server: {server}
    certificate-authority-data: {ca}
contexts:
- name: {context}
  context:
    cluster: {context}
    user: {context}
users:
- name: {context}
  user:
    token: {token}
"
    )
}
