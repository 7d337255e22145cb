//! What `attach` refuses, before anything is written.

use anyhow::ensure;
use clbmigrate_e2e::{CloudApi, Tools, User};
use clbmigrate_testkit::manifests::{key, service_in, with};
use serde_json::json;

use crate::{
    Case, QUIET,
    attaching::{asks, plain, shared_group},
    cloud::group,
};

pub const CASES: &[Case] = &[
    ("a group that the CLB does not have is not joined", QUIET, "join-typo", wrong_groups),
    ("a Service that is not CCM's to take is not joined", QUIET, "join-unfit", unfit),
    ("a Service that CCM makes a CLB for is not joined", QUIET, "join-begun", begun),
    (
        "what joins --as NAME is a Service, and a user is --as-user",
        QUIET,
        "join-user",
        impersonated,
    ),
];

fn line(group: &str, more: &str) -> String {
    format!("attach svc/web --clb lb-bp1example --vgroup {group}:80 --yes {more}")
}

fn wrong_groups(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    plain(user, "ClusterIP")?;
    let good = group(user);
    let clb = CloudApi::start(
        &json!([{"id": good, "name": "shop-web"}, {"id": "rsp-bp1ccm", "name": "k8s/30080/web/shop/clusterid"}]),
        &json!([{"port": 80, "scheduler": "wrr", "vServerGroupId": good}]),
    )?;
    clb.edit(|state| {
        if let Some(first) = state.load_balancers.first().cloned() {
            let mut other = first;
            "lb-bp1other".clone_into(&mut other.id);
            other.address = None;
            other.listeners.clear();
            other.groups.truncate(1);
            for group in &mut other.groups {
                "rsp-bp1elsewhere".clone_into(&mut group.id);
            }
            state.load_balancers.push(other);
        }
    });
    let create = "aliyun slb CreateVServerGroup --RegionId cn-bed --LoadBalancerId lb-bp1example";
    for (group, rule) in
        [("rsp-bp1typo", "CLB022"), ("rsp-bp1elsewhere", "CLB022"), ("rsp-bp1ccm", "CLB023")]
    {
        asks(user, &clb, &line(group, "--wait"))?
            .expect_code(3)?
            .expect_stderr(rule)?
            .expect_stderr(create)?;
    }
    asks(user, &clb, &line(&good, "").replace("lb-bp1example", "lb-bp1nosuch"))?
        .expect_code(3)?
        .expect_stderr("CLB028")?;
    asks(user, &clb, &line("rsp-bp1typo", "--as other"))?
        .expect_code(3)?
        .expect_stderr("CLB022")?;
    ensure!(user.ask("get services -o name")?.trim() == "service/web");
    ensure!(user.writes()? == 0);
    // Only the groups of the command line are asked about.
    clb.forget_calls();
    asks(user, &clb, &line(&good, "--dry-run=server"))?.expect_code(0)?;
    let calls = clb.calls();
    let groups = calls.iter().filter(|call| *call == "DescribeVServerGroupAttribute").count();
    ensure!(groups == 1, "{calls:?}");
    Ok(())
}

fn unfit(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let join = line(&group(user), "");
    let bare = service_in(&user.namespace, "web", &[("id", "-"), ("vgroup-port", "-")]);
    let mut classed = bare.clone();
    classed["metadata"]["annotations"]["service.beta.kubernetes.io/class"] = json!("other");
    let mut tunnel = bare.clone();
    tunnel["metadata"]["annotations"][key("tunnel-type")] = json!("");
    let cases = [
        (with(bare.clone(), "/spec/loadBalancerClass", "example.com/lb"), "loadBalancerClass"),
        (classed, "another controller"),
        (tunnel, "another controller"),
        (with(with(bare, "/spec/type", "ClusterIP"), "/spec/clusterIP", "None"), "headless"),
    ];
    for (manifest, why) in cases {
        user.ask("delete service web --ignore-not-found")?;
        user.apply(manifest)?;
        user.run(&join)?.expect_code(3)?.expect_stderr(why)?.expect_stderr("--as NAME")?;
        ensure!(user.writes()? == 0);
        // A new one like it is CCM's to take.
        let new = user.run(&format!("{join} --as other --dry-run=server"))?;
        new.expect_code(0)?;
    }
    user.ask("delete service web")?;
    user.ask("create service externalname web --external-name example.com")?;
    for more in ["", " --as other"] {
        user.run(&format!("{join}{more}"))?
            .expect_code(3)?
            .expect_stderr("ExternalName")?
            .expect_stderr("make a Service of type ClusterIP")?;
    }
    user.ask("delete service web")?;
    let unselective = service_in(&user.namespace, "web", &[("id", "-"), ("vgroup-port", "-")]);
    user.apply(with(unselective, "/spec/selector", json!({})))?;
    user.run(&format!("{join} --as other"))?.expect_code(3)?.expect_stderr("no selector")?;
    ensure!(user.writes()? == 0);
    Ok(())
}

fn begun(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let clb = shared_group(user)?;
    let join = line(&group(user), "");
    plain(user, "LoadBalancer")?;
    let finalizer = r#"{"metadata":{"finalizers":["service.k8s.alibaba/resources"]}}"#;
    user.ask(&format!("patch service web --type=merge -p {finalizer}"))?;
    asks(user, &clb, &join)?.expect_code(3)?.expect_stderr("has begun to make a CLB")?;
    user.ask(r#"patch service web --type=merge -p {"spec":{"type":"ClusterIP"}}"#)?;
    asks(user, &clb, &join)?.expect_code(3)?.expect_stderr("has not let go")?;
    ensure!(user.writes()? == 0);
    user.ask(r#"patch service web --type=merge -p {"metadata":{"finalizers":null}}"#)?;
    asks(user, &clb, &join)?.expect_code(0)?;
    ensure!(user.writes()? == 1);
    Ok(())
}

fn impersonated(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    plain(user, "ClusterIP")?;
    let join = line(&group(user), "");
    user.run(&format!("{join} --as-user nobody --as-group none"))?
        .expect_code(1)?
        .expect_stderr("nobody")?;
    ensure!(user.writes()? == 0);
    user.run(&format!("{join} --as other --dry-run=server"))?
        .expect_code(0)?
        .expect_stdout("service/other is new, of type LoadBalancer")?;
    user.run("attach --help")?
        .expect_code(0)?
        .expect_stdout("kubectl's --as USER is --as-user USER here")?;
    Ok(())
}
