//! `status` of a CLB, by the CLB API alone and with clusters at hand.

use clbmigrate_clb_double::{Behaviour, ClbDouble, Fault, FaultEffect, Health, Options, SetHealth};
use insta::assert_snapshot;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::{
    documents::assert_valid,
    program::{Output, command, finish},
};

const REGION: &str = "cn-bed";
/// The ids of the clusters whose Services stand in the group.
pub const OLD: &str = "c0a00000000000000000000000000aaa1";
pub const NEW: &str = "c0b00000000000000000000000000bbb2";

/// A backend on an instance.
fn backend(server: &str, weight: u32, description: &str) -> Value {
    json!({"serverId": server, "port": 30080, "weight": weight, "description": description})
}

/// A cloud with a CLB in use, another one, and credentials that may read alone. No kubeconfig is to be
/// found.
pub struct Cloud {
    pub double: ClbDouble,
    _runtime: Runtime,
}

impl Cloud {
    pub fn start() -> Self {
        let web = |cluster| format!("k8s/30080/web/shop/{cluster}");
        let groups = json!([
            {"id": "rsp-bp1api", "name": "api", "backends": [backend("i-bp1n1", 100, "by hand")]},
            {"id": "rsp-bp1empty", "name": "empty", "backends": []},
            {"id": "rsp-bp1web", "name": "shop-web", "backends": [
                backend("i-bp1o1", 30, &web(OLD)), backend("i-bp1o2", 30, &web(OLD)),
                backend("i-bp1n1", 10, &web(NEW)), backend("i-bp1n2", 10, &web(NEW)),
                backend("i-bp1old", 20, ""),
            ]},
        ]);
        let listeners = json!([
            {"port": 443, "vServerGroupId": "rsp-bp1web", "scheduler": "rr",
             "connectionDrain": true, "connectionDrainTimeout": 300, "persistenceTimeout": 60},
            {"port": 80, "vServerGroupId": "rsp-bp1web", "description": "k8s/80/web/shop/c0a0"},
            {"port": 8080, "protocol": "http", "forwardPort": 8443},
            {"port": 8443, "protocol": "https", "status": "stopped", "vServerGroupId": "rsp-bp1api",
             "healthCheck": {"enabled": false}},
            {"port": 25, "protocol": "tcp"},
            {"port": 3306, "attributes": {"MasterSlaveServerGroupId": "rsp-bp1pair"}},
        ]);
        Self::of(&json!([
            {"id": "lb-bp1example", "name": "shop", "address": "203.0.113.10",
             "addressType": "internet", "groups": groups, "listeners": listeners,
             "defaultServers": [{"serverId": "i-bp1m1", "weight": 75},
                                {"serverId": "i-bp1m2", "weight": 25}]},
            {"id": "lb-bp1other", "address": "2001:db8::7", "ipVersion": "ipv6"},
        ]))
    }

    fn of(balancers: &Value) -> Self {
        let state = json!({
            "region": REGION,
            "accounts": [{"accessKeyId": "LTAIexample", "accessKeySecret": "secret-1",
                          "accountId": "1000000000000001",
                          "allows": ["slb:Describe*", "slb:List*"]}],
            "loadBalancers": balancers,
        });
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let options = Options::new(state.to_string().parse().expect("a state"));
        let double = runtime.block_on(ClbDouble::start(options)).expect("a double");
        double.set_behaviour(Behaviour {
            health: vec![
                SetHealth::of_server("i-bp1old", Health::Abnormal),
                SetHealth::of_all(Health::Normal),
            ],
            ..Behaviour::default()
        });
        Self { double, _runtime: runtime }
    }

    /// Allows these actions alone.
    fn allow(&self, actions: &[&str]) {
        let actions: Vec<String> = actions.iter().map(|of| (*of).to_owned()).collect();
        self.double.edit(|state| {
            for account in &mut state.accounts {
                account.allows = Some(actions.clone());
            }
        });
    }

    /// The program with credentials for the cloud, and without a kubeconfig.
    pub fn command(&self, arguments: &str) -> std::process::Command {
        let cloud = format!("http://{}", self.double.http().expect("an address"));
        let mut command = command();
        command
            .args(arguments.split_whitespace())
            .env("KUBECONFIG", "/nonexistent/kubeconfig")
            .env("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAIexample")
            .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret-1")
            .env("ALIBABA_CLOUD_REGION_ID", REGION)
            .env("ALIBABA_CLOUD_ENDPOINT", &cloud)
            .env("CLBMIGRATE_STS_ENDPOINT", &cloud);
        command
    }

    /// Runs it.
    pub fn run(&self, arguments: &str) -> Output {
        finish(&mut self.command(arguments))
    }

    /// What is said of the CLB in use, which follows the schema.
    fn document(&self) -> Value {
        let ran = self.run("status lb-bp1example -o json");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert_valid("load-balancer-list", &ran.json());
        ran.json()["loadBalancers"][0].clone()
    }

    /// The actions that were called.
    fn actions(&self) -> Vec<String> {
        self.double.calls().into_iter().map(|call| call.action).collect()
    }
}

/// Who holds a group, as `name: standing, sum, share`.
pub fn holders(clb: &Value, group: &str) -> Vec<String> {
    let groups = clb["groups"].as_array().expect("groups").iter();
    let group = groups.into_iter().find(|of| of["vserverGroup"] == group).expect("the group");
    let participants = group["participants"].as_array().expect("participants").iter();
    let in_words = |of: &Value| {
        format!("{}: {}, {}, {}", of["name"], of["standing"], of["weightSum"], of["share"])
            .replace('"', "")
    };
    participants.map(in_words).collect()
}

#[rstest]
#[case::at_60("60")]
#[case::at_80("80")]
#[case::at_120("120")]
fn a_clb_is_shown_without_any_cluster(#[case] width: &str) {
    let cloud = Cloud::start();
    let ran = finish(cloud.command("status lb-bp1example").env("COLUMNS", width));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_snapshot!(format!("clb-at-{width}"), ran.out);
}

#[rstest]
#[case::at_60("60")]
#[case::at_80("80")]
#[case::at_120("120")]
fn what_the_user_may_not_read_is_unknown(#[case] width: &str) {
    let cloud = Cloud::start();
    cloud.allow(&["slb:DescribeLoadBalancerAttribute"]);
    let ran = finish(cloud.command("status lb-bp1example").env("COLUMNS", width));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_snapshot!(format!("clb-unread-at-{width}"), ran.out);
}

#[rstest]
#[case::complete(&["slb:Describe*"], "clb-coloured")]
#[case::unread(&["slb:DescribeLoadBalancerAttribute"], "clb-unread-coloured")]
fn without_colour_not_a_word_of_a_clb_is_lost(#[case] allowed: &[&str], #[case] name: &str) {
    let cloud = Cloud::start();
    cloud.allow(allowed);
    for width in ["60", "80", "120"] {
        let run = |color: &str| {
            let arguments = format!("status lb-bp1example --color={color}");
            finish(cloud.command(&arguments).env("COLUMNS", width)).out
        };
        let coloured = run("always");
        assert_eq!(strip_ansi_escapes::strip_str(&coloured), run("never"), "{width}");
        if width == "120" {
            assert_snapshot!(name, coloured);
        }
    }
}

#[test]
fn everything_is_shown_wide_and_as_json() {
    let cloud = Cloud::start();
    assert_snapshot!("clb-wide", cloud.run("status lb-bp1example -o wide").out);
    assert_snapshot!("clb-json", cloud.run("status lb-bp1example -o json").out);
    assert_eq!(cloud.run("status lb-bp1example -o name").out, "lb-bp1example\n");
    let yaml = cloud.run("status lb-bp1example -o yaml").out;
    let read: Value = serde_saphyr::from_str(&yaml).expect("YAML");
    assert_eq!(read, cloud.run("status lb-bp1example -o json").json());
}

#[test]
fn without_clusters_nobody_is_an_orphan() {
    let clb = Cloud::start().document();
    let all = ["web: remote, 60, 0.6", "web: remote, 20, 0.2", "i-bp1old: null, 20, 0.2"];
    assert_eq!(holders(&clb, "rsp-bp1web"), all);
    let clusters = clb.pointer("/groups/0/participants").expect("participants");
    assert_eq!((&clusters[0]["clusterId"], &clusters[1]["clusterId"]), (&json!(OLD), &json!(NEW)));
}

#[test]
fn shares_sum_up_to_1_or_are_all_0() {
    let groups = json!([
        {"id": "rsp-bp1zero", "backends": [backend("i-bp1a", 0, ""), backend("i-bp1b", 0, "")]},
        {"id": "rsp-bp1thirds", "backends": [
            backend("i-bp1a", 7, ""), backend("i-bp1b", 7, "k8s/30080/web/shop/c0a0"),
            backend("i-bp1c", 7, "k8s/30080/api/shop/c0a0")]},
        {"id": "rsp-bp1empty", "backends": []},
    ]);
    let cloud = Cloud::of(&json!([{"id": "lb-bp1example", "groups": groups,
        "defaultServers": [{"serverId": "i-bp1a", "weight": 0}]}]));
    let clb = cloud.document();
    let mut sums = Vec::new();
    for group in clb["groups"].as_array().expect("groups") {
        let participants = group["participants"].as_array().expect("participants").iter();
        let shares = participants.map(|of| of["share"].as_f64().expect("a share"));
        sums.push((group["vserverGroup"].as_str().expect("an id"), shares.sum::<f64>()));
    }
    assert_eq!(sums, [("rsp-bp1zero", 0.0), ("rsp-bp1thirds", 1.0), ("rsp-bp1empty", 0.0)]);
    assert_eq!(clb["defaultServers"][0]["share"], 0.0);
}

#[test]
fn nothing_is_called_but_what_reads_and_each_thing_once() {
    let cloud = Cloud::start();
    cloud.document();
    let mut actions = cloud.actions();
    actions.sort();
    let mut expected = vec!["DescribeHealthStatus"; 3];
    expected.extend(["DescribeLoadBalancerAttribute", "DescribeLoadBalancerListeners"]);
    expected.extend(["DescribeVServerGroupAttribute"; 3]);
    expected.push("DescribeVServerGroups");
    assert_eq!(actions, expected);
}

#[test]
fn a_throttled_call_is_made_again() {
    let cloud = Cloud::start();
    let throttled = Fault::new(FaultEffect::Throttle {});
    cloud.double.fault(throttled.for_action("DescribeVServerGroupAttribute").times(1));
    let clb = cloud.document();
    assert_eq!(clb["unknown"], json!([]));
    let asked = cloud.actions();
    let asked = asked.iter().filter(|of| *of == "DescribeVServerGroupAttribute").count();
    assert_eq!(asked, 4);
}

#[rstest]
#[case::itself("DescribeLoadBalancerAttribute", "its name, address")]
#[case::listeners("DescribeLoadBalancerListeners", "its listeners")]
#[case::groups("DescribeVServerGroups", "the list of its groups")]
#[case::backends("DescribeVServerGroupAttribute", "the backends of 3 groups")]
#[case::health("DescribeHealthStatus", "the health at 3 listeners")]
fn a_right_that_is_missing_is_one_line_and_the_rest_is_shown(
    #[case] action: &str,
    #[case] what: &str,
) {
    let cloud = Cloud::start();
    let fault = FaultEffect::Error {
        status: 403,
        code: "Forbidden.RAM".to_owned(),
        message: "no".to_owned(),
    };
    cloud.double.fault(Fault::new(fault).for_action(action));
    let clb = cloud.document();
    let unknown = clb["unknown"].as_array().expect("a list");
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    let line = unknown[0].as_str().expect("a text");
    assert!(line.starts_with(what), "{line}");
    let why = format!("RAM does not allow {action} (Forbidden.RAM); allow slb:{action}");
    assert!(line.ends_with(&why), "{line}");
    let asked = cloud.actions();
    // Those that were under way when the first was refused, and no more.
    assert!(asked.iter().filter(|of| *of == action).count() <= 4, "{asked:?}");
    let groups = clb["groups"].as_array().expect("groups");
    assert!(!groups.is_empty());
    let is = |key: &str, value: &Value| groups.iter().all(|group| group[key] == *value);
    match action {
        "DescribeLoadBalancerAttribute" => {
            assert_eq!((&clb["clbName"], &clb["defaultServers"]), (&Value::Null, &Value::Null));
        }
        "DescribeLoadBalancerListeners" => {
            assert_eq!(clb["listeners"], Value::Null);
            assert!(is("listeners", &Value::Null));
        }
        "DescribeVServerGroups" => assert_eq!(clb["groupsLeftOut"], Value::Null),
        "DescribeVServerGroupAttribute" => {
            assert!(is("backends", &Value::Null) && is("weightSum", &Value::Null));
        }
        _ => {
            let web = groups.iter().find(|of| of["vserverGroup"] == "rsp-bp1web");
            assert_eq!(web.expect("the group")["healthy"], Value::Null);
        }
    }
}

#[test]
fn a_clb_is_found_by_its_address() {
    let cloud = Cloud::start();
    let named = |target: &str| {
        let ran = cloud.run(&format!("status {target} -o name"));
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    assert_eq!(named("203.0.113.10"), "lb-bp1example\n");
    assert_eq!(named("2001:0db8:0::7"), "lb-bp1other\n");
    assert_eq!(named("lb-bp1other 203.0.113.10 2001:db8::7"), "lb-bp1other\nlb-bp1example\n");
}

#[rstest]
#[case::by_id("lb-bp1gone", "no CLB lb-bp1gone is in region cn-bed of account 1000000000000001")]
#[case::by_address(
    "203.0.113.99",
    "no CLB in region cn-bed of account 1000000000000001 (environment ALIBABA_CLOUD_ACCESS_KEY_ID) has the address 203.0.113.99"
)]
fn a_clb_that_is_not_there_is_an_error_that_names_region_and_account(
    #[case] target: &str,
    #[case] message: &str,
) {
    let cloud = Cloud::start();
    let ran = cloud.run(&format!("status {target}"));
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains(message), "{}", ran.err);
    let command = format!("kubectl clbmigrate status {target} --clb-region REGION");
    assert!(ran.err.contains(&command), "{}", ran.err);
    // The others are shown.
    let ran = cloud.run(&format!("status {target} lb-bp1other -o name"));
    assert_eq!((ran.code, ran.out.as_str()), (1, "lb-bp1other\n"));
    assert!(ran.err.contains(message), "{}", ran.err);
}

#[test]
fn a_clb_of_which_nothing_may_be_read_is_an_error() {
    let cloud = Cloud::start();
    cloud.allow(&[]);
    let ran = cloud.run("status lb-bp1example");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("allows slb:DescribeLoadBalancerAttribute"), "{}", ran.err);
}

#[test]
fn without_credentials_it_says_where_they_are_looked_for() {
    let ran = finish(command().args(["status", "lb-bp1example"]).env("KUBECONFIG", "/nonexistent"));
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("credentials") && !ran.err.contains("kubeconfig"), "{}", ran.err);
}

#[rstest]
#[case::beside_a_service("status lb-bp1example web", "web is a Service and lb-bp1example a CLB")]
#[case::watched("status lb-bp1example -w", "--watch is for Services")]
#[case::without_the_api("status lb-bp1example --no-clb", "--no-clb")]
#[case::overlaid("status lb-bp1example --overlay group.json", "--overlay is for the status of")]
fn what_does_not_fit_a_clb_is_refused(#[case] arguments: &str, #[case] message: &str) {
    let cloud = Cloud::start();
    let ran = cloud.run(arguments);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
    assert!(ran.err.contains(message), "{}", ran.err);
    assert_eq!(cloud.actions(), [""; 0]);
}

#[test]
fn beyond_100_groups_it_says_how_many_are_left_out() {
    let groups: Vec<Value> =
        (0..103).map(|number| json!({"id": format!("rsp-bp1n{number:03}")})).collect();
    let listeners = json!([{"port": 80, "vServerGroupId": "rsp-bp1n102"}]);
    let cloud =
        Cloud::of(&json!([{"id": "lb-bp1example", "groups": groups, "listeners": listeners}]));
    let clb = cloud.document();
    assert_eq!(clb["groupsLeftOut"], 3);
    assert_eq!(clb["groups"].as_array().expect("groups").len(), 100);
    // What clients reach is never left out.
    assert_eq!(clb["groups"][0]["vserverGroup"], "rsp-bp1n102");
    let line = "3 of its groups: no more than 100 are asked about";
    assert_eq!(clb["unknown"], json!([line]));
}
