//! Whether clients come to a group, and whether its backends serve them.

use rstest::rstest;
use serde_json::Value;

use super::{Case, GROUP, Report, case, participant, share};
use crate::program::run;

fn unlistened() -> Case {
    case("no-listener-on-the-group")
}

/// The case with these listeners.
fn listening(listeners: &str) -> Case {
    unlistened().with("listeners.json", "[]", listeners)
}

/// A listener of the CLB, as JSON.
fn listener(port: u16, vgroup: &str, more: &str) -> String {
    format!(
        r#"{{"LoadBalancerId": "lb-bp1example", "ListenerPort": {port}, "ListenerProtocol": "tcp", "VServerGroupId": {vgroup}{more}}}"#
    )
}

#[rstest]
#[case::none(unlistened(), "it has none on tcp/80")]
#[case::keys_of_the_old_prefix(unlistened().under_the_old_prefix(), "it has none on tcp/80")]
#[case::stopped(
    listening(&format!("[{}]", listener(80, "\"rsp-bp1example\"", r#", "Status": "stopped""#))),
    "listener tcp/80 is stopped"
)]
#[case::another_group(
    listening(&format!("[{}]", listener(80, "\"rsp-bp1other\"", r#", "Status": "running""#))),
    "listener tcp/80 sends to group rsp-bp1other"
)]
#[case::the_other_shape(
    unlistened().with(
        "listeners.json",
        "[]",
        &format!(r#"{{"Listener": [{}]}}"#, listener(80, "\"rsp-bp1other\"", "")),
    ),
    "listener tcp/80 sends to group rsp-bp1other"
)]
#[case::the_default_group(
    listening(&format!("[{}]", listener(80, "null", ""))),
    "listener tcp/80 sends to no vServer group"
)]
#[case::no_list(unlistened().with("listeners.json", "[]", "null"), "it has none on tcp/80")]
#[case::udp(
    listening(&format!("[{}]", listener(80, "\"rsp-bp1other\"", "")).replace("tcp", "udp")),
    "it has none on tcp/80"
)]
#[case::another_protocol(
    unlistened().with(
        "service.yaml",
        "  annotations:\n",
        "  annotations:\n    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-protocol-port: \"https:80\"\n",
    ),
    "it has none on https/80"
)]
fn no_listener_on_the_group(#[case] case: Case, #[case] instead: &str) {
    let status = case.status("");
    let route = status.route(GROUP);
    assert_eq!(participant(route, "web")["outcome"], "applied");
    assert_eq!((&route["complete"], share(route, "web").as_str()), (&false.into(), "30.0"));
    let unknown = route["unknown"].to_string();
    assert!(unknown.contains(instead) && unknown.contains("forwarding rule"), "{unknown}");
    let check = case.check("");
    // An annotation of the listener's protocol has no effect on this CLB (CLB031).
    let mut found = check.findings("/findings");
    found.retain(|one| one != "CLB031 warning");
    assert_eq!(found, ["CLB415 warning"]);
    let all = check.json["findings"].as_array().expect("findings");
    let ours = all.iter().find(|one| one["rule"] == "CLB415").expect("a finding");
    let message = ours["message"].to_string();
    assert!(message.contains(instead) && message.contains("forwarding rule"), "{message}");
}

#[test]
fn a_preview_says_beside_the_shares_that_clients_may_feel_nothing() {
    let folder = unlistened().folder();
    let ran = run(&format!("preview svc/web 40 -n shop -f {}", folder.path("")));
    let mut lines = ran.out.lines();
    assert_eq!(
        lines.next(),
        Some(
            "shop/web: 30.0 % -> 35.8 % of the traffic of rsp-bp1example (weight 30 -> 40), applied"
        )
    );
    let warning =
        "no running listener sends to group rsp-bp1example: clients may feel nothing of it";
    assert_eq!(lines.next().map(str::trim), Some(warning));
}

#[test]
fn a_preview_counts_the_listeners_as_the_round_leaves_them() {
    let old = listening(&format!("[{}]", listener(80, "\"rsp-bp1other\"", "")));
    let folder = old.folder();
    let id = "    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id";
    let overriding = old.clone().with(
        "service.yaml",
        id,
        &format!(
            "    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-force-override-listeners: \"true\"\n{id}"
        ),
    );
    let newer = overriding.folder();
    let report = Report::of(&format!(
        "preview -f {} --against {} -o json",
        newer.path("service.yaml"),
        folder.path("")
    ));
    let route = report.route(GROUP);
    assert_eq!([&route["before"]["complete"], &route["after"]["complete"]], [false, true]);
    assert_eq!(report.findings("/findings/fixed"), ["CLB415 warning"]);
}

#[rstest]
#[case::on_the_port(listening(&format!("[{}]", listener(80, "\"rsp-bp1example\"", ""))))]
#[case::on_another_port(listening(&format!("[{}]", listener(8080, "\"rsp-bp1example\"", ""))))]
#[case::override_makes_it(unlistened().with(
    "service.yaml",
    "  annotations:\n",
    "  annotations:\n    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-force-override-listeners: \"true\"\n",
))]
fn a_listener_sends_to_the_group(#[case] case: Case) {
    assert_eq!(case.status("").route(GROUP)["complete"], true);
    let found = case.check("").findings("/findings");
    assert!(!found.contains(&"CLB415 warning".to_owned()), "{found:?}");
}

#[rstest]
#[case::no_answer(unlistened().without("listeners.json"))]
#[case::another_clbs(
    listening(&format!("[{}]", listener(80, "\"rsp-bp1other\"", ""))
        .replace("lb-bp1example", "lb-bp1other"))
)]
#[case::a_page_of_several(unlistened().with(
    "listeners.json",
    "\"TotalCount\": 0",
    "\"NextToken\": \"more\", \"TotalCount\": 21",
))]
fn listeners_that_are_not_at_hand_are_not_looked_at(#[case] case: Case) {
    assert_eq!(case.status("").route(GROUP)["complete"], true);
    let check = case.check("");
    assert_eq!(check.findings("/findings"), [""; 0]);
    let blind = check.json["notLooked"].as_array().expect("a list");
    let listeners = blind.iter().find(|not| not["what"] == "listeners of CLB lb-bp1example");
    let rules = listeners.expect("the listeners")["rules"].to_string();
    assert!(rules.contains("CLB415"), "{rules}");
}

/// How many backends of the two Services are healthy.
fn healthy(case: &Case) -> [Value; 2] {
    let status = case.status("");
    [("rsp-a", "web"), ("rsp-c", "api")]
        .map(|(group, name)| participant(status.route(group), name)["healthy"].clone())
}

fn shared_servers() -> Case {
    case("health-of-another-clb")
}

#[rstest]
#[case::as_it_is(shared_servers())]
#[case::ids_without_digits_are_known_by_the_services(
    shared_servers().without("DescribeVServerGroupAttribute-c.json")
)]
fn health_of_another_clb(#[case] case: Case) {
    let status = case.status("");
    assert_eq!(participant(status.route("rsp-a"), "web")["healthy"], 3);
    let found = case.check("").findings("/findings");
    let abnormal = found.iter().filter(|found| *found == "CLB416 warning").count();
    let has_answer =
        case.files.iter().any(|(name, _)| name == "DescribeVServerGroupAttribute-c.json");
    assert_eq!(abnormal, usize::from(has_answer), "{found:?}");
}

#[test]
fn each_clb_has_its_own_health() {
    assert_eq!(healthy(&shared_servers()), [3, 0]);
}

#[test]
fn health_of_which_no_name_tells_the_clb_is_not_guessed() {
    let mut case = shared_servers();
    for (name, _) in &mut case.files {
        *name = name.replace("Status-lb-a", "Status").replace("Status-lb-c", "Status-2");
    }
    assert_eq!(healthy(&case), [Value::Null, Value::Null]);
    let blind = case.check("").json["notLooked"].to_string();
    assert!(blind.contains("health of backends at CLB lb-a"), "{blind}");
}

#[test]
fn the_backends_that_get_nothing_are_named_beside_their_service() {
    let status = shared_servers().status("");
    let problems =
        |group: &str, name: &str| participant(status.route(group), name)["problems"].to_string();
    let api = problems("rsp-c", "api");
    assert!(
        api.contains("3 of 3 backends not healthy at tcp/80") && api.contains("CLB416"),
        "{api}"
    );
    let web = problems("rsp-a", "web");
    assert!(!web.contains("CLB416"), "{web}");
}
