//! Inside a pod: its service account (client-go 0.36: rest/config.go, `InClusterConfig`).

use std::{env, fs, path::Path};

use super::{
    ConnectionOptions,
    kubeconfig::{Cluster, User},
    target::Target,
};

/// Where a pod finds its service account.
const FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Whether this runs inside a pod with a service account.
pub(super) fn is_possible() -> bool {
    server().is_some() && Path::new(FOLDER).join("token").is_file()
}

/// The cluster that the pod runs in, with the flags that kubectl takes there.
pub(super) fn target(flags: &ConnectionOptions) -> Target {
    let authority = format!("{FOLDER}/ca.crt");
    let token = flags.token.clone().filter(|token| !token.is_empty());
    let mut target = Target {
        cluster_name: "in-cluster".to_owned(),
        cluster: Cluster {
            server: server().unwrap_or_default(),
            certificate_authority: if Path::new(&authority).exists() {
                authority
            } else {
                String::new()
            },
            ..Cluster::default()
        },
        user: User {
            token_file: if token.is_some() { String::new() } else { format!("{FOLDER}/token") },
            token: token.unwrap_or_default(),
            ..User::default()
        },
        namespace: namespace(),
        ..Target::default()
    };
    target.override_cluster(flags);
    target
}

fn server() -> Option<String> {
    let set = |name| env::var(name).ok().filter(|value: &String| !value.is_empty());
    let (host, port) = (set("KUBERNETES_SERVICE_HOST")?, set("KUBERNETES_SERVICE_PORT")?);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Some(format!("https://{host}:{port}"))
}

fn namespace() -> String {
    let set = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    env::var("POD_NAMESPACE")
        .ok()
        .and_then(set)
        .or_else(|| fs::read_to_string(format!("{FOLDER}/namespace")).ok().and_then(set))
        .unwrap_or_default()
}
