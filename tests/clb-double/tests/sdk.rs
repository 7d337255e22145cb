//! Alibaba Cloud's own SDKs for Go, unchanged, take the double for the cloud.
//!
//! Their program is in `sdk/`; Go fetches and builds them at the first run.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test may fail"
)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clbmigrate_clb_double::{ClbDouble, Options, State};
use clbmigrate_testbed::suite::{run, trial_if};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let go = Command::new("go").arg("version").output();
    let requirement = go.map(drop).map_err(|_| "needs Go 1.26".to_owned());
    let trial = trial_if(
        "official SDKs take the double for the cloud, over HTTP and HTTPS",
        requirement,
        || {
            over_both();
            Ok(())
        },
    );
    run(vec![trial], None)
}

fn over_both() {
    let program = build();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    for scheme in ["HTTP", "HTTPS"] {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut options = Options::new(state());
        options.listen_tls = Some(free);
        options.ca_file = Some(ca.clone());
        let double = runtime.block_on(ClbDouble::start(options)).expect("a double");
        let address = if scheme == "HTTP" { double.http() } else { double.https() };
        let story = tell(&program, scheme, address.expect("an address"), &ca);
        is_understood(&story);
        is_told_by_the_double(&double);
    }
}

/// Where the SDKs are not at hand this fetches them.
fn build() -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clb-sdk");
    let built = Command::new("go")
        .args(["build", "-mod=readonly", "-buildvcs=false", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/sdk"))
        .output()
        .expect("go runs");
    assert!(built.status.success(), "go build: {}", String::from_utf8_lossy(&built.stderr));
    program
}

/// What the SDKs understood, a key for each step.
fn tell(program: &Path, scheme: &str, address: SocketAddr, ca: &Path) -> Value {
    let output = Command::new(program)
        .args(["-scheme", scheme, "-key", "key-a", "-secret", "secret-a", "-endpoint"])
        .arg(address.to_string())
        .env("SSL_CERT_FILE", ca)
        .output()
        .expect("the program runs");
    assert!(
        output.status.success(),
        "over {scheme}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn is_understood(story: &Value) {
    let at = |path: &str| {
        story.pointer(path).unwrap_or_else(|| panic!("nothing at {path} of {story:#}"))
    };
    for (path, wanted) in [
        ("/loadBalancer/LoadBalancerId", json!("lb-1")),
        ("/loadBalancer/Address", json!("127.0.0.1")),
        ("/loadBalancer/AddressType", json!("intranet")),
        ("/groups/VServerGroups/VServerGroup/1/VServerGroupId", json!("rsp-b")),
        ("/added/BackendServers/BackendServer/1/ServerId", json!("i-4")),
        ("/set/BackendServers/BackendServer/0/Weight", json!(7)),
        ("/removed/VServerGroupId", json!("rsp-b")),
        ("/group/VServerGroupName", json!("empty")),
        ("/group/BackendServers/BackendServer/0/Weight", json!(7)),
        ("/group/BackendServers/BackendServer/0/Port", json!(30080)),
        ("/group/BackendServers/BackendServer/0/Description", json!("k8s/30080/web/shop/c1")),
        ("/listeners/TotalCount", json!(2)),
        ("/listeners/Listeners/1/ListenerPort", json!(443)),
        ("/listeners/Listeners/1/Status", json!("running")),
        ("/listeners/Listeners/1/VServerGroupId", json!("rsp-b")),
        ("/listeners/Listeners/1/TCPListenerConfig/ConnectionDrain", json!("on")),
        ("/listeners/Listeners/1/TCPListenerConfig/ConnectionDrainTimeout", json!(60)),
        ("/health/BackendServers/BackendServer/0/ServerId", json!("i-3")),
        ("/health/BackendServers/BackendServer/0/ServerHealthStatus", json!("unavailable")),
        ("/tags/TagResources/TagResource/0/TagKey", json!("kubernetes.reused.by.user")),
        (
            "/interfaces/NetworkInterfaceSets/NetworkInterfaceSet/0/NetworkInterfaceId",
            json!("eni-1"),
        ),
        (
            "/interfaces/NetworkInterfaceSets/NetworkInterfaceSet/1/NetworkInterfaceId",
            json!("eni-2"),
        ),
        ("/vpc/CidrBlock", json!("10.0.0.0/8")),
        ("/unknown/code", json!("InvalidLoadBalancerId.NotFound")),
        ("/unknown/status", json!(404)),
        ("/thief/code", json!("SignatureDoesNotMatch")),
        ("/assumed/VServerGroups/VServerGroup/0/VServerGroupId", json!("rsp-a")),
        ("/newerSet/statusCode", json!(200)),
        ("/newerGroup/body/BackendServers/BackendServer/0/Weight", json!(42)),
        ("/newerGroup/body/BackendServers/BackendServer/0/Description", json!("a b+c/é")),
        ("/newerUnknown/code", json!("InvalidParameter")),
    ] {
        assert_eq!(at(path), &wanted, "{path}");
    }
    let group = at("/group/BackendServers/BackendServer").as_array().expect("backends");
    assert_eq!(group.len(), 1, "i-4 was removed");
}

fn is_told_by_the_double(double: &ClbDouble) {
    let state = double.state();
    let lb = &state.load_balancers[0];
    assert_eq!(lb.groups[1].backends[0].weight, 42);
    assert_eq!(lb.tags["kubernetes.reused.by.user"], "true");
    let calls = double.calls();
    let refused = calls.iter().filter(|call| call.code.is_some());
    let refused = refused.map(|call| call.action.as_str()).collect::<Vec<_>>();
    let wanted = ["DescribeLoadBalancerAttribute"; 2].into_iter();
    assert_eq!(refused, wanted.chain(["DescribeVServerGroupAttribute"]).collect::<Vec<_>>());
    assert!(calls.iter().all(|call| call.method == "POST"), "as CCM sends them");
}

fn state() -> State {
    let state = json!({
        "region": "cn-example",
        "accounts": [{"accessKeyId": "key-a", "accessKeySecret": "secret-a"}],
        "roles": [{"arn": "acs:ram::1000000000000001:role/clb"}],
        "vpc": {"id": "vpc-example", "cidrs": ["10.0.0.0/8"]},
        "networkInterfaces": [{"id": "eni-1", "ip": "10.0.1.8"}, {"id": "eni-2", "ip": "10.0.1.9"}],
        "loadBalancers": [{
            "id": "lb-1", "address": "127.0.0.1",
            "groups": [
                {"id": "rsp-a", "name": "web", "backends": [{"serverId": "i-1", "port": 80}]},
                {"id": "rsp-b", "name": "empty"},
            ],
            "listeners": [{"port": 80, "vServerGroupId": "rsp-a"}],
        }],
    });
    state.to_string().parse().expect("a state")
}
