//! Several contexts at once: which clusters they are, whose credentials go where, and in which
//! namespace each is looked at.

use std::collections::BTreeMap;

use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    api_server::{ApiServer, Request, Served},
    program::{Folder, Output, command, finish},
};

/// A cluster's `kube-system`, and migrated Services of these namespaces and names.
fn cluster(uid: &str, services: &[(&str, &str)]) -> Served {
    let mut objects = vec![json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": uid},
    })];
    for (namespace, name) in services {
        objects.push(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": name, "namespace": namespace, "uid": format!("{uid}-{namespace}-{name}"),
                "resourceVersion": "1",
                "annotations": {
                    "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id": "lb-bp1example",
                    "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port":
                        "rsp-bp1example:80",
                    "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight": "20",
                },
            },
            "spec": {"type": "LoadBalancer", "selector": {"app": "web"},
                     "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}]},
        }));
    }
    for number in 1..=2 {
        objects.push(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": format!("{uid}-{number}"), "uid": format!("{uid}-n{number}")},
            "spec": {"providerID": format!("cn-hangzhou.i-bp1{uid}{number}")},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }));
    }
    Served { objects, ..Served::default() }
}

/// A context of a kubeconfig: its name, its server, its user's token, its namespace.
struct Context<'t> {
    name: &'t str,
    server: &'t str,
    token: &'t str,
    namespace: &'t str,
}

fn kubeconfig(contexts: &[Context<'_>]) -> Folder {
    let each = |of: &dyn Fn(&Context<'_>) -> Value| contexts.iter().map(of).collect::<Vec<_>>();
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": contexts[0].name,
        // A token goes through TLS only.
        "clusters": each(&|of| json!({"name": of.name, "cluster": {
            "server": of.server.replace("http:", "https:"), "insecure-skip-tls-verify": true,
        }})),
        "users": each(&|of| json!({"name": of.name, "user": {"token": of.token}})),
        "contexts": each(&|of| json!({
            "name": of.name,
            "context": {"cluster": of.name, "user": of.name, "namespace": of.namespace},
        })),
    });
    Folder::new(&[("kubeconfig", &config.to_string())])
}

fn run(folder: &Folder, arguments: &str) -> Output {
    let mut command = command();
    command.args(arguments.split_whitespace()).env("KUBECONFIG", folder.path("kubeconfig"));
    finish(&mut command)
}

/// Clusters `old` and `new`, and a kubeconfig with a namespace for each.
struct Two {
    old: ApiServer,
    new: ApiServer,
    folder: Folder,
}

impl Two {
    fn start(old: Served, new: Served, namespaces: [&str; 2]) -> Self {
        let (old, new) = (ApiServer::start_serving(old), ApiServer::start_serving(new));
        let folder = kubeconfig(&[
            Context { name: "old", server: &old.url, token: "t-old", namespace: namespaces[0] },
            Context { name: "new", server: &new.url, token: "t-new", namespace: namespaces[1] },
        ]);
        Self { old, new, folder }
    }

    fn with_service_web(namespaces: [&str; 2]) -> Self {
        let services = [("shop", "web"), ("live", "web")];
        Self::start(cluster("k1", &services), cluster("k2", &services), namespaces)
    }

    fn run(&self, arguments: &str) -> Output {
        run(&self.folder, arguments)
    }

    fn requests(&self) -> Vec<Request> {
        [self.old.requests(), self.new.requests()].concat()
    }
}

/// The Services whose routes a document shows, as `context namespace/name`.
fn participants(document: &Value) -> Vec<String> {
    let routes = document["routes"].as_array().expect("routes").iter();
    let participants = routes.flat_map(|route| route["participants"].as_array().expect("a list"));
    let names = participants.map(|of| {
        let text = |key: &str| of[key].as_str().unwrap_or("-").to_owned();
        format!("{} {}/{}", text("context"), text("namespace"), text("name"))
    });
    names.collect()
}

#[test]
fn two_clusters_behind_one_url_are_told_apart_by_the_uid_of_kube_system() {
    let services = [("shop", "web")];
    let proxy = ApiServer::start_by_token(BTreeMap::from([
        ("t-old", cluster("k1", &services)),
        ("t-new", cluster("k2", &services)),
    ]));
    let of = |name, token| Context { name, server: &proxy.url, token, namespace: "shop" };
    let folder = kubeconfig(&[of("old", "t-old"), of("new", "t-new")]);
    let ran = run(&folder, "status --contexts old,new -o json");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(participants(&ran.json()), ["old shop/web", "new shop/web"]);
}

#[test]
fn one_cluster_behind_two_urls_is_refused() {
    let services = [("shop", "web")];
    let two = Two::start(cluster("k1", &services), cluster("k1", &services), ["shop", "shop"]);
    let ran = two.run("status --contexts old,new");
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("contexts old and new are one cluster"), "{}", ran.err);
}

#[test]
fn without_the_right_to_read_kube_system_one_url_is_one_cluster() {
    let forbidden = vec!["/api/v1/namespaces/kube-system"];
    let server =
        ApiServer::start_serving(Served { forbidden, ..cluster("k1", &[("shop", "web")]) });
    let of = |name| Context { name, server: &server.url, token: "t", namespace: "shop" };
    let ran = run(&kubeconfig(&[of("old"), of("new")]), "status --contexts old,new");
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("contexts old and new are one cluster"), "{}", ran.err);
}

#[test]
fn without_that_right_a_service_of_both_shows_that_two_urls_are_one_cluster() {
    let forbidden = vec!["/api/v1/namespaces/kube-system"];
    let served = || Served { forbidden: forbidden.clone(), ..cluster("k1", &[("shop", "web")]) };
    let two = Two::start(served(), served(), ["shop", "shop"]);
    let ran = two.run("status --contexts old,new");
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("contexts old and new are one cluster"), "{}", ran.err);
}

#[rstest]
#[case::a_token("--token secret-token", "--token")]
#[case::a_user("--user old", "--user")]
#[case::a_cluster("--cluster old", "--cluster")]
#[case::impersonation("--as ann", "--as")]
#[case::a_group_to_impersonate("--as ann --as-group admins", "--as-group")]
#[case::a_uid_to_impersonate("--as ann --as-uid 7", "--as-uid")]
#[case::a_server("-s https://10.0.0.1:6443", "--server")]
#[case::a_name_of_a_certificate("--tls-server-name api", "--tls-server-name")]
#[case::certificates_of_a_server("--certificate-authority ca.crt", "--certificate-authority")]
#[case::a_client_certificate(
    "--client-certificate a.crt --client-key a.key",
    "--client-certificate"
)]
#[case::a_password("--username ann --password secret-token", "--username")]
fn a_flag_for_one_cluster_is_refused_with_several_contexts(
    #[case] flags: &str,
    #[case] named: &str,
    #[values(
        "status --contexts old,new",
        "status -w --contexts old,new",
        "check --contexts new,old",
        "preview web 30 --contexts old,new",
        "undo web --contexts old,new --yes",
        "shift web --contexts old,new --finish --yes",
        "shift web --from old --to new 20% --yes",
        "shift web --contexts old --from external --to new 20% --yes"
    )]
    command: &str,
) {
    let two = Two::with_service_web(["shop", "shop"]);
    let ran = two.run(&format!("{command} {flags}"));
    assert_eq!(ran.code, 2, "{}", ran.err);
    let why = ran.err.lines().next().expect("a line");
    assert!(why.starts_with(&format!("error: {named} ")), "{why}");
    assert!(why.contains("but 2 contexts are looked at: "), "{why}");
    assert!(ran.err.contains("kubectl config set-context"), "{}", ran.err);
    assert!(!ran.err.contains("secret-token"), "{}", ran.err);
    assert_eq!(two.requests(), []);
}

#[rstest]
#[case::named("status --context new --token t-1")]
#[case::a_list_of_one("status --contexts new --token t-1")]
#[case::completion("__complete undo --context new --token t-1 svc/")]
fn a_token_is_sent_to_the_one_cluster_that_is_named(#[case] arguments: &str) {
    let two = Two::with_service_web(["shop", "shop"]);
    let ran = two.run(arguments);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(two.old.requests(), []);
    let sent = two.new.requests();
    assert!(!sent.is_empty());
    assert!(sent.iter().all(|of| of.authorization.as_deref() == Some("Bearer t-1")), "{sent:?}");
}

#[rstest]
#[case::several_contexts("__complete undo --contexts old,new --token t-1 ")]
#[case::two_sides("__complete shift --from old --to new --token t-1 ")]
fn completion_sends_a_token_to_no_cluster_where_the_command_is_refused(#[case] arguments: &str) {
    let two = Two::with_service_web(["shop", "shop"]);
    let mut command = command();
    let words = arguments.split(' ');
    command.args(words).env("KUBECONFIG", two.folder.path("kubeconfig"));
    let ran = finish(&mut command);
    assert_eq!((ran.code, ran.out.as_str()), (0, ":4\n"), "{}", ran.err);
    assert_eq!(two.requests(), []);
}

#[test]
fn every_context_is_sent_its_own_users_token() {
    let two = Two::with_service_web(["shop", "shop"]);
    assert_eq!(two.run("status --contexts old,new").code, 0);
    for (server, token) in [(&two.old, "Bearer t-old"), (&two.new, "Bearer t-new")] {
        let sent = server.requests();
        assert!(!sent.is_empty());
        assert!(sent.iter().all(|of| of.authorization.as_deref() == Some(token)), "{sent:?}");
    }
}

/// One Service of another name in every namespace of both clusters, each in a group of its own.
fn named_by_place(namespaces: [&str; 2]) -> Two {
    let services = |uid: &str| {
        let mut of =
            cluster(uid, &[("shop", "in-shop"), ("live", "in-live"), ("other", "in-other")]);
        for object in of.objects.iter_mut().filter(|object| object["kind"] == "Service") {
            let group = format!(
                "rsp-bp1{uid}{}:80",
                &object["metadata"]["name"].as_str().expect("a name")[3..]
            );
            let key = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port";
            object["metadata"]["annotations"][key] = group.into();
        }
        of
    };
    Two::start(services("k1"), services("k2"), namespaces)
}

#[rstest]
#[case::each_its_own("", &["old shop/in-shop", "new live/in-live"])]
#[case::the_named_one("-n other", &["old other/in-other", "new other/in-other"])]
#[case::all("-A", &["old live/in-live", "old other/in-other", "old shop/in-shop",
    "new live/in-live", "new other/in-other", "new shop/in-shop"])]
fn every_context_is_looked_at_in_its_own_namespace(#[case] flags: &str, #[case] seen: &[&str]) {
    let two = named_by_place(["shop", "live"]);
    let ran = two.run(&format!("status --contexts old,new -o json {flags}"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mut found = participants(&ran.json());
    let mut seen: Vec<&str> = seen.to_vec();
    found.sort();
    seen.sort_unstable();
    assert_eq!(found, seen);
}

#[test]
fn what_is_not_found_names_the_namespace_of_each_context() {
    let two = named_by_place(["shop", "live"]);
    let ran = two.run("preview in-other 30 --contexts old,new");
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(
        ran.err.contains("no Service \"in-other\" in namespaces shop of old, live of new"),
        "{}",
        ran.err
    );
}

#[test]
fn a_service_is_previewed_in_the_namespace_of_its_context() {
    let two = named_by_place(["shop", "live"]);
    let ran = two.run("preview in-live 30 --contexts old,new -o json --fail-on never");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let changes = &ran.json()["changes"];
    assert_eq!(changes[0]["object"]["context"], "new", "{changes}");
    assert_eq!(changes.as_array().expect("a list").len(), 1);
}

#[test]
fn a_namespace_is_read_where_no_more_may_be_read() {
    let two = {
        let of = |uid| Served {
            forbidden: vec!["/api/v1/services"],
            ..cluster(uid, &[("shop", "web"), ("live", "web")])
        };
        Two::start(of("k1"), of("k2"), ["shop", "live"])
    };
    let ran = two.run("status --contexts old,new -o json");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(participants(&ran.json()), ["old shop/web", "new live/web"]);
}

#[rstest]
#[case::own_namespaces("", &["old/shop/web", "new/live/web"])]
#[case::the_named_one("-n shop", &["old/shop/web", "new/shop/web"])]
fn the_sides_of_a_shift_are_named_in_their_own_contexts(
    #[case] flags: &str,
    #[case] written: &[&str],
) {
    let both = [("shop", "web"), ("live", "web")];
    let two = Two::start(cluster("k1", &both[..1]), cluster("k2", &both), ["shop", "live"]);
    let ran = two.run(&format!("shift web --from old --to new 40% -o patch --force {flags}"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let patches = ran.out.split("---\n").map(|patch| {
        let line = |start: &str| {
            let found = patch.lines().find_map(|line| line.trim_start().strip_prefix(start));
            found.expect(start).trim().to_owned()
        };
        format!("{}/{}/{}", line("# context "), line("namespace: "), line("name: "))
    });
    let mut patches: Vec<String> = patches.collect();
    patches.sort_by_key(|patch| patch.starts_with("new"));
    assert_eq!(patches, written);
}

#[test]
fn names_are_completed_from_every_contexts_own_namespace() {
    let two = named_by_place(["shop", "live"]);
    let mut command = command();
    command
        .args(["__complete", "undo", "--contexts", "old,new", "svc/"])
        .env("KUBECONFIG", two.folder.path("kubeconfig"));
    let ran = finish(&mut command);
    assert_eq!(ran.out, "svc/in-shop\tweight 20\nsvc/in-live\tweight 20\n:4\n", "{}", ran.err);
}

#[test]
fn of_several_contexts_one_is_picked_by_name() {
    let two = Two::with_service_web(["shop", "shop"]);
    let line = "preview web 30 --contexts old,new -o json --fail-on never";
    let ran = two.run(line);
    assert_eq!(ran.code, 2, "{}", ran.err);
    // What the hint says can be added to the line.
    let hint = ran.err.lines().find_map(|line| line.split_once("give svc/web ")).expect("a hint");
    assert_eq!(hint.1, "-n shop --context old");
    let ran = two.run(&format!("{line} {}", hint.1));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let preview = ran.json();
    assert_eq!(preview["changes"][0]["object"]["context"], "old", "{preview}");
    // The other one is in the route all the same.
    let after = &preview["routes"][0]["after"]["participants"];
    assert!(after.to_string().contains("\"new\""), "{preview}");
}

#[rstest]
#[case("undo web --contexts old,new --context old --yes")]
#[case("shift web --contexts old,new --context old --finish --yes")]
#[case("set web 30 --contexts old,new --context old --yes")]
fn a_command_that_writes_takes_one_way_of_naming_clusters(#[case] arguments: &str) {
    let two = Two::with_service_web(["shop", "shop"]);
    let ran = two.run(arguments);
    assert_eq!(ran.code, 2, "{}", ran.err);
    let why = ["cannot be used with", "this command writes in one cluster"];
    assert!(why.iter().any(|why| ran.err.contains(why)), "{}", ran.err);
    assert_eq!(two.requests(), []);
}
