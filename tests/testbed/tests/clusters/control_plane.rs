//! Beds of control planes only.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, ensure};
use clbmigrate_testbed::suite::{SharedTestbed, trial};
use clbmigrate_testbed::{
    Cluster, Network, Plan, Size, StopMode, Testbed, Validity, Version, faked_clock, try_wait_for,
};
use libtest_mimic::Trial;

/// How long anything may take before a test fails.
const DEADLINE: Duration = Duration::from_secs(60);

/// The API server of cluster `c` is stopped by several tests, one after the other.
static API_SERVER_OF_C: Mutex<()> = Mutex::new(());

/// What they share.
pub fn testbed() -> Arc<SharedTestbed> {
    let plan = Plan::new()
        .cluster("a", Version::NEWEST)
        .cluster("b", Version::OLDEST)
        .cluster("c", Version::NEWEST);
    SharedTestbed::new(plan)
}

pub fn trials(shared: &Arc<SharedTestbed>) -> Vec<Trial> {
    vec![
        shared
            .trial("a developer may do nothing until it is allowed, the admin everything", rights),
        shared.trial("a user of any name in two groups can be made", any_user),
        shared.trial("an expired client certificate is refused", expired_client),
        shared.trial("one kubeconfig has a context for every cluster", contexts),
        shared.trial("the audit log tells a write from a dry run", audit),
        shared.trial("a killed API server refuses, and comes back with its objects", killed),
        shared.trial("an API server with an expired certificate is not trusted", expired_server),
        shared.trial("a program believes in the clock that it is given", clock),
        trial("two testbeds run at once and do not meet", Size::ControlPlane, two_testbeds),
        trial(
            "a start that takes too long shows a log and leaves nothing",
            Size::ControlPlane,
            late,
        ),
    ]
}

fn refusal(asked: anyhow::Result<String>) -> anyhow::Result<String> {
    match asked {
        Ok(answer) => anyhow::bail!("it was not refused: {answer}"),
        Err(error) => Ok(format!("{error:#}")),
    }
}

fn as_user(
    cluster: &Cluster<'_>,
    kubeconfig: &std::path::Path,
    arguments: &[&str],
) -> anyhow::Result<String> {
    let output = cluster.kubectl().env("KUBECONFIG", kubeconfig).args(arguments).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn rights(testbed: &Testbed) -> anyhow::Result<()> {
    let cluster = testbed.cluster("a")?;
    let developer = cluster.developer_kubeconfig();
    let get = ["get", "services", "-n", "default", "-o", "name"];
    ensure!(cluster.run_kubectl(&get)?.contains("service/kubernetes"));
    let refused = refusal(as_user(&cluster, &developer, &get))?;
    ensure!(refused.contains(r#"User "developer" cannot list resource "services""#), "{refused}");

    cluster.run_kubectl(&[
        "create",
        "rolebinding",
        "view",
        "--clusterrole=view",
        "--group=developers",
    ])?;
    try_wait_for("the right to take effect", DEADLINE, || {
        Ok(as_user(&cluster, &developer, &get).ok())
    })?;
    refusal(as_user(&cluster, &developer, &["delete", "service", "kubernetes"])).map(drop)
}

fn any_user(testbed: &Testbed) -> anyhow::Result<()> {
    let cluster = testbed.cluster("a")?;
    let user = cluster.kubeconfig_for("ops:alice/night", &["ops", "night"], Validity::Valid)?;
    let output = as_user(&cluster, &user, &["auth", "whoami", "-o", "json"])?;
    let output: serde_json::Value = serde_json::from_str(&output)?;
    let info = &output["status"]["userInfo"];
    ensure!(info["username"] == "ops:alice/night", "{info}");
    let groups = info["groups"].as_array().context("no groups")?;
    ensure!(["ops", "night"].iter().all(|group| groups.iter().any(|g| g == group)), "{info}");

    let three = cluster.kubeconfig_for("bob", &["a", "b", "c"], Validity::Valid);
    let output = three.map_or_else(|error| error.to_string(), |file| file.display().to_string());
    ensure!(output.contains("two groups at most"), "{output}");
    Ok(())
}

fn expired_client(testbed: &Testbed) -> anyhow::Result<()> {
    let cluster = testbed.cluster("a")?;
    let get = ["get", "--raw", "/api"];
    let good = cluster.kubeconfig_for("carol", &["system:masters"], Validity::Valid)?;
    as_user(&cluster, &good, &get)?;
    let expired = cluster.kubeconfig_for("carol", &["system:masters"], Validity::Expired)?;
    let refused = refusal(as_user(&cluster, &expired, &get))?;
    ensure!(refused.contains("must be logged in") || refused.contains("Unauthorized"), "{refused}");
    Ok(())
}

fn contexts(testbed: &Testbed) -> anyhow::Result<()> {
    for (name, version) in [("a", Version::NEWEST), ("b", Version::OLDEST)] {
        let cluster = testbed.cluster(name)?;
        let arguments = ["--context", name, "get", "--raw", "/version"];
        let output = as_user(&cluster, &testbed.kubeconfig(), &arguments)?;
        ensure!(output.contains(&format!(r#""gitVersion": "{version}""#)), "{output}");
        let refused = refusal(as_user(
            &cluster,
            &testbed.developer_kubeconfig(),
            &["--context", name, "get", "ns"],
        ))?;
        ensure!(refused.contains("Forbidden"), "{refused}");
    }
    Ok(())
}

fn audit(testbed: &Testbed) -> anyhow::Result<()> {
    let cluster = testbed.cluster("a")?;
    let writes = || -> anyhow::Result<Vec<_>> {
        let entries = cluster.audit()?;
        let ours = |entry: &clbmigrate_testbed::AuditEntry| {
            entry.resource == "configmaps" && entry.name == "audited" && entry.verb != "get"
        };
        Ok(entries.into_iter().filter(ours).collect())
    };
    let create = ["create", "configmap", "audited", "-n", "default"];
    cluster.run_kubectl(&[&create[..], &["--dry-run=server"]].concat())?;
    let dry = writes()?;
    ensure!(dry.iter().all(|entry| entry.dry_run && !entry.is_write()), "{dry:?}");

    cluster.run_kubectl(&create)?;
    let found = writes()?;
    let written = found.iter().filter(|entry| entry.is_write()).collect::<Vec<_>>();
    ensure!(written.len() == 1, "{found:?}");
    let entry = written[0];
    ensure!(entry.verb == "create" && entry.namespace == "default", "{entry:?}");
    ensure!(entry.user == "admin" && entry.code == 201, "{entry:?}");
    ensure!(entry.user_agent.starts_with("kubectl/"), "{entry:?}");
    Ok(())
}

fn address(cluster: &Cluster<'_>) -> anyhow::Result<SocketAddr> {
    Ok(cluster.api_server_url().trim_start_matches("https://").parse()?)
}

fn killed(testbed: &Testbed) -> anyhow::Result<()> {
    let _alone = API_SERVER_OF_C.lock().unwrap_or_else(PoisonError::into_inner);
    let cluster = testbed.cluster("c")?;
    cluster.run_kubectl(&["create", "namespace", "kept"])?;

    cluster.stop_api_server(StopMode::Kill)?;
    let refused = TcpStream::connect(address(&cluster)?).map_err(|error| error.kind());
    ensure!(refused.err() == Some(std::io::ErrorKind::ConnectionRefused));
    let again = cluster.stop_api_server(StopMode::Kill);
    ensure!(again.is_err_and(|error| format!("{error:#}").contains("ended with")));

    cluster.start_api_server(Validity::Valid)?;
    cluster.run_kubectl(&["get", "namespace", "kept"])?;

    cluster.stop_api_server(StopMode::Hang)?;
    TcpStream::connect(address(&cluster)?).context("a hanging server has stopped listening")?;
    let silent = refusal(cluster.run_kubectl(&["get", "ns", "kept", "--request-timeout=1s"]))?;
    ensure!(silent.contains("imeout"), "{silent}");
    cluster.start_api_server(Validity::Valid)?;
    cluster.run_kubectl(&["get", "namespace", "kept"]).map(drop)
}

fn expired_server(testbed: &Testbed) -> anyhow::Result<()> {
    let _alone = API_SERVER_OF_C.lock().unwrap_or_else(PoisonError::into_inner);
    let cluster = testbed.cluster("c")?;
    cluster.start_api_server(Validity::Expired)?;
    let refused = refusal(cluster.run_kubectl(&["get", "namespaces"]))?;
    ensure!(refused.contains("certificate has expired"), "{refused}");
    cluster.start_api_server(Validity::Valid)?;
    cluster.run_kubectl(&["get", "namespaces"]).map(drop)
}

fn clock(testbed: &Testbed) -> anyhow::Result<()> {
    let seconds = |command: &mut Command| -> anyhow::Result<i64> {
        Ok(String::from_utf8(command.arg("+%s").output()?.stdout)?.trim().parse()?)
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let now = i64::try_from(now)?;
    let mut date = testbed.command_in(Network::Internet, "date")?;
    ensure!((seconds(&mut date)? - now).abs() < 300);
    for (offset, hours) in [("+1h", 1), ("-90m", -1)] {
        let mut date = testbed.command_in(Network::Internet, "date")?;
        faked_clock(&mut date, offset)?;
        let found = seconds(&mut date)? - now;
        ensure!(found.abs() > 3300 && found.signum() == hours, "{offset}: {found} s");
    }
    Ok(())
}

fn two_testbeds() -> anyhow::Result<()> {
    let plan = Plan::new().cluster("a", Version::NEWEST);
    let (one, two) = (Testbed::start(&plan)?, Testbed::start(&plan)?);
    ensure!(one.number() != two.number());
    one.cluster("a")?.run_kubectl(&["create", "namespace", "only-here"])?;
    refusal(two.cluster("a")?.run_kubectl(&["get", "namespace", "only-here"]))?;
    let folder = one.folder().to_owned();
    one.stop()?;
    ensure!(!folder.exists());
    two.cluster("a")?.run_kubectl(&["get", "namespaces"])?;
    two.stop()
}

fn late() -> anyhow::Result<()> {
    let plan = Plan::new().cluster("a", Version::NEWEST).deadline(Duration::ZERO);
    let output = match Testbed::start(&plan) {
        Ok(testbed) => anyhow::bail!("bed {} was Ready at once", testbed.number()),
        Err(error) => format!("{error:#}"),
    };
    ensure!(output.contains("the API server to be ready within 0 s"), "{output}");
    let (_, log) = output.split_once("the end of ").context(output.clone())?;
    let log = log.split_once(':').map_or("", |(log, _)| log);
    ensure!(log.ends_with("a-kube-apiserver.log"), "{output}");
    ensure!(!std::path::Path::new(log).exists(), "{log} is left");
    Ok(())
}
