//! Live commands, over an API server that serves a few objects and the double of the CLB.

use clbmigrate_clb_double::{ClbDouble, Fault, FaultEffect, Options};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::{
    api_server::{ApiServer, migrated_service},
    program::{Folder, Output, command, finish},
};

const ACCOUNT: &str = "1000000000000001";
const REGION: &str = "cn-bed";
const BALANCER: &str = "DescribeLoadBalancerAttribute";
const GROUPS: &str = "DescribeVServerGroups";
const LISTENERS: &str = "DescribeLoadBalancerListeners";

/// A cluster with one Service, and a cloud that has the CLB `lb-bp1example` alone.
struct World {
    folder: Folder,
    cloud: ClbDouble,
    _runtime: Runtime,
}

impl World {
    fn start(clb: &str) -> Self {
        let state = json!({
            "region": REGION,
            "accounts": [{"accessKeyId": "LTAIexample", "accessKeySecret": "secret-1",
                          "accountId": ACCOUNT}],
            "loadBalancers": [{
                "id": "lb-bp1example", "address": "203.0.113.10",
                "groups": [{"id": "rsp-bp1example", "name": "web", "backends": []}],
            }],
        });
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let options = Options::new(state.to_string().parse().expect("a state"));
        let cloud = runtime.block_on(ClbDouble::start(options)).expect("a double");
        let server = ApiServer::start(vec![migrated_service("shop", clb, "rsp-bp1example")]);
        let folder = server.kubeconfig("shop");
        Self { folder, cloud, _runtime: runtime }
    }

    /// A call of this action meets a fault.
    fn refuse(&self, action: &str, code: &str) {
        let fault =
            FaultEffect::Error { status: 403, code: code.to_owned(), message: "no".to_owned() };
        self.cloud.fault(Fault::new(fault).for_action(action));
    }

    /// Runs the program with credentials for the cloud.
    fn run(&self, arguments: &str) -> Output {
        let cloud = format!("http://{}", self.cloud.http().expect("an address"));
        let mut command = command();
        command
            .args(arguments.replace("CLOUD", &cloud).split_whitespace())
            .env("KUBECONFIG", self.folder.path("kubeconfig"))
            .env("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAIexample")
            .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret-1")
            .env("ALIBABA_CLOUD_REGION_ID", REGION)
            .env("ALIBABA_CLOUD_ENDPOINT", &cloud)
            .env("CLBMIGRATE_STS_ENDPOINT", &cloud);
        finish(&mut command)
    }
}

/// The findings of a rule.
fn findings(report: &Value, rule: &str) -> Vec<Value> {
    let all = report["findings"].as_array().expect("findings").iter();
    all.filter(|finding| finding["rule"] == rule).cloned().collect()
}

/// What a rule could not look at, with the reason.
fn not_looked(report: &Value, rule: &str) -> Vec<(String, String)> {
    let all = report["notLooked"].as_array().expect("a list").iter();
    let of_rule = all.filter(|of| of["rules"].as_array().expect("rules").contains(&json!(rule)));
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    of_rule.map(|of| (text(&of["what"]), text(&of["why"]))).collect()
}

#[rstest]
#[case::of_the_environment("check -o json")]
#[case::of_a_flag("check -o json --clb-endpoint CLOUD")]
fn a_clb_that_the_cloud_does_not_know_is_a_finding_with_region_and_account(
    #[case] arguments: &str,
) {
    let world = World::start("lb-bp1gone");
    let output = world.run(arguments);
    assert_eq!(output.code, 3, "{}", output.err);
    let found = findings(&output.json(), "CLB028");
    let message = found[0]["message"].as_str().expect("a text");
    let place =
        format!("region {REGION} of account {ACCOUNT} (environment ALIBABA_CLOUD_ACCESS_KEY_ID)");
    assert!(message.contains("lb-bp1gone") && message.contains(&place), "{message}");
    assert_eq!(found.len(), 1);
    let warning = format!("no CLB lb-bp1gone is in {place}");
    assert!(output.err.contains(&warning), "{}", output.err);
}

#[test]
fn where_nobody_may_ask_for_the_account_the_credentials_are_named() {
    let world = World::start("lb-bp1gone");
    world.refuse("GetCallerIdentity", "Forbidden.RAM");
    let found = findings(&world.run("check -o json").json(), "CLB028");
    let message = found[0]["message"].as_str().expect("a text");
    let place =
        format!("region {REGION} of the account of environment ALIBABA_CLOUD_ACCESS_KEY_ID");
    assert!(message.contains(&place) && !message.contains(ACCOUNT), "{message}");
}

#[rstest]
#[case::the_groups(&[BALANCER])]
#[case::the_listeners(&[BALANCER, GROUPS])]
fn a_clb_that_only_another_read_does_not_know_is_one_too(#[case] refused: &[&str]) {
    let world = World::start("lb-bp1gone");
    for action in refused {
        world.refuse(action, "Forbidden.RAM");
    }
    let report = world.run("check -o json").json();
    assert_eq!(findings(&report, "CLB028").len(), 1);
    assert_eq!(not_looked(&report, "CLB028"), []);
}

#[rstest]
#[case("Forbidden.RAM")]
#[case("InvalidAccessKeyId.NotFound")]
#[case("InvalidVServerGroupId.NotFound")]
#[case("Forbidden.InstanceNotFound")]
fn a_clb_that_could_not_be_asked_about_is_no_finding(#[case] code: &str) {
    let world = World::start("lb-bp1gone");
    for action in [BALANCER, GROUPS, LISTENERS] {
        world.refuse(action, code);
    }
    let output = world.run("check -o json");
    let report = output.json();
    assert_eq!(findings(&report, "CLB028"), [json!(null); 0]);
    let (what, why) = not_looked(&report, "CLB028").pop().expect("a note");
    assert_eq!(what, "CLB lb-bp1gone");
    assert!(why.contains(code), "{why}");
    assert!(output.err.contains(code), "{}", output.err);
}

#[test]
fn a_clb_whose_groups_are_shown_is_there_though_it_may_not_be_looked_at() {
    let world = World::start("lb-bp1example");
    world.refuse(BALANCER, "Forbidden.RAM");
    let report = world.run("check -o json").json();
    assert_eq!(findings(&report, "CLB028"), [json!(null); 0]);
    assert_eq!(not_looked(&report, "CLB028"), []);
}

#[test]
fn a_clb_that_is_there_is_no_finding() {
    let report = World::start("lb-bp1example").run("check -o json").json();
    assert_eq!(findings(&report, "CLB028"), [json!(null); 0]);
    assert_eq!(not_looked(&report, "CLB028"), []);
}

#[test]
fn an_unknown_clb_costs_one_look_and_one_question_for_the_account() {
    let world = World::start("lb-bp1gone");
    let output = world.run("status -o json --clb-endpoint CLOUD");
    assert_eq!(output.code, 0, "{}", output.err);
    assert!(output.err.contains("no CLB lb-bp1gone is in region"), "{}", output.err);
    let actions: Vec<String> = world.cloud.calls().into_iter().map(|call| call.action).collect();
    assert_eq!(actions, ["DescribeVServerGroupAttribute", BALANCER, "GetCallerIdentity"]);
}

#[test]
fn nobody_is_asked_about_an_id_that_no_clb_can_have() {
    let world = World::start("203.0.113.7");
    let output = world.run("check -o json");
    assert_eq!(findings(&output.json(), "CLB028").len(), 1);
    let asked: Vec<String> = world.cloud.calls().into_iter().map(|call| call.action).collect();
    assert!(!asked.contains(&BALANCER.to_owned()), "{asked:?}");
}
