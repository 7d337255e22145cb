//! Somebody with kubectl and the plugin.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use clbmigrate_fault_proxy::{Gate, Upstream};
use clbmigrate_testbed::{Bed, Cluster, programs};
use serde_json::Value;

use crate::manifests::{KEYS, nodes, service, slice};

/// Long enough for anything that shall happen at all.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The programs under test, in a folder for PATH.
#[derive(Debug, Clone)]
pub struct Tools {
    folder: PathBuf,
    /// The double of CCM.
    pub ccm: PathBuf,
}

impl Tools {
    /// Builds them.
    pub fn build() -> anyhow::Result<Self> {
        let built = programs::build(&["kubectl-clbmigrate", "ccm-double"])?;
        let [plugin, ccm] = built.as_slice() else { anyhow::bail!("two programs, not {built:?}") };
        let folder = plugin.parent().context("the plugin's folder")?.to_owned();
        Ok(Self { folder, ccm: ccm.clone() })
    }

    /// Where the plugin is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// What a command left.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Demands an exit code.
    pub fn ends_with(self, code: i32) -> anyhow::Result<Self> {
        ensure!(
            self.code == code,
            "exit {} instead of {code}\n{}\n{}",
            self.code,
            self.out,
            self.err
        );
        Ok(self)
    }

    /// Demands words on standard output.
    pub fn says(self, words: &str) -> anyhow::Result<Self> {
        ensure!(self.out.contains(words), "no {words:?} in:\n{}\n{}", self.out, self.err);
        Ok(self)
    }

    /// Demands words on standard error.
    pub fn warns(self, words: &str) -> anyhow::Result<Self> {
        ensure!(self.err.contains(words), "no {words:?} in:\n{}", self.err);
        Ok(self)
    }

    /// Standard output as JSON of a schema in `docs/schema`.
    pub fn document(&self, schema: &str) -> anyhow::Result<Value> {
        let path = programs::workspace()?.join(format!("docs/schema/{schema}.schema.json"));
        let schema: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
        let document = self.json()?;
        let validator = jsonschema::validator_for(&schema)?;
        let problems = validator.iter_errors(&document).map(|error| error.to_string());
        let problems: Vec<String> = problems.collect();
        ensure!(problems.is_empty(), "{problems:?} in {document:#}");
        Ok(document)
    }

    /// Standard output as JSON.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.out).with_context(|| self.out.clone())
    }
}

/// A user of one cluster, in a namespace of its own with a migrated Service `web` of weight 20 over
/// two nodes.
#[derive(Debug, Clone)]
pub struct User<'b> {
    /// The cluster.
    pub cluster: Cluster<'b>,
    /// The namespace.
    pub namespace: String,
    kubeconfig: PathBuf,
    path: String,
}

impl<'b> User<'b> {
    /// An admin in a new namespace.
    pub fn new(
        bed: &'b Bed,
        tools: &Tools,
        cluster: &str,
        namespace: &str,
    ) -> anyhow::Result<Self> {
        let cluster = bed.cluster(cluster)?;
        let kubectl = cluster.program("kubectl");
        let path = [kubectl.parent().context("kubectl's folder")?, &tools.folder];
        let path = format!(
            "{}:{}:{}",
            path[1].display(),
            path[0].display(),
            env::var("PATH").unwrap_or_default()
        );
        let kubeconfig = cluster.kubeconfig();
        let user = Self { cluster, namespace: namespace.to_owned(), kubeconfig, path };
        user.cluster.ask(&["create", "namespace", namespace])?;
        user.apply(&service(namespace, "web", &[("weight", "20")]))?;
        user.apply(&slice(namespace, "web", &["n1", "n2"]))?;
        Ok(user)
    }

    /// Makes two nodes, Ready, with instances; once a cluster.
    pub fn make_nodes(cluster: &Cluster<'_>, all: &[(&str, &str)]) -> anyhow::Result<()> {
        cluster.apply(&nodes(all))?;
        let ready = r#"{"status":{"conditions":[{"type":"Ready","status":"True","reason":"Test","message":"","lastHeartbeatTime":"2026-01-01T00:00:00Z","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}"#;
        for (name, _) in all {
            cluster.ask(&[
                "patch",
                "node",
                name,
                "--subresource=status",
                "--type=merge",
                "-p",
                ready,
            ])?;
        }
        Ok(())
    }

    /// This user with another kubeconfig.
    #[must_use]
    pub fn with_kubeconfig(&self, kubeconfig: impl Into<PathBuf>) -> Self {
        Self { kubeconfig: kubeconfig.into(), ..self.clone() }
    }

    /// This user behind a gate, in a context of the same name.
    pub fn behind_gate(&self) -> anyhow::Result<(Self, Gate)> {
        self.behind_gate_as(self.cluster.name())
    }

    /// This user behind a gate, in a context of another name.
    pub fn behind_gate_as(&self, context: &str) -> anyhow::Result<(Self, Gate)> {
        let identity = self.cluster.client_certificate()?;
        let gate = Gate::start(&Upstream {
            url: self.cluster.server(),
            ca_pem: self.cluster.ca_pem()?,
            client_cert_pem: Some(identity.certificate),
            client_key_pem: Some(identity.key),
        })?;
        let file = self.file("gate.kubeconfig", &gate.kubeconfig(context))?;
        Ok((self.with_kubeconfig(file), gate))
    }

    /// Writes a file that belongs to the test.
    pub fn file(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let folder = self.cluster.kubeconfig();
        let folder = folder.parent().context("the cluster's folder")?;
        let file = folder.join(format!("{}-{name}", self.namespace));
        fs::write(&file, text)?;
        Ok(file)
    }

    /// The kubeconfig in use.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// `kubectl` with the plugin on PATH and these arguments, separated by spaces.
    pub fn kubectl(&self, arguments: &str) -> Command {
        let mut command = Command::new("kubectl");
        command.args(arguments.split_whitespace());
        self.dress(&mut command);
        command
    }

    /// Gives a command this user's environment.
    pub fn dress(&self, command: &mut Command) {
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "COLUMNS", "LC_ALL"] {
            command.env_remove(name);
        }
        command.env("PATH", &self.path).env("KUBECONFIG", &self.kubeconfig);
        command.env("LANG", "C.UTF-8").env("TERM", "xterm").stdin(Stdio::null());
    }

    /// The variables of this user's environment, for terminals.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PATH", self.path.clone()),
            ("KUBECONFIG", self.kubeconfig.display().to_string()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TERM", "xterm".to_owned()),
        ]
    }

    /// Runs `kubectl clbmigrate` in the namespace.
    pub fn runs(&self, arguments: &str) -> anyhow::Result<Ran> {
        ran(&mut self.clbmigrate(arguments))
    }

    /// `kubectl clbmigrate` in the namespace.
    pub fn clbmigrate(&self, arguments: &str) -> Command {
        self.kubectl(&format!("clbmigrate {arguments} -n {}", self.namespace))
    }

    /// Applies manifests as admin.
    pub fn apply(&self, manifests: &str) -> anyhow::Result<()> {
        self.cluster.apply(manifests)
    }

    /// An annotation of Service `web` under CCM's prefix, empty where there is none.
    pub fn annotation(&self, name: &str) -> anyhow::Result<String> {
        let object = self.web()?;
        let key = format!("{KEYS}{name}").replace('/', "~1");
        let value = object.pointer(&format!("/metadata/annotations/{key}"));
        Ok(value.and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// Service `web`.
    pub fn web(&self) -> anyhow::Result<Value> {
        let text =
            self.cluster.ask(&["get", "service", "web", "-n", &self.namespace, "-o", "json"])?;
        Ok(serde_json::from_str(&text)?)
    }

    /// How many writes of Service `web` the API server has stored that this tool made.
    pub fn writes(&self) -> anyhow::Result<usize> {
        let entries = self.cluster.audit()?;
        let ours = entries.iter().filter(|entry| {
            entry.is_write()
                && entry.resource == "services"
                && entry.namespace == self.namespace
                && entry.request_uri.contains("fieldManager=kubectl-clbmigrate")
        });
        Ok(ours.count())
    }
}

/// Runs a command to its end.
pub fn ran(command: &mut Command) -> anyhow::Result<Ran> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    Ok(Ran {
        code: output.status.code().context("ended by a signal")?,
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}
