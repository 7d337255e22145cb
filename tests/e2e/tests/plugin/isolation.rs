//! The environment of whoever runs the tests does not reach the programs under test.
//!
//! The test starts this executable again in an environment full of credentials, proxies and
//! kubeconfigs that all lead to one listener. There [`probe`] runs the plugin as tests do.

use std::{
    env, fs,
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context, ensure};
use clbmigrate_e2e::{Terminal, Tools, User};
use clbmigrate_testbed::environment;
use clbmigrate_testkit::run;
use serde_json::{Value, json};

use crate::{Case, QUIET};

pub const CASES: &[Case] =
    &[("the environment of whoever runs the tests is not read", QUIET, "isolated", isolated)];

/// Tells this executable to be the probe, and what to run.
const PROBE: &str = "CLBMIGRATE_ISOLATION_PROBE";

fn isolated(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let (address, connections) = listen()?;
    let poison = poison(user, address)?;
    let probed = |is_isolated: bool| {
        let own = user.environment();
        let value =
            |name: &str| own.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        let what = json!({
            "kubectl": user.cluster.program("kubectl"), "namespace": user.namespace,
            "isolated": is_isolated, "home": value("HOME"), "path": value("PATH"),
            "kubeconfig": value("KUBECONFIG"),
        });
        let mut command = Command::new(env::current_exe()?);
        command.envs(poison.iter().cloned()).env(PROBE, what.to_string());
        run(&mut command)?.expect_code(0)?.json()
    };
    let found = probed(true)?;
    ensure!(found["code"] == 0 && found["stderr"] == "", "{found}");
    let routes: Value = serde_json::from_str(found["stdout"].as_str().context("no output")?)?;
    ensure!(routes["routes"][0]["participants"][0]["name"] == "web", "{routes}");
    let screen = found["screen"].as_str().context("no screen")?;
    ensure!(screen.contains("isolated/web") && !screen.contains("CLB API of"), "{screen}");
    ensure!(connections.load(Ordering::SeqCst) == 0, "the environment led to the listener");

    // Where it does arrive, it leads there: the test would notice.
    let found = probed(false)?;
    ensure!(connections.load(Ordering::SeqCst) > 0, "nothing led to the listener: {found}");
    Ok(())
}

/// A listener that closes every connection, and the number of these.
fn listen() -> anyhow::Result<(SocketAddr, Arc<AtomicUsize>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, connections) = (listener.local_addr()?, Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&connections);
    thread::spawn(move || {
        for _ in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    Ok((address, connections))
}

/// Variables that lead programs to the listener.
fn poison(user: &User<'_>, listener: SocketAddr) -> anyhow::Result<Vec<(&'static str, String)>> {
    let url = format!("http://{listener}");
    let home = user.file("poisoned-home", "")?.with_extension("d");
    fs::create_dir_all(home.join(".aliyun"))?;
    fs::create_dir_all(home.join(".kube"))?;
    let profile = json!({"current": "default", "profiles": [{
        "name": "default", "mode": "AK", "region_id": "cn-bed",
        "access_key_id": "key-of-the-user", "access_key_secret": "secret-of-the-user",
    }]});
    fs::write(home.join(".aliyun/config.json"), profile.to_string())?;
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": format!("https://{listener}")}}],
        "users": [{"name": "a", "user": {}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    });
    let file = home.join(".kube/config");
    fs::write(&file, kubeconfig.to_string())?;
    let keys = [
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "ALIBABACLOUD_ACCESS_KEY_ID",
        "ALIBABACLOUD_ACCESS_KEY_SECRET",
        "ALICLOUD_ACCESS_KEY_ID",
        "ALICLOUD_ACCESS_KEY_SECRET",
        "ACCESS_KEY_ID",
        "ACCESS_KEY_SECRET",
    ];
    let urls = [
        "ALIBABA_CLOUD_ENDPOINT",
        "CLBMIGRATE_STS_ENDPOINT",
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
    ];
    let keys = keys.into_iter().map(|name| (name, "of-the-user".to_owned()));
    let urls = urls.into_iter().map(|name| (name, url.clone()));
    let files = [("HOME", &home), ("KUBECONFIG", &file)];
    let files = files.into_iter().map(|(name, path)| (name, path.display().to_string()));
    Ok(keys.chain(urls).chain(files).collect())
}

/// If this process is the probe: runs the plugin with and without a terminal, in the environment
/// that tests give it or in that of this process, and prints as JSON what it has written.
pub fn probe() -> Option<ExitCode> {
    let what = env::var(PROBE).ok()?;
    let (text, code) = match probed(&what) {
        Ok(found) => (found.to_string(), ExitCode::SUCCESS),
        Err(error) => (format!("{error:#}"), ExitCode::FAILURE),
    };
    // The test fails without it.
    let _ = writeln!(io::stdout(), "{text}");
    Some(code)
}

fn probed(what: &str) -> anyhow::Result<Value> {
    let what: Value = serde_json::from_str(what)?;
    let text = |name: &str| what[name].as_str().with_context(|| format!("no {name}"));
    let program = PathBuf::from(text("kubectl")?);
    let status = format!("clbmigrate status -n {}", text("namespace")?);
    let mut command = Command::new(&program);
    command.args(status.split_whitespace()).args(["-o", "json"]);
    command.env("PATH", text("path")?);
    if what["isolated"] == false {
        let output = run(&mut command)?;
        return Ok(json!({"code": output.code, "stderr": output.stderr}));
    }
    let mut variables = environment(Path::new(text("home")?));
    variables.retain(|(name, _)| *name != "PATH");
    variables.push(("PATH", text("path")?.to_owned()));
    variables.push(("KUBECONFIG", text("kubeconfig")?.to_owned()));
    let output = run(command.env_clear().envs(variables.iter().cloned()))?;
    let mut terminal = Terminal::open(&program, &variables, &status, 24, 120)?;
    terminal.ends()?;
    Ok(json!({
        "code": output.code, "stdout": output.stdout, "stderr": output.stderr,
        "screen": terminal.screen(),
    }))
}
