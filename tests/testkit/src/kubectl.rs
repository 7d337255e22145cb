//! kubectl, as its users run it.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::Context;
use clbmigrate_testbed::{Cluster, programs::workspace, try_wait_for};

use crate::{CommandOutput, run};

/// The number of the next file with a manifest.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The end of the denial of a Service whose claims cannot be settled now.
const UNSETTLED: &str = "Fix: try again.";

/// kubectl of a cluster's version, with further programs on its PATH. Its environment holds nothing
/// of the user's who runs the tests, see [`Cluster::environment`].
#[derive(Debug, Clone)]
pub struct Kubectl<'b> {
    /// The cluster whose version of kubectl this is.
    pub cluster: Cluster<'b>,
    kubeconfig: PathBuf,
    path: String,
}

impl<'b> Kubectl<'b> {
    /// kubectl as the cluster's admin. Its plugins and other programs are looked for in these
    /// folders first.
    pub fn new(cluster: Cluster<'b>, folders: &[&Path]) -> anyhow::Result<Self> {
        let kubectl = cluster.program("kubectl");
        let known = env::var_os("PATH").unwrap_or_default();
        let folders = folders.iter().copied().chain(kubectl.parent());
        let folders = folders.map(Path::to_owned).chain(env::split_paths(&known));
        let path = env::join_paths(folders)?.into_string().ok().context("PATH is not UTF-8")?;
        Ok(Self { kubeconfig: cluster.kubeconfig(), cluster, path })
    }

    /// The same with another kubeconfig, or several, separated by colons.
    #[must_use]
    pub fn with_kubeconfig(&self, kubeconfig: impl Into<PathBuf>) -> Self {
        Self { kubeconfig: kubeconfig.into(), ..self.clone() }
    }

    /// The kubeconfig in use.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The whole environment, for those who start a program themselves.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.cluster.environment();
        variables.retain(|(name, _)| !["PATH", "KUBECONFIG"].contains(name));
        variables.push(("PATH", self.path.clone()));
        variables.push(("KUBECONFIG", self.kubeconfig.display().to_string()));
        variables
    }

    /// A command for kubectl with these arguments, separated by spaces.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = self.program(self.cluster.program("kubectl"));
        command.args(arguments.split_whitespace());
        command
    }

    /// Runs kubectl with these arguments, separated by spaces, and with a manifest unless it is
    /// empty.
    pub fn run(&self, arguments: &str, manifest: &str) -> anyhow::Result<CommandOutput> {
        let mut command = self.command(arguments);
        if manifest.is_empty() {
            return run(&mut command);
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("manifest-{}-{number}.yaml", std::process::id());
        let file = self.cluster.kubeconfig().with_file_name(name);
        fs::write(&file, manifest)?;
        let output = run(command.arg("-f").arg(&file));
        fs::remove_file(&file)?;
        output
    }

    /// The same, again as long as the webhook says so, as users and their tools do: on a busy machine the
    /// API server may take longer to settle a claim than the webhook waits. `limit` bounds the tries.
    pub fn run_until_settled(
        &self,
        arguments: &str,
        manifest: &str,
        limit: Duration,
    ) -> anyhow::Result<CommandOutput> {
        try_wait_for("claims to be settled", limit, || {
            let output = self.run(arguments, manifest)?;
            Ok((!output.stderr.contains(UNSETTLED)).then_some(output))
        })
    }

    /// A shell with a script, as a user would run it in the project's folder, with kubectl and the
    /// further programs on PATH. It ends at the first command that fails.
    pub fn shell_command(&self, script: &str) -> anyhow::Result<Command> {
        let mut shell = self.program("sh");
        shell.args(["-ec", script]).current_dir(workspace()?);
        Ok(shell)
    }

    /// Runs a [`Self::shell_command`] to its end.
    pub fn shell(&self, script: &str) -> anyhow::Result<CommandOutput> {
        run(&mut self.shell_command(script)?)
    }

    /// A command for another program in the same environment, such as a plugin without kubectl before it.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.cluster.command(program);
        command.env_clear().envs(self.environment()).stdin(Stdio::null());
        command
    }
}
