//! `status` of Services by name.

use rstest::rstest;

use crate::program::{Folder, Output, TWO_CLUSTERS, run, service};

/// Two Services in one group, one in another, one in none, one that CCM does not take, and one of
/// another namespace.
fn shop() -> Folder {
    let shared = |name: &str| service("shop", name, "", "20").replace("rsp-bp1web", "rsp-bp1api");
    let objects = [
        shared("web"),
        shared("api"),
        service("shop", "other", "", "20"),
        service("shop", "alone", "", "20").replace("loadbalancer-id", "loadbalancer-name"),
        service("shop", "inner", "", "20").replace("type: LoadBalancer", "type: ClusterIP"),
        service("live", "web", "", "20").replace("rsp-bp1web", "rsp-bp1live"),
    ];
    Folder::new(&[("s.yaml", objects.join("---\n").as_str())])
}

fn status(folder: &Folder, arguments: &str) -> Output {
    run(&format!("status {arguments} -f {}", folder.path("s.yaml")))
}

/// The groups of the routes in a document, and the Services in no route.
fn shown(ran: &Output) -> [Vec<String>; 2] {
    let json = ran.json();
    let all = |list: &str, field: &str| {
        let items = json[list].as_array().expect("a list").iter();
        items.map(|of| of[field].as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    [all("routes", "vserverGroup"), all("unrouted", "name")]
}

#[rstest]
#[case::by_name("web -n shop", &["rsp-bp1api"], &[])]
#[case::by_kind("svc/web -n shop", &["rsp-bp1api"], &[])]
#[case::two_in_one_route("svc/web service/api -n shop", &["rsp-bp1api"], &[])]
#[case::one_named_twice("web svc/web -n shop", &["rsp-bp1api"], &[])]
#[case::two_in_two("svc/other svc/api -n shop", &["rsp-bp1api", "rsp-bp1other"], &[])]
#[case::in_all_namespaces("web -A", &["rsp-bp1api", "rsp-bp1live"], &[])]
#[case::in_no_route("alone -n shop", &[], &["alone"])]
#[case::not_taken_by_ccm("svc/inner -n shop", &[], &["inner"])]
fn only_the_routes_of_the_named_services_are_shown(
    #[case] arguments: &str,
    #[case] groups: &[&str],
    #[case] unrouted: &[&str],
) {
    let ran = status(&shop(), &format!("{arguments} -o json"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(shown(&ran), [groups, unrouted]);
}

#[test]
fn all_participants_of_such_a_route_are_shown() {
    let ran = status(&shop(), "svc/web -n shop");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("web") && ran.out.contains("api"), "{}", ran.out);
    assert!(!ran.out.contains("other") && !ran.out.contains("alone"), "{}", ran.out);
}

#[test]
fn every_cluster_that_has_the_service_is_shown() {
    let ran = run(&format!("status svc/web -n shop {TWO_CLUSTERS} -o name"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.out, "service/web --context a\nservice/web --context b\n");
}

#[test]
fn a_service_that_is_nowhere_is_an_error_and_the_others_are_shown() {
    let ran = status(&shop(), "svc/wep svc/api -n shop -o json");
    assert_eq!(ran.code, 1);
    assert_eq!(shown(&ran), [vec!["rsp-bp1api".to_owned()], Vec::new()]);
    assert_eq!(ran.err, "error: Service shop/wep not found\n  hint: there is svc/web -n shop\n");
}

#[test]
fn a_service_of_another_namespace_is_named() {
    let ran = status(&shop(), "svc/api -n live");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert_eq!(
        ran.err,
        "error: Service live/api not found\n  hint: of that name there is svc/api -n shop\n"
    );
}

#[rstest]
#[case::for_people("", "")]
#[case::names("-o name", "")]
fn where_none_is_there_nothing_is_shown(#[case] format: &str, #[case] out: &str) {
    let ran = status(&shop(), &format!("svc/nothing-like-it {format}"));
    assert_eq!((ran.code, ran.out.as_str()), (1, out));
    assert_eq!(ran.err, "error: Service nothing-like-it not found\n");
}

#[test]
fn a_service_in_no_route_is_told_with_the_reason() {
    let ran = status(&shop(), "svc/inner svc/alone -n shop");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("it is of type ClusterIP"), "{}", ran.out);
    assert!(ran.out.contains("it names no CLB"), "{}", ran.out);
}

#[rstest]
#[case("status web -n shop", "SHARE")]
#[case("explain", "SEVERITY")]
fn without_headers_there_is_no_line_of_titles(#[case] arguments: &str, #[case] title: &str) {
    let folder = shop();
    let files = format!("-f {}", folder.path("s.yaml"));
    let files = if arguments.starts_with("status") { files.as_str() } else { "" };
    let with = run(&format!("{arguments} {files}"));
    let without = run(&format!("{arguments} {files} --no-headers"));
    assert_eq!((with.code, without.code, without.err.as_str()), (0, 0, ""));
    let lines: Vec<&str> = with.out.lines().filter(|line| !line.contains(title)).collect();
    assert!(lines.len() < with.out.lines().count(), "{}", with.out);
    assert_eq!(without.out.lines().collect::<Vec<_>>(), lines);
    assert_eq!(run(&format!("{arguments} {files} --no-headers=false")).out, with.out);
}
