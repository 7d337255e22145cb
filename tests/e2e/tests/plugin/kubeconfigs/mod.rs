//! Kubeconfigs, proxies, credential plugins and connection flags: the plugin beside kubectl, on one
//! API server. Both connect, or both do not, and by the same way; a row that differs says why.

mod credentials;
mod files;
mod flags;
mod plugins;
mod proxies;
mod relay;

use std::{fs, path::Path, process::Command};

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use clbmigrate_e2e::User;
use clbmigrate_testbed::Identity;
use clbmigrate_testkit::run;
use serde_json::{Value, json};

use self::relay::{Door, Proxy};
use crate::{Case, QUIET};

pub const CASES: &[Case] = &[
    ("kubeconfigs: files are read as kubectl reads them", QUIET, "kc-files", files::compare),
    ("kubeconfigs: credentials are those of kubectl", QUIET, "kc-users", credentials::compare),
    (
        "kubeconfigs: credential plugins run as often as for kubectl",
        QUIET,
        "kc-exec",
        plugins::compare,
    ),
    ("kubeconfigs: proxies are those of kubectl", QUIET, "kc-proxies", proxies::compare),
    ("kubeconfigs: flags override as for kubectl", QUIET, "kc-flags", flags::compare),
];

/// What the rows of a test share.
struct Bench<'b> {
    user: User<'b>,
    /// The API server on another address.
    door: Door,
    /// A proxy that brings everything to the API server.
    proxy: Proxy,
    ca: String,
    identity: Identity,
    /// A token of a service account that may do everything.
    token: String,
}

/// A way to connect.
#[derive(Default)]
struct Row {
    name: &'static str,
    /// The text of a kubeconfig.
    kubeconfig: String,
    /// What `KUBECONFIG` is, where it is not that file; `{}` stands for its path.
    paths: &'static str,
    environment: Vec<(&'static str, String)>,
    flags: String,
    /// What comes of it for kubectl.
    kubectl: Outcome,
    /// What comes of it for the plugin, and why, where that differs.
    differs: Option<(Outcome, &'static str)>,
}

/// What comes of a way to connect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Outcome {
    /// It works, without a proxy.
    #[default]
    Works,
    /// It works, through the proxy.
    Proxied,
    /// It fails.
    Fails,
}

impl<'b> Bench<'b> {
    fn new(user: &User<'b>) -> anyhow::Result<Self> {
        let identity = user.cluster.client_certificate()?;
        let namespace = &user.namespace;
        let binding = format!("--serviceaccount={namespace}:default");
        user.cluster.run_kubectl(&[
            "create",
            "clusterrolebinding",
            namespace,
            "--clusterrole=cluster-admin",
            &binding,
        ])?;
        user.cluster.run_kubectl(&["create", "serviceaccount", "robot", "-n", namespace])?;
        let robot = format!("--serviceaccount={namespace}:robot");
        let name = format!("{namespace}-robot");
        user.cluster.run_kubectl(&[
            "create",
            "clusterrolebinding",
            &name,
            "--clusterrole=cluster-admin",
            &robot,
        ])?;
        let token = user.cluster.run_kubectl(&["create", "token", "robot", "-n", namespace])?;
        let upstream = user.cluster.api_server_url();
        let upstream = upstream.strip_prefix("https://").context("an address")?.to_owned();
        Ok(Self {
            ca: user.cluster.ca_pem()?,
            identity,
            token: token.trim().to_owned(),
            door: Door::open(&upstream)?,
            proxy: Proxy::start(&upstream)?,
            user: user.clone(),
        })
    }

    /// The API server's address, which is one of this machine's own.
    fn server(&self) -> String {
        self.user.cluster.api_server_url()
    }

    /// The host of [`Self::server`], which its certificate is for.
    fn host(&self) -> String {
        let server = self.server();
        server.trim_start_matches("https://").split(':').next().unwrap_or_default().to_owned()
    }

    /// The fields of a cluster that works.
    fn cluster(&self) -> Value {
        json!({"server": self.server(), "certificate-authority-data": BASE64.encode(&self.ca)})
    }

    /// The fields of the cluster at an address that no rule takes for this machine's own.
    fn elsewhere(&self) -> Value {
        with(&self.cluster(), json!({"server": self.door.url(), "tls-server-name": self.host()}))
    }

    /// The fields of a user that works.
    fn admin(&self) -> Value {
        json!({
            "client-certificate-data": BASE64.encode(&self.identity.certificate),
            "client-key-data": BASE64.encode(&self.identity.key),
        })
    }

    /// The fields of a user with the token.
    fn robot(&self) -> Value {
        json!({"token": self.token})
    }

    /// Writes a file that belongs to the test, and gives its name without its folder.
    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> anyhow::Result<String> {
        let path = self.user.file(name, "")?;
        fs::write(&path, text)?;
        let name = path.file_name().and_then(|name| name.to_str()).context("a name")?;
        Ok(name.to_owned())
    }

    /// Tries every row with kubectl and with the plugin.
    fn compare(&self, rows: &[Row]) -> anyhow::Result<()> {
        let mut wrong = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            let path = self.user.file(&format!("row-{number}"), &row.kubeconfig)?;
            for is_plugin in [false, true] {
                let (outcome, said) = self.try_row(row, &path, is_plugin)?;
                let expected = match row.differs {
                    Some((outcome, _)) if is_plugin => outcome,
                    _ => row.kubectl,
                };
                if outcome != expected {
                    let who = if is_plugin { "the plugin" } else { "kubectl" };
                    wrong.push(format!(
                        "{}: {who}: {outcome:?}, not {expected:?}: {said}",
                        row.name
                    ));
                }
                if is_plugin && said.contains("panicked") {
                    wrong.push(format!("{}: {said}", row.name));
                }
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    }

    fn try_row(
        &self,
        row: &Row,
        path: &Path,
        is_plugin: bool,
    ) -> anyhow::Result<(Outcome, String)> {
        let path = path.display().to_string();
        let paths = if row.paths.is_empty() { path } else { row.paths.replace("{}", &path) };
        let user = self.user.with_kubeconfig(paths);
        let namespace = &self.user.namespace;
        let verb = if is_plugin {
            format!("clbmigrate status -o json -n {namespace}")
        } else {
            // What `get svc` asks last, without the discovery before it.
            format!("get --raw /api/v1/namespaces/{namespace}/services")
        };
        let arguments = format!("{verb} {}", row.flags);
        let mut command = user.kubectl(&arguments);
        for (name, value) in &row.environment {
            command.env(name, value);
        }
        let before = self.proxy.connections();
        let output = run(&mut command)?;
        let is_proxied = self.proxy.connections() > before;
        let outcome = match (output.code, is_proxied) {
            (0, false) => Outcome::Works,
            (0, true) => Outcome::Proxied,
            _ => Outcome::Fails,
        };
        Ok((outcome, output.stderr))
    }
}

/// Fields with others over them.
fn with(fields: &Value, more: Value) -> Value {
    let mut all = fields.clone();
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all
}

/// A kubeconfig of one context.
fn config(cluster: &Value, user: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": cluster}],
        "users": [{"name": "x", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    })
}

/// A row of one context.
fn row(name: &'static str, cluster: &Value, user: &Value) -> Row {
    Row { name, kubeconfig: config(cluster, user).to_string(), ..Row::default() }
}

/// Runs `openssl`, which has to succeed.
fn openssl(folder: &Path, arguments: &str) -> anyhow::Result<()> {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments.split_whitespace());
    let output = run(&mut command)?;
    if output.code != 0 {
        bail!("openssl {arguments}: {}", output.stderr);
    }
    Ok(())
}
