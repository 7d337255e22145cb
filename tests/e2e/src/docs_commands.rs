//! Commands that the project's pages tell users to run.

use std::{env, fs, path::Path, process::Command};

use anyhow::{Context, ensure};
use clbmigrate_testbed::{Cluster, programs::workspace};

use crate::{
    helm::Helm,
    user::{Ran, Tools, ran},
};

/// The commands below a heading of a page: a string for each block, as they stand there.
pub fn commands(page: &str, heading: &str) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(workspace()?.join(page))?;
    let (_, section) =
        text.split_once(&format!("# {heading}\n")).with_context(|| format!("{page}: {heading}"))?;
    let section = section.split("\n#").next().unwrap_or_default();
    let blocks = section.split("```").skip(1).step_by(2);
    let blocks: Vec<String> = blocks
        .filter_map(|block| block.split_once('\n'))
        .map(|(_, commands)| commands.to_owned())
        .collect();
    ensure!(!blocks.is_empty(), "{page}: {heading}: no commands");
    Ok(blocks)
}

/// Runs a [`shell_command`] to its end.
pub fn shell(
    cluster: &Cluster<'_>,
    tools: &Tools,
    helm: &Helm,
    script: &str,
) -> anyhow::Result<Ran> {
    ran(&mut shell_command(cluster, tools, helm, script)?)
}

/// A shell with a script, as a user would run it: where the project's folder is, with kubectl, the
/// plugin and helm on PATH, as admin of a cluster.
pub fn shell_command(
    cluster: &Cluster<'_>,
    tools: &Tools,
    helm: &Helm,
    script: &str,
) -> anyhow::Result<Command> {
    let kubectl = cluster.program("kubectl");
    let folders = [kubectl.parent().context("kubectl")?, tools.folder(), helm.folder()?];
    let known = env::var_os("PATH").unwrap_or_default();
    let path = folders.map(Path::to_owned).into_iter().chain(env::split_paths(&known));
    let mut shell = cluster.command("sh");
    shell.args(["-ec", script]).env("PATH", env::join_paths(path)?).current_dir(workspace()?);
    Ok(shell)
}
