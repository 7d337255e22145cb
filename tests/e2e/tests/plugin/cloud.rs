//! Commands that ask the CLB API, too.

use anyhow::{Context, ensure};
use clbmigrate_e2e::{CcmDouble, CloudApi, Tools, User, document};
use clbmigrate_fault_proxy::{Fault, Match};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_testkit::{CommandOutput, manifests::service_in, run};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{CLOUD, Case, DEADLINE, QUIET};

pub const CASES: &[Case] = &[
    ("the CLB's answers make routes complete", QUIET, "clb-complete-routes", complete),
    (
        "the environment's credentials are used without a flag",
        QUIET,
        "clb-environment",
        environment,
    ),
    (
        "nobody is asked without credentials, or where it is not wanted",
        QUIET,
        "clb-unasked",
        unasked,
    ),
    ("a throttled call is made again", QUIET, "clb-throttled", throttled),
    (
        "refused credentials fail what asked for them, and nothing else",
        QUIET,
        "clb-refused",
        refused,
    ),
    ("rules that need the CLB's answers judge", QUIET, "clb-judged", judged),
    ("a CLB that the account does not have is told of", QUIET, "clb-foreign", foreign),
    ("what an overlay answers is not asked", QUIET, "clb-answered", answered),
    (
        "a preview of manifests asks about the groups that they name",
        QUIET,
        "clb-laid-over",
        laid_over,
    ),
    (
        "before a write the target's group alone is asked about, and nothing in the last second",
        QUIET,
        "clb-quiet",
        quiet,
    ),
    ("CCM's word is held against the CLB's", CLOUD, "clb-truth", truth),
];

/// A group of a user's namespace: the Service's nodes with 10 each, and an old machine with 60.
fn cloud(user: &User<'_>, scheduler: &str) -> anyhow::Result<CloudApi> {
    let group = group(user);
    let service = user.service()?;
    let port = &service["spec"]["ports"][0]["nodePort"];
    let owner = format!("k8s/{port}/web/{}/clusterid", user.namespace);
    let node = |id| json!({"serverId": id, "port": port, "weight": 10, "description": owner});
    let old = json!({"serverId": "i-bp1old", "port": 80, "weight": 60});
    CloudApi::start(
        &json!([{"id": group, "name": "shop-web",
            "backends": [node("i-bp1n1"), node("i-bp1n2"), old]}]),
        &json!([{"port": 80, "scheduler": scheduler, "vServerGroupId": group}]),
    )
}

/// Runs the plugin where the cloud's credentials are.
fn asks(user: &User<'_>, clb: &CloudApi, line: &str) -> anyhow::Result<CommandOutput> {
    let line = format!("{line} {} --cluster-id clusterid", clb.endpoint_flag()?);
    run(clb.add_credentials(&mut user.command(&line)))
}

fn complete(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let clb = cloud(user, "wrr")?;
    let list = asks(user, &clb, "status -o json")?.expect_code(0)?.json()?;
    let route = &list["routes"][0];
    ensure!(route["complete"] == true, "{route}");
    let shares: Vec<(String, f64)> = route["participants"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|of| (of["name"].to_string(), of["share"].as_f64().unwrap_or(-1.0)))
        .collect();
    let wanted = [("\"web\"".to_owned(), 0.25), ("\"i-bp1old\"".to_owned(), 0.75)];
    ensure!(shares == wanted, "{shares:?}");
    // The preview sees who else is there.
    let preview = asks(user, &clb, "preview svc/web 40 -o json")?.expect_code(0)?.json()?;
    let after = &preview["routes"][0]["after"]["participants"];
    ensure!(after[0]["share"] == 0.4, "{after}");
    asks(user, &clb, "status")?
        .expect_code(0)?
        .expect_stdout("complete")?
        .expect_stdout("i-bp1old")?;
    Ok(())
}

fn quiet(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let clb = cloud(user, "wrr")?;
    let neighbour = format!("{}-neighbour", group(user));
    let mapping = format!("{neighbour}:80");
    let api = service_in(&user.namespace, "api", &[("vgroup-port", &mapping), ("weight", "7")]);
    let file = user.file("api.json", &api.to_string())?;
    user.ask(&format!("apply -f {}", file.display()))?;
    clb.forget_calls();
    asks(user, &clb, "set svc/web 30 --yes")?.expect_code(0)?;
    let calls = clb.logged_calls();
    let groups = calls.iter().filter_map(|call| call.parameters.get("VServerGroupId"));
    ensure!(groups.clone().all(|id| *id == group(user)) && groups.count() > 0, "{calls:?}");
    let lists = calls.iter().filter(|call| call.action == "DescribeVServerGroups").count();
    ensure!(lists == 1, "{calls:?}");
    let times = calls.iter().map(|call| call.time.parse::<Timestamp>());
    let last = times.collect::<Result<Vec<_>, _>>()?.into_iter().max();
    let service = user.service()?;
    let record = service["metadata"]["annotations"]["clbmigrate.io/history"].as_str();
    let record: Value = serde_json::from_str(record.context("no record")?)?;
    let written = record[0]["when"].as_str().context("no time")?.parse::<Timestamp>()?;
    // The record has whole seconds.
    let since = written.duration_since(last.context("no call")?);
    ensure!(since > SignedDuration::ZERO, "{record}: {calls:?}");
    Ok(())
}

fn environment(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let clb = cloud(user, "wrr")?;
    let mut command = user.command("status -o json -v --cluster-id clusterid");
    let endpoint = clb.url()?;
    clb.add_credentials(&mut command).env("ALIBABA_CLOUD_ENDPOINT", endpoint);
    let list = run(&mut command)?.expect_code(0)?.expect_stderr("CLB API of cn-bed")?.json()?;
    ensure!(list["routes"][0]["complete"] == true, "{list}");
    Ok(())
}

fn unasked(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let clb = cloud(user, "wrr")?;
    let silent = user.run("status -o json")?.expect_code(0)?;
    ensure!(silent.stderr.is_empty() && silent.json()?["routes"][0]["complete"] == false);
    let mut command = user.command("status --no-clb");
    let endpoint = clb.url()?;
    clb.add_credentials(&mut command).env("ALIBABA_CLOUD_ENDPOINT", &endpoint);
    run(&mut command)?.expect_code(0)?.expect_stdout("incomplete")?;
    let mut command = user.kubectl("clbmigrate status -f deploy/examples/canary");
    command.current_dir(clbmigrate_testbed::programs::workspace()?);
    clb.add_credentials(&mut command).env("ALIBABA_CLOUD_ENDPOINT", endpoint);
    run(&mut command)?.expect_code(0)?;
    ensure!(clb.calls().is_empty(), "{:?}", clb.calls());
    Ok(())
}

fn throttled(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let clb = cloud(user, "wrr")?;
    clb.throttle("DescribeVServerGroupAttribute", 2);
    let list = asks(user, &clb, "status -o json")?.expect_code(0)?;
    ensure!(list.json()?["routes"][0]["complete"] == true, "{}\n{}", list.stdout, list.stderr);
    let calls = clb.calls();
    let asked = calls.iter().filter(|action| *action == "DescribeVServerGroupAttribute").count();
    ensure!(asked == 3, "{calls:?}");
    Ok(())
}

fn refused(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let clb = cloud(user, "wrr")?;
    let with_a_wrong_secret = |line: &str| {
        let mut command = user.command(line);
        clb.add_credentials(&mut command).env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "not-the-secret");
        command.env("ALIBABA_CLOUD_ENDPOINT", clb.url()?);
        run(&mut command)
    };
    // Somebody asked for it.
    let told = with_a_wrong_secret("status --clb-region cn-bed")?.expect_code(1)?;
    let told = told.expect_stderr("CLB API")?.expect_stderr("SignatureDoesNotMatch")?;
    ensure!(!told.stderr.contains("not-the-secret"), "{}", told.stderr);
    // Nobody did: what the cluster says is shown all the same.
    let shown = with_a_wrong_secret("status")?.expect_code(0)?.expect_stdout("incomplete")?;
    shown.expect_stderr("warning: CLB API")?.expect_stderr("SignatureDoesNotMatch")?;
    Ok(())
}

fn judged(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let clb = cloud(user, "rr")?;
    let report = asks(user, &clb, "check -o json --fail-on never")?.expect_code(0)?.json()?;
    let rules: Vec<&str> = report["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|finding| finding["rule"].as_str())
        .collect();
    ensure!(rules.contains(&"CLB407"), "{report}");
    let unlooked = report["notLooked"].to_string();
    ensure!(!unlooked.contains("CLB413"), "{unlooked}");
    ensure!(!unlooked.contains(&format!("\"group rsp-bp1{}\"", user.namespace)), "{unlooked}");
    Ok(())
}

fn foreign(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let clb = cloud(user, "wrr")?;
    user.apply(service_in(&user.namespace, "odd", &[("id", "lb-bp1foreign"), ("weight", "20")]))?;
    asks(user, &clb, "status")?
        .expect_code(0)?
        .expect_stderr("no CLB lb-bp1foreign is in region cn-bed of account")?
        .expect_stdout("error CLB028 no CLB has this id")?;
    asks(user, &clb, "check")?
        .expect_code(3)?
        .expect_stdout("there is no CLB \"lb-bp1foreign\"")?;
    let mut command = user.command("status -o name");
    clb.add_credentials(&mut command).env("ALIBABA_CLOUD_ENDPOINT", clb.url()?);
    run(&mut command)?
        .expect_code(0)?
        .expect_stderr("warning: CLB API")?
        .expect_stdout("service/odd")?;
    Ok(())
}

fn answered(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let clb = cloud(user, "wrr")?;
    let group = group(user);
    let answer = json!({
        "VServerGroupId": group, "VServerGroupName": "overlay", "LoadBalancerId": "lb-bp1example",
        "BackendServers": {"BackendServer": []},
    });
    let file = user.file("group.json", &answer.to_string())?;
    let line = format!("status --overlay {}", file.display());
    asks(user, &clb, &line)?.expect_code(0)?;
    let calls = clb.calls();
    ensure!(!calls.iter().any(|action| action == "DescribeVServerGroupAttribute"), "{calls:?}");
    Ok(())
}

fn laid_over(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let clb = cloud(user, "wrr")?;
    // The namespace has no route now: only the change has one.
    user.ask("delete service web")?;
    for (mapping, is_unknown) in
        [("rsp-bp1typo:80", true), (&*format!("{}:80", group(user)), false)]
    {
        let web = service_in(&user.namespace, "web", &[("vgroup-port", mapping), ("weight", "0")]);
        let file = user.file("web.json", &web.to_string())?;
        let line = format!("preview --overlay {} --fail-on never", file.display());
        let shown = asks(user, &clb, &line)?.expect_code(0)?;
        ensure!(shown.stdout.contains("CLB022") == is_unknown, "{}", shown.stdout);
    }
    Ok(())
}

/// A cloud in which CCM has registered the Service's nodes beside an old machine.
fn served(user: &User<'_>, tools: &Tools) -> anyhow::Result<(CloudApi, CcmDouble)> {
    let group = group(user);
    let old = json!({"serverId": "i-bp1old", "port": 80, "weight": 60});
    let clb = CloudApi::start(
        &json!([{"id": group, "name": "shop-web", "backends": [old]}]),
        &json!([{"port": 80, "scheduler": "wrr", "vServerGroupId": group}]),
    )?;
    let ccm = CcmDouble::with_cloud(user, tools, &clb, None)?;
    holds(user, &clb, 10)?;
    try_wait_for("CCM's first round", DEADLINE, || Ok(user.is_reconciled()?.then_some(())))?;
    Ok((clb, ccm))
}

pub fn group(user: &User<'_>) -> String {
    format!("rsp-bp1{}", user.namespace)
}

/// Waits until both nodes have a weight, and demands that the old machine has kept its own.
fn holds(user: &User<'_>, clb: &CloudApi, weight: u32) -> anyhow::Result<()> {
    let of = |name: &str, weight| (name.to_owned(), weight);
    let wanted = [of("i-bp1n1", weight), of("i-bp1n2", weight), of("i-bp1old", 60)];
    try_wait_for(&format!("weights of {weight} in the group"), DEADLINE, || {
        let mut weights = clb.weights(&group(user));
        weights.sort();
        Ok((weights == wanted).then_some(()))
    })
}

fn set(weight: u32) -> String {
    format!("set web {weight} --yes --wait --timeout 60s -o json")
}

/// One after the other, in a cluster of their own: a fault is for the next call of CCM's, whatever
/// Service it is about.
fn truth(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let (clb, _ccm) = served(user, tools)?;
    confirmed(user, &clb).context("confirmed")?;
    emptied(user, &clb).context("emptied")?;
    called_once(user, &clb).context("called once")?;
    taken_back(user, &clb).context("taken back")?;
    left_empty(user, &clb).context("left empty")?;
    unproven(user, &clb).context("unproven")
}

fn confirmed(user: &User<'_>, clb: &CloudApi) -> anyhow::Result<()> {
    let change = document(&asks(user, clb, &set(40))?.expect_code(0)?, "change")?;
    ensure!(change["verified"] == true && change["state"] == "done", "{change}");
    holds(user, clb, 20)
}

fn emptied(user: &User<'_>, clb: &CloudApi) -> anyhow::Result<()> {
    // CCM 2.14 drops the error of this one call, takes all backends out, and reports success.
    clb.throttle_ccm(&[0]);
    let told =
        asks(user, clb, &set(60))?.expect_code(0)?.expect_stderr("holds 0 of its backends")?;
    let told = told.expect_stderr("CCM is called once more")?.json()?;
    ensure!(told["verified"] == true && told["state"] == "done", "{told}");
    ensure!(user.annotation("weight")? == "60");
    holds(user, clb, 30)
}

/// The answer to the call of CCM is lost: it is known by its id, and CCM is not called again.
fn called_once(user: &User<'_>, clb: &CloudApi) -> anyhow::Result<()> {
    let before = user.writes()?;
    let (proxied, proxy) = user.behind_proxy()?;
    let patches = Match::method("PATCH").path_end("/services/web");
    let cut = proxy.add_rule(patches.skip(1).times(1), Fault::CutAfterAnswer);
    clb.throttle_ccm(&[0]);
    let told = asks(&proxied, clb, &set(50))?
        .expect_code(0)?
        .expect_stderr("CCM is called once more")?
        .expect_stderr("the answer to the write was lost; the change is there")?;
    ensure!(cut.hits() == 1 && !told.stderr.contains("somebody else"), "{}", told.stderr);
    ensure!(user.writes()? == before + 2, "the change, and one call of CCM");
    holds(user, clb, 25)?;
    asks(user, clb, &set(60))?.expect_code(0)?;
    holds(user, clb, 30)
}

fn taken_back(user: &User<'_>, clb: &CloudApi) -> anyhow::Result<()> {
    // The first of the two lookups of each of three rounds: the change, the second try, the way back.
    // Then CCM is called again until the group is filled.
    clb.throttle_ccm(&[0, 1, 2]);
    let told = asks(user, clb, &set(80))?
        .expect_code(5)?
        .expect_stderr("the change is taken back")?
        .json()?;
    ensure!(told["verified"] == false && told["state"] == "rolledBack", "{told}");
    let message = told["message"].as_str().unwrap_or_default();
    let (why, now) = message.split_once("Now:").context("no Now")?;
    ensure!(why.contains("holds 0 of its backends"), "{message}");
    ensure!(now.contains("the CLB's groups carry the weights"), "{message}");
    ensure!(user.annotation("weight")? == "60");
    holds(user, clb, 30)
}

/// The CLB does not answer CCM for as long as anybody waits.
fn left_empty(user: &User<'_>, clb: &CloudApi) -> anyhow::Result<()> {
    let rounds: Vec<u32> = (0..20).collect();
    clb.throttle_ccm(&rounds);
    let line = set(80).replace("--timeout 60s", "--timeout 12s");
    let told = asks(user, clb, &line)?.expect_code(5)?.json()?;
    ensure!(told["verified"] == false && told["state"] == "rolledBack", "{told}");
    // Nobody claims that all is well: the group is empty, and that is said.
    let message = told["message"].as_str().unwrap_or_default();
    let (_, now) = message.split_once("Now:").context("no Now")?;
    ensure!(now.contains("holds 0 of its backends"), "{message}");
    ensure!(user.annotation("weight")? == "60");
    clb.clear_faults();
    asks(user, clb, &set(62))?.expect_code(0)?;
    holds(user, clb, 31)
}

fn unproven(user: &User<'_>, clb: &CloudApi) -> anyhow::Result<()> {
    clb.throttle_ccm(&[0]);
    let line = format!("{} --cluster-id clusterid", set(64));
    let change = user.run(&line)?.expect_code(0)?.json()?;
    ensure!(change["verified"] == false && change["state"] == "unverified", "{change}");
    let message = change["message"].as_str().unwrap_or_default();
    ensure!(message.contains("not verified at the CLB"), "{message}");
    Ok(())
}
