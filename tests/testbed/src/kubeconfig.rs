//! kubeconfigs, written as JSON, which is YAML too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::pki::Identity;

/// One context: a user in a cluster.
pub(crate) struct KubeconfigContext<'a> {
    pub cluster: &'a str,
    pub server: &'a str,
    /// The certificate that signs the server's; without it whatever the server shows is taken.
    pub authority: Option<&'a str>,
    pub user: &'a str,
    pub identity: &'a Identity,
}

/// A kubeconfig with one context a cluster; the first one is current.
pub(crate) fn kubeconfig(accesses: &[KubeconfigContext<'_>]) -> String {
    let user = |access: &KubeconfigContext<'_>| format!("{}-{}", access.cluster, access.user);
    let clusters = accesses.iter().map(|access| {
        let cluster = match access.authority {
            Some(authority) => json!({
                "server": access.server,
                "certificate-authority-data": STANDARD.encode(authority),
            }),
            None => json!({"server": access.server, "insecure-skip-tls-verify": true}),
        };
        json!({"name": access.cluster, "cluster": cluster})
    });
    let users = accesses.iter().map(|access| {
        json!({"name": user(access), "user": {
            "client-certificate-data": STANDARD.encode(&access.identity.certificate),
            "client-key-data": STANDARD.encode(&access.identity.key),
        }})
    });
    let contexts = accesses.iter().map(|access| {
        json!({"name": access.cluster, "context": {
            "cluster": access.cluster,
            "user": user(access),
        }})
    });
    let whole = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": clusters.collect::<Vec<Value>>(),
        "users": users.collect::<Vec<Value>>(),
        "contexts": contexts.collect::<Vec<Value>>(),
        "current-context": accesses.first().map_or("", |access| access.cluster),
    });
    format!("{whole:#}\n")
}
