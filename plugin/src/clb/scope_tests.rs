//! Which groups the CLB API is asked about.

use clbmigrate_core::{snapshot::Object, transfer::Servers};
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::namespaces::Namespaces;

/// A Service that is mapped: context, namespace and name, CLB and mapping.
type Mapped<'m> = (&'m str, &'m str, &'m str, &'m str, &'m str);

const WEB: Mapped<'_> = ("new", "shop", "web", "lb-bp1example", "rsp-a:80");
const API: Mapped<'_> = ("new", "shop", "api", "lb-bp1example", "rsp-b:80");
const OLD_WEB: Mapped<'_> = ("old", "shop", "web-v1", "lb-bp1example", "rsp-a:80,rsp-c:443");
const OTHER_WEB: Mapped<'_> = ("new", "blog", "web", "lb-bp1other", "rsp-d:80");
const PLACEHOLDER: Mapped<'_> = ("new", "shop", "web", "<id>", "rsp-a:80");

fn snapshot(services: &[Mapped<'_>]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (context, namespace, name, clb, mapping) in services {
        let mut cluster = Cluster::default();
        cluster.context = Some((*context).into());
        let prefix = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer";
        let service = json!({
            "metadata": {"namespace": namespace, "name": name, "annotations": {
                format!("{prefix}-id"): clb, format!("{prefix}-vgroup-port"): mapping,
            }},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80}, {"port": 443}]},
        });
        let service = serde_json::from_value(service).expect("a Service");
        cluster.insert(Object::Service(Box::new(service)));
        snapshot.clusters.push(cluster);
    }
    snapshot
}

/// The groups that are asked about, in namespace `shop` of every context.
fn asked(scope: &Scope, services: &[Mapped<'_>]) -> String {
    let namespaces = Namespaces::One("shop".to_owned());
    let selection = Selection::in_namespaces(&namespaces);
    let snapshot = snapshot(services);
    let groups = scope.groups(&snapshot, &selection);
    groups.into_iter().map(|(_, vgroup)| vgroup).collect::<Vec<_>>().join(" ")
}

fn old() -> (String, String) {
    ("shop".to_owned(), "web-v1".to_owned())
}

#[rstest]
#[case::of_all_selected_services(Scope::Selected, "rsp-a rsp-b rsp-c")]
#[case::of_the_target(Scope::service("web"), "rsp-a")]
#[case::of_both_sides_of_a_shift(Scope::shift("web", &[]), "rsp-a rsp-c")]
#[case::of_a_side_that_is_named(Scope::shift("api", &[old()]), "rsp-a rsp-b rsp-c")]
#[case::of_nobody(Scope::service("nobody"), "")]
fn groups_are_asked_about(#[case] scope: Scope, #[case] groups: &str) {
    assert_eq!(asked(&scope, &[WEB, API, OLD_WEB, OTHER_WEB]), groups);
}

#[test]
fn an_undo_asks_about_all_that_the_change_touched() {
    let servers = Servers {
        clb: "lb-bp1example".to_owned(),
        vgroup: "rsp-old-machines".to_owned(),
        servers: Vec::new(),
    };
    let whole = Whole { parts: vec![Part::Servers(servers)] };
    let groups = asked(&Scope::change("web", &whole), &[WEB, API]);
    assert_eq!(groups, "rsp-a rsp-old-machines");
}

#[rstest]
#[case::of_a_service(Scope::service("web"))]
#[case::of_all(Scope::Selected)]
#[case::of_a_command_line(Scope::Groups(Routes {
    clb: "<id>".to_owned(),
    ports: [("rsp-a".to_owned(), [80].into())].into(),
}))]
fn nothing_is_asked_about_what_is_no_id_of_a_clb(#[case] scope: Scope) {
    assert_eq!(asked(&scope, &[PLACEHOLDER]), "");
}
