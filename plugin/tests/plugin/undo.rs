//! `undo` over two API servers that only know one Service each.

use crate::{
    api_server::ApiServer,
    program::{Folder, run},
};

/// A kubeconfig with a context for each of these servers.
fn kubeconfig(servers: &[(&str, &str)]) -> String {
    let named = |kind: &str, value: &dyn Fn(&str, &str) -> String| {
        let items = servers.iter().map(|(name, url)| {
            format!("{{\"name\": \"{name}\", \"{kind}\": {}}}", value(name, url))
        });
        items.collect::<Vec<_>>().join(", ")
    };
    let clusters = named("cluster", &|_, url| format!("{{\"server\": \"{url}\"}}"));
    let context =
        |name: &str, _: &str| format!("{{\"cluster\": \"{name}\", \"namespace\": \"shop\"}}");
    let contexts = named("context", &context);
    format!(
        "{{\"apiVersion\": \"v1\", \"kind\": \"Config\", \"users\": [], \
          \"clusters\": [{clusters}], \"contexts\": [{contexts}]}}"
    )
}

fn service_without_record() -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop", "uid": "1", "resourceVersion": "1"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    })
}

#[test]
fn of_several_clusters_without_a_change_to_undo_all_are_named() {
    let service = service_without_record();
    let (old, new) =
        (ApiServer::start(vec![service.clone()]).url, ApiServer::start(vec![service]).url);
    let folder = Folder::new(&[("config", &kubeconfig(&[("old", &old), ("new", &new)]))]);
    let config = folder.path("config");
    let ran = run(&format!("undo svc/web --contexts old,new --yes --kubeconfig {config}"));
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("no change of this tool to undo in old, new"), "{}", ran.err);
    assert_eq!(ran.out, "");
}

#[test]
fn a_cluster_that_cannot_be_asked_is_not_said_to_hold_no_change() {
    let old = ApiServer::start(vec![service_without_record()]).url;
    let folder = Folder::new(&[("config", &kubeconfig(&[("old", &old)]))]);
    let config = folder.path("config");
    let ran = run(&format!("undo svc/web --contexts old,new --yes --kubeconfig {config}"));
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("no change of this tool to undo in old\n"), "{}", ran.err);
    assert!(ran.err.contains("new"), "{}", ran.err);
}
