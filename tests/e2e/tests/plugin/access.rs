//! Kubeconfigs, credentials, rights, and API servers that are not there.

use anyhow::{Context, ensure};
use clbmigrate_e2e::{Tools, User};
use clbmigrate_fault_proxy::{Fault, Match};
use clbmigrate_testbed::{StopMode, Validity};
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
    (
        "an API server that cuts connections in the middle is told",
        QUIET,
        "middle",
        cut_in_the_middle,
    ),
    ("an API server that is gone is told", SHAKY, "gone", gone),
];

fn missing(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.run("status --context nowhere")?
        .expect_code(1)?
        .expect_stderr("no context named \"nowhere\"")?
        .expect_stderr("contexts there are: a")?;
    let text = std::fs::read_to_string(user.kubeconfig())?;
    let server = user.cluster.api_server_url();
    let moved = user.file("moved", &text.replace(&server, "https://127.0.0.1:9"))?;
    user.with_kubeconfig(moved)
        .run("status")?
        .expect_code(1)?
        .expect_stderr("https://127.0.0.1:9 cannot be reached: connection refused")?;
    Ok(())
}

fn expired(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let file = user.cluster.kubeconfig_for("carol", &["ops"], Validity::Expired)?;
    user.with_kubeconfig(file)
        .run("status")?
        .expect_code(1)?
        .expect_stderr("does not accept the credentials of user a-carol")?
        .expect_stderr("its client certificate ends at")?;
    Ok(())
}

fn forbidden(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let nobody = user.cluster.kubeconfig_for("nobody", &["none"], Validity::Valid)?;
    let nobody = user.with_kubeconfig(nobody);
    nobody
        .run("status")?
        .expect_code(1)?
        .expect_stderr("services is forbidden")?
        .expect_stderr("clbmigrate-viewer")?;
    nobody.run("set web 40 --yes")?.expect_code(1)?.expect_stderr("forbidden")?;
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
        Ok((limited.run("status")?.code == 0).then_some(()))
    })?;
    limited
        .run("status")?
        .expect_code(0)?
        .expect_stdout("nonodes/web")?
        .expect_stderr("nodes may not be listed")?;
    limited.run("set web 40 --yes")?.expect_code(3)?.expect_stderr("cannot be computed")?;
    limited.run("set web 0 --yes")?.expect_code(0)?;
    ensure!(user.annotation("weight")? == "0");
    Ok(())
}

fn roles(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let file = clbmigrate_testbed::programs::workspace()?.join("deploy/people.yaml");
    user.cluster.run_kubectl(&["apply", "-f", &file.display().to_string()])?;
    let person = |name: &str, group: &str, role: &str| -> anyhow::Result<User<'_>> {
        let (role, group_flag) = (format!("--clusterrole={role}"), format!("--group={group}"));
        user.cluster.run_kubectl(&["create", "clusterrolebinding", group, &role, &group_flag])?;
        let file = user.cluster.kubeconfig_for(name, &[group], Validity::Valid)?;
        let person = user.with_kubeconfig(file);
        clbmigrate_testbed::try_wait_for("the role", std::time::Duration::from_secs(60), || {
            Ok((person.run("status")?.code == 0).then_some(()))
        })?;
        Ok(person)
    };
    let viewer = person("vera", "viewers", "clbmigrate-viewer")?;
    let seen = viewer.run("status -o json")?.expect_code(0)?;
    ensure!(!seen.stderr.contains("may not be"), "{}", seen.stderr);
    let seen = viewer.run("check")?.expect_code(0)?;
    ensure!(!seen.stderr.contains("may not be"), "{}", seen.stderr);
    viewer.run("set web 40 --yes")?.expect_code(1)?.expect_stderr("forbidden")?;
    ensure!(user.annotation("weight")? == "20");
    let operator = person("otto", "operators", "clbmigrate-operator")?;
    operator.run("set web 40 --yes")?.expect_code(0)?;
    operator.run("undo web --yes")?.expect_code(0)?;
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
            "clusters": [{"name": "exec", "cluster": {"server": user.cluster.api_server_url(),
                "insecure-skip-tls-verify": true}}],
            "users": [{"name": "exec", "user": {"exec": {
                "apiVersion": "client.authentication.k8s.io/v1", "command": command,
                "args": [argument], "interactiveMode": "Never"}}}],
            "contexts": [{"name": "exec", "context": {"cluster": "exec", "user": "exec"}}],
        })
        .to_string()
    };
    let good = user.file("exec-good", &config("cat", &credential.display().to_string()))?;
    user.with_kubeconfig(good).run("status")?.expect_code(0)?.expect_stdout("exec/web")?;
    let failing = user.file("exec-failing", &config("cat", "/nonexistent"))?;
    user.with_kubeconfig(failing)
        .run("status")?
        .expect_code(1)?
        .expect_stderr("credential plugin")?;
    let absent = user.file("exec-absent", &config("no-such-login", "x"))?;
    user.with_kubeconfig(absent)
        .run("status")?
        .expect_code(1)?
        .expect_stderr("cannot be started")?;
    Ok(())
}

fn two_files(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let empty = user.file("first", "apiVersion: v1\nkind: Config\ncontexts: []\n")?;
    let both = format!("{}:/nonexistent/config:{}", empty.display(), user.kubeconfig().display());
    let merged = user.with_kubeconfig(both);
    merged.run("status --context a")?.expect_code(0)?.expect_stdout("files/web")?;
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
        .run("status --contexts a,again")?
        .expect_code(2)?
        .expect_stderr("contexts a and again are one cluster")?;
    // Another address.
    let (proxied, _proxy) = user.behind_proxy_as("proxied")?;
    let both = format!("{}:{}", user.kubeconfig().display(), proxied.kubeconfig().display());
    user.with_kubeconfig(both)
        .run("status --contexts a,proxied")?
        .expect_code(2)?
        .expect_stderr("contexts a and proxied are one cluster")?;
    Ok(())
}

fn cut_in_the_middle(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (proxied, proxy) = user.behind_proxy()?;
    let _rule = proxy.add_rule(Match::method("GET").path("endpointslices"), Fault::CutBefore);
    proxied.run("status")?.expect_code(1)?.expect_stderr("cannot be reached")?;
    ensure!(proxied.run("set web 40 --yes")?.code == 1);
    ensure!(user.writes()? == 0);
    Ok(())
}

fn gone(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    user.cluster.stop_api_server(StopMode::Kill)?;
    let output = user.run("status");
    user.cluster.start_api_server(Validity::Expired)?;
    let with_expired = user.run("status");
    user.cluster.start_api_server(Validity::Valid)?;
    output?.expect_code(1)?.expect_stderr("cannot be reached: connection refused")?;
    with_expired?.expect_code(1)?.expect_stderr("has expired")?;
    Ok(())
}
