//! `attach` where CCM runs: the Service joins the group, CCM makes no CLB of its own, and the way out is proven.

use anyhow::{Context, ensure};
use clbmigrate_clb_double::FaultEffect;
use clbmigrate_e2e::{CcmDouble, CloudApi, Tools, User, document};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_testkit::{
    CommandOutput,
    manifests::{service_in, with},
    run,
};
use serde_json::{Value, json};

use crate::{Case, DEADLINE, SERVED, cloud::group};

pub const CASES: &[Case] = &[
    ("a ClusterIP Service joins, leaves and joins again", SERVED, "join-cluster-ip", cluster_ip),
    ("a NodePort Service joins with its node ports", SERVED, "join-node-port", node_port),
    ("two ports join two groups, and leave both", SERVED, "join-two", two_ports),
    ("a group in which CCM registered nothing is not joined", SERVED, "join-nothing", nothing),
    ("a group that is not there is not joined by force", SERVED, "join-forced", forced),
    ("what joined and CCM left behind is told until it is gone", SERVED, "join-left", left_behind),
    ("a Service without backends is not said to have joined", SERVED, "join-empty", empty),
    ("what is missing at the CLB to join is told as commands", SERVED, "join-missing", missing),
];

/// The cluster's id.
pub const ID: &str = "c0123456789abcdef0123456789abcdef";

/// Runs the plugin where the cloud's credentials are.
pub fn asks(user: &User<'_>, clb: &CloudApi, line: &str) -> anyhow::Result<CommandOutput> {
    let line = format!("{line} {} --cluster-id {ID}", clb.endpoint_flag()?);
    run(clb.add_credentials(&mut user.command(&line)))
}

/// The group with an old machine in it, and a listener that sends there.
pub fn shared_group(user: &User<'_>) -> anyhow::Result<CloudApi> {
    let group = group(user);
    let old = json!({"serverId": "i-bp1old", "port": 80, "weight": 60});
    CloudApi::start(
        &json!([{"id": group, "name": "shop-web", "backends": [old]}]),
        &json!([{"port": 80, "scheduler": "wrr", "vServerGroupId": group}]),
    )
}

/// In the place of Service `web` one of that type without annotations of CCM's.
pub fn plain(user: &User<'_>, kind: &str) -> anyhow::Result<()> {
    user.ask("delete service web --ignore-not-found")?;
    let web = service_in(&user.namespace, "web", &[("id", "-"), ("vgroup-port", "-")]);
    user.apply(with(web, "/spec/type", kind))
}

pub fn line(user: &User<'_>, more: &str) -> String {
    let group = group(user);
    format!("attach svc/web --clb lb-bp1example --vgroup {group}:80 --yes {more}")
}

pub const WAIT: &str = "--wait --timeout 60s -o json";

/// Runs it, and demands that it ends done and seen at the CLB.
pub fn proven(user: &User<'_>, clb: &CloudApi, line: &str) -> anyhow::Result<(Value, String)> {
    let ran = asks(user, clb, line)?.expect_code(0)?;
    let change = document(&ran, "change")?;
    ensure!(change["state"] == "done" && change["verified"] == true, "{change}\n{}", ran.stderr);
    Ok((change, ran.stderr))
}

fn sorted(clb: &CloudApi, user: &User<'_>) -> Vec<(String, u32)> {
    let mut weights = clb.weights(&group(user));
    weights.sort();
    weights
}

pub fn holds(clb: &CloudApi, user: &User<'_>, wanted: &[(&str, u32)]) -> anyhow::Result<()> {
    let wanted: Vec<(String, u32)> =
        wanted.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
    let found = sorted(clb, user);
    ensure!(found == wanted, "{found:?}");
    Ok(())
}

pub const JOINED: &[(&str, u32)] = &[("i-bp1n1", 0), ("i-bp1n2", 0), ("i-bp1old", 60)];
pub const ALONE: &[(&str, u32)] = &[("i-bp1old", 60)];

fn cluster_ip(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    plain(user, "ClusterIP")?;
    let clb = shared_group(user)?;
    let _ccm = CcmDouble::with_cloud(user, tools, &clb, Some(ID))?;
    let (change, told) = proven(user, &clb, &line(user, WAIT))?;
    ensure!(
        change["serviceType"] == json!({"old": "ClusterIP", "new": "LoadBalancer"}),
        "{change}"
    );
    ensure!(change["commands"].is_null(), "{change}");
    ensure!(told.contains("no traffic yet"), "{told}");
    ensure!(user.service()?["spec"]["type"] == "LoadBalancer");
    ensure!(user.writes()? == 1, "one patch");
    holds(&clb, user, JOINED)?;

    // Said once more, it is proven once more, and nothing is written.
    let (again, _) = proven(user, &clb, &line(user, WAIT))?;
    ensure!(again["verb"] == "none", "{again}");
    ensure!(user.writes()? == 1);

    proven(user, &clb, &format!("set web 20 --yes {WAIT}"))?;
    holds(&clb, user, &[("i-bp1n1", 10), ("i-bp1n2", 10), ("i-bp1old", 60)])?;
    // The weight before, which is no traffic; then out of the group.
    proven(user, &clb, &format!("undo web --yes {WAIT}"))?;
    holds(&clb, user, JOINED)?;
    let (_, told) = proven(user, &clb, &format!("undo web --yes {WAIT}"))?;
    ensure!(told.contains("holds none of its backends any more"), "{told}");
    ensure!(told.contains(r#"-p '{"spec":{"type":"ClusterIP"}}'"#), "{told}");
    holds(&clb, user, ALONE)?;
    ensure!(user.annotation("id")? == "lb-bp1example", "without the id CCM would make a CLB");

    // As it was told.
    user.ask(r#"patch service web -p {"spec":{"type":"ClusterIP"}}"#)?;
    try_wait_for("CCM to let go", DEADLINE, || {
        Ok(user.service()?["metadata"]["finalizers"].is_null().then_some(()))
    })?;
    holds(&clb, user, ALONE)?;
    let groups =
        clb.edit(|state| state.load_balancers.iter().map(|of| of.groups.len()).sum::<usize>());
    ensure!(groups == 1, "CCM has left a group of its own");
    proven(user, &clb, &line(user, WAIT))?;
    holds(&clb, user, JOINED)?;
    ensure!(clb.other_clbs().is_empty(), "{:?}", clb.other_clbs());
    Ok(())
}

fn node_port(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    plain(user, "NodePort")?;
    let port = user.service()?["spec"]["ports"][0]["nodePort"].clone();
    let clb = shared_group(user)?;
    // CCM has no id of its own here, and nobody tells the plugin.
    let _ccm = CcmDouble::with_cloud(user, tools, &clb, None)?;
    let asks = |line: &str| {
        let line = format!("{line} {}", clb.endpoint_flag()?);
        run(clb.add_credentials(&mut user.command(&line)))
    };
    let shown = asks(&line(user, "--wait --timeout 60s"))?
        .expect_code(0)?
        .expect_stdout("service/web type NodePort -> LoadBalancer")?
        .expect_stdout("the CLB's groups carry the weights")?;
    ensure!(!shown.stderr.contains("aliyun"), "{}", shown.stderr);
    holds(&clb, user, JOINED)?;
    ensure!(user.service()?["spec"]["ports"][0]["nodePort"] == port);
    asks("undo web --yes --wait --timeout 60s")?
        .expect_code(0)?
        .expect_stderr("holds none of its backends any more")?;
    holds(&clb, user, ALONE)?;
    ensure!(clb.other_clbs().is_empty(), "{:?}", clb.other_clbs());
    Ok(())
}

fn two_ports(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    plain(user, "NodePort")?;
    user.apply(with(
        with(
            service_in(&user.namespace, "web", &[("id", "-"), ("vgroup-port", "-")]),
            "/spec/type",
            "NodePort",
        ),
        "/spec/ports",
        json!([
            {"name": "http", "port": 80, "targetPort": 8080},
            {"name": "https", "port": 443, "targetPort": 8443},
        ]),
    ))?;
    let clb = CloudApi::start(
        &json!([{"id": "rsp-bp1one", "name": "one"}, {"id": "rsp-bp1two", "name": "two"}]),
        &json!([{"port": 80, "scheduler": "wrr", "vServerGroupId": "rsp-bp1one"}]),
    )?;
    let _ccm = CcmDouble::with_cloud(user, tools, &clb, Some(ID))?;
    let join = format!(
        "attach web --clb lb-bp1example --vgroup rsp-bp1one:80 --vgroup rsp-bp1two:443 --yes {WAIT}"
    );
    let (change, _) = proven(user, &clb, &join)?;
    let commands = change["commands"].as_array().context("commands")?;
    ensure!(commands.len() == 2, "the listener of the second port and its start: {change}");
    ensure!(
        commands.iter().all(|line| line.to_string().contains("--ListenerPort 443")),
        "{change}"
    );
    for group in ["rsp-bp1one", "rsp-bp1two"] {
        ensure!(clb.weights(group).len() == 2, "{group}: {:?}", clb.weights(group));
    }
    // CCM cleans up neither of the two.
    clb.fail_ccm_calls(FaultEffect::Throttle {}, "DescribeVServerGroupAttribute", None);
    let told = asks(user, &clb, "undo web --yes --wait --timeout 10s -o json")?.expect_code(4)?;
    let message = told.json()?["message"].to_string();
    for group in ["rsp-bp1one", "rsp-bp1two"] {
        ensure!(message.contains(&format!("{group} still holds 2")), "{message}");
    }
    clb.clear_faults();
    proven(user, &clb, &format!("undo web --yes {WAIT}"))?;
    for group in ["rsp-bp1one", "rsp-bp1two"] {
        ensure!(clb.weights(group).is_empty(), "{group}: {:?}", clb.weights(group));
    }
    Ok(())
}

fn nothing(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    plain(user, "ClusterIP")?;
    let clb = shared_group(user)?;
    let _ccm = CcmDouble::with_cloud(user, tools, &clb, Some(ID))?;
    // The first of the two lookups of each round: CCM drops the port, and reports success.
    clb.throttle_ccm(&(0..40).collect::<Vec<u32>>());
    let told = asks(user, &clb, &line(user, "--wait --timeout 12s -o json"))?.expect_code(4)?;
    let change = document(&told, "change")?;
    ensure!(change["state"] == "differs" && change["verified"] == false, "{change}");
    let message = change["message"].as_str().unwrap_or_default();
    ensure!(message.contains("holds 0 of its backends"), "{message}");
    holds(&clb, user, ALONE)?;
    // It stays as it is written, and is proven when CCM can.
    ensure!(user.annotation("weight")? == "0");
    clb.clear_faults();
    proven(user, &clb, &line(user, WAIT))?;
    holds(&clb, user, JOINED)?;
    ensure!(clb.other_clbs().is_empty(), "{:?}", clb.other_clbs());
    Ok(())
}

fn forced(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    plain(user, "ClusterIP")?;
    let clb = shared_group(user)?;
    let _ccm = CcmDouble::with_cloud(user, tools, &clb, Some(ID))?;
    let typo = line(user, &format!("--force {WAIT}")).replace(&group(user), "rsp-bp1typo");
    let told = asks(user, &clb, &typo)?.expect_code(4)?;
    let change = document(&told, "change")?;
    ensure!(change["state"] == "differs" && change["verified"] == false, "{change}");
    let message = change["message"].as_str().unwrap_or_default();
    ensure!(message.contains("group rsp-bp1typo does not exist"), "{message}");
    // The way out: nothing is in a group that is not there.
    proven(user, &clb, &format!("undo web --yes {WAIT}"))?;
    holds(&clb, user, ALONE)
}

fn left_behind(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    plain(user, "ClusterIP")?;
    let clb = shared_group(user)?;
    let _ccm = CcmDouble::with_cloud(user, tools, &clb, Some(ID))?;
    proven(user, &clb, &line(user, WAIT))?;
    // CCM swallows this error, cleans nothing up, and reports success.
    clb.fail_ccm_calls(FaultEffect::Throttle {}, "DescribeVServerGroupAttribute", None);
    let told = asks(user, &clb, "undo web --yes --wait --timeout 12s -o json")?.expect_code(4)?;
    let change = document(&told, "change")?;
    ensure!(change["state"] == "differs" && change["verified"] == false, "{change}");
    let message = change["message"].as_str().unwrap_or_default();
    ensure!(message.contains("still holds 2 of its backends"), "{message}");
    ensure!(told.stderr.contains("must not be deleted"), "{}", told.stderr);
    ensure!(!told.stderr.contains("may be deleted"), "{}", told.stderr);
    holds(&clb, user, JOINED)?;
    clb.clear_faults();
    // What was released is not forgotten: the same command goes on.
    let (_, told) = proven(user, &clb, &format!("undo web --yes {WAIT}"))?;
    ensure!(told.contains("holds none of its backends any more"), "{told}");
    holds(&clb, user, ALONE)
}

fn empty(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    plain(user, "ClusterIP")?;
    let web = service_in(&user.namespace, "web", &[("id", "-"), ("vgroup-port", "-")]);
    let web = with(web, "/spec/type", "NodePort");
    user.apply(with(web, "/spec/externalTrafficPolicy", "Local"))?;
    user.ask("delete endpointslices --all")?;
    let clb = shared_group(user)?;
    let _ccm = CcmDouble::with_cloud(user, tools, &clb, Some(ID))?;
    let told = asks(user, &clb, &line(user, WAIT))?.expect_code(0)?;
    let change = document(&told, "change")?;
    ensure!(change["state"] == "unverified" && change["verified"] == false, "{change}");
    let message = change["message"].as_str().unwrap_or_default();
    ensure!(message.contains("no backends yet"), "{message}");
    holds(&clb, user, ALONE)
}

fn missing(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    plain(user, "ClusterIP")?;
    let group = group(user);
    let machine = json!({"serverId": "i-bp1old", "port": 8080, "weight": 50});
    let clb = CloudApi::start(
        &json!([
            {"id": group, "name": "shop-web"},
            {"id": "rsp-bp1before", "name": "before", "backends": [machine]},
        ]),
        &json!([{"port": 80, "scheduler": "rr", "vServerGroupId": "rsp-bp1before"}]),
    )?;
    let _ccm = CcmDouble::with_cloud(user, tools, &clb, Some(ID))?;
    let (change, told) = proven(user, &clb, &line(user, WAIT))?;
    let servers = format!(
        r#"aliyun slb AddVServerGroupBackendServers --RegionId cn-bed --VServerGroupId {group} --BackendServers '[{{"ServerId":"i-bp1old","Port":8080,"Weight":50,"Type":"ecs"}}]'"#
    );
    let listener = format!(
        "aliyun slb SetLoadBalancerTCPListenerAttribute --RegionId cn-bed --LoadBalancerId lb-bp1example --ListenerPort 80 --VServerGroup on --VServerGroupId {group} --Scheduler wrr"
    );
    ensure!(change["commands"] == json!([servers, listener]), "{change}");
    ensure!(told.contains(&servers) && told.contains(&listener), "{told}");
    let calls = clb.calls();
    let by_hand = ["AddVServerGroupBackendServers", "SetLoadBalancerTCPListenerAttribute"];
    let made = calls.iter().filter(|call| by_hand.contains(&call.as_str())).count();
    ensure!(made == 1, "CCM's own call alone: {calls:?}");
    Ok(())
}
