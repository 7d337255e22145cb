//! `undo` over two API servers that only know one Service each.

use rstest::rstest;

use crate::{
    api_server::{ApiServer, Served},
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
    let first = servers[0].0;
    let contexts = named("context", &context);
    format!(
        "{{\"apiVersion\": \"v1\", \"kind\": \"Config\", \"users\": [], \
          \"current-context\": \"{first}\", \"clusters\": [{clusters}], \"contexts\": [{contexts}]}}"
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

/// A Service whose last change had more servers than its record has room for.
fn service_with_too_large_a_record() -> serde_json::Value {
    let part = serde_json::json!({"service": {
        "context": "old", "cluster_uid": "k1", "uid": "1", "namespace": "shop", "name": "web",
        "from": "20", "to": "40",
    }});
    let record = serde_json::json!([{
        "change": "c1", "verb": "shift", "when": "2026-11-21T01:02:03Z", "who": "ann",
        "from": "20", "to": "40", "whole": {"parts": [part]}, "servers_left_out": 3000,
    }]);
    let mut service = service_without_record();
    service["metadata"]["annotations"] = serde_json::json!({
        "clbmigrate.io/history": record.to_string(),
        "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight": "40",
    });
    service
}

#[rstest]
#[case::undo("undo svc/web --yes")]
#[case::undo_in_two_contexts("undo svc/web --contexts old,new --yes")]
#[case::finish("shift svc/web --contexts old,new --finish --yes")]
fn a_change_with_too_many_servers_for_the_record_says_so_and_what_to_do(#[case] arguments: &str) {
    let old = ApiServer::start(vec![service_with_too_large_a_record()]);
    let new = ApiServer::start(Vec::new());
    let servers = [("old", old.url.as_str()), ("new", new.url.as_str())];
    let folder = Folder::new(&[("config", &kubeconfig(&servers))]);
    let ran = run(&format!("{arguments} --kubeconfig {}", folder.path("config")));
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(
        ran.err.contains(
            "change c1 has 3000 servers outside of clusters, too many for the record on the Service"
        ),
        "{}",
        ran.err
    );
    for hint in [
        "kubectl clbmigrate shift svc/web -n shop --from SIDE --to SIDE SHARE",
        "kubectl clbmigrate set svc/web -n shop WEIGHT",
        "nothing was written",
    ] {
        assert!(ran.err.contains(hint), "{hint}: {}", ran.err);
    }
    let written = [old.requests(), new.requests()].concat();
    assert!(written.iter().all(|of| of.method == "GET"), "{written:?}");
}

#[rstest]
#[case::set("set web 40")]
#[case::shift("shift web --from old --to new 20%")]
#[case::undo("undo web")]
#[case::attach("attach web --clb lb-bp1example --vgroup rsp-bp1example:80")]
fn a_reason_that_is_too_long_is_a_usage_error_with_the_limit_and_the_length(
    #[case] arguments: &str,
) {
    let ran = run(&format!("{arguments} --reason {}", "x".repeat(300)));
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("it has 300 characters; 256 are the most"), "{}", ran.err);
}

/// A Service whose last change raised it in one cluster, `k2`, and lowered it in another, `k1`.
fn service_with_record(uid: &str, weight: &str) -> serde_json::Value {
    let part = |context: &str, uid: &str, from: &str, to: &str| {
        serde_json::json!({"service": {
            "context": context, "cluster": "c-same", "cluster_uid": uid, "uid": format!("web-{uid}"),
            "namespace": "shop", "name": "web", "from": from, "to": to,
        }})
    };
    let record = serde_json::json!([{
        "change": "c1", "verb": "shift", "when": "2026-11-21T01:02:03Z", "who": "ann",
        "from": "20", "to": "40",
        "whole": {"parts": [part("new", "k2", "20", "40"), part("old", "k1", "80", "60")]},
    }]);
    let mut service = service_without_record();
    service["metadata"]["uid"] = format!("web-{uid}").into();
    service["metadata"]["annotations"] = serde_json::json!({
        "clbmigrate.io/history": record.to_string(),
        "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id": "lb-bp1example",
        "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port": "rsp-bp1example:80",
        "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight": weight,
    });
    service
}

/// A cluster with that Service; its id is that of all others.
fn cluster(uid: &str, weight: &str) -> ApiServer {
    ApiServer::start(vec![
        serde_json::json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "kube-system", "uid": uid},
        }),
        service_with_record(uid, weight),
    ])
}

#[rstest]
#[case::undo(
    "undo svc/web --contexts old,new --yes",
    "60",
    3,
    "the cluster that was called old is not looked at"
)]
#[case::finish(
    "shift svc/web --contexts old,new --finish --yes",
    "80",
    1,
    "no change of svc/web is half done"
)]
fn a_cluster_that_merely_has_the_recorded_name_and_id_is_never_written_to(
    #[case] arguments: &str,
    #[case] weight_of_old: &str,
    #[case] code: i32,
    #[case] why: &str,
) {
    let (namesake, new) = (cluster("k9", weight_of_old), cluster("k2", "40"));
    let servers = [("old", namesake.url.as_str()), ("new", new.url.as_str())];
    let folder = Folder::new(&[("config", &kubeconfig(&servers))]);
    let ran = run(&format!(
        "{arguments} --cluster-id old=c-same --cluster-id new=c-same --kubeconfig {}",
        folder.path("config")
    ));
    assert_eq!(ran.code, code, "{}", ran.err);
    assert!(ran.err.contains(why), "{}", ran.err);
    let sent = [namesake.requests(), new.requests()].concat();
    assert!(sent.iter().all(|of| of.method == "GET"), "{sent:?}");
}

#[test]
fn what_is_advised_for_a_half_done_change_names_the_readers_own_contexts() {
    let (theirs, others) = (cluster("k1", "80"), cluster("k2", "40"));
    let servers = [("east", theirs.url.as_str()), ("west", others.url.as_str())];
    let folder = Folder::new(&[("config", &kubeconfig(&servers))]);
    let ran = run(&format!("status --contexts east,west --kubeconfig {}", folder.path("config")));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let out = format!("{}{}", ran.out, ran.err);
    assert!(out.contains("shop/web (west) weight 20 -> 40 is written"), "{out}");
    assert!(out.contains("shop/web (east) weight 80 -> 60 is not"), "{out}");
    let finish = "kubectl clbmigrate shift svc/web -n shop --contexts west,east --finish";
    assert!(out.contains(finish), "{out}");
    assert!(!out.contains("old"), "{out}");
}

/// A Service of cluster `k1` that was copied, with all its annotations.
fn copied(uid: &str, is_of_several: bool) -> ApiServer {
    let mut record = serde_json::json!([{
        "change": "c1", "verb": "set", "when": "2026-11-21T01:02:03Z", "who": "ann",
        "from": "20", "to": "40",
        "service": {"cluster_uid": "k1", "uid": "web-k1", "namespace": "shop", "name": "web"},
    }]);
    if is_of_several {
        record[0]["whole"] = serde_json::json!({"parts": [{"service": {
            "context": "old", "cluster_uid": "k1", "uid": "web-k1", "namespace": "shop",
            "name": "web", "from": "20", "to": "40",
        }}]});
    }
    let mut service = service_with_record(uid, "40");
    service["metadata"]["annotations"]["clbmigrate.io/history"] = record.to_string().into();
    ApiServer::start(vec![
        serde_json::json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "kube-system", "uid": uid},
        }),
        service,
    ])
}

#[rstest]
fn a_change_of_the_service_that_this_one_is_a_copy_of_is_not_taken_back(
    #[values(false, true)] is_of_several: bool,
) {
    let (old, new) = (copied("k1", is_of_several), copied("k2", is_of_several));
    let servers = [("new", new.url.as_str()), ("old", old.url.as_str())];
    let folder = Folder::new(&[("config", &kubeconfig(&servers))]);
    let config = folder.path("config");
    let ran = run(&format!("undo svc/web --context new --yes --kubeconfig {config}"));
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("its record came here as a copy"), "{}", ran.err);
    assert_eq!(old.requests(), []);
    // Where it was made, it is found.
    let ran =
        run(&format!("undo svc/web --context old --dry-run=client --force --kubeconfig {config}"));
    assert!(
        ran.err.contains("change c1") || ran.out.contains("40 -> 20"),
        "{}{}",
        ran.out,
        ran.err
    );
    assert!(!ran.err.contains("came here as a copy"), "{}", ran.err);
}

#[test]
fn where_kube_system_cannot_be_read_the_service_proves_its_cluster() {
    let server = |uid: &str, weight: &str| {
        let objects = vec![service_with_record(uid, weight)];
        let broken = vec!["/api/v1/namespaces/kube-system"];
        ApiServer::start_serving(Served { objects, broken, ..Served::default() })
    };
    let (east, west) = (server("k1", "60"), server("k2", "40"));
    let servers = [("east", east.url.as_str()), ("west", west.url.as_str())];
    let folder = Folder::new(&[("config", &kubeconfig(&servers))]);
    let ran = run(&format!(
        "undo svc/web --contexts east,west -o patch --force --kubeconfig {}",
        folder.path("config")
    ));
    assert_eq!(ran.code, 0, "{}", ran.err);
    for (context, weight) in [("east", "80"), ("west", "20")] {
        let patch = ran.out.split("---\n").find(|patch| patch.contains(context)).expect(context);
        let line = format!("alibaba-cloud-loadbalancer-weight: \"{weight}\"");
        assert!(patch.contains(&line), "{context}: {patch}");
    }
}
