//! Kubeconfigs, credentials, rights, and API servers that are not there.

use anyhow::{Context, ensure};
use clbmigrate_e2e::{Tools, User};
use clbmigrate_fault_proxy::{Fault, Match};
use clbmigrate_testbed::{Stop, Validity};
use serde_json::Value;

use crate::{Case, QUIET, SHAKY};

pub const CASES: &[Case] = &[
    ("a cluster that is not there is named", QUIET, "missing", missing),
    ("an expired client certificate is told", QUIET, "expired", expired),
    ("a user without rights is told what to ask for", QUIET, "nothing", forbidden),
    ("without nodes the rest is shown, and nothing is set", QUIET, "nonodes", no_nodes),
    ("the roles for people are enough", QUIET, "roles", roles),
    ("credentials come from a plugin", QUIET, "exec", exec_plugin),
    ("several kubeconfig files are one", QUIET, "files", two_files),
    ("two contexts of one cluster are refused", QUIET, "twice", one_cluster_twice),
    ("an API server that dies in the middle is told", QUIET, "middle", dies_in_the_middle),
    ("an API server that is gone is told", SHAKY, "gone", gone),
];

fn missing(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.runs("status --context nowhere")?
        .ends_with(1)?
        .warns("no context named \"nowhere\"")?
        .warns("contexts there are: a")?;
    let text = std::fs::read_to_string(user.kubeconfig())?;
    let server = user.cluster.server();
    let moved = user.file("moved", &text.replace(&server, "https://127.0.0.1:9"))?;
    user.with_kubeconfig(moved)
        .runs("status")?
        .ends_with(1)?
        .warns("https://127.0.0.1:9 cannot be reached: connection refused")?;
    Ok(())
}

fn expired(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let file = user.cluster.kubeconfig_for("carol", &["ops"], Validity::Expired)?;
    user.with_kubeconfig(file)
        .runs("status")?
        .ends_with(1)?
        .warns("does not accept the credentials of user a-carol")?
        .warns("its client certificate ends at")?;
    Ok(())
}

fn forbidden(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let nobody = user.cluster.kubeconfig_for("nobody", &["none"], Validity::Valid)?;
    let nobody = user.with_kubeconfig(nobody);
    nobody
        .runs("status")?
        .ends_with(1)?
        .warns("services is forbidden")?
        .warns("clbmigrate-viewer")?;
    nobody.runs("set web 40 --yes")?.ends_with(1)?.warns("forbidden")?;
    Ok(())
}

fn no_nodes(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let role = "nonodes";
    let rules = "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: nonodes}
rules:
- {apiGroups: [\"\"], resources: [services, pods, events, namespaces], verbs: [get, list, watch, patch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}
- {apiGroups: [apps, autoscaling], resources: [\"*\"], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: nonodes}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: nonodes}
subjects: [{kind: Group, name: nonodes, apiGroup: rbac.authorization.k8s.io}]
";
    user.apply(rules)?;
    let limited = user.cluster.kubeconfig_for("dora", &[role], Validity::Valid)?;
    let limited = user.with_kubeconfig(limited);
    clbmigrate_testbed::try_wait_for("the role", std::time::Duration::from_secs(60), || {
        Ok((limited.runs("status")?.code == 0).then_some(()))
    })?;
    limited.runs("status")?.ends_with(0)?.says("nonodes/web")?.warns("nodes may not be listed")?;
    limited.runs("set web 40 --yes")?.ends_with(3)?.warns("cannot be computed")?;
    limited.runs("set web 0 --yes")?.ends_with(0)?;
    ensure!(user.annotation("weight")? == "0");
    Ok(())
}

fn roles(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let file = clbmigrate_testbed::programs::workspace()?.join("deploy/people.yaml");
    user.cluster.ask(&["apply", "-f", &file.display().to_string()])?;
    let person = |name: &str, group: &str, role: &str| -> anyhow::Result<User<'_>> {
        let (role, group_flag) = (format!("--clusterrole={role}"), format!("--group={group}"));
        user.cluster.ask(&["create", "clusterrolebinding", group, &role, &group_flag])?;
        let file = user.cluster.kubeconfig_for(name, &[group], Validity::Valid)?;
        let person = user.with_kubeconfig(file);
        clbmigrate_testbed::try_wait_for("the role", std::time::Duration::from_secs(60), || {
            Ok((person.runs("status")?.code == 0).then_some(()))
        })?;
        Ok(person)
    };
    let viewer = person("vera", "viewers", "clbmigrate-viewer")?;
    let seen = viewer.runs("status -o json")?.ends_with(0)?;
    ensure!(!seen.err.contains("may not be"), "{}", seen.err);
    let seen = viewer.runs("check")?.ends_with(0)?;
    ensure!(!seen.err.contains("may not be"), "{}", seen.err);
    viewer.runs("set web 40 --yes")?.ends_with(1)?.warns("forbidden")?;
    ensure!(user.annotation("weight")? == "20");
    let operator = person("otto", "operators", "clbmigrate-operator")?;
    operator.runs("set web 40 --yes")?.ends_with(0)?;
    operator.runs("undo web --yes")?.ends_with(0)?;
    ensure!(user.annotation("weight")? == "20");
    Ok(())
}

fn exec_plugin(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let identity = user.cluster.client_certificate()?;
    let credential = serde_json::json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {
            "clientCertificateData": identity.certificate,
            "clientKeyData": identity.key,
        },
    });
    let credential = user.file("credential.json", &credential.to_string())?;
    let config = |command: &str, argument: &str| {
        serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "exec",
            "clusters": [{"name": "exec", "cluster": {"server": user.cluster.server(),
                "insecure-skip-tls-verify": true}}],
            "users": [{"name": "exec", "user": {"exec": {
                "apiVersion": "client.authentication.k8s.io/v1", "command": command,
                "args": [argument], "interactiveMode": "Never"}}}],
            "contexts": [{"name": "exec", "context": {"cluster": "exec", "user": "exec"}}],
        })
        .to_string()
    };
    let good = user.file("exec-good", &config("cat", &credential.display().to_string()))?;
    user.with_kubeconfig(good).runs("status")?.ends_with(0)?.says("exec/web")?;
    let failing = user.file("exec-failing", &config("cat", "/nonexistent"))?;
    user.with_kubeconfig(failing).runs("status")?.ends_with(1)?.warns("credential plugin")?;
    let absent = user.file("exec-absent", &config("no-such-login", "x"))?;
    user.with_kubeconfig(absent).runs("status")?.ends_with(1)?.warns("cannot be started")?;
    Ok(())
}

fn two_files(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let empty = user.file("first", "apiVersion: v1\nkind: Config\ncontexts: []\n")?;
    let both = format!("{}:/nonexistent/config:{}", empty.display(), user.kubeconfig().display());
    let merged = user.with_kubeconfig(both);
    merged.runs("status --context a")?.ends_with(0)?.says("files/web")?;
    Ok(())
}

fn one_cluster_twice(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    // Another name for the same address.
    let mut config: Value = serde_json::from_slice(&std::fs::read(user.kubeconfig())?)?;
    let contexts = config["contexts"].as_array_mut().context("no contexts")?;
    let mut again = contexts.first().context("no context")?.clone();
    again["name"] = "again".into();
    contexts.push(again);
    let both = user.file("both", &config.to_string())?;
    user.with_kubeconfig(both)
        .runs("status --contexts a,again")?
        .ends_with(2)?
        .warns("contexts a and again are one cluster")?;
    // Another address.
    let (gated, _gate) = user.behind_gate_as("gated")?;
    let both = format!("{}:{}", user.kubeconfig().display(), gated.kubeconfig().display());
    user.with_kubeconfig(both)
        .runs("status --contexts a,gated")?
        .ends_with(2)?
        .warns("contexts a and gated are one cluster")?;
    Ok(())
}

fn dies_in_the_middle(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (gated, gate) = user.behind_gate()?;
    let _rule = gate.on(Match::method("GET").path("endpointslices"), Fault::CutBefore);
    gated.runs("status")?.ends_with(1)?.warns("cannot be reached")?;
    ensure!(gated.runs("set web 40 --yes")?.code == 1);
    ensure!(user.writes()? == 0);
    Ok(())
}

fn gone(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.cluster.stop_api_server(Stop::Kill)?;
    let ran = user.runs("status");
    user.cluster.start_api_server(Validity::Expired)?;
    let with_expired = user.runs("status");
    user.cluster.start_api_server(Validity::Valid)?;
    ran?.ends_with(1)?.warns("cannot be reached: connection refused")?;
    with_expired?.ends_with(1)?.warns("has expired")?;
    Ok(())
}
